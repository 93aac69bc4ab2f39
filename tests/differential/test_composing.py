"""Chains of graphs and functions in both libraries: `|`, `bind`, `map`, `pick`, retries, fallbacks."""

from __future__ import annotations

import asyncio
import operator
import subprocess
import sys
import textwrap
import warnings
from types import SimpleNamespace
from typing import Annotated, TypedDict

import langgraph.graph
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableLambda, RunnableSequence

import vecgraph.graph
from tests.differential.door_two import DoorTwo
from vecgraph.errors import UnsupportedError


class State(TypedDict):
    n: int
    log: Annotated[list, operator.add]


def built(lib, *, fails_below=0):
    """A graph that adds one, in two steps, and refuses small numbers."""
    seen = []

    def first(state):
        seen.append(state["n"])
        if state["n"] < fails_below:
            raise KeyError(state["n"])
        return {"n": state["n"] + 1, "log": ["first"]}

    def second(state, config):
        return {"log": [config["metadata"].get("who", "nobody"), *sorted(config.get("tags") or ())]}

    graph = lib.StateGraph(State)
    graph.add_node("first", first)
    graph.add_node("second", second)
    graph.add_edge("__start__", "first")
    graph.add_edge("first", "second")
    return graph.compile()


OURS, THEIRS = vecgraph.graph, langgraph.graph
DOORS = {"door one": OURS, "door two": SimpleNamespace(StateGraph=DoorTwo)}


def start(n):
    return {"n": n, "log": []}


def number(state):
    return state["n"] if isinstance(state, dict) and "n" in state else state


def with_config(value, config):
    return [value, config.get("tags"), config.get("metadata", {}).get("who")]


async def later(value):
    await asyncio.sleep(0)
    return ["later", value]


def steps_of(app, *fns):
    """Functions as fallbacks, of which LangChain wants to know that they are Runnables."""
    return list(fns) if type(app).__module__.startswith("vecgraph.app") else list(
        map(RunnableLambda, fns)
    )  # fmt: skip


STEPS = {
    "number": lambda app: number,
    "with config": lambda app: with_config,
    "later": lambda app: later,
    "refuses": lambda app: lambda value: [][value],
    "fork": lambda app: {"a": number, "b": lambda value: "b"},
    "again": lambda app: lambda value: start(number(value)),
    "app": lambda app: app,
    "bound": lambda app: app.bind(stream_mode="updates"),
    "values": lambda app: app.bind(stream_mode="values").bind(interrupt_after=["first"]),
    "config": lambda app: app.with_config(tags=["t"], metadata={"who": "me"}),
    "picks": lambda app: app.pick("n"),
    "picks some": lambda app: app.pick(["n", "nothing"]),
    "assigns": lambda app: app.assign(more=number, twice=lambda state: 2 * state["n"]),
    "falls back": lambda app: app.with_fallbacks(steps_of(app, lambda value: "fell")),
    "falls back on some": lambda app: app.with_fallbacks(
        steps_of(app, lambda value: "fell", lambda value: "far"), exceptions_to_handle=(KeyError,)
    ),
    "told": lambda app: app.with_fallbacks(
        steps_of(app, lambda value: repr(value.get("why"))), exception_key="why"
    ),
    "retries": lambda app: app.with_retry(stop_after_attempt=2, wait_exponential_jitter=False),
    "not a step": lambda app: 3,
}


def outcome(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return shown(call())
        except Exception as error:  # noqa: BLE001
            return type(error).__name__


def shown(value):
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return type(value).__name__ if isinstance(value, Exception) else value


def chained(lib, names, piped):
    app = built(lib, fails_below=2)
    steps = [STEPS[name](app) for name in names]
    if piped:
        return app.pipe(*steps)
    chain = app
    for step in steps:
        chain = chain | step
    return chain


CONFIGS = [None, {"tags": ["x"], "metadata": {"who": "you"}}, {"recursion_limit": 2}]


def used(chain, config):
    """What a chain gives, by all of its verbs."""

    async def collect():
        return [chunk async for chunk in chain.astream(start(4), config)]

    many = [start(n) for n in (1, 3, 5)]
    return {
        "invoke": [outcome(lambda n=n: chain.invoke(start(n), config)) for n in (1, 4)],
        "ainvoke": [outcome(lambda n=n: asyncio.run(chain.ainvoke(start(n), config)))
                    for n in (1, 4)],
        "batch": outcome(lambda: chain.batch(many, config, return_exceptions=True)),
        "batch, raising": outcome(lambda: chain.batch(many[1:], config)),
        "abatch": outcome(lambda: asyncio.run(chain.abatch(many, config, return_exceptions=True))),
        "stream": outcome(lambda: list(chain.stream(start(4), config))),
        "astream": outcome(lambda: asyncio.run(collect())),
    }  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=3),
    piped=st.booleans(),
    config=st.sampled_from(CONFIGS),
)
def test_chains_give_what_langchains_give(names, piped, config, door) -> None:
    def seen(lib):
        try:
            chain = chained(lib, names, piped)
        except TypeError as refused:
            return str(refused)
        return used(chain, config)

    ours, theirs = seen(DOORS[door]), seen(THEIRS)
    if "fork" in names or "assigns" in names:
        # Side by side, the steps of a dict are streamed in any order.
        for found in (ours, theirs):
            found = found if isinstance(found, dict) else {}
            found.pop("stream", None), found.pop("astream", None)
    for verb in ("batch", "abatch"):
        # LangChain's fallbacks lose rows of a batch that were refused.
        rows = theirs.get(verb) if isinstance(theirs, dict) else None
        if isinstance(rows, list) and len(rows) < 3:
            assert len(ours.pop(verb)) == (3 if door == "door one" else len(rows))
            del theirs[verb]
    assert ours == theirs


