"""Streams of one run beside LangGraph's, and what watching a batch adds to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.axis import sizes
from benchmarks.baselines import langgraph_app
from benchmarks.forms import Job, columns_of
from benchmarks.graphs import COUNTER
from benchmarks.more_graphs import ALL
from benchmarks.timing import ratio

MODES = ["values", "updates", "tasks", "debug"]
GRAPHS = ["counter", "branchy", "messages"]


class Stream:
    """All chunks of one run; seconds per run."""

    params = (GRAPHS, MODES, ["vecgraph", "langgraph"])
    param_names = ("graph", "mode", "engine")
    version = "1"

    def setup(self, graph: str, mode: str, engine: str) -> None:
        """Compile the graph, and count the chunks of LangGraph where it is there."""
        case = ALL[graph]
        self.config: Any = {"recursion_limit": case.recursion_limit}
        self.row = case.rows(1)[0]
        self.app = case.build() if engine == "vecgraph" else langgraph_app(graph)
        self.chunks = len(
            list(langgraph_app(graph).stream(self.row, self.config, stream_mode=mode))
        )

    def time_stream(self, graph: str, mode: str, engine: str) -> None:
        """Take every chunk."""
        chunks = list(self.app.stream(self.row, self.config, stream_mode=mode))
        assert len(chunks) == self.chunks


def _watch_progress(app: Any, table: Any) -> Any:
    seen: list[tuple[int, ...]] = []
    result = app.batch(table, progress=lambda *numbers: seen.append(numbers))
    assert seen
    return columns_of(result)


def _watch_explained(app: Any, table: Any) -> Any:
    assert str(app.explain())
    return columns_of(app.batch(table))


def _read_stats(app: Any, table: Any) -> Any:
    result = app.batch(table)
    assert result.stats
    return columns_of(result)


WATCH: dict[str, Callable[[Any, Any], Any]] = {
    "progress": _watch_progress,
    "explain": _watch_explained,
    "stats": _read_stats,
}


class Watched:
    """A batch that somebody looks at, over one that nobody does; 1 is free."""

    params = (list(WATCH), sizes(1_000, 100_000))
    param_names = ("watch", "n_runs")
    version = "1"

    def setup(self, watch: str, n_runs: int) -> None:
        """Make both jobs."""
        self.plain, self.watched = (Job("counter", "vector", n_runs) for _ in range(2))
        app, look = COUNTER.build(vector=True), WATCH[watch]
        self.watched.run = lambda table: look(app, table)

    def track_ratio(self, watch: str, n_runs: int) -> float:
        """Track the time over that of the plain batch, both timed in turn."""
        return ratio(self.watched, self.plain)

    track_ratio.unit = "ratio"  # type: ignore[attr-defined]
