"""Memory of a batch: the peak of the process, and what the batch itself adds to it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from benchmarks.axis import sizes
from benchmarks.forms import Job
from benchmarks.more_graphs import ALL, VECTOR

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident(field: str) -> int:
    """Bytes of a field of this process's status: ``VmRSS`` now, ``VmHWM`` at its peak."""
    found = re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text(encoding="ascii"))
    if found is None:
        raise NotImplementedError(f"this kernel does not tell {field}")
    return int(found[1]) * 1024


def forget_peak() -> None:
    """Let the peak of this process start anew from what it holds now.

    Raises
    ------
    NotImplementedError
        The system has no such switch (it is Linux's).
    """
    try:
        CLEAR.write_text("5", encoding="ascii")
    except OSError as error:
        raise NotImplementedError("the peak of this process cannot be reset") from error


class Peak:
    """Peak memory of a process that runs one batch; bytes, libraries and inputs included."""

    params = (list(VECTOR), ["vector", "numpy"], sizes(1_000, 100_000, 1_000_000))
    param_names = ("graph", "form", "n_runs")
    version = "1"
    timeout = 300

    def setup(self, graph: str, form: str, n_runs: int) -> None:
        """Compile the graph and compute what it must give."""
        self.job = Job(graph, form, n_runs)

    def peakmem_batch(self, graph: str, form: str, n_runs: int) -> None:
        """Run one batch."""
        self.job.checked_run()


class Added:
    """What a batch adds to the memory of the process at its peak, its output included."""

    params = (list(VECTOR), ["vector", "numpy"], sizes(10_000, 100_000, 1_000_000))
    param_names = ("graph", "form", "n_runs")
    version = "1"
    timeout = 300

    def setup(self, graph: str, form: str, n_runs: int) -> None:
        """Run a small batch, so that imports and caches are paid for."""
        forget_peak()
        Job(graph, form, 100).checked_run()
        self.job = Job(graph, form, n_runs)

    def _added(self) -> int:
        job = self.job
        number = job.next()
        forget_peak()
        before = resident("VmRSS")
        output = job.run(job.inputs[number])
        added = resident("VmHWM") - before
        job.check(output, number)
        return added

    def track_bytes_per_run_step(self, graph: str, form: str, n_runs: int) -> float:
        """Track the added bytes per run and superstep."""
        return self._added() / ALL[graph].supersteps(ALL[graph].columns(n_runs))

    def track_bytes_over_columns(self, graph: str, form: str, n_runs: int) -> float:
        """Track the added bytes over the raw bytes of the inputs and outputs."""
        columns = ALL[graph].columns(n_runs)
        raw = sum(values.nbytes for values in columns.values())
        raw += sum(np.asarray(values).nbytes for values in self.job.expected[0].values())
        return self._added() / raw

    track_bytes_per_run_step.unit = "B/run-step"  # type: ignore[attr-defined]
    track_bytes_over_columns.unit = "ratio"  # type: ignore[attr-defined]
