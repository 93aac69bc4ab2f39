"""Programs about schemas: dataclasses, models, bare values, parts of the state, messages."""

from __future__ import annotations

import dataclasses
import operator
from typing import Annotated, TypedDict

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from pydantic import BaseModel, field_validator

from tests.differential.programs import END, START, numbers, program, state_of


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
    log = Annotated[list, operator.add]
    State = state_of(n=int, log=log, last=lib.IsLastStep, left=lib.RemainingSteps)

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
    State = state_of(messages=Annotated[list, lib.add_messages])

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
