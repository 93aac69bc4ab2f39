"""Programs with a graph inside a graph, each written once for both libraries."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

from pydantic import BaseModel

from tests.differential.programs import END, START, Counted, numbers, program, state_of
from tests.differential.programs_schemas import Point


class Inner(TypedDict):
    log: Annotated[list, operator.add]
    inner: int


class Other(TypedDict):
    value: int


class Typed(BaseModel):
    n: int
    log: Annotated[list, operator.add] = []


def chain(lib, schema, *nodes, **options):
    """Compile nodes, one after the other; the first starts."""
    return lib.StateGraph(schema, **options).add_sequence(nodes).set_entry_point(nodes[0][0])


def inner_app(lib):
    def fails(state):
        if len(state["log"]) > 4:
            raise LookupError(f"log of {len(state['log'])}")
        return {"log": ["inner"], "inner": 1}

    return chain(lib, Inner, ("fails", fails)).compile()


@program([{"n": n, "log": ["x"] * (n % 4)} for n in range(10)])
def shared_key_is_reduced_again(lib):
    parent = chain(
        lib,
        Counted,
        ("before", lambda state: {"log": ["before"]}),
        ("child", inner_app(lib)),
        ("after", lambda state: {"log": [state["n"]]}),
    )
    return parent.compile()


@program([{"n": n, "log": ["x"] * n} for n in range(8)])
def nested_two_deep(lib):
    middle = chain(
        lib,
        Counted,
        ("m", lambda state: {"log": ["m"], "n": state["n"] + 1}),
        ("inner", inner_app(lib)),
    ).compile()
    parent = lib.StateGraph(Counted)
    parent.add_node("middle", middle)
    parent.add_node("beside", lambda state: {"log": ["beside"]})
    parent.add_node("after", lambda state: {"log": [state["n"]]})
    parent.add_edge(START, "middle")
    parent.add_edge(START, "beside")
    parent.add_edge(["middle", "beside"], "after")
    return parent.compile()


@program(numbers(log=[]))
def other_schema_called_in_a_node(lib):
    child = chain(lib, Other, ("half", lambda state: {"value": 12 // (state["value"] - 3)}))
    app = child.compile()

    def call(state, config):
        return {"log": [app.invoke({"value": state["n"]})["value"]]}

    return chain(lib, Counted, ("call", call)).compile()


class NoCommon(TypedDict):
    value: int
    n: int


@program(numbers(log=[]))
def input_and_output_schema_of_a_child(lib):
    class Given(TypedDict):
        n: int

    class Gives(TypedDict):
        value: int

    child = chain(
        lib,
        NoCommon,
        ("half", lambda state: {"value": state["n"] // 2, "n": 99} if state["n"] % 3 else None),
        input_schema=Given,
        output_schema=Gives,
    ).compile()
    State = state_of(n=int, value=int, log=Annotated[list, operator.add])
    last = ("last", lambda state: {"log": sorted(state)})
    return chain(lib, State, ("child", child), last).compile()


@program(numbers(log=[]))
def pydantic_child(lib):
    def typed(state):
        return {"log": [type(state).__name__], "n": state.n + 1 if state.n != 4 else "text"}

    child = chain(lib, Typed, ("typed", typed), ("again", typed)).compile()
    return chain(lib, Counted, ("child", child), ("end", lambda s: {"log": [s["n"]]})).compile()


@program(numbers(log=[]))
def commands_to_the_parent(lib):
    def leave(state):
        n = state["n"]
        if n % 3 == 0:
            return {"log": ["stays"]}
        if n == 4:
            raise ValueError("failed instead")
        goto = ["a", lib.Send("b", {"n": -n}), END, "nowhere"][n % 4]
        return lib.Command(graph=lib.Command.PARENT, update={"log": [("left", n)]}, goto=goto)

    child = chain(
        lib,
        Counted,
        ("lost", lambda state: {"log": ["lost"]}),
        ("leave", leave),
        ("not", lambda state: {"log": ["not"]}),
    ).compile()
    parent = lib.StateGraph(Counted)
    parent.add_node("child", child)
    parent.add_node("a", lambda state: {"log": [("a", state["n"])]})
    parent.add_node("b", lambda state: {"log": [("b", state["n"])]})
    parent.add_node("next", lambda state: {"log": ["next"]})
    parent.add_edge(START, "child")
    parent.add_edge("child", "next")
    return parent.compile()


@program(numbers(log=[]))
def command_past_two_graphs(lib):
    def leave(state):
        return lib.Command(graph=lib.Command.PARENT, update={"log": ["up"]}, goto="catch")

    inner = chain(lib, Counted, ("leave", leave)).compile()
    middle = lib.StateGraph(Counted)
    middle.add_node("inner", inner)
    middle.add_node(
        "catch",
        lambda s: lib.Command(graph=lib.Command.PARENT, goto="top") if s["n"] % 2 else None,
    )
    middle.add_edge(START, "inner")
    parent = lib.StateGraph(Counted)
    parent.add_node("middle", middle.compile())
    parent.add_node("top", lambda state: {"log": ["top"]})
    parent.add_edge(START, "middle")
    return parent.compile()


@program(numbers(log=[]))
def command_to_no_parent(lib):
    def leave(state):
        command = lib.Command(graph=lib.Command.PARENT, goto="x", update={"n": 1})
        return command if state["n"] == 2 else {"log": [1]}

    return chain(lib, Counted, ("leave", leave)).compile()


@program([{"n": n, "log": ["x"] * (n % 3)} for n in range(7)])
def child_in_a_send(lib):
    def spread(state):
        return [lib.Send("child", {"log": ["s"] * i, "inner": i}) for i in range(state["n"])]

    parent = lib.StateGraph(Counted)
    parent.add_node("child", inner_app(lib))
    parent.add_node("reduce", lambda state: {"log": [len(state["log"])]})
    parent.set_conditional_entry_point(spread)
    parent.add_edge("child", "reduce")
    return parent.compile()


@program(numbers(log=[]), limit=5)
def recursion_limit_of_a_child(lib):
    child = lib.StateGraph(Counted)
    child.add_node("loop", lambda state: {"n": state["n"] - 1})
    child.add_edge(START, "loop")
    child.add_conditional_edges("loop", lambda state: "loop" if state["n"] > 0 else END)
    parent = lib.StateGraph(Counted)
    parent.add_node("child", child.compile())
    parent.add_node("own", child.compile().with_config(recursion_limit=3))
    parent.add_node("plus", lambda state: {"n": state["n"] + 3})
    parent.add_edge(START, "child")
    parent.add_edge("child", "plus")
    parent.add_conditional_edges("plus", lambda state: "own" if state["n"] else END)
    return parent.compile()


@program(numbers(log=[]), configurable={"k": 2}, context={"c": 5})
def context_and_streams_reach_a_child(lib):
    def look(state, runtime, config):
        return {"log": [runtime.context["c"], config["configurable"]["k"]]}

    def retried(state, runtime):
        attempt = runtime.execution_info.node_attempt
        if attempt < state["n"] - 5:
            raise OSError(f"attempt {attempt}")
        return {"log": [attempt]}

    policy = lib.RetryPolicy(initial_interval=0, jitter=False)
    child = chain(lib, Counted, ("look", look))
    child.add_node("retried", retried, retry_policy=policy)
    child.add_edge("look", "retried")
    return chain(lib, Counted, ("child", child.compile())).compile()


@program(numbers(log=[]))
def coroutine_child(lib):
    async def think(state):
        return {"log": ["think"], "n": 10 // (state["n"] - 2)}

    child = chain(lib, Counted, ("think", think)).compile()
    return chain(lib, Counted, ("child", child), ("end", lambda s: {"log": ["end"]})).compile()


@program(numbers(log=[]))
def bare_child(lib):
    child = lib.StateGraph(Annotated[list, operator.add])
    child.add_node("a", lambda value: [len(value)])
    child.add_edge(START, "a")
    app = child.compile()
    return chain(lib, Counted, ("call", lambda s: {"log": app.invoke([s["n"]])})).compile()


@program([{"n": n, "log": [], "tries": []} for n in range(7)])
def retried_child(lib):
    State = state_of(n=int, log=Annotated[list, operator.add], tries=list)

    def unsteady(state):
        state["tries"].append(len(state["tries"]))  # in place: it outlives the failed attempt
        if len(state["tries"]) <= state["n"] // 2:
            raise ConnectionError(f"attempt {len(state['tries'])}")
        return {"log": ["steady"]}

    policy = lib.RetryPolicy(initial_interval=0, jitter=False, max_attempts=3)
    parent = lib.StateGraph(State)
    parent.add_node(
        "child", chain(lib, State, ("unsteady", unsteady)).compile(), retry_policy=policy
    )
    parent.add_edge(START, "child")
    return parent.compile()


@program(numbers(log=[]), configurable={"k": 2}, context={"c": 5}, limit=9)
def config_and_context_of_an_app_called_in_a_node(lib):
    def look(state, runtime, config):
        return {
            "log": [runtime.context["c"], config["configurable"]["k"], config["recursion_limit"]]
        }

    app = chain(lib, Counted, ("look", look)).compile()

    def call(state):
        return {"log": app.invoke({"n": state["n"], "log": []})["log"]}

    def given(state):
        config = {"configurable": {"k": state["n"]}, "recursion_limit": 4}
        return {"log": app.invoke({"n": 0, "log": []}, config)["log"]}

    return chain(lib, Counted, ("call", call), ("given", given)).compile()


@program(numbers(log=[]))
def children_beside_each_other_in_a_loop(lib):
    def add(name):
        def node(state):
            if state["n"] == 6 and name == "right":
                raise ArithmeticError(name)
            return {"log": [(name, state["n"], len(state["log"]))], "inner": state["n"]}

        return node

    class Part(TypedDict):
        n: int
        log: Annotated[list, operator.add]
        inner: int

    class Gives(TypedDict):
        log: Annotated[list, operator.add]

    parent = lib.StateGraph(Counted)
    for name in ("left", "right"):
        child = chain(lib, Part, (name, add(name)), output_schema=Gives)
        parent.add_node(name, child.compile())
    parent.add_node("down", lambda state: {"n": state["n"] - 2, "log": ["down"]})
    parent.add_edge(START, "left")
    parent.add_edge(START, "right")
    parent.add_edge(["left", "right"], "down")
    parent.add_conditional_edges("down", lambda s: ["left", "right"] if s["n"] > 0 else END)
    return parent.compile()


@program([{"n": n} for n in range(6)])
def children_of_typed_parents(lib):
    def typed(state):
        return {"log": [type(state).__name__, str(sorted(state))], "n": state["n"] + 1}

    untyped = chain(lib, Counted, ("typed", typed)).compile()

    def look(state):
        return {"log": [type(state).__name__], "n": state.n * 2}

    pointed = chain(lib, Point, ("look", look)).compile()
    parent = lib.StateGraph(Typed)
    parent.add_sequence([("untyped", untyped), ("pointed", pointed), ("end", look)])
    parent.add_edge(START, "untyped")
    return parent.compile()


@program(numbers(log=[]))
def deferred_child_and_sends_of_odd_inputs(lib):
    def spread(state):
        odd = [{"log": ["sent"]}, {}, None, {"n": 3}, 5, "text", {"log": 5}, [("log", ["pair"])]]
        return ["beside", lib.Send("child", odd[state["n"] % len(odd)])]

    parent = lib.StateGraph(Counted)
    parent.add_node("child", inner_app(lib))
    parent.add_node("beside", lambda state: {"log": ["beside"]})
    parent.add_node("last", inner_app(lib), defer=True)
    parent.set_conditional_entry_point(spread)
    parent.add_edge("beside", "last")
    parent.add_edge("child", "beside")
    return parent.compile()


@program(numbers(log=[]))
def coroutine_child_leaves_and_retries(lib):
    async def leave(state, runtime):
        attempt = runtime.execution_info.node_attempt
        if attempt < state["n"] - 5:
            raise ConnectionError(f"attempt {attempt}")
        if state["n"] % 2:
            return {"log": [attempt]}
        sends = [lib.Send("child2", {"n": 1, "log": [i]}) for i in range(state["n"] // 2)]
        return lib.Command(graph=lib.Command.PARENT, goto=sends, update={"n": attempt})

    async def plain(state):
        return {"log": [("plain", state["n"])]}

    policy = lib.RetryPolicy(initial_interval=0, jitter=False)
    child = lib.StateGraph(Counted)
    child.add_node("leave", leave, retry_policy=policy)
    child.add_edge(START, "leave")
    parent = lib.StateGraph(Counted)
    parent.add_node("child", child.compile())
    parent.add_node("child2", chain(lib, Counted, ("plain", plain)).compile())
    parent.add_node("end", plain)
    parent.add_edge(START, "child")
    parent.add_edge(["child", "child2"], "end")
    return parent.compile()


@program(numbers(4, log=[]))
def streams_of_children(lib):
    def write(state, writer):
        writer(("child", state["n"]))
        return {"log": ["child"]}

    def late(state, runtime):
        lib.get_stream_writer()(("late", state["n"]))
        runtime.stream_writer("later")

    child = chain(lib, Counted, ("write", write), ("late", late)).compile()

    def call(state, writer):
        writer("before")
        log = child.invoke({"n": -1, "log": []})["log"]
        lib.get_stream_writer()("after")
        return {"log": log}

    return chain(lib, Counted, ("child", child), ("call", call)).compile()
