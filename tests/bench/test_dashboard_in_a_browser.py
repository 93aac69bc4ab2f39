"""The dashboard in headless Chromium, which can reach nothing but this machine's loopback."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vecgraph.cli import main

pytest.importorskip("asv", reason="the bench extra is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="the browser extra is not installed")

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Every other name fails at once, and is then seen as a failed request.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# A canvas that flot has drawn the axes and lines on has pixels that are not transparent.
PAINTED = """
() => [...document.querySelectorAll('#main-graph canvas.flot-base')].map(canvas => {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const colours = new Set();
    for (let i = 0; i < data.length; i += 4)
        if (data[i + 3]) colours.add(data.slice(i, i + 3).join());
    return colours.size;
})
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and writes nothing to stderr."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium on the path, under any of the names {', '.join(NAMES)}")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Seen:
    """What a page asked for, and what went wrong."""

    page: Any
    base: str
    urls: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.urls.append(request.url))
        self.page.on("requestfailed", lambda request: self.wrong.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("response", self.answered)

    def answered(self, response: Any) -> None:
        if response.status >= 400:
            self.wrong.append(f"{response.status} {response.url}")

    def elsewhere(self) -> list[str]:
        return [url for url in self.urls if not url.startswith((self.base, "data:"))]


@pytest.fixture
def seen(toy: Path, browser: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """A new page, and a server of the dashboard of the toy project."""
    monkeypatch.chdir(toy)
    done = CliRunner().invoke(main, ["bench", "publish"])
    assert done.exit_code == 0, done.output
    handler = functools.partial(Quiet, directory=str(toy / "html"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        page = browser.new_page()
        try:
            yield Seen(page, f"http://127.0.0.1:{server.server_port}/")
        finally:
            page.close()
            server.shutdown()
            thread.join()


def test_a_graph_is_drawn_and_nothing_fails_or_leaves_this_machine(seen: Seen) -> None:
    page = seen.page
    page.goto(seen.base + "#toy.Toy.track_cost")
    page.wait_for_selector("#main-graph canvas.flot-base")
    page.wait_for_load_state("networkidle")
    colours = page.evaluate(PAINTED)
    assert colours
    assert max(colours) > 2
    assert (seen.elsewhere(), seen.wrong) == ([], [])
    assert any("/toy.Toy.track_cost.json" in url for url in seen.urls)


def test_forms_of_a_benchmark_are_lines_over_the_number_of_runs(seen: Seen) -> None:
    """What the crossover needs: a parameter as the axis, and one line a form."""
    page = seen.page
    page.goto(seen.base + "#toy.Toy.track_cost?x-axis=n_runs&p-form='vector'&p-form='numpy'")
    page.wait_for_selector("#main-graph canvas.flot-base")
    page.wait_for_load_state("networkidle")
    assert max(page.evaluate(PAINTED)) > 2
    assert "n_runs" in page.inner_text("#main-graph, #graphdisplay-navigation")
    assert (seen.elsewhere(), seen.wrong) == ([], [])


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("#/", "#summarygrid-display canvas"),
        ("#/summarylist", "#summarylist-body tbody tr"),
        ("#/regressions", "#regressions-body"),
    ],
)
def test_every_view_loads_from_this_machine_alone(seen: Seen, view: str, shown: str) -> None:
    seen.page.goto(seen.base + view)
    seen.page.wait_for_selector(shown, state="attached")
    seen.page.wait_for_load_state("networkidle")
    assert "error.html" not in seen.page.url
    assert (seen.elsewhere(), seen.wrong) == ([], [])


def test_the_list_of_benchmarks_can_be_sorted(seen: Seen) -> None:
    """The sorter is vendored in a later version than asv asks for."""
    page = seen.page
    page.goto(seen.base + "#/summarylist")
    header = page.wait_for_selector("#summarylist-body thead th")
    header.click()
    page.wait_for_function("location.hash.includes('sort=')")
    assert seen.wrong == []


def test_the_page_as_asv_writes_it_is_seen_to_fail(seen: Seen, toy: Path) -> None:
    """So that the tests above can fail: without the vendored files, Chromium reports ten."""
    from importlib.resources import files

    page = (files("asv") / "www" / "index.html").read_text(encoding="utf-8")
    (toy / "html" / "index.html").write_text(page)
    seen.page.goto(seen.base)
    seen.page.wait_for_url("**/error.html")
    assert seen.elsewhere()
    assert seen.wrong
