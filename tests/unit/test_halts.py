"""Static breakpoints of batches in lanes: runs stop where they stop alone."""

from __future__ import annotations

from typing import TypedDict

import pytest

from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.engine.singly import Singly
from vecgraph.errors import GraphRecursionError
from vecgraph.graph import END, START, StateGraph
from vecgraph.types import Send

N = 40
CONFIG = {"configurable": {"thread_id": "t"}, "recursion_limit": 9}


class State(TypedDict, total=False):
    n: int
    last: str


def app_of(saver=None, **breaks):
    def step(state):
        if state["n"] == 5:
            raise ValueError("five")
        return {"n": state["n"] + 1, "last": "step"}

    builder = StateGraph(State).add_node("step", step)
    builder.add_node("even", lambda s: {"last": "even"})
    builder.add_node("sent", lambda s: {"last": "sent"})
    builder.add_edge(START, "step")
    builder.add_conditional_edges(
        "step",
        lambda s: "even" if s["n"] % 2 == 0 else Send("sent", s) if s["n"] > 8 else "step",
        ["even", "sent", "step"],
    )
    builder.add_conditional_edges("even", lambda s: END if s["n"] > 6 else "step", ["step", END])
    app = builder.compile(checkpointer=saver, **breaks)
    app.engine.small, app.engine.lane = 1, 16
    return app


def inputs():
    return {"n": [i % 12 for i in range(N)]}


@pytest.fixture
def only_lanes(monkeypatch):
    def alone(self, *args) -> None:
        raise AssertionError("a run went by itself")

    with monkeypatch.context() as patch:
        patch.setattr(Singly, "run", alone)
        yield patch


BREAKS = [
    {"interrupt_before": ["even"]},
    {"interrupt_after": ["step"]},
    {"interrupt_before": "*"},
    {"interrupt_after": "*"},
    {"interrupt_before": ["sent"], "interrupt_after": ["even"]},
]


def told(result):
    errors = sorted((e.row, type(e.exception), str(e.exception)) for e in result.errors)
    return result.status.tolist(), result.table.to_pylist(), dict(result.interrupts), errors


@pytest.mark.parametrize("breaks", BREAKS, ids=str)
@pytest.mark.parametrize("saves", [True, False], ids=["with a saver", "without"])
def test_runs_stop_where_they_stop_alone(only_lanes, breaks, saves) -> None:
    app = app_of(InMemorySaver() if saves else None, **breaks)
    rounds = [app.batch(inputs(), CONFIG)]
    rounds += [app.batch(inputs(), CONFIG, resume=True) for _ in range(4 if saves else 0)]
    only_lanes.undo()
    app = app_of(InMemorySaver() if saves else None, **breaks)
    app.engine.small = N + 1
    for at, found in enumerate(rounds):
        alone = app.batch(inputs(), CONFIG, resume=True if at else None)
        assert told(found) == told(alone)
    assert "interrupted" in rounds[0].status


def test_a_breakpoint_of_one_call(only_lanes) -> None:
    app = app_of()
    found = app.batch(inputs(), CONFIG, interrupt_before=["even"])
    assert "interrupted" in found.status
    assert "interrupted" not in app.batch(inputs(), CONFIG).status


def test_the_limit_comes_before_a_breakpoint_and_after_one(only_lanes) -> None:
    config = {**CONFIG, "recursion_limit": 1}
    before = app_of(interrupt_before=["step", "even"]).batch({"n": [0, 1]}, config)
    assert before.status.tolist() == ["interrupted", "interrupted"]
    after = app_of(interrupt_after=["step"]).batch({"n": [0, 1]}, config)
    assert after.status.tolist() == ["interrupted", "interrupted"]
    late = app_of(interrupt_before=["even"]).batch({"n": [0, 1]}, config)
    assert [type(error.exception) for error in late.errors] == [GraphRecursionError] * 2
