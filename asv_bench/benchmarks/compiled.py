"""The graphs compiled by Numba, one loop per run: what a generic engine of columns cannot reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.baselines import NUMPY, assert_equal
from benchmarks.graphs import BRANCHY_ROUNDS, CASES, COUNTER_STEPS, Array, Columns

Kernel = Callable[..., None]


def _counter(n: Any, x: Any) -> None:
    for row in range(n.size):
        while True:
            n[row] += 1
            x[row] = x[row] * 0.5 + 1.0
            if n[row] >= COUNTER_STEPS:
                break


def _branchy(k: Any, x: Any, y: Any) -> None:
    for row in range(k.size):
        while True:
            k[row] += 1
            x[row] = (x[row] * 1103 + 12345) & 0xFFFF
            code = x[row] % 3
            if code == 0:
                y[row] = y[row] * 0.5 + 1.0
            elif code == 1:
                y[row] = y[row] * 0.25 + 2.0
            else:
                y[row] += 0.125
            if k[row] >= BRANCHY_ROUNDS:
                break


def _collatz(n: Any, steps: Any) -> None:
    for row in range(n.size):
        while True:
            value = n[row]
            n[row] = 3 * value + 1 if value & 1 else value >> 1
            steps[row] += 1
            if n[row] == 1:
                break


KERNELS: dict[str, Kernel] = {"counter": _counter, "branchy": _branchy, "collatz": _collatz}


class Numba:
    """Numba kernels on fresh copies of the columns; seconds per batch of n_runs, compiled before."""

    params = (list(CASES), [1_000, 100_000])
    param_names = ("graph", "n_runs")
    version = "1"

    def setup(self, graph: str, n_runs: int) -> None:
        """Compile the kernel by running it once, and compute what it must give."""
        try:
            from numba import njit
        except ImportError as error:
            raise NotImplementedError from error
        self.kernel: Kernel = njit(KERNELS[graph])
        self.columns = CASES[graph].columns(n_runs)
        self.expected = NUMPY[graph](self.columns)
        self._run()

    def _run(self) -> Columns:
        """Copy the columns and run the kernel in place."""
        fresh: list[Array] = [np.copy(values) for values in self.columns.values()]
        self.kernel(*fresh)
        return dict(zip(self.columns, fresh, strict=True))

    def time_numba(self, graph: str, n_runs: int) -> None:
        """Run the compiled loop."""
        assert_equal(self._run(), self.expected)
