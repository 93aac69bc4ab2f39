"""What LangChain's callbacks hear of a graph that is handed over: the same as of LangGraph's."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from vecgraph.interop import from_langgraph


class State(TypedDict):
    n: int
    log: Annotated[list, operator.add]


class Ear(BaseCallbackHandler):
    """Notes each run with the name of the run around it."""

    def __init__(self):
        self.heard, self.names = [], {}

    def on_chain_start(self, _serialized, inputs, *, run_id, parent_run_id=None, **more):
        self.names[run_id] = more.get("name")
        told = sorted(more["metadata"]), tuple(more["tags"])
        around = self.names.get(parent_run_id)
        self.heard.append(("start", more.get("name"), around, told, repr(inputs)))

    def on_chain_end(self, outputs, *, run_id, **more):
        self.heard.append(("end", self.names[run_id], repr(outputs)))

    def on_chain_error(self, error, *, run_id, **more):
        self.heard.append(("error", self.names[run_id], repr(error)))


def graph():
    child = StateGraph(State).add_node("one", lambda state: {"n": 1})
    child.add_node("two", RunnableLambda(lambda state: {"log": ["two"]}))
    child.add_edge(START, "one").add_edge("one", "two")

    def route(state):
        return "child" if state["n"] < 10 else Send("last", {"n": state["n"]})

    def last(state):
        if state["n"] > 100:
            raise ValueError(state["n"])
        return {"log": ["last"]}

    builder = StateGraph(State).add_node("first", lambda state: {"n": state["n"] + 1})
    builder.add_node("child", child.compile(name="kid")).add_node("last", last)
    builder.add_edge(START, "first").add_edge("child", "last").add_edge("last", END)
    builder.add_conditional_edges("first", route)
    return builder.compile(name="top")


def run(app, verb, value, config):
    async def collect():
        return [chunk async for chunk in app.astream(value, config)]

    if verb == "stream":
        return list(app.stream(value, config))
    if verb == "astream":
        return asyncio.run(collect())
    if verb == "ainvoke":
        return asyncio.run(app.ainvoke(value, config))
    return app.invoke(value, config)


def outcome(app, verb, n):
    """Return what a call gives, and what callbacks hear of it."""
    ear = Ear()
    config = {"callbacks": [ear], "tags": ["mine"], "metadata": {"by": "me"}}
    try:
        found = run(app, verb, {"n": n, "log": []}, config)
    except Exception as error:  # noqa: BLE001  whatever it raises is its result
        found = repr(error)
    return found, ear.heard


@pytest.mark.parametrize("verb", ["invoke", "stream", "ainvoke", "astream"])
@pytest.mark.parametrize("n", [1, 50, 200])
def test_callbacks_hear_what_they_hear_of_langgraph(verb, n) -> None:
    wanted = outcome(graph(), verb, n)
    assert len(wanted[1]) > 4
    assert outcome(from_langgraph(graph()), verb, n) == wanted


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_events_are_streamed_as_of_langgraph() -> None:
    async def events(app):
        found = app.astream_events({"n": 1, "log": []}, version="v2")
        return [(e["event"], e["name"], e["data"].get("output")) async for e in found]

    assert asyncio.run(events(from_langgraph(graph()))) == asyncio.run(events(graph()))
