"""The ``messages`` mode with LangChain's fake chat models: both libraries show the same chunks."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import textwrap
import warnings
from types import SimpleNamespace

import langgraph.func
import langgraph.graph
import langgraph.graph.message
import langgraph.types
import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage

import vecgraph.func
import vecgraph.graph
import vecgraph.graph.message
import vecgraph.types
from tests.differential.door_two import DoorTwo, HandedOver
from vecgraph.testing.compare import difference


def library(graph, message, types, func):
    return SimpleNamespace(
        StateGraph=graph.StateGraph,
        MessagesState=graph.MessagesState,
        Send=types.Send,
        Command=types.Command,
        push_message=message.push_message,
        entrypoint=func.entrypoint,
        task=func.task,
    )


THEIRS = library(langgraph.graph, langgraph.graph.message, langgraph.types, langgraph.func)
OURS = library(vecgraph.graph, vecgraph.graph.message, vecgraph.types, vecgraph.func)
DOORS = {
    "door one": OURS,
    "door two": SimpleNamespace(
        **{**vars(THEIRS), "StateGraph": DoorTwo, "entrypoint": HandedOver}
    ),
}


def model(*texts, tags=None):
    said = iter([AIMessage(text, id=f"{text} {at}") for at, text in enumerate(texts)])
    return GenericFakeChatModel(messages=said, tags=tags)


def agent(lib, use_async):
    """A graph that asks models, returns messages by hand, and pushes some."""
    loud, quiet = model("one two", "three"), model("hush", tags=["nostream"])

    def call(state):
        return {"messages": [loud.invoke(state["messages"])]}

    async def acall(state):
        return {"messages": [await loud.ainvoke(state["messages"])]}

    def plain(state):
        return {"messages": [HumanMessage("hi", id="h1"), state["messages"][0]]}

    def push(state):
        lib.push_message(AIMessage("pushed", id="p1"))
        lib.push_message(AIMessage("not in the state", id="p2"), state_key=None)
        return {}

    def silent(state):
        quiet.invoke("x")
        return lib.Command(update={"messages": AIMessage("by hand", id="b1")}, goto="again")

    def again(state):
        first = loud.invoke("x")
        return [lib.Command(update={"messages": [first]}), {"messages": [state["messages"][-1]]}]

    graph = lib.StateGraph(lib.MessagesState)
    for at, fn in enumerate((acall if use_async else call, plain, push, silent, again)):
        name = fn.__name__.removeprefix("a") if fn is acall else fn.__name__
        graph.add_node(name, fn, metadata={"n": at})
    graph.add_edge("__start__", "call")
    graph.add_edge("call", "plain")
    graph.add_edge("plain", "push")
    graph.add_edge("push", "silent")
    return graph.compile()


def nested(lib, use_async):
    graph = lib.StateGraph(lib.MessagesState)
    graph.add_node("sub", agent(lib, use_async))
    graph.add_node("after", lambda state: {"messages": [AIMessage("after", id="z")]})
    graph.add_edge("__start__", "sub")
    graph.add_edge("sub", "after")
    return graph.compile()


def called(lib, use_async):
    inner = agent(lib, use_async)

    def call(state):
        return inner.invoke({"messages": [HumanMessage("inside", id="i2")]})

    async def acall(state):
        return await inner.ainvoke({"messages": [HumanMessage("inside", id="i2")]})

    graph = lib.StateGraph(lib.MessagesState)
    graph.add_node("call", acall if use_async else call)
    graph.add_edge("__start__", "call")
    return graph.compile()


def workflow(lib, use_async):
    loud = model("one two", "three")

    @lib.task
    def ask(x):
        return loud.invoke(x)

    @lib.task(name="ask")
    async def aask(x):
        return await loud.ainvoke(x)

    def flow(x):
        return [ask("q").result(), AIMessage("final", id="f1")]

    async def aflow(x):
        return [await aask("q"), AIMessage("final", id="f1")]

    aflow.__name__ = "flow"
    return lib.entrypoint()(aflow if use_async else flow)


def chunks(app, options, use_async):
    """Return what a run streams, ids of tasks left out."""
    value = {"messages": [HumanMessage("in", id="i1")]}
    config = {"tags": ["user"], "metadata": {"u": 1}, "configurable": {"thread_id": "7"}}

    async def collect():
        return [chunk async for chunk in app.astream(value, config, **options)]

    found = asyncio.run(collect()) if use_async else list(app.stream(value, config, **options))
    return [shown(chunk) for chunk in found]


def shown(value):
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", repr(value))


OPTIONS = {
    "alone": {"stream_mode": "messages"},
    "paired": {"stream_mode": ["messages", "updates"]},
    "with subgraphs": {"stream_mode": ["messages", "updates"], "subgraphs": True},
    "v2": {"stream_mode": ["values", "messages"], "subgraphs": True, "version": "v2"},
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("make", [agent, nested, called, workflow])
def test_messages_are_streamed_as_in_langgraph(make, options, use_async, door) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = chunks(make(THEIRS, use_async), options, use_async)
        found = chunks(make(DOORS[door], use_async), options, use_async)
    assert difference(wanted, found) is None, difference(wanted, found)
    assert wanted


def test_messages_that_are_dicts_are_streamed_once() -> None:
    given = {"role": "user", "content": "in", "id": "i"}

    def answer(state):
        vecgraph.graph.message.push_message({"role": "assistant", "content": "early", "id": "e"})
        return {"messages": [{"role": "assistant", "content": "out"}, state["messages"][0]]}

    graph = vecgraph.graph.StateGraph(vecgraph.graph.MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge("__start__", "answer")
    app = graph.compile()
    *streamed, last = app.stream({"messages": [given]}, stream_mode=["messages", "values"])
    shown_, state = [chunk[1][0] for chunk in streamed if chunk[0] == "messages"], last[1]
    assert [message["content"] for message in shown_] == ["early", "out"]
    assert [m["id"] for m in state["messages"]] == ["i", "e", shown_[1]["id"]]
    # A run that nobody watches, and each of many, is the same.
    contents = ["in", "early", "out"]
    inputs = [{"messages": [given]} for _ in range(50)]
    for found in [app.invoke(inputs[0]), *app.batch(inputs)]:
        assert [message["content"] for message in found["messages"]] == contents


def test_langchains_messages_are_streamed_where_langgraph_is_not_installed() -> None:
    script = """
        import sys
        sys.modules["langgraph"] = None
        import langchain_core.callbacks
        from langchain_core.messages import AIMessage
        from vecgraph.graph import MessagesState, StateGraph

        graph = StateGraph(MessagesState)
        graph.add_node("say", lambda state: {"messages": [AIMessage("hi", id="1")]})
        app = graph.set_entry_point("say").compile()
        (shown, _), = app.stream({"messages": []}, stream_mode="messages")
        assert shown.content == "hi", shown
        run = app.stream_events({"messages": []}, version="v3")
        assert [str(message.text) for message in run.messages] == ["hi"]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
