"""Runs side by side: order of completion, limits, stops, cancellation, deadlocks, conservation."""

from __future__ import annotations

import asyncio
import faulthandler
import operator
import threading
import time
from collections import Counter
from typing import Annotated, TypedDict

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from langgraph.checkpoint.memory import InMemorySaver

import vecgraph.errors
from tests.differential.test_threads import OURS
from tests.differential.threads import build, is_race, plans
from vecgraph.errors import GraphDrained
from vecgraph.graph import StateGraph
from vecgraph.runtime import RunControl, Runtime


class State(TypedDict):
    n: int
    log: Annotated[list, operator.add]


def compiled(*nodes, **options):
    """A chain of functions."""
    graph = StateGraph(State)
    before = "__start__"
    for node in nodes:
        graph.add_node(node)
        graph.add_edge(before, node.__name__)
        before = node.__name__
    return graph.compile(**options)


def rows(n):
    return [{"n": at, "log": []} for at in range(n)]


def test_runs_are_given_out_as_they_end() -> None:
    gates = [threading.Event() for _ in range(3)]

    def work(state):
        gates[state["n"]].wait(20)
        return {"log": [state["n"]]}

    app, seen = compiled(work), []
    gates[2].set()
    for position, output in app.batch_as_completed(rows(3), {"max_concurrency": 3}):
        seen.append(position)
        assert output["log"] == [position]
        gates[[2, 0, 1][len(seen) % 3]].set()
    assert seen == [2, 0, 1]


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_no_more_runs_go_on_at_once_than_allowed(limit, use_async) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def begin():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)

    def end():
        nonlocal running
        with lock:
            running -= 1

    def work(state):
        begin()
        time.sleep(0.003)
        end()
        return {"n": -state["n"]}

    async def awork(state):
        begin()
        await asyncio.sleep(0.003)
        end()
        return {"n": -state["n"]}

    app, config = compiled(awork if use_async else work), {"max_concurrency": limit}

    async def collect():
        return dict([pair async for pair in app.abatch_as_completed(rows(6), config)])

    found = asyncio.run(collect()) if use_async else dict(app.batch_as_completed(rows(6), config))
    assert {at: output["n"] for at, output in found.items()} == {at: -at for at in range(6)}
    assert most == limit


def test_runs_that_have_not_begun_do_not_when_the_iterator_is_closed() -> None:
    begun = []

    def work(state):
        begun.append(state["n"])
        return {}

    each = compiled(work).batch_as_completed(rows(50), {"max_concurrency": 1})
    next(each)
    each.close()
    assert len(begun) < 50


def test_of_a_list_with_configs_the_first_failure_by_position_is_raised() -> None:
    def work(state):
        if state["n"] in {1, 2}:
            time.sleep(0.02 if state["n"] == 1 else 0)
            raise KeyError(state["n"])
        return {}

    app = compiled(work)
    with pytest.raises(KeyError, match="1"):
        app.batch(rows(4), [{}] * 4)
    found = app.batch(rows(4), [{}] * 4, return_exceptions=True)
    assert [type(output).__name__ for output in found] == ["dict", "KeyError", "KeyError", "dict"]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_a_run_that_is_asked_to_stop_stops_between_supersteps_and_goes_on_later(
    durability, use_async
) -> None:
    ran = []

    def first(state, runtime: Runtime):
        ran.append("first")
        runtime.control.request_drain("night")
        assert runtime.drain_requested
        return {"log": ["first"]}

    def second(state):
        ran.append("second")
        return {"log": ["second"]}

    app = compiled(first, second, checkpointer=InMemorySaver())
    config, control = {"configurable": {"thread_id": "t"}}, RunControl()

    def run(value, **options):
        if use_async:
            return asyncio.run(app.ainvoke(value, config, **options))
        return app.invoke(value, config, **options)

    with pytest.raises(GraphDrained, match="night"):
        run(rows(1)[0], control=control, durability=durability)
    assert ran == ["first"]
    assert app.get_state(config).next == ("second",)
    assert run(None)["log"] == ["first", "second"]
    assert ran == ["first", "second"]


async def test_a_cancelled_run_leaves_a_state_that_can_be_gone_on_from() -> None:
    begun, ran = asyncio.Event(), []

    async def first(state):
        ran.append("first")
        return {"log": ["first"]}

    async def quick(state):
        ran.append("quick")
        return {"log": ["quick"]}

    async def slow(state):
        ran.append("slow")
        begun.set()
        await asyncio.sleep(30 if ran.count("slow") == 1 else 0)
        return {"log": ["slow"]}

    graph = StateGraph(State)
    for node in (first, quick, slow):
        graph.add_node(node)
    graph.add_edge("__start__", "first")
    graph.add_edge("first", "quick")
    graph.add_edge("first", "slow")
    app = graph.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    run = asyncio.ensure_future(app.ainvoke(rows(1)[0], config))
    await begun.wait()
    await asyncio.sleep(0.05)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    state = await app.aget_state(config)
    assert state.values["log"] == ["first", "quick"]
    assert state.next == ("slow",)
    assert (await app.ainvoke(None, config))["log"] == ["first", "quick", "slow"]
    assert ran == ["first", "quick", "slow", "slow"] or ran == ["first", "slow", "quick", "slow"]


