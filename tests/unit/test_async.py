"""Coroutine functions: many runs on one event loop, none of which waits for another's node."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, TypedDict

import numpy as np
import pyarrow as pa
import pytest

import vecgraph as vg
from vecgraph.errors import NodeCancelledError, VectorNodeError
from vecgraph.graph import END, START, StateGraph
from vecgraph.testing import same

# Long enough for a loaded machine: a test that waits this long has failed.
PATIENCE = 30


class State(TypedDict, total=False):
    n: int
    x: float
    total: Annotated[int, operator.add]
    path: Annotated[list, operator.add]


def chain(*nodes, **options):
    """Return an app that runs the named functions one after the other."""
    builder = StateGraph(State)
    before = START
    for node in nodes:
        builder.add_node(node.__name__, node, **options)
        builder.add_edge(before, node.__name__)
        before = node.__name__
    return builder.compile()


async def within(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE)


async def test_a_run_may_wait_for_a_later_step_of_another() -> None:
    """No barrier between runs: run 0 waits at step 1 for what run 1 does at step 3."""
    event = asyncio.Event()

    async def first(state):
        if state["n"] == 0:
            await event.wait()
        return {"path": ["first"]}

    async def second(state):
        return {"path": ["second"]}

    async def third(state):
        if state["n"] == 1:
            event.set()
        return {"path": ["third"]}

    app = chain(first, second, third)
    result = await within(app.abatch({"n": [0, 1]}))
    assert result.raise_first().values("path").tolist() == [["first", "second", "third"]] * 2


async def test_tasks_of_one_run_may_wait_for_each_other() -> None:
    event = asyncio.Event()
    builder = StateGraph(State)

    async def a(state):
        await event.wait()
        return {"total": 1}

    async def b(state):
        event.set()
        return {"total": 2}

    builder.add_node("a", a)
    builder.add_node("b", b)
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    assert (await within(builder.compile().ainvoke({"n": 0})))["total"] == 3


async def test_runs_end_in_the_order_in_which_they_finish() -> None:
    """Each run waits for the one after it, so that they end from last to first."""
    n = 6
    events = [asyncio.Event() for _ in range(n + 1)]
    events[n].set()

    async def wait(state):
        await events[state["n"] + 1].wait()
        events[state["n"]].set()
        return {"total": state["n"]}

    app = chain(wait)
    inputs = [{"n": i} for i in range(n)]
    ended = [at async for at, _ in app.abatch_as_completed(inputs)]
    assert ended == list(reversed(range(n)))


async def test_progress_is_told_while_other_runs_wait() -> None:
    event = asyncio.Event()
    calls = []

    async def wait(state):
        if state["n"] == 0:
            await event.wait()
        return {"total": 1}

    def progress(*counts):
        calls.append(counts)
        if counts[0] == 3:
            event.set()

    await within(chain(wait).abatch({"n": [0, 1, 2, 3]}, progress=progress))
    assert [call[:3] for call in calls] == [(1, 3, 0), (2, 2, 0), (3, 1, 0), (4, 0, 0)]
    assert calls[-1][3] == 4


async def test_order_of_writes_is_that_of_tasks_not_of_completion() -> None:
    event = asyncio.Event()
    builder = StateGraph(State)

    async def a(state):
        await event.wait()
        return {"path": ["a"]}

    async def b(state):
        event.set()
        return {"path": ["b"]}

    builder.add_node("a", a)
    builder.add_node("b", b)
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    result = await within(builder.compile().abatch([{"n": 0}] * 3))
    assert [run["path"] for run in result] == [["a", "b"]] * 3


class Gauge:
    """How many are inside, and the most there ever were."""

    def __init__(self) -> None:
        self.inside = self.most = 0

    async def __aenter__(self):
        self.inside += 1
        self.most = max(self.most, self.inside)

    async def __aexit__(self, *exc):
        self.inside -= 1


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (3, 3), (None, 20)])
async def test_max_concurrency_bounds_the_calls_in_flight(limit, most) -> None:
    gauge = Gauge()

    async def slow(state):
        async with gauge:
            for _ in range(3):
                await asyncio.sleep(0)
        return {"total": 1}

    config = {} if limit is None else {"max_concurrency": limit}
    result = await within(chain(slow).abatch({"n": list(range(20))}, config))
    assert result.values("total").tolist() == [1] * 20
    assert gauge.most == most
    assert gauge.inside == 0


async def test_max_concurrency_bounds_vector_calls_too() -> None:
    gauge = Gauge()

    async def slow(batch):
        async with gauge:
            await asyncio.sleep(0.001)
        return {"total": np.ones(len(batch), int)}

    app = chain(slow, batched=True, max_batch=2)
    result = await within(app.abatch({"n": list(range(20))}, {"max_concurrency": 2}))
    assert result.raise_first().values("total").tolist() == [1] * 20
    assert gauge.most == 2


def looped():
    """Return a graph of coroutines: adds ``n`` until ``total`` is 10; -1 raises."""

    async def add(state):
        await asyncio.sleep(0)
        if state["n"] < 0:
            raise ValueError(f"n is {state['n']}")
        return {"total": state["n"], "path": [state["n"]]}

    async def more(state):
        await asyncio.sleep(0)
        return END if state["total"] >= 10 else "add"

    builder = StateGraph(State)
    builder.add_node("add", add)
    builder.add_edge(START, "add")
    builder.add_conditional_edges("add", more, ["add", END])
    return builder.compile()


async def test_500_runs_of_coroutines() -> None:
    app = looped()
    rows = [{"n": i % 12 - 1 or 3} for i in range(500)]
    result = await within(app.abatch(rows, columns=True))
    bad = [i for i, row in enumerate(rows) if row["n"] < 0]
    assert [error.row for error in result.errors] == bad
    assert {(e.node, e.step, str(e.exception)) for e in result.errors} == {("add", 1, "n is -1")}
    outputs = result.to_list()
    for i in range(24):
        if i not in bad:
            assert same(outputs[i], await app.ainvoke(rows[i]))
    assert all(same(outputs[i], outputs[i - 12]) for i in range(12, 500) if i not in bad)
    expected = [1 if r["n"] < 0 else -(-10 // r["n"]) for r in rows]
    assert result.steps.tolist() == expected
    assert result.stats["path"] == "event loop"
    assert result.stats["run_steps"] == sum(expected)


def test_batch_of_columns_runs_coroutines_by_itself() -> None:
    result = looped().batch(pa.table({"n": [5, -1, 10]}))
    assert result.status.tolist() == ["done", "error", "done"]
    assert result.steps.tolist() == [2, 1, 1]


def test_list_of_inputs_is_refused_without_a_synchronous_function() -> None:
    outputs = looped().batch([{"n": 5}] * 2, return_exceptions=True)
    for output in outputs:
        assert isinstance(output, TypeError)
        assert 'No synchronous function provided to "add"' in str(output)


async def test_abatch_of_a_graph_without_coroutines() -> None:
    app = chain(lambda_named("double", lambda batch: {"x": batch["x"] * 2}), batched=True)
    x = np.arange(200.0)
    result = await within(app.abatch({"x": x}))
    np.testing.assert_array_equal(result.values("x"), x * 2)
    assert result.stats["path"] == "lanes"
    listed = await within(app.abatch([{"x": 1.0}, {"x": 2.0}]))
    assert [run["x"] for run in listed] == [2.0, 4.0]


def lambda_named(name, fn):
    fn.__name__ = name
    return fn


async def test_abatch_returns_or_raises() -> None:
    rows = [{"n": 5}, {"n": -1}, {"n": 10}]
    with pytest.raises(ValueError, match="n is -1"):
        await within(looped().abatch(rows))
    outputs = await within(looped().abatch(rows, return_exceptions=True))
    assert [isinstance(output, ValueError) for output in outputs] == [False, True, False]


async def test_limit_of_supersteps() -> None:
    result = await within(looped().abatch({"n": [1, 5]}, {"recursion_limit": 3}))
    assert result.status.tolist() == ["recursion", "done"]
    assert result.steps.tolist() == [3, 2]


async def test_empty_batch() -> None:
    assert await looped().abatch([]) == []
    assert len(await looped().abatch({"n": []})) == 0


async def test_vector_nodes_gather_the_runs_that_arrive_together() -> None:
    sizes = []

    async def gather(batch):
        sizes.append(len(batch))
        await asyncio.sleep(0)
        return {"x": batch["n"] / 2}

    app = chain(gather, batched=True)
    result = await within(app.abatch({"n": list(range(50))}))
    assert result.raise_first().values("x").tolist() == [i / 2 for i in range(50)]
    assert sizes == [50]


async def test_max_batch_fires_when_full() -> None:
    sizes = []

    async def gather(batch):
        sizes.append(len(batch))
        return {"x": batch["n"] / 2, "total": batch.rows}

    # Full batches do not wait: with this patience, the last one would.
    app = chain(gather, batched=True, max_batch=10, max_wait=PATIENCE * 10)
    result = await within(app.abatch({"n": list(range(40))}))
    assert result.raise_first().values("total").tolist() == list(range(40))
    assert sizes == [10, 10, 10, 10]


async def test_max_wait_fires_for_those_that_are_there() -> None:
    sizes = []

    async def gather(batch):
        sizes.append(len(batch))
        return {"x": batch["n"] / 2}

    app = chain(gather, batched=True, max_batch=1000, max_wait=0.01)
    await within(app.abatch({"n": list(range(7))}))
    assert sizes == [7]


async def test_max_wait_gathers_runs_that_come_at_different_times() -> None:
    sizes = []

    async def late(state):
        for _ in range(state["n"]):
            await asyncio.sleep(0)
        return {}

    async def gather(batch):
        sizes.append(sorted(batch["n"].tolist()))
        return {"x": 1.0}

    builder = StateGraph(State)
    builder.add_node("late", late)
    builder.add_node("gather", gather, batched=True, max_batch=5, max_wait=PATIENCE * 10)
    builder.add_edge(START, "late")
    builder.add_edge("late", "gather")
    await within(builder.compile().abatch({"n": [0, 3, 9, 1, 6]}))
    assert sizes == [[0, 1, 3, 6, 9]]


async def test_other_runs_go_on_while_a_batch_waits() -> None:
    """Run 1 never comes to the vector node; the end of its way opens the way of run 0."""
    event = asyncio.Event()

    async def gather(batch):
        await event.wait()
        return {"path": [["gather"]] * len(batch)}

    async def other(state):
        event.set()
        return {"path": ["other"]}

    builder = StateGraph(State)
    builder.add_node("gather", gather, batched=True)
    builder.add_node("start", lambda state: {"path": ["start"]})
    builder.add_node("other", other)
    builder.add_conditional_edges(
        START, lambda state: "gather" if state["n"] == 0 else "start", ["gather", "start"]
    )
    builder.add_edge("start", "other")
    result = await within(builder.compile().abatch([{"n": 0}, {"n": 1}]))
    assert [run["path"] for run in result] == [["gather"], ["start", "other"]]


async def test_vector_nodes_may_do_on_the_loop_what_they_may_do_in_lanes() -> None:
    async def node(batch, runtime):
        await asyncio.sleep(0)
        odd = batch["n"] % 2 == 1
        return [
            vg.Updates(odd, {"x": runtime.rng.random()[odd]}),
            vg.Goto(~odd, "even"),
            vg.Sends(np.flatnonzero(odd), "part", {"n": batch["n"][odd]}),
        ]

    builder = StateGraph(State)
    builder.add_node("node", node, batched=True)
    builder.add_node("even", lambda state: {"path": ["even"]})
    builder.add_node("part", lambda state: {"path": [state["n"]]})
    builder.add_edge(START, "node")
    app = builder.compile()
    result = await within(app.abatch({"n": [0, 1, 2, 3]}, seed=4))
    assert result.raise_first().values("path").tolist() == [["even"], [1], ["even"], [3]]
    assert result.present("x").tolist() == [False, True, False, True]
    alone = await within(app.abatch({"n": [3]}, seed=4, ids=[3]))
    assert alone.values("x")[0] == result.to_list()[3]["x"]


@pytest.mark.parametrize("bad", [[], [2], [0, 5]])
async def test_split_fails_only_the_guilty(bad) -> None:
    async def node(batch):
        if set(batch["n"].tolist()) & set(bad):
            raise ValueError("guilty")
        return {"total": 1}

    result = await within(chain(node, batched=True, on_error="split").abatch({"n": list(range(8))}))
    assert [error.row for error in result.errors] == bad
    assert result.values("total").tolist() == [0 if i in bad else 1 for i in range(8)]


async def test_a_vector_node_fails_the_runs_of_its_call() -> None:
    async def node(batch):
        if 5 in batch["n"]:
            return {"x": np.zeros(1)}
        return {"x": 1.0}

    result = await within(chain(node, batched=True, max_batch=4).abatch({"n": list(range(8))}))
    assert [error.row for error in result.errors] == [4, 5, 6, 7]
    assert all(isinstance(error.exception, VectorNodeError) for error in result.errors)


async def test_ainvoke_of_a_vector_coroutine() -> None:
    async def node(batch):
        return {"x": batch["n"] / 2}

    assert (await within(chain(node, batched=True).ainvoke({"n": 3})))["x"] == 1.5


async def test_observer_sees_each_step_once() -> None:
    seen = []

    def observe(superstep):
        seen.extend(zip(superstep.rows.tolist(), superstep.step.tolist(), strict=True))

    await within(looped().abatch({"n": [5, 3, 10]}, observer=observe, ids=[7, 8, 9]))
    expected = [(row, step) for row, k in ((7, 2), (8, 4), (9, 1)) for step in range(1, k + 1)]
    assert sorted(seen) == expected


async def test_a_cancelled_batch_leaves_no_run_behind() -> None:
    started, cancelled = [], []

    async def hang(state):
        started.append(state["n"])
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(state["n"])
            raise

    task = asyncio.ensure_future(chain(hang).abatch({"n": [0, 1, 2]}))
    while len(started) < 3:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    assert sorted(cancelled) == [0, 1, 2]


async def test_a_cancelled_batch_cancels_its_vector_calls() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(batch):
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    task = asyncio.ensure_future(chain(hang, batched=True).abatch({"n": [0, 1]}))
    await within(started.wait())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(task)
    await within(cancelled.wait())


@pytest.mark.parametrize("batched", [False, True])
async def test_a_node_that_raises_cancelled_error_fails_and_nobody_hangs(batched) -> None:
    async def node(given):
        if batched or given["n"] == 1:
            raise asyncio.CancelledError
        return {"total": 1}

    result = await within(chain(node, batched=batched).abatch({"n": [0, 1, 2]}))
    assert [error.row for error in result.errors] == ([0, 1, 2] if batched else [1])
    for error in result.errors:
        assert isinstance(error.exception, NodeCancelledError)
        assert error.exception.node == error.node == "node"


async def test_what_progress_raises_ends_the_batch() -> None:
    def progress(*counts):
        raise RuntimeError("in progress")

    with pytest.raises(RuntimeError, match="in progress"):
        await within(looped().abatch({"n": [5, 10]}, progress=progress))


@pytest.mark.parametrize("n", [2, 50])
@pytest.mark.parametrize("on_loop", [True, False])
async def test_what_an_observer_raises_is_no_failure_of_a_run(on_loop, n) -> None:
    def observe(superstep):
        raise RuntimeError("in observer")

    app = looped() if on_loop else chain(lambda_named("one", lambda state: {"total": 1}))
    with pytest.raises(RuntimeError, match="in observer"):
        await within(app.abatch({"n": [5] * n}, observer=observe))


async def test_max_wait_counts_from_the_first_of_those_that_wait() -> None:
    """The timer of a batch that was full and left does not cut the next one short."""
    sizes = []

    async def late(state):
        await asyncio.sleep([0, 0, 0.2, 0.5][state["n"]])
        return {}

    async def gather(batch):
        sizes.append(batch["n"].tolist())
        return {"x": 1.0}

    builder = StateGraph(State)
    builder.add_node("late", late)
    builder.add_node("gather", gather, batched=True, max_batch=2, max_wait=0.4)
    builder.add_edge(START, "late")
    builder.add_edge("late", "gather")
    await within(builder.compile().abatch({"n": [0, 1, 2, 3]}))
    assert sizes == [[0, 1], [2, 3]]
