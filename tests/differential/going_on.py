"""What is done with several threads at once, as batches or one by one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import langgraph.errors
import langgraph.graph
import langgraph.types
from hypothesis import strategies as st

import vecgraph.errors
import vecgraph.graph
import vecgraph.types
from tests.differential.kept import listed, pending
from tests.differential.threads import State, route_of


def library(graph, types, errors):
    return SimpleNamespace(
        StateGraph=graph.StateGraph,
        Command=types.Command,
        Send=types.Send,
        RetryPolicy=types.RetryPolicy,
        interrupt=types.interrupt,
        NodeError=errors.NodeError,
    )


THEIRS = library(langgraph.graph, langgraph.types, langgraph.errors)
OURS = library(vecgraph.graph, vecgraph.types, vecgraph.errors)


@st.composite
def actions(draw):
    """Return what is done with one thread: a kind, a number, an answer."""
    return (
        draw(st.sampled_from(["start", "go on", "resume", "resume", "resume map"])),
        draw(st.integers(0, 5)),
        draw(st.sampled_from(["x", 0, {"k": 1}, [1]])),
    )


def graph_of(lib, plan, saver):
    """Compile a plan whose nodes fail by what the state says: no two threads share a count."""
    graph = lib.StateGraph(State)
    for node in plan.nodes:
        graph.add_node(node.name, function_of(lib, node), defer=node.defer)
    for source, target in plan.edges:
        graph.add_edge(source, target)
    for sources, target in plan.joins:
        graph.add_edge(list(sources), target)
    for source, targets in plan.routes:
        graph.add_conditional_edges(source, route_of(targets))
    return graph.compile(
        checkpointer=saver,
        interrupt_before=list(plan.before) or None,
        interrupt_after=list(plan.after) or None,
    )


def function_of(
    lib,
    node,
):
    def run(state):
        name, n = node.name, state.get("n", 0)
        answers = [lib.interrupt({"from": name, "at": i, "n": n}) for i in range(node.asks)]
        if node.fails and n % 2:
            raise KeyError(name)
        update: dict[str, Any] = {"log": [[name, n, answers]]}
        if "sent" not in state:
            update["n"] = node.adds
        if node.sends and "sent" in state:
            return update  # or packets would send ever more packets
        if node.goto or node.sends:
            packets = [lib.Send(node.goto[0], {"n": i, "sent": True}) for i in range(node.sends)]
            return lib.Command(update=update, goto=packets or list(node.goto))
        return update

    run.__name__ = node.name
    return run


def input_of(lib, app, todo, config):
    """Return what a thread gets."""
    kind, number, value = todo
    if kind == "start":
        return {"n": number, "log": [f"start {number}"]}
    if kind == "go on":
        return None
    if kind == "resume":
        return lib.Command(resume=value)
    asked = sorted((q for q in app.get_state(config).interrupts), key=lambda q: repr(q.value))
    return lib.Command(resume={q.id: value for q in asked[: 1 + number]})


def shown(output):
    """Return an output or an error in a form that two libraries share."""
    if isinstance(output, BaseException):
        return type(output).__name__, str(output)
    if isinstance(output, dict) and "__interrupt__" in output:
        questions = sorted(repr(q.value) for q in output["__interrupt__"])
        return {**output, "__interrupt__": questions}
    return output


def _place(at):
    return {"configurable": {"thread_id": f"t{at}"}, "recursion_limit": 12}


def _seen(saver, outputs, threads):
    return [
        {
            "got": shown(outputs[at]),
            "kept": listed(saver, f"t{at}"),
            "beside": pending(saver, f"t{at}"),
        }
        for at in range(threads)
    ]


def alone(lib, plan, todos, threads, saver, durability="sync"):
    """Play the actions, thread by thread; return what can be seen after each round."""
    app, seen = graph_of(lib, plan, saver), []
    first = [("start", at, None) for at in range(threads)]
    for todo in [first, *todos]:
        outputs = []
        for at in range(threads):
            try:
                value = input_of(lib, app, todo[at], _place(at))
                outputs.append(app.invoke(value, _place(at), durability=durability))
            except Exception as error:  # noqa: BLE001  whatever it raises is its result
                outputs.append(error)
        seen.append(_seen(saver, outputs, threads))
    return seen


def in_batches(lib, plan, todos, threads, saver, durability="sync"):
    """Play the actions, each round as one batch; return what can be seen, and the app."""
    app, seen = graph_of(lib, plan, saver), []
    app.engine.small, app.engine.lane = 1, 3
    names = [f"t{at}" for at in range(threads)]
    first = [("start", at, None) for at in range(threads)]
    for todo in [first, *todos]:
        inputs = [input_of(lib, app, todo[at], _place(at)) for at in range(threads)]
        outputs = app.batch(
            inputs,
            {"configurable": {"thread_id": "?"}, "recursion_limit": 12},
            threads=names,
            return_exceptions=True,
            durability=durability,
        )
        seen.append(_seen(saver, outputs, threads))
    return seen, app
