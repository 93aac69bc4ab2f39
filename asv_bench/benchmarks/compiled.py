"""The graphs compiled by Numba, one loop per run: what a generic engine of columns cannot reach."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks.graphs import BRANCHY_ROUNDS, COUNTER_STEPS, Array, Columns
from benchmarks.more_graphs import FAN, WIDE, WIDE_STEPS

Kernel = Callable[..., None]


# Values are kept in locals, which become registers, and stored once a run.


def _counter(n: Any, x: Any) -> None:
    for row in range(n.size):
        count, value = n[row], x[row]
        while True:
            count += 1
            value = value * 0.5 + 1.0
            if count >= COUNTER_STEPS:
                break
        n[row], x[row] = count, value


def _branchy(k: Any, x: Any, y: Any) -> None:
    for row in range(k.size):
        count, walk, value = k[row], x[row], y[row]
        while True:
            count += 1
            walk = (walk * 1103 + 12345) & 0xFFFF
            code = walk % 3
            if code == 0:
                value = value * 0.5 + 1.0
            elif code == 1:
                value = value * 0.25 + 2.0
            else:
                value += 0.125
            if count >= BRANCHY_ROUNDS:
                break
        k[row], x[row], y[row] = count, walk, value


def _collatz(n: Any, steps: Any) -> None:
    for row in range(n.size):
        value, count = n[row], steps[row]
        while True:
            value = 3 * value + 1 if value & 1 else value >> 1
            count += 1
            if value == 1:
                break
        n[row], steps[row] = value, count


def _fan_out(x: Any, total: Any, y: Any) -> None:
    for row in range(x.size):
        value = (x[row] * 1103 + 12345) & 0xFFFF
        sums = 0
        for number in range(FAN):
            sums += ((value + number) * 7 + 3) & 0xFFFF
        x[row], total[row], y[row] = value, sums, sums ^ value


def _wide(n: Any, values: Any) -> None:
    for row in range(n.size):
        while n[row] < WIDE_STEPS:
            n[row] += 1
            for channel in range(values.shape[1]):
                values[row, channel] = values[row, channel] * 0.5 + 1.0


KERNELS: dict[str, Kernel] = {
    "counter": _counter,
    "branchy": _branchy,
    "collatz": _collatz,
    "fan_out": _fan_out,
    "wide": _wide,
}


@cache
def kernel(graph: str) -> Kernel:
    """Compile the loop of a graph; the first call of it pays for the compiling.

    Raises
    ------
    NotImplementedError
        Numba is not installed, or the graph has no form for columns.
    """
    if graph not in KERNELS:
        raise NotImplementedError(f"{graph} has no form for columns")
    try:
        from numba import njit
    except ImportError as error:
        raise NotImplementedError("Numba is not installed") from error
    compiled: Kernel = njit(KERNELS[graph])
    return compiled


def numba_run(graph: str, columns: Columns) -> Columns:
    """Copy the columns and run the compiled loop on the copies, in place."""
    run = kernel(graph)
    if graph == "wide":
        n, values = columns["n"].copy(), np.stack([columns[name] for name in WIDE], axis=1)
        run(n, values)
        return {"n": n, **{name: values[:, number] for number, name in enumerate(WIDE)}}
    if graph == "fan_out":
        x = columns["x"].copy()
        columns = {"x": x, "total": np.empty_like(x), "y": np.empty_like(x)}
        run(*columns.values())
        return columns
    fresh: list[Array] = [np.copy(values) for values in columns.values()]
    run(*fresh)
    return dict(zip(columns, fresh, strict=True))
