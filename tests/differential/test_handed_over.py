"""Threads that one library began and the other goes on with, and graphs of one in the other."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from vecgraph.checkpoint.memory import InMemorySaver as OurSaver
from vecgraph.interop import from_langgraph
from vecgraph.interop.savers import for_langgraph
from vecgraph.testing.compare import difference


class State(TypedDict):
    n: Annotated[int, operator.add]
    log: Annotated[list, operator.add]


def builder_of(child=None):
    """Return a graph that fans out, asks twice side by side, and loops once."""

    def plan(state):
        packets = [Send("ask", {"n": i}) for i in range(2)]
        return Command(update={"log": ["plan"]}, goto=packets)

    def ask(state):
        return {"log": [(state["n"], interrupt({"of": state["n"]}))]}

    def again(state):
        return "plan" if state["n"] < 2 else END

    builder = StateGraph(State)
    builder.add_node("plan", plan)
    builder.add_node("ask", ask)
    builder.add_node("count", child or (lambda state: {"n": 1, "log": ["count"]}))
    builder.add_edge(START, "plan")
    builder.add_edge("ask", "count")
    builder.add_conditional_edges("count", again)
    return builder


def child_graph():
    def inner(state):
        return {"n": 1, "log": [interrupt("inner?")]}

    return StateGraph(State).add_node("inner", inner).add_edge(START, "inner").compile()


CONFIG = {"configurable": {"thread_id": "t"}}


def played(engines, child=None):
    """Go on with one thread, each step by the next engine; return what each step showed."""
    seen = []
    state = None
    for _ in range(20):
        app = next(engines)
        if state is None:
            given = {"n": 0, "log": []}
        elif state.interrupts:
            given = Command(resume={q.id: q.value for q in state.interrupts})
        else:
            break
        chunks = list(app.stream(given, CONFIG, stream_mode=["updates", "values"], subgraphs=True))
        state = next(engines).get_state(CONFIG, subgraphs=True)
        seen.append([plain(chunks), state.values, state.next, len(state.interrupts)])
    history = list(next(engines).get_state_history(CONFIG))
    seen.append([(s.values, s.next, s.metadata["step"], s.metadata["source"]) for s in history])
    return seen


def plain(chunks):
    """Return chunks without ids; those of one superstep in the order of their text."""
    return sorted(
        repr([tuple(part.split(":")[0] for part in ns), mode, without_ids(payload)])
        for ns, mode, payload in chunks
    )


def without_ids(value):
    if type(value).__name__ == "Interrupt":
        return ("asked", type(value).__module__, value.value)
    if isinstance(value, list | tuple):
        return [without_ids(item) for item in value]
    return {k: without_ids(v) for k, v in value.items()} if isinstance(value, dict) else value


@pytest.fixture(params=["memory", "sqlite", "ours"])
def make_saver(request, tmp_path):
    """Return what makes a fresh saver: (for LangGraph, for vecgraph) of one store."""
    opened = []

    def make():
        if request.param == "ours":
            saver = OurSaver()
            return for_langgraph(saver), saver
        if request.param == "memory":
            saver = InMemorySaver()
            return saver, saver
        context = SqliteSaver.from_conn_string(str(tmp_path / f"{len(opened)}.db"))
        opened.append(context)
        saver = context.__enter__()
        return saver, saver

    yield make
    for context in opened:
        context.__exit__(None, None, None)


def in_turn(*apps):
    while True:
        yield from apps


@pytest.mark.parametrize("with_child", [False, True])
def test_a_thread_goes_from_one_library_to_the_other_and_back(make_saver, with_child) -> None:
    child = child_graph() if with_child else None
    theirs, _ = make_saver()
    wanted = played(in_turn(builder_of(child).compile(theirs)))
    for order in ((0, 1), (1, 0), (1, 1), (0, 0, 1), (1, 1, 0)):
        theirs, ours = make_saver()
        graph = builder_of(child)
        apps = [graph.compile(theirs), from_langgraph(graph, checkpointer=ours)]
        found = played(in_turn(*(apps[at] for at in order)))
        assert difference(wanted, found) is None, order


@pytest.mark.parametrize("side", ["guest", "host"])
def test_a_graph_of_one_engine_in_a_graph_of_the_other(make_saver, side) -> None:
    theirs, _ = make_saver()
    wanted = played(in_turn(builder_of(child_graph()).compile(theirs)))
    theirs, ours = make_saver()
    if side == "guest":
        app = builder_of(from_langgraph(child_graph())).compile(theirs)
        assert [name for name, _ in app.get_subgraphs()] == ["count"]
        assert "count:inner" in app.get_graph(xray=True).nodes
    else:
        inner = child_graph()

        def count(state):
            return inner.invoke({"n": 0, "log": []})

        app = from_langgraph(builder_of(count), checkpointer=ours)
        theirs, _ = make_saver()
        wanted = played(in_turn(builder_of(count).compile(theirs)))
    assert difference(wanted, played(in_turn(app))) is None


def test_an_answer_without_an_id_reaches_the_graph_of_ours_that_asks() -> None:
    app = builder_of(from_langgraph(child_graph())).compile(InMemorySaver())
    given = {"n": 1, "log": []}
    state = app.invoke(given, CONFIG)
    ids = {q.id: "out" for q in state["__interrupt__"]}
    assert [q.value for q in app.invoke(Command(resume=ids), CONFIG)["__interrupt__"]] == ["inner?"]
    assert app.invoke(Command(resume="plain"), CONFIG)["log"][-1] == "plain"
