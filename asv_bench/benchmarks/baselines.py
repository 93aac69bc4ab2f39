"""What the engine is measured against: the same graphs by hand, and in LangGraph."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.graphs import BRANCHY_ROUNDS, CASES, COUNTER_STEPS, Array, Columns, Row
from vecgraph.graph import END


def numpy_counter(columns: Columns) -> Columns:
    """Whole columns in place while any run is below its steps; all runs march together."""
    n, x = columns["n"].copy(), columns["x"].copy()
    live = np.ones(n.size, np.bool_)
    while live.any():
        n += 1
        x *= 0.5
        x += 1.0
        np.less(n, COUNTER_STEPS, out=live)
    return {"n": n, "x": x}


def numpy_branchy(columns: Columns) -> Columns:
    """Index lists per branch: `flatnonzero`, take, scatter."""
    x, y = columns["x"], columns["y"].copy()
    for _ in range(BRANCHY_ROUNDS):
        x = (x * 1103 + 12345) & 0xFFFF
        code = (x % 3).astype(np.int8)
        rows = np.flatnonzero(code == 0)
        y[rows] = y[rows] * 0.5 + 1.0
        rows = np.flatnonzero(code == 1)
        y[rows] = y[rows] * 0.25 + 2.0
        rows = np.flatnonzero(code == 2)
        y[rows] += 0.125
    return {"k": columns["k"] + BRANCHY_ROUNDS, "x": x, "y": y}


def numpy_collatz(columns: Columns, block: int = 65_536) -> Columns:
    """Blocks that stay in cache, a branch-free step, ended rows compacted away lazily."""
    n, steps = columns["n"].copy(), columns["steps"].copy()
    for start in range(0, n.size, block):
        stop = start + block
        _collatz_block(n[start:stop], steps[start:stop])
    return {"n": n, "steps": steps}


def _collatz_block(n: Array, steps: Array) -> None:
    """Run one block to its end, in place.

    Ended runs stay, uncounted, until a quarter of the block has ended: to move the live ones
    at every step costs more than to compute a few numbers that nobody reads.
    """
    rows, value, taken = np.arange(n.size), n.copy(), np.zeros_like(steps)
    going = np.ones(n.size, np.bool_)
    while rows.size:
        half, blend = value >> 1, 3 * value
        blend += 1
        blend -= half
        blend *= value & 1
        value = np.add(half, blend, out=blend)
        taken += going
        going &= value != 1
        if np.count_nonzero(going) < 0.75 * rows.size:
            ended, live = np.flatnonzero(~going), np.flatnonzero(going)
            steps[rows[ended]] += taken[ended]
            rows, value, taken, going = rows[live], value[live], taken[live], going[live]
    n[:] = 1


NUMPY = {"counter": numpy_counter, "branchy": numpy_branchy, "collatz": numpy_collatz}


def python_loop(name: str, rows: list[Row]) -> list[Row]:
    """Call the graph's own node functions on a dict per run: the floor of anything row by row.

    Each run-step is one node call, one `dict.update` and one routing decision.
    """
    case = CASES[name]
    nodes, routers = case.nodes, case.routers
    ended = []
    for row in rows:
        state, node = dict(row), case.first
        while node != END:
            state.update(nodes[node](state))
            node = routers[node](state)
        ended.append(state)
    return ended


def run_steps(name: str, rows: list[Row]) -> int:
    """Count the node calls that `python_loop` makes."""
    case, total = CASES[name], 0
    for row in rows:
        state, node = dict(row), case.first
        while node != END:
            state.update(case.nodes[node](state))
            node = case.routers[node](state)
            total += 1
    return total


def langgraph_app(name: str) -> Any:
    """Compile the graph with LangGraph.

    Raises
    ------
    NotImplementedError
        LangGraph is not installed; asv then skips the benchmark.
    """
    try:
        from langgraph.graph import StateGraph
    except ImportError as error:
        raise NotImplementedError from error
    return CASES[name].build(StateGraph)


def assert_equal(result: Columns, expected: Columns) -> None:
    """Compare columns bit for bit in value (dtypes may differ in width).

    Raises
    ------
    AssertionError
        A column is missing or differs.
    """
    for name, values in expected.items():
        assert np.array_equal(result[name], values), name
