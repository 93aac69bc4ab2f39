"""Runs on an event loop go the short way where nothing is kept, watched or sent, and end alike."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, TypedDict

import pytest

from vecgraph.engine import quick_loop
from vecgraph.errors import GraphRecursionError
from vecgraph.graph import END, START, StateGraph
from vecgraph.types import Command, Send, interrupt


class State(TypedDict, total=False):
    n: int
    log: Annotated[list, operator.add]


async def step(state):
    await asyncio.sleep(0)
    return {"n": state["n"] - 1, "log": [state["n"]]}


async def asks(state):
    return {"log": [interrupt({"n": state["n"]})]}


async def fails(state):
    raise ValueError(f"at {state['n']}")


async def goes(state):
    return Command(update={"log": ["goes"]}, goto="after" if state["n"] % 2 else END)


async def cancels(state):
    raise asyncio.CancelledError


def after(state):
    return {"log": [f"after {state['n']}"]}


async def again(state):
    return "first" if state["n"] > 0 else "after"


async def sends(state):
    return [Send("after", {"n": i}) for i in range(state["n"] % 3)] or END


async def both(state):
    return ["after", "other"]


def app_of(first, router=None, ends=None):
    graph = StateGraph(State)
    graph.add_node("first", first)
    graph.add_node("after", after)
    graph.add_node("other", lambda state: {"log": ["other"]})
    graph.add_edge(START, "first")
    if router is not None:
        graph.add_conditional_edges("first", router, ends)
    return graph.compile()


CASES = {
    "loop": (step, again, {"first": "first", "after": "after"}),
    "no map": (step, again, None),
    "command": (goes, None, None),
    "asks": (asks, None, None),
    "fails": (fails, None, None),
    "cancels": (cancels, None, None),
    "sends": (step, sends, ["after", END]),
    "two at once": (step, both, ["after", "other"]),
    "scalar router": (step, lambda state: "after" if state["n"] else END, None),
}


def outcomes(app, limit):
    """What becomes of runs, on the short way or not."""

    async def run():
        many = await app.abatch(
            [{"n": n} for n in range(6)], {"recursion_limit": limit}, return_exceptions=True
        )
        one = await asyncio.gather(
            app.ainvoke({"n": 2}, {"recursion_limit": limit}), return_exceptions=True
        )
        return [*many, *one]

    def told(one):
        if isinstance(one, BaseException):
            return type(one), str(one), len(getattr(one, "__notes__", []))
        questions = [i.value for i in one.get("__interrupt__", ())]
        return {name: one[name] for name in one if name != "__interrupt__"}, questions

    return [told(one) for one in asyncio.run(run())]


@pytest.mark.parametrize("limit", [2, 25])
@pytest.mark.parametrize("case", CASES)
def test_the_short_way_ends_as_the_long_one(case, limit, monkeypatch) -> None:
    app, ways = app_of(*CASES[case]), []
    arun = quick_loop.LoopQuick.arun
    monkeypatch.setattr(quick_loop.LoopQuick, "arun", lambda *args: ways.append(1) or arun(*args))
    short = outcomes(app, limit)
    assert len(ways) == 7
    app.engine.tables.quick_on_loop = None
    assert outcomes(app, limit) == short
    assert len(ways) == 7


async def test_a_run_is_cancelled_from_outside_and_a_slot_is_free_again() -> None:
    begun = asyncio.Event()

    async def waits(state):
        begun.set()
        await asyncio.sleep(60)

    app = app_of(waits)
    work = asyncio.ensure_future(app.ainvoke({"n": 1}, {"max_concurrency": 1}))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_max_concurrency_bounds_the_coroutines_in_flight() -> None:
    now, most = 0, 0

    async def counted(state):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return {"log": [1]}

    await app_of(counted).abatch([{"n": i} for i in range(20)], {"max_concurrency": 3})
    assert most == 3


async def test_the_limit_is_that_of_the_long_way() -> None:
    app = app_of(step, again, None)
    with pytest.raises(GraphRecursionError):
        await app.ainvoke({"n": 9}, {"recursion_limit": 9})
    assert (await app.ainvoke({"n": 9}, {"recursion_limit": 11}))["n"] == 0
