"""`batch(resume=)`: what goes on, what begins, what is not run again, and what is refused."""

from __future__ import annotations

import asyncio
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pytest

from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.errors import BatchInputError
from vecgraph.graph import END, START, StateGraph
from vecgraph.types import interrupt

CONFIG = {"configurable": {"thread_id": "b"}, "recursion_limit": 20}


class State(TypedDict):
    n: int
    said: object


def graph(calls, *, coroutine=False):
    def count(state):
        calls.append(state["n"])
        return {"n": state["n"] + 1}

    async def counted(state):
        return count(state)

    def ask(state):
        if state["n"] % 3 == 0:
            return {"said": interrupt(f"{state['n']}?")}
        if state["n"] % 3 == 1 and not broken:
            raise ValueError(state["n"])
        return {"said": "nothing"}

    broken = []
    builder = StateGraph(State)
    builder.add_node("count", counted if coroutine else count)
    builder.add_node("ask", ask)
    builder.add_edge(START, "count")
    builder.add_edge("count", "ask")
    builder.add_edge("ask", END)
    return builder, broken


@pytest.mark.parametrize("small", [1, 1000], ids=["lanes", "one by one"])
@pytest.mark.parametrize("answers", ["list", "arrow", "numpy"])
def test_only_what_is_left_runs_again(small, answers) -> None:
    calls = []
    builder, mended = graph(calls)
    app = builder.compile(checkpointer=InMemorySaver())
    app.engine.small = small
    inputs = {"n": list(range(9))}
    first = app.batch(inputs, CONFIG)
    assert first.status.tolist() == ["error", "done", "interrupted"] * 3
    assert {row: q[0].value for row, q in first.interrupts.items()} == {2: "3?", 5: "6?", 8: "9?"}
    assert sorted(calls) == list(range(9))
    mended.append(True)
    given = [None, None, "two", None, None, None, None, None, 8]
    table = {"list": given, "arrow": None, "numpy": np.array(given, object)}[answers]
    if table is None:
        given[8] = "eight"
        table = pa.array(given)
    second = app.batch(inputs, CONFIG, resume=table)
    assert second.status.tolist() == ["done"] * 5 + ["interrupted"] + ["done"] * 3
    said = [row.get("said") for row in second.to_list()]
    assert said == [
        "nothing",
        "nothing",
        "two",
        "nothing",
        "nothing",
        None,
        "nothing",
        "nothing",
        given[8],
    ]
    assert second.table.column("n").to_pylist() == list(range(1, 10))
    assert len(calls) == 9  # nobody counted twice
    third = app.batch({"n": list(range(12))}, CONFIG, resume=True)
    assert third.status.tolist() == [
        *["done"] * 5,
        "interrupted",
        *["done"] * 3,
        "done",
        "done",
        "interrupted",
    ]
    assert len(calls) == 12  # only the new ones


def test_coroutines_are_resumed_too() -> None:
    calls = []
    builder, mended = graph(calls, coroutine=True)
    app = builder.compile(checkpointer=InMemorySaver())
    inputs = {"n": list(range(3))}
    asyncio.run(app.abatch(inputs, CONFIG))
    mended.append(True)
    done = asyncio.run(app.abatch(inputs, CONFIG, resume=[None, None, "yes"]))
    assert done.status.tolist() == ["done"] * 3
    assert [row["said"] for row in done.to_list()] == ["nothing", "nothing", "yes"]
    assert len(calls) == 3


@pytest.mark.parametrize("small", [1, 1000], ids=["lanes", "one by one"])
def test_the_recursion_limit_counts_from_where_a_run_goes_on(small) -> None:
    builder = StateGraph(State)
    builder.add_node("count", lambda state: {"n": state["n"] + 1})
    builder.add_edge(START, "count")
    builder.add_conditional_edges("count", lambda s: END if s["n"] >= 9 else "count")
    app = builder.compile(checkpointer=InMemorySaver())
    app.engine.small = small
    config = {**CONFIG, "recursion_limit": 3}
    found = [app.batch({"n": [0, 6]}, config)]
    found += [app.batch({"n": [0, 6]}, config, resume=True) for _ in range(2)]
    assert [r.table.column("n").to_pylist() for r in found] == [[3, 9], [8, 9], [9, 9]]
    assert [r.status.tolist()[0] for r in found] == ["recursion", "recursion", "done"]


def test_what_cannot_be_resumed_is_refused() -> None:
    builder, _ = graph([])
    with pytest.raises(BatchInputError, match="no checkpointer"):
        builder.compile().batch({"n": [1]}, resume=True)
    app = builder.compile(checkpointer=InMemorySaver())
    with pytest.raises(BatchInputError, match="'resume' has 1 rows, but the batch has 2"):
        app.batch({"n": [1, 2]}, CONFIG, resume=["x"])
    with pytest.raises(BatchInputError, match="one config for all runs"):
        app.batch([{"n": 1}], [CONFIG], resume=True)


@pytest.mark.parametrize("before", [1, 1000], ids=["kept in columns", "kept in rows"])
@pytest.mark.parametrize("small", [1, 1000], ids=["lanes", "one by one"])
def test_a_node_that_the_graph_has_no_more_is_passed_over_and_named(small, before) -> None:
    saver = InMemorySaver()
    builder, _ = graph([])
    app = builder.compile(checkpointer=saver)
    app.engine.small = before
    app.batch({"n": [1, 2]}, {**CONFIG, "recursion_limit": 1})  # they are due at "ask"
    other = StateGraph(State)
    other.add_node("count", lambda state: {"n": 0})
    other.add_edge(START, "count")
    app = other.compile(checkpointer=saver)
    app.engine.small = small
    said = r"2 runs are due at node 'ask', which the graph has no more: .* \(runs 0, 1\)"
    with pytest.warns(UserWarning, match=said):
        found = app.batch({"n": [1, 2]}, CONFIG, resume=True)
    assert found.status.tolist() == ["done", "done"]
    assert found.table.column("n").to_pylist() == [2, 3]
