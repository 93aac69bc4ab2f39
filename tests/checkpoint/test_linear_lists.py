"""What a single run stores of a list that grows is linear in what is appended."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import pytest

from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.engine.told import Append, Put
from vecgraph.graph import END, START, StateGraph, add_messages
from vecgraph.messages import RemoveMessage

STEPS = 300


def message(i):
    return {"role": "user", "content": f"{i:05d}" + "x" * 80, "id": f"{i:05d}"}


def app_of(reducer, steps, saver):
    graph = StateGraph(TypedDict("State", {"i": int, "found": Annotated[list, reducer]}))
    graph.add_node("step", lambda state: {"i": state["i"] + 1, "found": [message(state["i"])]})
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda s: "step" if s["i"] % steps else END)
    return graph.compile(checkpointer=saver)


class Counted(InMemorySaver):
    """Notes how many bytes each checkpoint adds, and how it says what became of the list."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.sizes, self.kinds = [], []

    def put_told(self, config, told):
        before = self.nbytes
        made = super().put_told(config, told)
        self.sizes.append(self.nbytes - before)
        if "found" in told.changes:
            self.kinds.append(type(told.changes["found"]))
        return made


CONFIG = {"configurable": {"thread_id": "t"}, "recursion_limit": 2 * STEPS}


@pytest.mark.parametrize("reducer", [operator.add, add_messages], ids=["add", "add_messages"])
@pytest.mark.parametrize("invokes", [1, STEPS])
def test_each_step_adds_as_much_as_it_appends(reducer, invokes) -> None:
    saver = Counted(snapshot_every=64)
    app = app_of(reducer, STEPS // invokes, saver)
    for i in range(invokes):
        app.invoke({"i": i * STEPS // invokes, "found": []}, CONFIG, durability="sync")
    assert saver.kinds.count(Append) >= STEPS - 1
    # What was read again is told as a whole list; the saver finds that it only grew.
    assert saver.kinds.count(Put) <= invokes
    early, late = saver.sizes[20:60], saver.sizes[-40:]
    assert max(late) <= 1.1 * max(early)
    assert app.get_state(CONFIG).values["found"] == [message(i) for i in range(STEPS)]
    before = list(saver.list(CONFIG))[-STEPS // 2]
    kept = before.checkpoint["channel_values"]
    assert kept["found"] == [message(i) for i in range(kept["i"])]


def test_a_list_that_shrinks_or_changes_is_stored_whole() -> None:
    graph = StateGraph(TypedDict("State", {"i": int, "found": Annotated[list, add_messages]}))
    graph.add_node("edit", lambda state: {"found": [{**message(1), "content": "other"}]})
    graph.add_node("drop", lambda state: {"found": [RemoveMessage("00000")]})
    graph.add_edge(START, "edit")
    graph.add_edge("edit", "drop")
    saver = Counted()
    app = graph.compile(checkpointer=saver)
    app.invoke({"i": 0, "found": [message(0), message(1)]}, CONFIG)
    states = [state.values.get("found") for state in app.get_state_history(CONFIG)]
    edited = {**message(1), "content": "other"}
    assert states == [[edited], [message(0), edited], [message(0), message(1)], []]
    assert saver.kinds == [Put] * 3


def test_a_saver_with_a_put_of_its_own_gets_whole_checkpoints() -> None:
    calls = []

    class Own(InMemorySaver):
        def put(self, *args):
            calls.append(args)
            return super().put(*args)

    app_of(operator.add, 3, Own()).invoke({"i": 0, "found": []}, CONFIG)
    assert len(calls) == 5
