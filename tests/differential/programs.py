"""Whole small programs, each written once for LangGraph's and for vecgraph's names.

They hold what the generated graphs leave out: schemas of every kind, managed values, messages,
retries, injected parameters and streams. `programs_nested` holds the graphs inside graphs.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypedDict

import langgraph.channels
import langgraph.config
import langgraph.graph.message
import langgraph.managed
import langgraph.types
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.graph import StateGraph as LangGraphStateGraph
from pydantic import BaseModel, field_validator

import vecgraph.channels
import vecgraph.config
import vecgraph.graph.message
import vecgraph.managed
import vecgraph.types
from vecgraph.graph import StateGraph

START, END = "__start__", "__end__"


def library(graph, types, channels, message, managed, config):
    """Gather the names that the programs use."""
    return SimpleNamespace(
        StateGraph=graph,
        channels=channels,
        Send=types.Send,
        Command=types.Command,
        Overwrite=types.Overwrite,
        RetryPolicy=types.RetryPolicy,
        add_messages=message.add_messages,
        MessagesState=message.MessagesState,
        IsLastStep=managed.IsLastStep,
        RemainingSteps=managed.RemainingSteps,
        get_stream_writer=config.get_stream_writer,
        get_config=config.get_config,
    )


OURS = library(
    StateGraph,
    vecgraph.types,
    vecgraph.channels,
    vecgraph.graph.message,
    vecgraph.managed,
    vecgraph.config,
)
THEIRS = library(
    LangGraphStateGraph,
    langgraph.types,
    langgraph.channels,
    langgraph.graph.message,
    langgraph.managed,
    langgraph.config,
)


@dataclasses.dataclass(frozen=True)
class Program:
    """A program, the inputs to run it on, and under what.

    `plain` says that the rows are dicts with the same keys, so that they make a table.
    """

    make: Callable[[Any], Any]
    rows: list[Any]
    config: dict[str, Any]
    context: Any
    plain: bool


PROGRAMS: dict[str, Program] = {}


def program(rows, limit=25, configurable=None, context=None, plain=True):
    """Register the function below as a program."""

    def register(make):
        config = {"recursion_limit": limit}
        if configurable is not None:
            config["configurable"] = configurable
        PROGRAMS[make.__name__] = Program(make, list(rows), config, context, plain)
        return make

    return register


def numbers(count=10, **more):
    """Return rows that differ in `n`."""
    return [{"n": n, **more} for n in range(count)]


class Counted(TypedDict):
    n: int
    log: Annotated[list, operator.add]


@dataclasses.dataclass
class Point:
    n: int
    scale: float = 0.5
    log: Annotated[list, operator.add] = dataclasses.field(default_factory=list)


@program([*numbers(), {"n": 3, "scale": 2.0}, {}, {"n": 1, "other": 2}], plain=False)
def dataclass_state(lib):
    def grow(state: Point):
        return {"n": state.n + 1, "log": [(type(state).__name__, state.scale)]}

    def replace(state: Point):
        return Point(state.n * 2, scale=None, log=["replaced"])

    def route(state: Point):
        return "replace" if state.n % 2 else END

    builder = lib.StateGraph(Point)
    builder.add_node(grow)
    builder.add_node(replace)
    builder.add_edge(START, "grow")
    builder.add_conditional_edges("grow", route)
    return builder.compile()


class Model(BaseModel):
    n: int
    name: str = "none"
    log: Annotated[list[str], operator.add] = []

    @field_validator("n")
    @classmethod
    def small(cls, value):
        if value > 7:
            raise ValueError("too large")
        return value


@program([*numbers(), {"n": "4"}, {"n": "x"}, {"name": "only"}, {"n": 6, "name": 3}], plain=False)
def pydantic_state(lib):
    def twice(state: Model):
        return {"n": state.n + 3, "log": [state.name]}

    def partly(state: Model):
        return Model(n=state.n)

    builder = lib.StateGraph(Model)
    builder.add_sequence([twice, partly])
    builder.add_edge(START, "twice")
    return builder.compile()


@program([Model(n=2), Model(n=3, name="x", log=["a"]), Model(n=4, log=[])], plain=False)
def pydantic_instance_as_input(lib):
    builder = lib.StateGraph(Model)
    builder.add_node("a", lambda state: {"n": state.n + 1, "log": [type(state).__name__]})
    builder.add_edge(START, "a")
    return builder.compile()


class Question(TypedDict):
    n: int
    unused: str


class Answer(TypedDict):
    answer: float


class Whole(TypedDict):
    n: int
    answer: float
    unused: str


class Private(TypedDict):
    secret: int


class Seen(TypedDict):
    secret: int
    n: int


@program(numbers(unused="u"))
def input_output_and_private_schemas(lib):
    def hide(state: Question) -> Private:
        return {"secret": state["n"] * 3}

    def reveal(state: Seen):
        return {"answer": state["secret"] / 2, "unused": ",".join(sorted(state))}

    def route(state: Private):
        return "reveal" if state["secret"] % 2 else END

    builder = lib.StateGraph(Whole, input_schema=Question, output_schema=Answer)
    builder.add_node(hide)
    builder.add_node(reveal)
    builder.add_edge(START, "hide")
    builder.add_conditional_edges("hide", route)
    return builder.compile()


@program([{"n": 1, "answer": 2.0, "unused": "x"}, {"answer": 3.0}, {"zzz": 1}, {}], plain=False)
def input_outside_the_input_schema(lib):
    builder = lib.StateGraph(Whole, input_schema=Question)
    builder.add_node("keys", lambda state: {"unused": ",".join(sorted(state))})
    builder.add_edge(START, "keys")
    return builder.compile()


@program([*range(10), True, 2**70, None, "text"], plain=False)
def bare_integer(lib):
    builder = lib.StateGraph(int)
    builder.add_node("add", lambda value: value + 1 if value != 3 else None)
    builder.add_node("twice", lambda value: value * 2)
    builder.add_edge(START, "add")
    builder.add_conditional_edges("add", lambda value: "twice" if value != 6 else END)
    return builder.compile()


@program([[], [1], [1, 2], ["a"], [None]], plain=False)
def bare_list_with_a_reducer(lib):
    builder = lib.StateGraph(Annotated[list, operator.add])
    builder.add_node("a", lambda value: [len(value)])
    builder.add_node("b", lambda value: ["b", *value])
    builder.add_node("c", lambda value: lib.Command(update=["c"], goto="d" if value else END))
    builder.add_node("d", lambda value: [sum(isinstance(item, int) for item in value)])
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    builder.add_edge(["a", "b"], "c")
    return builder.compile()


@program(numbers(12), limit=6)
def managed_values(lib):
    State = TypedDict(
        "State",
        {
            "n": int,
            "log": Annotated[list, operator.add],
            "last": lib.IsLastStep,
            "left": lib.RemainingSteps,
        },
    )

    def count(state):
        return {"n": state["n"] - 1, "log": [(state["last"], state["left"])]}

    def route(state):
        return END if state["n"] <= 0 or (state["n"] % 2 and state["left"] < 3) else "count"

    builder = lib.StateGraph(State)
    builder.add_node("count", count)
    builder.add_edge(START, "count")
    builder.add_conditional_edges("count", route)
    return builder.compile()


def asking(n):
    return {"messages": [HumanMessage(f"add {n}", id="h")], "n": n}


@program([asking(n) for n in range(8)], limit=11, plain=False)
def agent_with_tools(lib):
    class State(lib.MessagesState):
        n: int

    def model(state):
        said = sum(isinstance(m, ToolMessage) for m in state["messages"])
        if said >= state["n"]:
            return {"messages": AIMessage(f"done after {said}", id=f"a{said}")}
        calls = [{"name": "add", "args": {"by": said}, "id": f"c{said}"}]
        return {"messages": [AIMessage("", id=f"a{said}", tool_calls=calls)]}

    def tools(state):
        calls = state["messages"][-1].tool_calls
        made = [ToolMessage(str(c["args"]), tool_call_id=c["id"], id="t" + c["id"]) for c in calls]
        return {"messages": made}

    builder = lib.StateGraph(State)
    builder.add_node("model", model)
    builder.add_node("tools", tools)
    builder.add_edge(START, "model")
    builder.add_conditional_edges(
        "model", lambda s: "tools" if s["messages"][-1].tool_calls else END
    )
    builder.add_edge("tools", "model")
    return builder.compile()


@program(
    [{"messages": [HumanMessage(c, id=c) for c in text]} for text in ("ab", "ba", "c", "")],
    plain=False,
)
def messages_removed(lib):
    State = TypedDict("State", {"messages": Annotated[list, lib.add_messages]})

    def replace(state):
        return {"messages": [HumanMessage("new", id="b"), AIMessage("x", id="x")]}

    def remove(state):
        return {"messages": [RemoveMessage(id="a")]}

    def clear(state):
        return {"messages": [RemoveMessage(id="__remove_all__"), HumanMessage("z", id="z")]}

    builder = lib.StateGraph(State)
    builder.add_sequence([replace, remove, clear])
    builder.add_edge(START, "replace")
    return builder.compile()


@program(numbers(log=[]))
def deferred_after_a_barrier(lib):
    def step(name):
        return lambda state: {"log": [(name, len(state["log"]))]}

    builder = lib.StateGraph(Counted)
    for name in "abcde":
        builder.add_node(name, step(name), defer=name == "e")
    builder.add_node("d2", step("d2"), defer=True)
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    builder.add_edge("b", "c")
    builder.add_conditional_edges("c", lambda state: "b" if len(state["log"]) < state["n"] else END)
    builder.add_edge(["a", "c"], "d")
    builder.add_edge(["a", "b"], "d2")
    builder.add_edge("a", "e")
    builder.add_edge("d", "e")
    return builder.compile()


@program(numbers(log=["start"]))
def map_reduce_to_two_nodes(lib):
    def spread(state):
        left = [lib.Send("left", {"at": i}) for i in range(state["n"] % 4)]
        return [*left, "plain", lib.Send("right", state), lib.Send("left", {"at": "last"})]

    def right(state):
        if state["n"] == 5:
            raise KeyError(state["n"])
        return {"log": [("right", sorted(state))], "n": state["n"] + 1}

    builder = lib.StateGraph(Counted)
    builder.add_node("left", lambda arg: {"log": [("left", arg["at"])]})
    builder.add_node("right", right)
    builder.add_node("plain", lambda state: {"log": ["plain"]})
    builder.add_node("reduce", lambda state: {"log": [len(state["log"])]})
    builder.set_conditional_entry_point(spread, ["left", "right", "plain"])
    builder.add_edge("left", "reduce")
    builder.add_edge("right", "reduce")
    return builder.compile()


def pick(state) -> Literal["low", "high"]:
    return "low" if state["n"] < 5 else "high"


@program(numbers(log=[]))
def conditional_entry(lib):
    builder = lib.StateGraph(Counted)
    builder.add_node("low", lambda state: {"log": ["low"]})
    builder.add_node("high", lambda state: {"log": ["high"], "n": state["n"] - 5})
    builder.set_conditional_entry_point(pick)
    builder.add_conditional_edges("high", pick, {"low": "low", "high": END})
    builder.add_conditional_edges("low", lambda state: [None, END, "nowhere", []][state["n"] % 4])
    return builder.compile()


@program(numbers(log=[]))
def lists_of_commands(lib):
    def go(state):
        n = state["n"]
        return [
            {"log": ["first"]},
            lib.Command(update={"log": ["second"]}, goto="a" if n % 2 else ["a", "b"]),
            lib.Command(update=[("log", ["third"]), ("n", n + 1)], goto=lib.Send("b", {"n": -n})),
            *([lib.Command(update={"n": 0})] if n == 7 else []),
        ]

    builder = lib.StateGraph(Counted)
    builder.add_node("go", go)
    builder.add_node("a", lambda state: {"log": [("a", state["n"])]})
    builder.add_node("b", lambda state: lib.Command(update={"log": [("b", state["n"])]}))
    builder.add_edge(START, "go")
    return builder.compile()


@program(numbers(log=["input"]))
def overwriting(lib):
    def fresh(state):
        return {"log": lib.Overwrite(["fresh"]) if state["n"] % 2 else ["more"]}

    def other(state):
        if state["n"] == 3:
            return {"log": lib.Overwrite(["twice"])}
        return {"log": {"__overwrite__": ["marked"]} if state["n"] == 4 else ["other"]}

    builder = lib.StateGraph(Counted)
    builder.add_node("fresh", fresh)
    builder.add_node("other", other)
    builder.add_node("after", lambda state: {"log": ["after"]})
    builder.add_edge(START, "fresh")
    builder.add_edge(START, "other")
    builder.add_edge("fresh", "after")
    return builder.compile()


@program(numbers(log=[]))
def retries(lib):
    def unsteady(state, runtime):
        attempt = runtime.execution_info.node_attempt
        if attempt <= state["n"] - 5:
            raise ConnectionError(f"attempt {attempt} of row {state['n']}")
        if state["n"] == 4:
            raise ValueError("not retried")
        return {"log": [attempt]}

    policy = lib.RetryPolicy(initial_interval=0, jitter=False, max_attempts=3)
    only = lib.RetryPolicy(
        initial_interval=0, jitter=False, max_attempts=2, retry_on=ConnectionError
    )
    builder = lib.StateGraph(Counted)
    builder.add_node("unsteady", unsteady, retry_policy=policy)
    builder.add_node("again", unsteady, retry_policy=[only, policy])
    builder.add_edge(START, "unsteady")
    builder.add_conditional_edges("unsteady", lambda state: "again" if state["n"] < 7 else END)
    return builder.compile()


@program(numbers(log=[]), limit=7)
def branches_that_fail_and_loops_that_do_not_end(lib):
    def fails(state):
        return {"log": [("inverse", 12 // (state["n"] - 6))]}

    builder = lib.StateGraph(Counted)
    builder.add_node("fails", fails)
    builder.add_node("beside", lambda state: {"log": ["beside"], "n": state["n"] + 1})
    builder.add_node("clash", lambda state: {"n": 0} if state["n"] == 2 else None)
    builder.add_node("loop", lambda state: {"n": state["n"] - 2})
    for name in ("fails", "beside", "clash"):
        builder.add_edge(START, name)
    builder.add_edge("beside", "loop")
    builder.add_conditional_edges("loop", lambda state: END if state["n"] < 0 else "loop")
    return builder.compile()


@program(numbers(log=[]))
def custom_streams(lib):
    def first(state, writer):
        for at in range(state["n"] % 3):
            writer({"at": at, "n": state["n"]})
        return {"log": ["first"]}

    def second(state, runtime):
        runtime.stream_writer(("second", state["n"]))
        lib.get_stream_writer()("got")
        return {"n": state["n"] + 1}

    builder = lib.StateGraph(Counted)
    builder.add_sequence([first, second])
    builder.add_edge(START, "first")
    return builder.compile()


@dataclasses.dataclass
class Context:
    factor: int
    user: str = "nobody"


@program(numbers(log=[]), configurable={"user": "u1", "k": 3}, context={"factor": 7})
def injected_parameters(lib):
    def configured(state, config):
        given = config["configurable"]
        return {"log": [given["user"], given["k"], lib.get_config()["configurable"]["k"]]}

    def contextual(state, *, runtime, config=None):
        return {"n": state["n"] * runtime.context.factor, "log": [runtime.context.user]}

    def route(state, config):
        return "contextual" if state["n"] % config["configurable"]["k"] else END

    class Callable:
        def __call__(self, state, writer, runtime):
            writer(state["n"])
            return {"log": [runtime.context.factor]}

    builder = lib.StateGraph(Counted, context_schema=Context)
    builder.add_node("configured", configured)
    builder.add_node("contextual", contextual)
    builder.add_node("callable", Callable())
    builder.add_edge(START, "configured")
    builder.add_conditional_edges("configured", route)
    builder.add_edge("contextual", "callable")
    return builder.compile()


WRONG = [None, {}, {"unknown": 1}, {"n": 1, "unknown": 2}, 5, "text", [1], [], (), {"n": None}]


@program(numbers(len(WRONG), log=[]))
def odd_returns(lib):
    builder = lib.StateGraph(Counted)
    builder.add_node("odd", lambda state: WRONG[state["n"]])
    builder.add_node("after", lambda state: {"log": [state["n"]]})
    builder.add_edge(START, "odd")
    builder.add_edge("odd", "after")
    return builder.compile()


@program(
    [{"n": 1}, {"n": None}, {}, {"log": [1]}, {"n": 2, "log": ["x"]}, None, 5, [], "text"],
    plain=False,
)
def odd_inputs(lib):
    builder = lib.StateGraph(Counted)
    builder.add_node("a", lambda state: {"log": sorted(state)})
    builder.add_edge(START, "a")
    return builder.compile()


@program(numbers(log=[]))
def coroutines(lib):
    async def think(state, runtime, writer):
        if state["n"] == 6:
            raise RuntimeError("coroutine failed")
        writer(state["n"])
        return {"log": [runtime.context], "n": state["n"] + 1}

    async def route(state):
        return [lib.Send("plain", {"n": i}) for i in range(state["n"])] or "think"

    builder = lib.StateGraph(Counted)
    builder.add_node("think", think)
    builder.add_node("plain", lambda state: {"log": [state["n"]]})
    builder.set_entry_point("think")
    builder.add_conditional_edges("think", route)
    return builder.compile()
