"""Whole runs of whole graphs: the engine beside NumPy by hand, plain Python and LangGraph.

Every timed run compares its result with the reference; comparing costs the same in all forms.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

from benchmarks.baselines import NUMPY, assert_equal, langgraph_app, python_loop, run_steps
from benchmarks.graphs import CASES, Columns

GRAPHS = list(CASES)


def best_of(call: Callable[[], object], repeats: int) -> float:
    """Seconds of the quickest of `repeats` calls: the one that others disturbed least."""
    best = float("inf")
    for _ in range(repeats):
        start = perf_counter()
        call()
        best = min(best, perf_counter() - start)
    return best


def columns_of(result: Any) -> Columns:
    """Output columns of a BatchResult, zero-copy where Arrow allows."""
    table = result.table
    return {name: table.column(name).to_numpy() for name in table.column_names}


class Vector:
    """Vector nodes, Arrow table in, BatchResult out; seconds per batch of n_runs."""

    params = (GRAPHS, [1_000, 100_000])
    param_names = ("graph", "n_runs")
    version = "1"
    timeout = 120

    def setup(self, graph: str, n_runs: int) -> None:
        """Compile the graph and compute what it must give."""
        case = CASES[graph]
        self.config = {"recursion_limit": case.recursion_limit}
        self.app = case.build(vector=True)
        self.table = case.table(n_runs)
        self.columns = case.columns(n_runs)
        self.expected = NUMPY[graph](self.columns)

    def time_vecgraph(self, graph: str, n_runs: int) -> None:
        """Run the engine."""
        result = self.app.batch(self.table, config=self.config)
        assert_equal(columns_of(result), self.expected)

    def time_numpy(self, graph: str, n_runs: int) -> None:
        """Run NumPy written by hand for this graph."""
        assert_equal(NUMPY[graph](self.columns), self.expected)

    def peakmem_vecgraph(self, graph: str, n_runs: int) -> None:
        """Track the peak memory of the process, in bytes."""
        self.time_vecgraph(graph, n_runs)

    def track_ratio_to_numpy(self, graph: str, n_runs: int) -> float:
        """Track the engine's time over that of NumPy by hand; 1 is as good as by hand."""
        repeats = 5
        ours = best_of(lambda: self.time_vecgraph(graph, n_runs), repeats)
        return ours / best_of(lambda: self.time_numpy(graph, n_runs), repeats)

    track_ratio_to_numpy.unit = "ratio"  # type: ignore[attr-defined]


class Rowwise:
    """Unchanged scalar nodes, list of dicts in and out; seconds per batch of n_runs."""

    params = (GRAPHS, [1_000, 10_000])
    param_names = ("graph", "n_runs")
    version = "1"
    timeout = 300

    def setup(self, graph: str, n_runs: int) -> None:
        """Compile the graph and compute what it must give."""
        case = CASES[graph]
        self.config = {"recursion_limit": case.recursion_limit}
        self.app = case.build()
        self.rows = case.rows(n_runs)
        self.expected = python_loop(graph, self.rows)
        self.run_steps = run_steps(graph, self.rows)

    def time_vecgraph(self, graph: str, n_runs: int) -> None:
        """Run the engine, which calls each scalar function once per run-step."""
        assert self.app.batch(self.rows, config=self.config) == self.expected

    def time_python(self, graph: str, n_runs: int) -> None:
        """Run a plain Python loop that does the same dict work."""
        assert python_loop(graph, self.rows) == self.expected

    def track_rowwise_overhead_us(self, graph: str, n_runs: int) -> float:
        """Track what the engine adds to the plain loop, in microseconds per run-step."""
        repeats = 3
        ours = best_of(lambda: self.time_vecgraph(graph, n_runs), repeats)
        plain = best_of(lambda: self.time_python(graph, n_runs), repeats)
        return (ours - plain) / self.run_steps * 1e6

    track_rowwise_overhead_us.unit = "us"  # type: ignore[attr-defined]


class Single:
    """One run; seconds per `invoke`."""

    params = (GRAPHS,)
    param_names = ("graph",)
    version = "1"

    def setup(self, graph: str) -> None:
        """Compile both and compute what they must give."""
        case = CASES[graph]
        self.config = {"recursion_limit": case.recursion_limit}
        self.app = case.build()
        self.langgraph = langgraph_app(graph)
        self.row = case.rows(1)[0]
        self.expected = python_loop(graph, [self.row])[0]

    def time_vecgraph(self, graph: str) -> None:
        """Call our `invoke`."""
        assert self.app.invoke(self.row, self.config) == self.expected

    def time_langgraph(self, graph: str) -> None:
        """Call LangGraph's `invoke` of the same functions."""
        assert self.langgraph.invoke(self.row, self.config) == self.expected


class LangGraph:
    """LangGraph on the same scalar nodes; few runs, since its time per run is constant."""

    params = (GRAPHS, [5, 50])
    param_names = ("graph", "n_runs")
    version = "1"
    timeout = 120

    def setup(self, graph: str, n_runs: int) -> None:
        """Compile the graph and compute what it must give."""
        case = CASES[graph]
        self.config: Any = {"recursion_limit": case.recursion_limit}
        self.app = langgraph_app(graph)
        self.rows = case.rows(n_runs)
        self.expected = python_loop(graph, self.rows)
        self.run_steps = run_steps(graph, self.rows)

    def time_invoke_loop(self, graph: str, n_runs: int) -> None:
        """Loop over `invoke`, in seconds per n_runs."""
        assert [self.app.invoke(row, self.config) for row in self.rows] == self.expected

    def time_batch(self, graph: str, n_runs: int) -> None:
        """Call LangGraph's own `batch` (a thread pool), in seconds per n_runs."""
        assert self.app.batch(self.rows, self.config) == self.expected

    def time_abatch(self, graph: str, n_runs: int) -> None:
        """Call LangGraph's own `abatch` (one event loop), in seconds per n_runs."""
        assert asyncio.run(self.app.abatch(self.rows, self.config)) == self.expected

    def track_run_step_us(self, graph: str, n_runs: int) -> float:
        """Track the microseconds per run-step of the `invoke` loop."""
        seconds = best_of(lambda: self.time_invoke_loop(graph, n_runs), 3)
        return seconds / self.run_steps * 1e6

    track_run_step_us.unit = "us"  # type: ignore[attr-defined]