def test_a_run_that_is_interrupted_from_the_keyboard_leaves_its_last_superstep() -> None:
    stops = [True]

    def first(state):
        return {"log": ["first"]}

    def second(state):
        if stops.pop():
            raise KeyboardInterrupt
        return {"log": ["second"]}

    app = compiled(first, second, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    with pytest.raises(KeyboardInterrupt):
        app.invoke(rows(1)[0], config)
    state = app.get_state(config)
    assert (state.values["log"], state.next) == (["first"], ("second",))
    stops.append(False)
    assert app.invoke(None, config)["log"] == ["first", "second"]


@pytest.fixture
def watchdog():
    """End the process with a dump of its threads instead of waiting for ever."""
    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def branching(use_async):
    """A graph with two branches, each of which runs a graph, one as a node and one by a call."""

    def leaf(state):
        return {"log": [state["n"]]}

    async def aleaf(state):
        await asyncio.sleep(0)
        return {"log": [state["n"]]}

    inner = StateGraph(State)
    for name in ("x", "y"):
        inner.add_node(name, aleaf if use_async else leaf)
        inner.add_edge("__start__", name)
    child = inner.compile()

    def call(state):
        return {"log": child.invoke({"n": state["n"], "log": []})["log"]}

    async def acall(state):
        return {"log": (await child.ainvoke({"n": state["n"], "log": []}))["log"]}

    graph = StateGraph(State)
    graph.add_node("a", child)
    graph.add_node("b", acall if use_async else call)
    graph.add_edge("__start__", "a")
    graph.add_edge("__start__", "b")
    return graph.compile()


@pytest.mark.parametrize("limit", [1, 2, None])
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_graphs_in_branches_of_many_runs_do_not_wait_for_each_other(
    limit, use_async, watchdog
) -> None:
    app, config = branching(use_async), {"max_concurrency": limit}
    wanted = [[at] * 4 for at in range(40)]

    async def each():
        return [pair async for pair in app.abatch_as_completed(rows(40), config)]

    if use_async:
        found = [asyncio.run(app.abatch(rows(40), config))]
        found.append([output for _, output in sorted(asyncio.run(each()), key=lambda p: p[0])])
    else:
        found = [app.batch(rows(40), config)]
        pairs = sorted(app.batch_as_completed(rows(40), config), key=lambda p: p[0])
        found.append([output for _, output in pairs])
    for outputs in found:
        assert [output["log"] for output in outputs] == wanted


EXAMPLES = settings(
    phases=(Phase.explicit, Phase.generate),
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@given(plan=plans())
@EXAMPLES
def test_tasks_that_begin_end_fail_ask_or_are_cancelled_and_nothing_else(plan, use_async) -> None:
    """Dispatched = done + failed + asking + cancelled; only a failure cancels tasks."""
    assume(not is_race(plan, use_async=use_async))
    app = build(OURS, plan, InMemorySaver(), [])
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": 4}  # Sends may multiply
    chunks, error = [], None

    async def collect():
        async for chunk in app.astream({"n": 0, "log": []}, config, stream_mode="tasks"):
            chunks.append(chunk)  # noqa: PERF401  what came before an error counts

    try:
        if use_async:
            asyncio.run(collect())
        else:
            for chunk in app.stream({"n": 0, "log": []}, config, stream_mode="tasks"):
                chunks.append(chunk)  # noqa: PERF402
    except Exception as raised:  # noqa: BLE001  what a run raises is its result
        error = raised
    begun = Counter(chunk["id"] for chunk in chunks if "input" in chunk)
    ended = Counter(chunk["id"] for chunk in chunks if "result" in chunk)
    handlers = {chunk["id"] for chunk in chunks if chunk["name"].startswith("__error_handler__")}
    assert set(begun.values()) <= {1}
    assert set(ended.values()) <= {1}
    assert ended.keys() - handlers <= begun.keys()
    cancelled = begun.keys() - ended.keys()
    limit = isinstance(error, vecgraph.errors.GraphRecursionError)
    assert not cancelled or (error is not None and not limit)
    failed = [chunk for chunk in chunks if chunk.get("error") is not None]
    asking = [chunk for chunk in chunks if chunk.get("interrupts")]
    done = [c for c in chunks if "result" in c and c["error"] is None and not c["interrupts"]]
    assert len(done) + len(failed) + len(asking) == sum(ended.values())


def test_what_a_caller_does_to_results_changes_no_state_and_no_other_run() -> None:
    shared = {"n": 1, "log": ["given"]}

    def work(state):
        return {"log": [{"made": state["n"]}], "n": state["n"] + 1}

    def more(state):
        return {"log": [{"more": state["n"]}]}

    app = compiled(work, more, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    chunks = []
    for chunk in app.stream(shared, config, stream_mode="values"):
        chunks.append(chunk["log"][:])
        chunk["log"].append("spoilt")
        chunk["n"] = "spoilt"
        shared["log"].append("spoilt by the caller")
    wanted = ["given", {"made": 1}, {"more": 2}]
    assert chunks == [wanted[:1], wanted[:2], wanted]
    states = [state.values["log"] for state in app.get_state_history(config)]
    assert states == [wanted, wanted[:2], wanted[:1], []]
    output = app.invoke({"n": 5, "log": []}, {"configurable": {"thread_id": "u"}})
    output["log"].append("spoilt")
    output["log"][0]["made"] = "spoilt"
    assert app.get_state({"configurable": {"thread_id": "u"}}).values["log"][0] == {"made": 5}


@pytest.mark.parametrize("n", [3, 60])
def test_one_input_given_to_many_runs_is_shared_by_none(n) -> None:
    given_ = {"n": 0, "log": ["given"]}

    def work(state):
        state["log"].append("in place")
        return {"log": ["written"]}

    outputs = compiled(work).batch([given_] * n)
    outputs[0]["log"].append("spoilt")
    assert given_["log"] == ["given"]
    assert all(output["log"] == ["given", "written"] for output in outputs[1:])
