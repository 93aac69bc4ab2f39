"""A batch in portions beside the same rows at once: time and memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from benchmarks.axis import sizes
from benchmarks.graphs import COUNTER, COUNTER_STEPS

PART = 100_000


def _record_batches(n: int) -> Iterator[pa.RecordBatch]:
    for begin in range(0, n, PART):
        rows = min(PART, n - begin)
        columns = COUNTER.columns(rows, begin)
        yield pa.record_batch({name: pa.array(values) for name, values in columns.items()})


class Portions:
    """Counters whose rows are made as they are read, and whose results are looked at and dropped."""

    params = (["portions", "at once"], sizes(1_000, 1_000_000, 4_000_000))
    param_names = ("how", "n_runs")
    version = "1"
    timeout = 300

    def setup(self, how: str, n_runs: int) -> None:
        """Compile the graph."""
        self.app = COUNTER.build(vector=True)

    def _checked_run(self, how: str, n_runs: int) -> None:
        rows = _record_batches(n_runs)
        each = self.app.stream_batches(rows) if how == "portions" else [self.app.batch(rows)]
        done = 0
        for result in each:
            assert np.all(result.values("n") == COUNTER_STEPS)
            done += len(result)
        assert done == n_runs

    def time_batch(self, how: str, n_runs: int) -> None:
        """Read, run and look at every row."""
        self._checked_run(how, n_runs)

    def peakmem_batch(self, how: str, n_runs: int) -> None:
        """Read, run and look at every row."""
        self._checked_run(how, n_runs)
