"""Batches of which only the last checkpoints are kept: durability ``exit``, in lanes."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import pandas as pd
import pytest

from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.engine import leaving
from vecgraph.engine.singly import Singly
from vecgraph.frames import steps_df
from vecgraph.graph import END, START, StateGraph
from vecgraph.testing.compare import difference
from vecgraph.types import interrupt

N = 60
CONFIG = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    n: int
    answer: str
    log: Annotated[list, operator.add]


def work(state):
    n = state["n"]
    if n == 7:
        raise ValueError("seven")
    return {"n": n + 1, "log": [n]}


def ask(state):
    return {"answer": interrupt(state["n"])} if state["n"] % 4 == 0 else {"answer": "none"}


def app_of(saver, node=work):
    builder = StateGraph(State).add_node("work", node).add_node("ask", ask).add_edge(START, "work")
    builder.add_conditional_edges("work", lambda s: "ask" if s["n"] >= len(s["log"]) * 2 else END)
    builder.add_edge("ask", END)
    app = builder.compile(checkpointer=saver)
    app.engine.lane = 16
    return app


def inputs():
    return [{"n": i % 9, "log": [0] * (i % 5)} for i in range(N)]


def kept(saver):
    """Return what the threads hold, without ids and times."""
    found = {}
    for item in saver.list(None):
        checkpoint = {k: v for k, v in item.checkpoint.items() if k not in {"id", "ts"}}
        writes = sorted((c, repr(v).split("id=")[0]) for _, c, v in item.pending_writes)
        thread = item.config["configurable"]["thread_id"]
        found.setdefault(thread, []).append((checkpoint, item.metadata, writes))
    return found


@pytest.fixture
def only_lanes(monkeypatch):
    def alone(self, *args) -> None:
        raise AssertionError("a run went by itself")

    with monkeypatch.context() as patch:
        patch.setattr(Singly, "run", alone)
        yield patch


def test_one_checkpoint_a_run_is_that_which_it_leaves_alone(only_lanes, monkeypatch) -> None:
    monkeypatch.setattr(leaving, "_TOGETHER", 20)
    saver, other = InMemorySaver(), InMemorySaver()
    app_of(saver).batch(inputs(), CONFIG, durability="exit", return_exceptions=True)
    only_lanes.undo()
    alone = app_of(other)
    alone.engine.small = N + 1
    alone.batch(inputs(), CONFIG, durability="exit", return_exceptions=True)

    found = kept(saver)
    assert len(found) == N
    assert {len(items) for items in found.values()} == {1}
    different = difference(kept(other), found)
    assert different is None, different


def test_what_is_left_is_read_by_all_that_read(only_lanes, tmp_path) -> None:
    with ArrowSaver(tmp_path / "run") as saver:
        app = app_of(saver)
        app.batch(inputs(), CONFIG, durability="exit", return_exceptions=True)
        expected, steps = kept(saver), steps_df(saver)
        assert len(saver.storage.find(["columns"])) == 1
        saver.compact()
        assert difference(expected, kept(saver)) is None
    (path,) = (tmp_path / "run").glob("checkpoints-*.arrow")
    frame = pd.read_feather(path)
    assert len(frame) == N
    assert frame.versions.str.contains('"log"').any()
    with ArrowSaver(tmp_path / "run", read_only=True) as reader:
        assert difference(expected, kept(reader)) is None
        pd.testing.assert_frame_equal(steps_df(reader), steps)


def test_runs_go_on_from_what_they_left(only_lanes) -> None:
    saver = InMemorySaver()
    app = app_of(saver)
    first = app.batch(inputs(), CONFIG, durability="exit", return_exceptions=True)
    asked = [i for i, o in enumerate(first) if isinstance(o, dict) and "__interrupt__" in o]
    assert asked
    only_lanes.undo()
    second = app.batch(
        inputs(), CONFIG, resume=["yes"] * N, durability="exit", return_exceptions=True
    )
    assert {second[i]["answer"] for i in asked} == {"yes"}
    third = app.batch([{"n": 1}] * N, CONFIG, durability="sync", return_exceptions=True)
    assert sum(isinstance(output, dict) for output in third) == N
    for i in range(N):
        assert third[i]["log"][-1] == 1
        found = app.get_state({"configurable": {"thread_id": f"t/{i}"}})
        assert found.values["log"] == third[i]["log"]


def test_a_batch_that_is_broken_off_leaves_where_its_runs_stood() -> None:
    saver, calls = InMemorySaver(), 0

    def breaking(state):
        nonlocal calls
        calls += 1
        if calls == 2 * N + 10:
            raise KeyboardInterrupt
        return {"n": state["n"] + 1, "log": [state["n"]]}

    builder = StateGraph(State).add_node("work", breaking).add_edge(START, "work")
    builder.add_conditional_edges("work", lambda s: END if s["n"] > 5 else "work")
    app = builder.compile(checkpointer=saver)
    with pytest.raises(KeyboardInterrupt):
        app.batch([{"n": 0}] * N, CONFIG, durability="exit")
    found = kept(saver)
    assert len(found) == N
    assert {items[0][0]["channel_values"]["n"] for items in found.values()} == {2}


def test_what_is_gone_in_the_end_need_not_be_storable(only_lanes) -> None:
    class Opaque:
        pass

    def through(state):
        gone = state.get("answer") is not None
        return {"n": state["n"] + 1, "answer": "text" if gone else Opaque()}

    builder = StateGraph(State).add_node("work", through).add_edge(START, "work")
    builder.add_conditional_edges("work", lambda s: END if s["n"] >= 2 else "work")
    saver = InMemorySaver()
    app = builder.compile(checkpointer=saver)
    app.batch([{"n": 0}] * N, CONFIG, durability="exit")
    state = app.get_state({"configurable": {"thread_id": "t/1"}})
    assert state.values == {"n": 2, "answer": "text", "log": []}
