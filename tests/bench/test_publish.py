"""The published dashboard loads nothing from elsewhere and tells nothing about this host."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from vecgraph.bench.publish import find_remote, localise, vendored
from vecgraph.cli import main

pytest.importorskip("asv", reason="the bench extra is not installed")


def publish(folder: Path, *options: str) -> str:
    """Output of `vecgraph bench publish`, which must succeed."""
    config = ["--config", str(folder / "asv.conf.json")]
    done = CliRunner().invoke(main, ["bench", "publish", *config, *options])
    assert done.exit_code == 0, done.output
    return done.output


def refused(folder: Path, *options: str) -> str:
    config = ["--config", str(folder / "asv.conf.json")]
    done = CliRunner().invoke(main, ["bench", "publish", *config, *options])
    assert done.exit_code == 1
    return done.output


def asv_page() -> str:
    """The page as this version of asv has it."""
    return (files("asv") / "www" / "index.html").read_text(encoding="utf-8")


def test_published_dashboard_has_no_address_of_another_server(toy: Path) -> None:
    assert "3 commits" in publish(toy)
    assert find_remote(toy / "html") == []
    assert "https:" not in (toy / "html" / "index.html").read_text()
    graphs = list((toy / "html" / "graphs").rglob("toy.Toy.track_cost.json"))
    assert graphs, "no graph was published"


def test_every_file_that_asv_loads_is_vendored_with_its_licence(toy: Path) -> None:
    publish(toy)
    page = (toy / "html" / "index.html").read_text()
    loaded = re.findall(r'(?:src|href)="(vendor/[^"]+)"', page)
    assert len(loaded) == len(re.findall(r"integrity=", asv_page())) == len(vendored())
    for one in vendored():
        assert f"vendor/{one.file}" in loaded
        assert "ermission is hereby granted" in (toy / "html" / "vendor" / one.licence).read_text()


def test_vendored_files_are_those_that_asv_asks_for() -> None:
    """asv states digests; flot comes unminified from npm, and its sorter in a later version."""
    asked = dict(re.findall(r'(?:src|href)="https:([^"]+)" integrity="([^"]+)"', asv_page()))
    same = set()
    for one in vendored():
        digest = next(value for address, value in asked.items() if address.endswith(one.replaces))
        kind, _, expected = digest.partition("-")
        content = (files("vecgraph.bench") / "vendor" / one.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one.sha256
        if base64.b64encode(hashlib.new(kind, content).digest()).decode() == expected:
            same.add(one.npm.partition("@")[0])
    assert same == {"jquery", "flot-orderbars", "blueimp-md5", "bootstrap"}


def test_the_folder_of_vendored_files_holds_nothing_else() -> None:
    known = {one.file for one in vendored()} | {one.licence for one in vendored()}
    found = {path.name for path in (files("vecgraph.bench") / "vendor").iterdir()}
    assert found == known | {"SOURCES.json"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("asv.js", "$.getScript('https:" + "//elsewhere.example/x.js')"),
        ("asv.css", "@import url(http:" + "//elsewhere.example/x.css);"),
        ("vendor/jquery-3.3.1.min.js", "/* changed */"),
    ],
)
def test_an_address_that_is_left_is_found(toy: Path, name: str, text: str) -> None:
    publish(toy)
    path = toy / "html" / name
    path.write_text(path.read_text() + text)
    assert [found.partition(":")[0] for found in find_remote(toy / "html")] == [name]


def test_a_script_that_is_not_vendored_is_refused(tmp_path: Path) -> None:
    page = asv_page().replace("jquery-3.3.1.min.js", "jquery-4.0.0.min.js")
    (tmp_path / "index.html").write_text(page)
    with pytest.raises(Exception, match=r"jquery-4\.0\.0\.min\.js, in a version that is not"):
        localise(tmp_path)


def test_results_that_tell_the_path_of_an_interpreter_are_refused(measured: Path) -> None:
    """What asv writes for `existing`, unchanged."""
    output = refused(measured)
    assert "3 result files tell a path" in output
    assert not (measured / "html").exists()


def test_results_under_the_name_of_this_host_are_refused(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.node", lambda: "toy-1cpu")
    assert "the name of this host" in refused(toy)


def test_a_folder_with_something_else_is_not_overwritten(toy: Path) -> None:
    """asv deletes the folder that it publishes to."""
    (toy / "letters").mkdir()
    (toy / "letters" / "dear.txt").write_text("x")
    assert "holds something else" in refused(toy, "--html", str(toy / "letters"))
    assert (toy / "letters" / "dear.txt").read_text() == "x"


def test_publishing_again_replaces_the_dashboard(toy: Path) -> None:
    publish(toy, "--html", str(toy / "elsewhere"))
    publish(toy, "--html", str(toy / "elsewhere"))
    assert (toy / "elsewhere" / "vendor").is_dir()
    assert not (toy / "html").exists()


def test_results_of_other_branches_alone_are_not_an_empty_dashboard(toy: Path) -> None:
    config = json.loads((toy / "asv.conf.json").read_text())
    shutil.copytree(toy / "results", toy / "kept")
    for path in (toy / "kept" / "toy-1cpu").glob("*-virtualenv*.json"):
        found = json.loads(path.read_text())
        found["commit_hash"] = "0" * 40
        path.write_text(json.dumps(found))
    (toy / "asv.conf.json").write_text(json.dumps({**config, "results_dir": "kept"}))
    assert "none of the measured commits is on main" in refused(toy)


def test_without_results_there_is_nothing_to_publish(toy: Path) -> None:
    shutil.rmtree(toy / "results")
    assert "no results to publish" in refused(toy)
