"""Two workers against one: wall time, since that is what workers are for."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.axis import sizes
from benchmarks.baselines import assert_equal
from benchmarks.more_graphs import ALL


class Workers:
    """How much faster two workers are than one, both timed in turn; 2 is all there is."""

    params = (
        ["counter", "branchy", "collatz"],
        ["vector", "rowwise"],
        sizes(1_000, 100_000, 1_000_000),
    )
    param_names = ("graph", "form", "n_runs")
    timeout = 600
    version = "1"

    def setup(self, graph: str, form: str, n_runs: int) -> None:
        """Compile the graph, start the workers, and check that both give the same."""
        if form == "rowwise" and n_runs > 100_000:
            raise NotImplementedError("not measured beyond 100000 runs")
        case = ALL[graph]
        self.app = case.build(vector=form == "vector")
        self.table = case.table(n_runs)
        self.config = {"recursion_limit": case.recursion_limit}
        one, two = self._timed(1)[1], self._timed(2)[1]
        names = {name: one.values(name) for name in one.columns}
        assert_equal({name: two.values(name) for name in names}, names)

    def _timed(self, workers: int) -> tuple[float, Any]:
        begin = perf_counter()
        result = self.app.batch(self.table, self.config, workers=workers)
        return perf_counter() - begin, result

    def track_speed_up(self, graph: str, form: str, n_runs: int) -> float:
        """Median, over rounds, of the time of one worker over that of two."""
        return median(self._timed(1)[0] / self._timed(2)[0] for _ in range(5))

    track_speed_up.unit = "ratio"  # type: ignore[attr-defined]
