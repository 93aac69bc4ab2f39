"""Whole runs of whole graphs: vecgraph beside everything that it is measured against.

`Runs` puts every form on one plot: choose `n_runs` as the axis and one `graph`. Every timed run
compares its result with the reference; comparing costs the same in all forms.
"""

from __future__ import annotations

from time import process_time
from typing import ClassVar

from benchmarks.axis import sizes
from benchmarks.forms import FORMS, NUMERIC, Job, columns_of
from benchmarks.more_graphs import ALL, VECTOR
from benchmarks.timing import best_of, collector_paused, ratio, seconds

__all__ = [
    "ByHand",
    "Growth",
    "Loops",
    "OneByOne",
    "Runs",
    "Steps",
    "Throughput",
    "best_of",
    "columns_of",
]

GRAPHS = list(ALL)
SIZES = sizes(1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)


class Runs:
    """A batch of n_runs of a graph in one form; seconds of CPU time per batch."""

    params = (GRAPHS, list(FORMS), SIZES)
    param_names = ("graph", "form", "n_runs")
    version = "1"
    timeout = 600
    rounds = 1
    warmup_time = 0.05
    repeat = (3, 9, 1.0)
    timer = staticmethod(process_time)

    def setup(self, graph: str, form: str, n_runs: int) -> None:
        """Compile the graph and compute what it must give."""
        self.job = Job(graph, form, n_runs)

    def time_batch(self, graph: str, form: str, n_runs: int) -> None:
        """Run the next input."""
        self.job.checked_run()


class Steps:
    """Supersteps that the runs of a batch take together: what a time is divided by."""

    params = (GRAPHS, SIZES)
    param_names = ("graph", "n_runs")
    version = "1"

    def track_run_steps(self, graph: str, n_runs: int) -> int:
        """Count them in the batch that the other benchmarks start with."""
        return ALL[graph].supersteps(ALL[graph].columns(n_runs))

    track_run_steps.unit = "run-steps"  # type: ignore[attr-defined]


class ByHand:
    """Vector nodes beside the best hand-written forms of the same graph, timed in turn."""

    params = (
        list(VECTOR),
        ["numpy", "plain numpy", "numba"],
        sizes(1_000, 10_000, 100_000, 1_000_000),
    )
    param_names = ("graph", "other", "n_runs")
    version = "1"
    timeout = 600

    def setup(self, graph: str, other: str, n_runs: int) -> None:
        """Compile the graph and compute what it must give."""
        self.job, self.other = Job(graph, "vector", n_runs), Job(graph, other, n_runs)

    def track_ratio(self, graph: str, other: str, n_runs: int) -> float:
        """Track the engine's time over that of the other; 1 is as good as by hand."""
        return ratio(self.job, self.other)

    track_ratio.unit = "ratio"  # type: ignore[attr-defined]


class Loops:
    """Graphs whose runs are compiled loops beside loops that somebody wrote for Numba, in turn."""

    params = (list(NUMERIC), ["numba", "numpy", "traced"], sizes(1_000, 100_000, 1_000_000))
    param_names = ("graph", "other", "n_runs")
    version = "1"
    timeout = 600

    def setup(self, graph: str, other: str, n_runs: int) -> None:
        """Compile the graph and compute what it must give."""
        self.job, self.other = Job(graph, "jit", n_runs), Job(graph, other, n_runs)

    def track_ratio(self, graph: str, other: str, n_runs: int) -> float:
        """Track the loop's time over that of the other; 1 is as good as by hand."""
        return ratio(self.job, self.other)

    track_ratio.unit = "ratio"  # type: ignore[attr-defined]


class OneByOne:
    """Batches beside what takes one run at a time, timed in turn."""

    params = (
        GRAPHS,
        ["vector", "traced", "unchanged", "rowwise"],
        ["python", "neograph", "langgraph"],
        sizes(100, 10_000),
    )
    param_names = ("graph", "form", "other", "n_runs")
    version = "1"
    timeout = 600

    def setup(self, graph: str, form: str, other: str, n_runs: int) -> None:
        """Compile the graph and compute what it must give."""
        self.job = Job(graph, form, n_runs)
        # The others' time per run does not depend on how many there are.
        self.share = n_runs if other == "python" else 20
        self.other = Job(graph, other, self.share)

    def track_times(self, graph: str, form: str, other: str, n_runs: int) -> float:
        """Track how many runs are done while the other does one; higher is better."""
        return n_runs / self.share / ratio(self.job, self.other, rounds=5)

    track_times.unit = "times"  # type: ignore[attr-defined]


class Throughput:
    """Runs per second; higher is better."""

    params = (GRAPHS, ["vector", "traced", "unchanged", "rowwise"], sizes(1_000, 10_000, 100_000))
    param_names = ("graph", "form", "n_runs")
    version = "1"
    timeout = 300

    def setup(self, graph: str, form: str, n_runs: int) -> None:
        """Compile the graph and compute what it must give."""
        self.job = Job(graph, form, n_runs)

    def track_runs_per_second(self, graph: str, form: str, n_runs: int) -> float:
        """Track the runs per second of the quickest of five batches."""
        with collector_paused():
            return n_runs / min(seconds(self.job) for _ in range(5))

    track_runs_per_second.unit = "runs/s"  # type: ignore[attr-defined]


class Growth:
    """Cost of a superstep as runs get longer; a flat line is linear in the number of steps.

    The histories of `messages` grow by one message a step.
    """

    params = (
        ["counter", "wide", "messages"],
        ["vector", "traced", "rowwise", "python"],
        sizes(10, 100, 1_000),
    )
    param_names = ("graph", "form", "n_steps")
    version = "1"
    timeout = 600

    n_runs: ClassVar = {"vector": 1_000, "traced": 1_000, "rowwise": 200, "python": 200}

    def setup(self, graph: str, form: str, n_steps: int) -> None:
        """Compile the graph and compute what it must give."""
        # One step more or fewer, so that the last turn of `messages` is whole.
        size = {"n_steps": n_steps - 1 if graph == "messages" else n_steps}
        self.job = Job(graph, form, self.n_runs[form], most_inputs=2, **size)
        self.run_steps = size["n_steps"] * self.n_runs[form]

    def track_ns_per_run_step(self, graph: str, form: str, n_steps: int) -> float:
        """Track the nanoseconds per run and superstep of the quickest of five batches."""
        with collector_paused():
            return min(seconds(self.job) for _ in range(5)) / self.run_steps * 1e9

    track_ns_per_run_step.unit = "ns"  # type: ignore[attr-defined]
