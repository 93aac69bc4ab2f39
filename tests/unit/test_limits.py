"""Time limits of tasks and of supersteps, signs of life, and the check for changes in place."""

from __future__ import annotations

import asyncio
import operator
import time
from typing import Annotated, TypedDict

import pytest

from vecgraph.errors import InPlaceChangeError, NodeTimeoutError
from vecgraph.graph import START, StateGraph
from vecgraph.types import RetryPolicy, TimeoutPolicy


class State(TypedDict):
    n: int
    log: Annotated[list, operator.add]


LONG = 30.0
"""Seconds that nothing in these tests waits for."""


def one(action, **options):
    graph = StateGraph(State).add_node("a", action, **options)
    return graph.add_edge(START, "a").compile()


async def sleeper(state):
    await asyncio.sleep(LONG)


async def test_a_task_that_takes_too_long_is_stopped() -> None:
    app = one(sleeper, timeout=TimeoutPolicy(run_timeout=0.01))
    with pytest.raises(NodeTimeoutError, match=r"exceeded its run timeout of 0\.010s") as raised:
        await app.ainvoke({"n": 1})
    assert (raised.value.kind, raised.value.node) == ("run", "a")


async def test_an_idle_task_is_stopped_and_one_that_lives_is_not() -> None:
    async def lives(state, runtime):
        for _ in range(5):
            await asyncio.sleep(0.02)
            runtime.heartbeat()
        return {"log": ["alive"]}

    policy = TimeoutPolicy(idle_timeout=0.08, refresh_on="heartbeat")
    assert (await one(lives, timeout=policy).ainvoke({"n": 1}))["log"] == ["alive"]
    with pytest.raises(NodeTimeoutError, match="without making progress"):
        await one(sleeper, timeout=policy).ainvoke({"n": 1})


@pytest.mark.parametrize(("refresh_on", "lives"), [("auto", True), ("heartbeat", False)])
async def test_what_counts_as_a_sign_of_life(refresh_on, lives) -> None:
    async def writes(state, writer):
        for at in range(6):
            await asyncio.sleep(0.02)
            writer(at)
        return {"log": ["done"]}

    app = one(writes, timeout=TimeoutPolicy(idle_timeout=0.07, refresh_on=refresh_on))
    if lives:
        assert (await app.ainvoke({"n": 1}))["log"] == ["done"]
    else:
        with pytest.raises(NodeTimeoutError):
            await app.ainvoke({"n": 1})


async def test_a_timeout_is_worth_another_attempt_and_its_writes_are_dropped() -> None:
    calls = []

    async def slow_once(state):
        calls.append(1)
        if len(calls) == 1:
            await asyncio.sleep(LONG)
        return {"log": [len(calls)]}

    policy = RetryPolicy(initial_interval=0, jitter=False)
    app = one(slow_once, timeout=0.02, retry_policy=policy)
    assert (await app.ainvoke({"n": 1}))["log"] == [2]


async def test_a_time_out_of_one_run_of_a_batch_is_its_own() -> None:
    async def maybe(state):
        await asyncio.sleep(LONG if state["n"] == 2 else 0)
        return {"log": [state["n"]]}

    result = await one(maybe, timeout=0.2).abatch({"n": [1, 2, 3]})
    assert result.status.tolist() == ["done", "timeout", "done"]


async def test_the_nodes_own_timeout_error_passes() -> None:
    async def fails(state):
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await one(fails, timeout=5).ainvoke({"n": 1})


def test_a_superstep_has_a_time_limit_if_the_app_says_so() -> None:
    app = one(lambda state: time.sleep(0.3))
    app.step_timeout = 0.02
    with pytest.raises(TimeoutError, match="Timed out"):
        app.invoke({"n": 1})
    app.step_timeout = LONG
    assert app.invoke({"n": 1})["n"] == 1


async def test_a_superstep_on_the_loop_has_a_time_limit_too() -> None:
    app = one(sleeper)
    app.step_timeout = 0.02
    with pytest.raises(TimeoutError, match="Timed out"):
        await app.ainvoke({"n": 1})


def test_what_fails_within_the_limit_is_raised_as_it_is() -> None:
    app = one(lambda state: {"n": 1 // state["n"]})
    app.step_timeout = LONG
    with pytest.raises(ZeroDivisionError):
        app.invoke({"n": 0})


def sorts(state):
    state["log"].sort()


def test_debug_finds_changes_in_place(capsys) -> None:
    graph = StateGraph(State).add_node("a", sorts).add_edge(START, "a")
    with pytest.raises(
        InPlaceChangeError, match=r"(?s)'a' changed 'log'.*return the new value"
    ) as raised:
        graph.compile(debug=True).invoke({"log": [2, 1]})
    assert (raised.value.node, raised.value.keys) == ("a", ("log",))
    graph.compile().invoke({"log": [2, 1]})
    assert "[updates]" not in capsys.readouterr().err


def test_debug_prints_what_happens_and_lets_returned_changes_be(capsys) -> None:
    def adds(state):
        state["log"].append(3)
        return {"log": [3]}

    graph = StateGraph(State).add_node("a", adds).add_edge(START, "a")
    assert graph.compile(debug=True).invoke({"log": [1]}) == {"log": [1, 3]}
    shown = capsys.readouterr().out
    assert "[updates]" in shown
    assert "[values]" in shown


def test_debug_of_a_batch_looks_at_each_run() -> None:
    def sorts_some(state):
        if state["n"] == 1:
            state["log"].sort()

    graph = StateGraph(State).add_node("a", sorts_some).add_edge(START, "a")
    inputs = {"n": list(range(40)), "log": [[2, 1] for _ in range(40)]}
    result = graph.compile(debug=True).batch(inputs)
    assert [error.row for error in result.errors] == [1]
