"""What the engine is measured against: the same graphs by hand, and in LangGraph.

The NumPy forms are the best variant that was found for each graph, not the most readable one:
blocks that stay in cache, buffers that are reused, no mask that a branch predictor must guess.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.graphs import BRANCHY_ROUNDS, COUNTER_STEPS, Array, Columns, Row
from benchmarks.more_graphs import ALL, FAN, WIDE, WIDE_STEPS
from vecgraph.graph import END

BLOCK = 65_536


def _blocks(n: int, block: int = BLOCK) -> Iterator[slice]:
    return (slice(start, min(start + block, n)) for start in range(0, n, block))


def numpy_counter(columns: Columns) -> Columns:
    """Whole blocks in place while any run is below its steps; all runs march together."""
    n, x = columns["n"].copy(), columns["x"].copy()
    for part in _blocks(n.size):
        count, value, live = n[part], x[part], np.ones(n[part].size, np.bool_)
        while live.any():
            count += 1
            value *= 0.5
            value += 1.0
            np.less(count, COUNTER_STEPS, out=live)
    return {"n": n, "x": x}


def plain_counter(columns: Columns) -> Columns:
    """Do what the nodes do, on whole arrays: what one writes who does not measure."""
    n, x = columns["n"], columns["x"]
    while (n < COUNTER_STEPS).any():
        n, x = n + 1, x * 0.5 + 1.0
    return {"n": n, "x": x}


def numpy_branchy(columns: Columns) -> Columns:
    """Compute the three branches, which are all affine, as one, with factors from a table."""
    factors, terms = np.array([0.5, 0.25, 1.0]), np.array([1.0, 2.0, 0.125])
    x, y = columns["x"].copy(), columns["y"].copy()
    for part in _blocks(x.size):
        walk, value = x[part], y[part]
        code, taken = np.empty_like(walk), np.empty_like(value)
        for _ in range(BRANCHY_ROUNDS):
            walk *= 1103
            walk += 12345
            walk &= 0xFFFF
            # walk % 3, by the division that NumPy has in SIMD.
            np.floor_divide(walk, 3, out=code)
            code *= -3
            code += walk
            value *= np.take(factors, code, out=taken, mode="clip")
            value += np.take(terms, code, out=taken, mode="clip")
    return {"k": columns["k"] + BRANCHY_ROUNDS, "x": x, "y": y}


def numpy_collatz(columns: Columns) -> Columns:
    """Blocks that stay in cache, a branch-free step, ended rows compacted away lazily."""
    n, steps = columns["n"].copy(), columns["steps"].copy()
    for part in _blocks(n.size):
        _collatz_block(n[part], steps[part])
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


def numpy_fan_out(columns: Columns) -> Columns:
    """One task of every run at a time, so that no array is FAN times as long."""
    x = columns["x"] * 1103
    x += 12345
    x &= 0xFFFF
    total = np.zeros_like(x)
    work = np.empty(min(x.size, BLOCK), x.dtype)
    for part in _blocks(x.size):
        value, sums = x[part], total[part]
        task = work[: value.size]
        for number in range(FAN):
            np.add(value, number, out=task)
            task *= 7
            task += 3
            task &= 0xFFFF
            sums += task
    return {"x": x, "total": total, "y": total ^ x}


def numpy_wide(columns: Columns) -> Columns:
    """Gather the channels of a few thousand rows in one array of two dimensions, in place."""
    n = columns["n"].copy()
    result = np.empty((len(WIDE), n.size))
    for part in _blocks(n.size, 4_096):
        count, values = n[part], np.stack([columns[name][part] for name in WIDE])
        while (count < WIDE_STEPS).any():
            count += 1
            values *= 0.5
            values += 1.0
        result[:, part] = values
    return {"n": n, **dict(zip(WIDE, result, strict=True))}


NUMPY = {
    "counter": numpy_counter,
    "branchy": numpy_branchy,
    "collatz": numpy_collatz,
    "fan_out": numpy_fan_out,
    "wide": numpy_wide,
}


def python_loop(name: str, rows: list[Row]) -> list[Row]:
    """Call the graph's own node functions on a dict per run: the floor of anything row by row.

    Each run-step is one node call, one update of a dict and one routing decision.
    """
    return PYTHON.get(name, _plain)(name, rows)


def _plain(name: str, rows: list[Row]) -> list[Row]:
    case = ALL[name]
    nodes, routers = case.nodes, case.routers
    ended = []
    for row in rows:
        state, node = dict(row), case.first
        while node != END:
            state.update(nodes[node](state))
            node = routers[node](state)
        ended.append(state)
    return ended


def _fan_out(name: str, rows: list[Row]) -> list[Row]:
    nodes = ALL[name].nodes
    split, work, join = nodes["split"], nodes["work"], nodes["join"]
    ended = []
    for row in rows:
        state = dict(row)
        state.update(split(state))
        tasks = [{"x": state["x"] + number} for number in range(FAN)]
        state["total"] = sum(work(task)["total"] for task in tasks)
        state.update(join(state))
        ended.append(state)
    return ended


def _messages(name: str, rows: list[Row]) -> list[Row]:
    case = ALL[name]
    agent, tools, route = case.nodes["agent"], case.nodes["tools"], case.routers["agent"]
    ended = []
    for row in rows:
        # A copy of the caller's list once; then it may grow in place.
        state = {**row, "messages": list(row["messages"])}
        node = agent
        while True:
            update = node(state)
            state["messages"] += update.pop("messages")
            state.update(update)
            if node is agent and route(state) == END:
                break
            node = tools if node is agent else agent
        ended.append(state)
    return ended


def _waiting(name: str, rows: list[Row]) -> list[Row]:
    """All runs as coroutines of one event loop."""
    return asyncio.run(_gather(name, rows))


async def _gather(name: str, rows: list[Row]) -> list[Row]:
    case = ALL[name]
    node: Any = case.nodes["wait"]
    route = case.routers["wait"]

    async def run(row: Row) -> Row:
        state, going = dict(row), True
        while going:
            state.update(await node(state))
            going = route(state) != END
        return state

    return await asyncio.gather(*map(run, rows))


PYTHON: dict[str, Callable[[str, list[Row]], list[Row]]] = {
    "fan_out": _fan_out,
    "messages": _messages,
    "async": _waiting,
}


def run_steps(name: str, rows: list[Row]) -> int:
    """Count the supersteps that these runs take together."""
    case = ALL[name]
    keys = case.columns(1)
    return case.supersteps({key: np.array([row[key] for row in rows]) for key in keys})


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
        raise NotImplementedError("LangGraph is not installed") from error
    return ALL[name].build(StateGraph)


def assert_equal(result: Columns, expected: Columns) -> None:
    """Compare columns bit for bit in value (dtypes may differ in width).

    Raises
    ------
    AssertionError
        A column is missing or differs.
    """
    for name, values in expected.items():
        assert np.array_equal(result[name], values), name
