"""What `from_langgraph` takes, refuses and is; that it runs as LangGraph does is tested elsewhere."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import langgraph.errors
import langgraph.types
import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph import channels
from langgraph.channels import BinaryOperatorAggregate
from langgraph.channels.base import BaseChannel
from langgraph.config import get_config, get_stream_writer
from langgraph.errors import EmptyChannelError
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import push_message
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import NodeBuilder, Pregel
from langgraph.runtime import Runtime
from langgraph.types import Command, Overwrite, Send, interrupt

from vecgraph.errors import UnsupportedError
from vecgraph.interop import from_langgraph
from vecgraph.program import Program


class State(TypedDict):
    n: int
    log: Annotated[list, operator.add]


def graph_of(*nodes, schema=State):
    """Return a builder in which the nodes run one after the other."""
    builder = StateGraph(schema).add_sequence(nodes)
    return builder.add_edge(START, nodes[0].__name__)


def up(state):
    return {"n": state["n"] + 1}


def test_the_app_is_one_of_langgraphs_graphs_and_one_of_ours() -> None:
    builder = graph_of(up)
    app = from_langgraph(builder, name="counter")
    assert isinstance(app, CompiledStateGraph)
    assert isinstance(app.program, Program)
    assert app.name == app.get_name() == "counter"
    assert app.nodes.keys() == builder.compile().nodes.keys()
    assert app.builder is builder


def test_the_app_is_composed_described_and_drawn_as_langgraphs() -> None:
    graph = graph_of(up).compile(name="counter")
    app = from_langgraph(graph)
    assert app.get_name("Input") == graph.get_name("Input")
    assert app.get_graph().to_json() == graph.get_graph().to_json()
    chain = RunnableLambda(lambda n: {"n": n, "log": []}) | app | (lambda state: state["n"])
    assert chain.invoke(3) == 4


def test_an_app_is_given_back_as_it_is_and_copied_if_something_changes() -> None:
    app = from_langgraph(graph_of(up))
    assert from_langgraph(app) is app
    other = from_langgraph(app, interrupt_before=["up"])
    assert other.interrupt_before == {"up"}
    assert app.interrupt_before == frozenset()
    app.interrupt_before = ["up"]
    assert app.invoke({"n": 1, "log": []}) == {"n": 1, "log": []}


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(TypeError, match="Expected a StateGraph"):
        from_langgraph(up)
    with pytest.raises(TypeError, match="'checkpoint'"):
        from_langgraph(graph_of(up), checkpoint=None)
    with pytest.raises(ValueError, match="fallback must be"):
        from_langgraph(graph_of(up), fallback="no")


@pytest.mark.skipif(not hasattr(channels, "DeltaChannel"), reason="an old LangGraph")
def test_a_channel_that_cannot_be_run_is_named_or_left_to_langgraph() -> None:
    def first(state):
        return {"items": [1]}

    own = type("Own", (channels.DeltaChannel,), {})(lambda value, writes: [*value, *writes[-1]])
    builder = graph_of(first, schema=TypedDict("Delta", {"items": Annotated[list, own]}))
    with pytest.raises(UnsupportedError, match=r"channel 'items' \(Own\)"):
        from_langgraph(builder)
    with pytest.warns(UserWarning, match="LangGraph runs this graph.*Own"):
        graph = from_langgraph(builder, fallback="langgraph")
    assert type(graph) is CompiledStateGraph
    assert graph.invoke({"items": []}) == {"items": [1]}


def test_a_plain_function_is_called_as_it_is_and_others_get_a_config() -> None:
    def wants(state, config: RunnableConfig):
        return {"n": config["configurable"]["k"]}

    app = from_langgraph(graph_of(up, wants))
    assert app.program.nodes["up"].action.fn is up
    assert app.invoke({"n": 0, "log": []}, {"configurable": {"k": 7}})["n"] == 7


@pytest.mark.parametrize("size", [1, 3, 300])
def test_functions_of_langgraphs_see_the_run_that_calls_them(size) -> None:
    def ask(state, runtime: Runtime):
        config = get_config()
        get_stream_writer()(state["n"])
        return {"log": [config["configurable"]["k"], runtime.context, "thread_id" in config]}

    def later(state):
        return {"log": [get_config()["metadata"]["langgraph_node"]]}

    app = from_langgraph(graph_of(ask, later))
    rows = [{"n": n, "log": []} for n in range(size)]
    found = app.batch(rows, {"configurable": {"k": 7}}, context="c")
    assert found == [{"n": n, "log": [7, "c", False, "later"]} for n in range(size)]
    with pytest.raises(RuntimeError, match="outside of a runnable context"):
        get_config()


def test_questions_and_errors_are_langgraphs() -> None:
    def asks(state):
        return {"n": interrupt("why?")}

    (asked,) = from_langgraph(graph_of(asks)).invoke({"n": 1, "log": []})["__interrupt__"]
    assert type(asked) is langgraph.types.Interrupt
    endless = graph_of(up).add_edge("up", "up")
    with pytest.raises(langgraph.errors.GraphRecursionError, match="limit of 5"):
        from_langgraph(endless).invoke({"n": 1, "log": []}, {"recursion_limit": 5})
    with pytest.raises(langgraph.errors.EmptyInputError):
        from_langgraph(endless).invoke(None)
    for size in (3, 300):
        rows = [{"n": n, "log": []} for n in range(size)]
        config = {"recursion_limit": 5}
        results = from_langgraph(endless).batch(rows, config, return_exceptions=True)
        assert {type(one) for one in results} == {langgraph.errors.GraphRecursionError}


@pytest.mark.parametrize("size", [1, 3, 300])
def test_overwriting_is_known_by_langgraphs_class(size) -> None:
    def odd(state):
        return {"log": Overwrite(["new"]) if state["n"] % 2 else ["more"]}

    app = from_langgraph(graph_of(odd))
    found = app.batch([{"n": n, "log": ["old"]} for n in range(size)])
    expected = [["new"] if n % 2 else ["old", "more"] for n in range(size)]
    assert [one["log"] for one in found] == expected


class Latest(BaseChannel):
    """A channel of a class of its own: the greatest write so far; two a superstep are fine."""

    def __init__(self, typ, key="") -> None:
        super().__init__(typ, key)
        self.value = None

    ValueType = UpdateType = int

    def from_checkpoint(self, checkpoint):
        other = type(self)(self.typ, self.key)
        if isinstance(checkpoint, int):
            other.value = checkpoint
        return other

    def get(self):
        if self.value is None:
            raise EmptyChannelError
        return self.value

    def update(self, values):
        if not values:
            return False
        self.value = max([*values, *([] if self.value is None else [self.value])])
        return True


@pytest.mark.parametrize("size", [1, 3, 300])
def test_a_channel_of_a_class_of_its_own_is_run_as_it_is(size) -> None:
    class Mine(TypedDict):
        n: int
        most: Annotated[int, Latest]

    builder = StateGraph(Mine).add_node("low", lambda state: {"most": state["n"]})
    builder.add_node("high", lambda state: {"most": state["n"] * 2})
    builder.add_edge(START, "low").add_edge(START, "high")
    builder.add_node("end", lambda state: {"n": state["most"]})
    builder.add_edge(["low", "high"], "end")
    graph = builder.compile()
    rows = [{"n": n - 1} for n in range(size)]
    assert from_langgraph(graph).batch(rows) == [graph.invoke(row) for row in rows]


def test_nodes_of_a_pregel_write_by_langgraphs_entries() -> None:
    one = NodeBuilder().subscribe_only("a").do(lambda a: a + a).write_to("b", c=lambda b: b + "!")
    two = NodeBuilder().subscribe_to("b").read_from("c").do(RunnableLambda(str)).write_to("d")
    graph = Pregel(
        nodes={"one": one, "two": two},
        channels={name: BinaryOperatorAggregate(str, operator.add) for name in "abcd"},
        input_channels="a",
        output_channels=["b", "d"],
    )
    app = from_langgraph(graph)
    assert app.invoke("x") == graph.invoke("x")
    assert app.batch(["x", "y"]) == graph.batch(["x", "y"])


def test_routers_send_packets_and_nodes_return_commands() -> None:
    def route(state):
        return [Send("up", {"n": 5}), "log"]

    def log(state):
        return Command(update={"log": ["went"]})

    builder = StateGraph(State).add_node(up).add_node(log)
    builder.add_conditional_edges(START, route)
    app = from_langgraph(builder)
    assert app.invoke({"n": 1, "log": []}) == {"n": 6, "log": ["went"]}


@pytest.mark.parametrize("size", [1, 3, 300])
def test_messages_are_pushed_whether_somebody_listens_or_not(size) -> None:
    def push(state):
        push_message(AIMessage("pushed", id="p"))
        return {"messages": [AIMessage("returned", id="r")]}

    app = from_langgraph(graph_of(push, schema=MessagesState))
    for found in app.batch([{"messages": []} for _ in range(size)]):
        assert [message.id for message in found["messages"]] == ["p", "r"]


def test_a_node_that_returns_a_runnable_is_named() -> None:
    def again(state):
        return RunnableLambda(up)

    with pytest.raises(UnsupportedError, match="returns a Runnable"):
        from_langgraph(graph_of(again)).invoke({"n": 1, "log": []})
