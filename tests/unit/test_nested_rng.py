"""Random numbers inside subgraphs: a stream for each call, the same in any batch and path."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import numpy as np
import pytest

from vecgraph import END, START, App, Runtime, Send, StateGraph


class State(TypedDict):
    n: int
    drawn: Annotated[list, operator.add]


class Draws(TypedDict):
    drawn: list


def draw(state: Any, runtime: Runtime) -> dict[str, Any]:
    return {"drawn": [float(runtime.rng.random())]}


def child() -> App:
    graph = StateGraph(Draws)
    graph.add_node("draw", draw)
    graph.add_edge(START, "draw")
    return graph.compile()


def looping() -> App:
    """A subgraph that its parent calls three times."""
    graph = StateGraph(State)
    graph.add_node("count", lambda state: {"n": state["n"] + 1})
    graph.add_node("child", child())
    graph.add_edge(START, "count")
    graph.add_edge("count", "child")
    graph.add_conditional_edges("child", lambda state: "count" if state["n"] < 3 else END)
    return graph.compile()


def sending() -> App:
    """A subgraph that three Sends of one run call."""
    graph = StateGraph(State)
    graph.add_node("child", child())
    graph.add_conditional_edges(START, lambda state: [Send("child", {"drawn": []})] * 3)
    return graph.compile()


def nested() -> App:
    """A subgraph that calls another in a loop."""
    graph = StateGraph(State)
    graph.add_node("inner", looping())
    graph.add_edge(START, "inner")
    return graph.compile()


@pytest.mark.parametrize("build", [looping, sending, nested])
def test_every_call_of_a_subgraph_draws_anew_and_alike_in_any_batch(build: Any) -> None:
    app = build()
    rows = [{"n": 0, "drawn": []} for _ in range(40)]
    app.engine.small = 2
    lanes = [output["drawn"] for output in app.batch(rows, seed=5)]
    assert len({number for drawn in lanes for number in drawn}) == 40 * 3
    app.engine.small = 10**9
    assert [output["drawn"] for output in app.batch(rows, seed=5)] == lanes
    order = np.random.default_rng(0).permutation(40)
    shuffled = app.batch([rows[i] for i in order], seed=5, ids=order)
    assert [output["drawn"] for output in shuffled] == [lanes[i] for i in order]
