"""When checkpoints are written, what a saver's failures do, and which calls a run makes of it."""

from __future__ import annotations

import operator
import threading
from typing import Annotated, TypedDict

import pytest

from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.graph import START, StateGraph


class State(TypedDict):
    n: int
    log: Annotated[list, operator.add]


class Recorder(InMemorySaver):
    """Notes which methods are called, from which thread."""

    inline = False

    def __init__(self, fail_at=None) -> None:
        super().__init__()
        self.calls, self.threads, self.fail_at = [], set(), fail_at

    def _note(self, verb):
        self.calls.append(verb)
        self.threads.add(threading.current_thread().name)
        if self.fail_at is not None and self.calls.count("put") >= self.fail_at:
            raise OSError("disk full")

    def put(self, *args):
        self._note("put")
        return super().put(*args)

    def put_writes(self, *args):
        self._note("put_writes")
        return super().put_writes(*args)


def app(saver, steps=3):
    graph = StateGraph(State)
    previous = START
    for at in range(steps):
        graph.add_node(f"n{at}", lambda state, at=at: {"n": state["n"] + 1, "log": [at]})
        graph.add_edge(previous, f"n{at}")
        previous = f"n{at}"
    return graph.compile(checkpointer=saver)


THREAD = {"configurable": {"thread_id": "t"}}


@pytest.mark.parametrize(("durability", "puts"), [("sync", 5), ("async", 5), ("exit", 1)])
def test_how_often_a_run_is_saved(durability, puts) -> None:
    saver = Recorder()
    app(saver).invoke({"n": 0}, THREAD, durability=durability)
    assert saver.calls.count("put") == puts
    assert app(saver).get_state(THREAD).values == {"n": 3, "log": [0, 1, 2]}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_how_often_a_run_on_the_loop_is_saved(durability) -> None:
    saver = Recorder()
    await app(saver).ainvoke({"n": 0}, THREAD, durability=durability)
    assert (await app(saver).aget_state(THREAD)).values == {"n": 3, "log": [0, 1, 2]}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_saver_that_fails_fails_the_run(durability) -> None:
    with pytest.raises(OSError, match="disk full"):
        app(Recorder(fail_at=1)).invoke({"n": 0}, THREAD, durability=durability)


def test_a_saver_with_a_put_of_its_own_gets_each_checkpoint_of_a_large_batch() -> None:
    class Counting(InMemorySaver):
        puts = 0

        def put(self, *args):
            self.puts += 1
            return super().put(*args)

    class State(TypedDict):
        n: int

    saver = Counting()
    graph = StateGraph(State)
    graph.add_node("node", lambda state: {"n": state["n"] + 1})
    graph.add_edge(START, "node")
    app = graph.compile(checkpointer=saver)
    app.batch([{"n": i} for i in range(100)], {"configurable": {"thread_id": "t"}})
    assert saver.puts == len(list(saver.list(None))) == 300


def test_a_saver_that_fails_fails_its_run_of_a_batch_only() -> None:
    saver = Recorder()
    put = saver.put

    def picky(config, *rest):
        if config["configurable"]["thread_id"] == "t/1":
            raise OSError("not this one")
        return put(config, *rest)

    saver.put = picky
    result = app(saver).batch({"n": [0, 1, 2]}, THREAD)
    assert result.status.tolist() == ["done", "error", "done"]


def test_an_unknown_durability_is_refused_and_one_without_a_saver_warned_of() -> None:
    with pytest.raises(ValueError, match="'sync', 'async' or 'exit', not 'now'"):
        app(Recorder()).invoke({"n": 0}, THREAD, durability="now")
    with pytest.warns(UserWarning, match="no effect when no checkpointer"):
        app(None).invoke({"n": 0}, durability="sync")


def test_a_thread_is_needed() -> None:
    with pytest.raises(ValueError, match="Checkpointer requires one or more"):
        app(InMemorySaver()).invoke({"n": 0})


def test_each_run_of_a_batch_has_a_thread_of_its_own() -> None:
    built = app(InMemorySaver())
    built.batch([{"n": 0}, {"n": 10}], THREAD)
    found = [built.get_state({"configurable": {"thread_id": f"t/{i}"}}).values["n"] for i in (0, 1)]
    assert found == [3, 13]
    built.batch({"n": [5], "name": ["mine"]}, THREAD, threads="name")
    assert built.get_state({"configurable": {"thread_id": "mine"}}).values["n"] == 8


def test_two_runs_with_one_thread_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Runs 0, 2 have the same thread 'a'"):
        app(InMemorySaver()).batch([{"n": 0}] * 3, THREAD, threads=["a", "b", "a"])
