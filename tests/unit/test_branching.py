"""Copies of many checkpoints, edited, that share the past of others."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import numpy as np
import pyarrow as pa
import pytest

from vecgraph import frames
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.constants import MISSING
from vecgraph.graph import END, START, StateGraph
from vecgraph.types import Overwrite


class State(TypedDict):
    n: int
    rate: int
    log: Annotated[list, operator.add]


def app_of(**saver):
    graph = StateGraph(State)
    graph.add_node(
        "grow", lambda state: {"n": state["n"] + state.get("rate", 1), "log": [state["n"]]}
    )
    graph.add_edge(START, "grow")
    graph.add_conditional_edges("grow", lambda state: "grow" if state["n"] < 6 else END)
    return graph.compile(checkpointer=InMemorySaver(**saver))


@pytest.fixture(params=["lanes", "one by one"])
def app(request):
    made = app_of()
    made.engine.small = 1 if request.param == "lanes" else 100
    made.batch([{"n": 0}, {"n": 1}, {"n": 2}], {"configurable": {"thread_id": "t"}})
    return made


def test_copies_go_on_as_the_originals_did(app) -> None:
    original = frames.history(app).latest().column("log").tolist()
    branches = app.history().at_step(2).branch(2)
    assert branches.threads[:3] == ["t/0@2/0", "t/0@2/1", "t/1@2/0"]
    result = branches.run()
    assert result.values("log").tolist() == [log for log in original for _ in range(2)]
    assert frames.runs_df(app, ["source"])["source"].tolist() == ["loop"] * 9


def test_an_update_goes_through_the_rules_of_its_channels(app) -> None:
    past = app.history().at_step(2).take([0, 2])
    assert past.column("n").tolist() == [2, 4]
    update = {"n": np.array([10, 20, 30, 40]), "log": ["edited"], "rate": 2}
    branches = past.branch(2, update=update)
    found = app.history(branches.threads)
    assert found.column("n").tolist() == [10, 20, 30, 40]
    assert found.column("rate").tolist() == [2] * 4
    assert found.column("log").tolist() == [[0, 1, "edited"]] * 2 + [[2, 3, "edited"]] * 2
    assert found.column("next").tolist() == ["grow"] * 4
    assert found.column("source").tolist() == ["update"] * 4
    assert found.step.tolist() == [3] * 4
    result = branches.run()
    assert result.values("n").tolist() == [12, 22, 32, 42]


def test_each_copy_may_get_another_update_or_none(app) -> None:
    past = app.history().at_step(1)
    first = past.branch(2, update=[{}, {"rate": 3}])
    assert app.history(first.threads).column("rate").tolist() == [MISSING, 3] * 3
    assert first.run().values("n").tolist() == [6, 7, 6, 8, 6, 6]
    rates = pa.array([3, 1])
    second = past.branch(2, update={"rate": rates}, threads=[f"again{i}" for i in range(6)])
    assert second.run().values("n").tolist() == [7, 6, 8, 6, 6, 6]
    lists = past.branch(1, update={"log": Overwrite([])}, threads=["a", "b", "c"])
    assert app.history(lists.threads).column("log").tolist() == [[], [], []]


def test_parents_are_in_the_thread_that_was_branched(app) -> None:
    branches = app.history().at_step(2).branch(1, update={"rate": 9})
    branches.run()
    config = {"configurable": {"thread_id": branches.threads[1]}}
    states = list(app.get_state_history(config))
    assert states[-1].parent_config["configurable"]["thread_id"] == "t/1"
    origin = app.get_state(states[-1].parent_config)
    assert origin.values == {"n": 3, "log": [1, 2]}
    again = app.get_state(states[-1].config)
    assert again.values == {"n": 3, "rate": 9, "log": [1, 2]}
    assert again.next == origin.next
    assert again.metadata["source"] == "update"


def test_a_branch_can_be_branched_and_outlives_its_origin(app) -> None:
    first = app.history().at_step(1).branch(1, update={"rate": 2})
    first.run()
    second = app.history(first.threads).at_step(3).branch(2, update={"log": ["twice"]})
    for thread in ["t/0", *first.threads]:
        app.checkpointer.delete_thread(thread)
    found = app.history(second.threads)
    assert found.column("log").tolist()[:2] == [[0, 1, "twice"]] * 2
    assert second.run().values("log").tolist()[0][:3] == [0, 1, "twice"]


def test_the_shared_past_is_stored_once() -> None:
    app = app_of()
    log = [f"message {i} " + "x" * 120 for i in range(1000)]
    app.invoke({"n": 0, "log": log}, {"configurable": {"thread_id": "t"}})
    before = app.checkpointer.nbytes
    past = app.history().at_step(1)
    branches = past.branch(1000, update=[{"log": [f"copy {i}"]} for i in range(1000)])
    assert app.checkpointer.nbytes - before < 100 * 1000
    found = app.history(branches.threads[:5]).column("log").tolist()
    assert found == [[*log, 0, f"copy {i}"] for i in range(5)]


def test_what_cannot_be_branched_is_refused(app) -> None:
    past = app.history().at_step(1)
    with pytest.raises(KeyError, match="no channel 'm'; there are n, rate, log"):
        past.branch(1, update={"m": 1})
    with pytest.raises(ValueError, match="2 values of 'n' for 1 copies of 3 checkpoints"):
        past.branch(1, update={"n": np.array([1, 2])})
    with pytest.raises(ValueError, match="3 copies need as many different threads, not 1"):
        past.branch(1, threads=["only"])
    past.branch(1, threads=["a", "b", "c"])
    with pytest.raises(ValueError, match="Thread 'b' exists"):
        past.branch(1, threads=["d", "b", "e"])
    with pytest.raises(TypeError, match="Only an app"):
        frames.history(app.checkpointer).branch(1)
    assert app.history(["d", "e"]).rows.tolist() == []
    assert past.take([]).branch(3).threads == []


def test_a_thread_whose_end_was_deleted_goes_on_in_a_batch() -> None:
    app = app_of()
    app.engine.small = 1
    saver = app.checkpointer
    for n in range(2):
        config = {"configurable": {"thread_id": "t"}, "metadata": {"run_id": f"run-{n}"}}
        app.batch([{"n": n}, {"n": 4}], config)
    assert [state.values.get("n") for state in app.get_state_history(thread("t/1"))][:2] == [6, 5]
    saver.delete_for_runs(["run-1"])
    assert app.get_state(thread("t/1")).values["log"] == [4, 5]
    app.batch([{"n": 5}, {"n": 5}], thread("t"))
    states = list(app.get_state_history(thread("t/1")))
    assert [state.values.get("n") for state in states] == [6, 5, 6, 6, 5, 4, None]
    assert states[0].values["log"] == [4, 5, 5]
    numbers = saver.register_threads(["t/0", "t/1"])
    assert not saver.read_columns(numbers).behind.any()


def thread(name):
    return {"configurable": {"thread_id": name}}
