"""Programs of corners: kinds of nodes and routers, odd returns of both, channels by annotation."""

from __future__ import annotations

import functools
import operator
from typing import Annotated, Any, NotRequired, TypedDict

from langchain_core.runnables import RunnableLambda

from tests.differential.programs import END, START, Counted, numbers, program, state_of
from tests.differential.programs_schemas import Model, Point


@program(numbers(12, log=[]))
def kinds_of_callables(lib):
    class Holder:
        def method(self, state):
            return {"log": ["method"]}

        def __call__(self, state, config):
            return {"log": [config["metadata"]["langgraph_node"]]}

    def add(by, state):
        return {"n": state["n"] + by}

    def generated(state):
        yield {"log": ["generated"]}

    builder = lib.StateGraph(Counted)
    builder.add_sequence(
        [
            ("method", Holder().method),
            ("object", Holder()),
            ("partial", functools.partial(add, 3)),
            ("generated", generated),
            ("runnable", RunnableLambda(lambda state: {"log": [12 // (state["n"] - 5)]})),
        ]
    )
    builder.add_edge(START, "method")
    route = RunnableLambda(lambda state: "last" if state["n"] > 6 else END, name="route")
    builder.add_conditional_edges("runnable", route)
    builder.add_node("last", lambda state: {"log": ["last"]})
    return builder.compile()


@program(numbers(10, log=[]))
def odd_routes(lib):
    odd = [None, [], END, "nowhere", START, True, 5, lib.Send(END, 1), ["a", None], ("a", "b")]

    def wrong(state):
        return odd[state["n"]]

    def second(state):
        if state["n"] == 4:
            raise LookupError("router")
        return "b"

    builder = lib.StateGraph(Counted)
    builder.add_node("start", lambda state: {"log": ["start"]})
    builder.add_node("a", lambda state: {"log": ["a"]})
    builder.add_node("b", lambda state: {"log": ["b"]})
    builder.add_edge(START, "start")
    builder.add_conditional_edges("start", wrong)
    builder.add_conditional_edges("a", second)
    return builder.compile()


@program(numbers(10, log=[]))
def routes_by_a_map(lib):
    ends = {True: "a", False: "b", 2: END, "x": "a"}

    def first(state):
        return [True, False, 2, "x", 7, ["x", 2], None, [True, False], "a", 1][state["n"]]

    def unhashable(state):
        return {"log": 1} if state["n"] == 1 else True

    builder = lib.StateGraph(Counted)
    builder.add_node("a", lambda state: {"log": ["a"]})
    builder.add_node("b", lambda state: {"log": ["b"]})
    builder.add_conditional_edges(START, first, ends)
    builder.add_conditional_edges("b", unhashable, {True: "a"})
    return builder.compile()


@program(numbers(10, log=[]))
def odd_commands(lib):
    def odd(state):
        return [
            lambda: lib.Send("a", {"n": 50}),
            lambda: [lib.Send("a", {"n": 50})],
            lambda: lib.Command(update=[("n", 5), ("log", ["pairs"])], goto=["a", END]),
            lambda: lib.Command(update=Point(7, log=["point"]), goto=("a",)),
            lambda: lib.Command(update=5),
            lambda: lib.Command(goto="nowhere"),
            lambda: lib.Command(
                update={"unknown": 1, "log": ["u"]}, goto=[lib.Send("a", {"n": 1})]
            ),
            lambda: [lib.Command(update={"log": [1]}), 5],
            lambda: lib.Command(goto=lib.Send("nowhere", 1)),
            lambda: (lib.Command(update={"log": ["tuple"]}), {"log": ["dict"]}),
        ][state["n"]]()

    builder = lib.StateGraph(Counted)
    builder.add_node("odd", odd, destinations=("a",))
    builder.add_node("a", lambda state: {"log": [("a", state["n"])]})
    builder.add_edge(START, "odd")
    return builder.compile()


@program(numbers(10), plain=False)
def several_schemas_of_nodes(lib):
    def model(state: Model):
        return {"name": f"m{state.n}", "n": state.n + 2}

    def point(state: Point):
        return {"scale": state.scale * 2 if state.scale else None, "log": [type(state).__name__]}

    def route(state: Model):
        return "again" if state.n < 5 else END

    class Both(TypedDict):
        n: int
        name: NotRequired[str]
        log: Annotated[list, operator.add]

    builder = lib.StateGraph(Both)
    builder.add_node(model)
    builder.add_node(point)
    builder.add_node("again", lambda state: {"log": sorted(vars(state))}, input_schema=Point)
    builder.add_edge(START, "model")
    builder.add_edge("model", "point")
    builder.add_conditional_edges("point", route)
    return builder.compile()


def shortest(old, new):
    """Fold strings to the shortest; None is no string."""
    return min(old, new, key=len) if old else new


def largest(old, new):
    """Fold to the largest: the builtin hides its signature on some Pythons."""
    return max(old, new)


@program([{"best": b, "total": t} for b in ("abc", "", None, "x") for t in (1, True, 2.5, None)])
def reducers_of_all_kinds(lib):
    class State(TypedDict):
        best: Annotated[str, shortest]
        total: Annotated[int, largest]
        seen: Annotated[set, operator.or_]
        table: Annotated[dict, operator.or_]
        plain: Any

    def first(state):
        return {"best": "ab", "total": 2, "seen": {1}, "table": {"k": state["best"]}}

    def second(state):
        return {"best": "wxyz", "total": 1.5, "seen": {2}, "table": {"k": 2}, "plain": float("nan")}

    builder = lib.StateGraph(State)
    builder.add_node(first)
    builder.add_node(second)
    builder.add_edge(START, "first")
    builder.add_edge(START, "second")
    builder.add_conditional_edges("second", lambda s: "first" if s["best"] == "ab" else END)
    return builder.compile()


@program(numbers(8))
def channels_by_annotation(lib):
    channels = lib.channels
    State = state_of(
        n=int,
        brief=Annotated[str, channels.EphemeralValue],
        topic=Annotated[list, channels.Topic(str, accumulate=True)],
        fleeting=Annotated[list, channels.Topic(int)],
        any=Annotated[int, channels.AnyValue],
        untracked=Annotated[int, channels.UntrackedValue(int, guard=False)],
    )

    def write(name):
        def node(state):
            n = state["n"]
            made = {"topic": [name, str(sorted(state))], "any": n, "untracked": len(name)}
            if n % 2 or name == "one":
                made["brief"] = name
            if n % 3:
                made["fleeting"] = n
            return made

        return node

    builder = lib.StateGraph(State)
    builder.add_node("one", write("one"))
    builder.add_node("two", write("two"))
    builder.add_node("last", lambda state: {"topic": str(sorted(state)), "n": -1})
    builder.add_node("after", lambda state: {"topic": str(sorted(state))})
    builder.add_edge(START, "one")
    builder.add_edge(START, "two")
    builder.add_edge("two", "last")
    builder.add_edge("last", "after")
    return builder.compile()


@program(numbers(9, log=[]))
def default_retries(lib):
    def unsteady(state, runtime):
        attempt = runtime.execution_info.node_attempt
        if attempt < state["n"] - 4:
            raise [ValueError, ConnectionError, OSError][state["n"] % 3](attempt)
        return {"log": [attempt], "n": state["n"] - 1}

    builder = lib.StateGraph(Counted)
    builder.set_node_defaults(
        retry_policy=lib.RetryPolicy(
            initial_interval=0, jitter=False, max_attempts=4, retry_on=(OSError, KeyError)
        )
    )
    builder.add_node("a", unsteady)
    builder.add_node("b", unsteady)
    builder.add_edge(START, "a")
    builder.add_conditional_edges(
        "a", lambda s: [lib.Send("b", {"n": s["n"] - i}) for i in range(3)] if s["n"] < 7 else END
    )
    return builder.compile()


@program([{"n": n, "log": [n] * (n % 3)} for n in range(6)])
def one_value_in_several_places(lib):
    class Shared(TypedDict):
        n: Any
        log: Annotated[list, operator.add]
        other: list
        both: Annotated[list, operator.add]

    builder = lib.StateGraph(Shared)
    builder.add_node("copy", lambda s: {"other": s["log"], "both": s["log"], "n": s})
    builder.add_node("grow", lambda s: {"log": s["other"], "both": [len(s["n"])]})
    builder.add_node("change", lambda s: s["other"].append("late"))
    builder.add_edge(START, "copy")
    builder.add_edge("copy", "grow")
    builder.add_edge("grow", "change")
    return builder.compile()


@program(
    [{"n": n, "log": []} for n in (0, -1, 2**63, 1.5, float("nan"), True, None, "a", b"b", [])]
)
def mixed_types_in_one_column(lib):
    def twice(state):
        return {"n": state["n"] * 2, "log": [type(state["n"]).__name__]}

    builder = lib.StateGraph(Counted)
    builder.add_node("twice", twice)
    builder.add_edge(START, "twice")
    builder.add_conditional_edges("twice", lambda s: END if len(s["log"]) > 2 else "twice")
    return builder.compile()
