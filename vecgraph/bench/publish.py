"""asv's dashboard, made to work without a network.

`asv publish` writes static files, but its page loads ten scripts and styles from public servers,
and shows an error page where it cannot. They are part of this package instead (`vendor`, with
their licences); what is asv's own is not changed, save for the addresses in its page.

asv-tachyon, a newer front end over the same files, needs no network either, but has no parameter
as the axis of a plot and no logarithmic scale: the crossover of a batch against one run at a time
cannot be seen in it. It also asks for files that asv does not write.
"""

from __future__ import annotations

import hashlib
import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from vecgraph.bench.results import refuse_private
from vecgraph.bench.settings import BenchError, Settings, run_asv

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

__all__ = ["Vendored", "find_remote", "localise", "publish", "vendored"]

FOLDER = "vendor"
REMOTE = re.compile(r"https?:" + r"//[^\s\"'<>)]+")
# A script, or a style sheet, that has a whole address.
LOADED = re.compile(
    r"<script\b[^>]*?\bsrc=\"(?P<script>https?:[^\"]+)\"[^>]*>\s*</script>"
    r"|<link\b[^>]*?\bhref=\"(?P<style>https?:[^\"]+)\"[^>]*>"
)
LINK = re.compile(r"(<a\b[^>]*?\bhref=)\"https?:[^\"]*\"")


class Vendored(NamedTuple):
    """One file of another project, as `SOURCES.json` lists it.

    `file` is its name here and `sha256` its digest; `replaces` is the end of the address that asv
    has; `npm` is the package and version that it was taken from, at `path`; `licence` is the name
    of the file that has its terms.
    """

    file: str
    replaces: str
    npm: str
    path: str
    licence: str
    sha256: str


def _vendor() -> Traversable:
    return files("vecgraph.bench") / FOLDER


def vendored() -> list[Vendored]:
    """List the files of others that the dashboard needs."""
    listed = json.loads((_vendor() / "SOURCES.json").read_text(encoding="utf-8"))
    return [Vendored(**entry) for entry in listed]


def publish(settings: Settings, html_dir: Path) -> int:
    """Turn all results into a dashboard that loads nothing from elsewhere.

    Parameters
    ----------
    settings : Settings
        Of the project.
    html_dir : Path
        Folder to write; what a former dashboard left there is replaced.

    Returns
    -------
    int
        Number of commits that the dashboard shows.

    Raises
    ------
    BenchError
        There is nothing to publish, or it would publish a path or a host name, or the folder holds
        something else, or asv fails, or its page has changed and still needs the network.
    """
    if not (settings.results_dir / "benchmarks.json").is_file():
        raise BenchError("no results to publish: measure with `vecgraph bench run`")
    refuse_private(settings.results_dir)
    if html_dir.exists() and any(html_dir.iterdir()) and not (html_dir / "asv.js").is_file():
        raise BenchError(
            f"{html_dir.name} holds something else than a dashboard, and asv would delete it: "
            "choose a new folder with --html"
        )
    code = run_asv(settings, "publish", "--no-pull", "--html-dir", str(html_dir))
    if code:
        raise BenchError(f"asv publish failed with exit code {code}; its message is above")
    localise(html_dir)
    remote = find_remote(html_dir)
    if remote:
        raise BenchError(f"the dashboard would load from elsewhere: {'; '.join(remote[:3])}")
    index = json.loads((html_dir / "index.json").read_text(encoding="utf-8"))
    if not index["graph_param_list"]:
        raise BenchError(
            f"none of the measured commits is on {', '.join(settings.branches)}, so the dashboard "
            "is empty: measure a commit of that branch, or name yours under `branches` in "
            f"{settings.path.name}"
        )
    return len(index["revision_to_hash"])


def localise(html_dir: Path) -> None:
    """Put the vendored files beside asv's page, and make the page load those.

    Raises
    ------
    BenchError
        The page loads something that is not vendored: asv has changed.
    """
    known = vendored()
    folder = html_dir / FOLDER
    folder.mkdir(exist_ok=True)
    for one in known:
        for name in (one.file, one.licence):
            (folder / name).write_bytes((_vendor() / name).read_bytes())

    def local(found: re.Match[str]) -> str:
        address = found["script"] or found["style"]
        chosen = [one.file for one in known if address.endswith(one.replaces)]
        if not chosen:
            raise BenchError(
                f"asv's dashboard loads {address.rpartition('/')[2]}, in a version that is not "
                "vendored: add it to vecgraph/bench/vendor, or install the asv of the bench extra"
            )
        # A digest is for what others serve, and a cross-origin request fails from a local file.
        if found["script"]:
            return f'<script src="{FOLDER}/{chosen[0]}" onerror="js_load_failure()"></script>'
        return f'<link rel="stylesheet" href="{FOLDER}/{chosen[0]}">'

    page = html_dir / "index.html"
    text = LOADED.sub(local, page.read_text(encoding="utf-8"))
    # asv's own link to its source: nobody loads it, but nobody can follow it offline either.
    page.write_text(LINK.sub(r'\1"#/"', text), encoding="utf-8")


def find_remote(html_dir: Path) -> list[str]:
    """List addresses of other servers in what a browser loads, as ``file: address``.

    Data (JSON, and the feed's name spaces) is not code that loads; the vendored files name their
    projects in comments, so they are compared with their digests instead.
    """
    digests = {one.file: one.sha256 for one in vendored()}
    found = []
    for path in sorted(html_dir.rglob("*")):
        if path.suffix not in {".html", ".js", ".css"}:
            continue
        name = path.relative_to(html_dir).as_posix()
        if path.parent == html_dir / FOLDER:
            if hashlib.sha256(path.read_bytes()).hexdigest() != digests.get(path.name):
                found.append(f"{name}: not the file that was vendored")
            continue
        text = path.read_text(encoding="utf-8")
        found += [f"{name}: {address}" for address in REMOTE.findall(text)]
    return found