@pytest.mark.parametrize("name", sorted(STEPS))
def test_each_step_alone(name) -> None:
    def seen(lib):
        step = STEPS[name](built(lib, fails_below=2))
        try:
            chain = number | built(lib) if not hasattr(step, "invoke") else step.map()
        except TypeError as refused:
            return str(refused)
        values = [start(1), start(4)]
        return [
            outcome(lambda: chain.invoke(values)),
            outcome(lambda: asyncio.run(chain.ainvoke(values))),
        ]

    assert seen(OURS) == seen(THEIRS)


@pytest.mark.parametrize("door", DOORS)
def test_a_function_or_a_dict_before_a_graph(door) -> None:
    for before in (start, {"n": lambda n: n, "log": lambda n: [n]}):
        mine, theirs = before | built(DOORS[door]), before | built(THEIRS)
        assert mine.invoke(3) == theirs.invoke(3)
        assert mine.batch([3, 4]) == theirs.batch([3, 4])
        assert list(mine.stream(3)) == list(theirs.stream(3))


def test_langchains_runnables_take_our_graphs_for_their_own() -> None:
    app = built(OURS)
    before, after = RunnableLambda(start), RunnableLambda(number)
    for chain in (before | app | after, before | (app | after), (before | app) | after,
                  RunnableLambda(start) | app.pick("n"), {"n": before} | RunnableLambda(
                      lambda found: found["n"]) | app | after):  # fmt: skip
        assert isinstance(chain, RunnableSequence)
        assert chain.invoke(3) == 4
        assert chain.batch([3, 4]) == [4, 5]
        assert asyncio.run(chain.ainvoke(3)) == 4
        assert list(chain.stream(3))
    assert RunnableLambda(lambda n: app).invoke(start(3))["n"] == 4


def test_a_graph_of_ours_is_a_node_of_langgraphs() -> None:
    graph = THEIRS.StateGraph(State)
    graph.add_node("ours", built(OURS))
    graph.add_edge("__start__", "ours")
    assert graph.compile().invoke(start(3))["n"] == 4


def test_a_batch_goes_through_a_chain_step_by_step() -> None:
    app, sizes = built(OURS), []
    whole = app.batch

    def batch(inputs, *args, **kwargs):
        sizes.append(len(inputs))
        return whole(inputs, *args, **kwargs)

    app.batch = batch
    chain = start | app | number | start | app
    assert [found["n"] for found in chain.batch(range(100))] == list(range(2, 102))
    assert sizes == [100, 100]


def test_generators_are_refused() -> None:
    def letters(value):
        yield value

    with pytest.raises(UnsupportedError, match="generator functions in chains"):
        built(OURS) | letters


def test_retries_wait_and_count() -> None:
    calls = []

    def seldom(state):
        calls.append(state)
        if len(calls) < 3:
            raise ValueError("not yet")
        return {"n": 7}

    app = OURS.StateGraph(State).add_node("a", seldom).add_edge("__start__", "a").compile()
    waits = {"initial": 0.01, "jitter": 0.0, "max": 0.02}
    assert app.with_retry(exponential_jitter_params=waits).invoke(start(1))["n"] == 7
    calls.clear()
    with pytest.raises(ValueError, match="not yet"):
        app.with_retry(retry_if_exception_type=(KeyError,)).invoke(start(1))
    assert len(calls) == 1


def test_chains_work_without_langchain() -> None:
    script = """
        import sys
        from vecgraph.graph import StateGraph
        app = StateGraph(int).add_node("up", lambda n: n + 1).set_entry_point("up").compile()
        chain = (lambda n: n * 2) | app | {"a": str, "b": app.bind(stream_mode="values")}
        assert chain.invoke(3) == {"a": "7", "b": 8}, chain.invoke(3)
        assert not [name for name in sys.modules if name.startswith(("langchain", "langgraph"))]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
