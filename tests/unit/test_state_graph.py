"""`StateGraph`: its tables, inferences, errors and the program it becomes, beside LangGraph's."""

from __future__ import annotations

import importlib
import logging
import operator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Literal, TypedDict, Union

import pydantic
import pytest

from vecgraph.channels import EphemeralValue, Topic
from vecgraph.constants import END, ROOT, START, TASKS
from vecgraph.errors import VectorNodeError
from vecgraph.graph import StateGraph
from vecgraph.graph.state import CompiledStateGraph
from vecgraph.managed import IsLastStep
from vecgraph.nodes.expr import ExpressionError, expr, when
from vecgraph.types import CachePolicy, Command, RetryPolicy, Send, TimeoutPolicy

NAMES = ("graph", "types", "managed", "channels")
OURS = SimpleNamespace(
    StateGraph=StateGraph, Command=Command, Send=Send, IsLastStep=IsLastStep, Topic=Topic
)


@pytest.fixture(scope="module")
def theirs():
    pytest.importorskip("langgraph", reason="LangGraph is the reference of these tests")
    parts = [importlib.import_module(f"langgraph.{name}") for name in NAMES]
    found = {k: v for part in parts for k, v in vars(part).items()}
    return SimpleNamespace(**{name: found[name] for name in vars(OURS)})


class State(TypedDict):
    n: int
    log: Annotated[list, operator.add]


class Input(TypedDict):
    n: int


class Private(TypedDict):
    secret: str


class Model(pydantic.BaseModel):
    n: int = 1


@dataclass
class Record:
    n: int = 1


class Managed(TypedDict):
    n: int
    last: IsLastStep


def same(state):
    return state


def a(state): ...
def b(state): ...
def c(state): ...
def private(state: Private): ...
def model(state: Model): ...
def route(state) -> Literal["a", "__end__"]: ...
def route_private(state: Private): ...
async def later(state): ...


class Node:
    def __call__(self, state: Private): ...
    def method(self, state: Private): ...


def program_of(builder):
    """LangGraph's app, or our program, also of features that no app of ours runs yet."""
    return builder.lower("g") if isinstance(builder, StateGraph) else builder.compile(name="g")


def chain(lib, schema=State, **schemas):
    return lib.StateGraph(schema, **schemas).add_node(a).add_node(b).add_edge(START, "a")


PROGRAMS = {
    "chain": lambda lib: chain(lib).add_edge("a", "b").add_edge("b", END),
    "input": lambda lib: chain(lib, input_schema=Input, output_schema=Input),
    "private": lambda lib: chain(lib, output_schema=Input).add_node(private).add_node("m", model),
    "bare": lambda lib: chain(lib, Annotated[list, operator.add]).add_edge("a", "b"),
    "bare and private": lambda lib: chain(lib, int).add_node(private),
    "record": lambda lib: chain(lib, Record).add_conditional_edges("a", route_private),
    "model": lambda lib: chain(lib, Model).add_conditional_edges("a", route),
    "join": lambda lib: chain(lib).add_node(c).add_edge(["b", "a"], "c").add_edge("a", "b"),
    "defer": lambda lib: (
        chain(lib).add_node("c", c, defer=True).add_edge(["a", "b"], "c").add_edge("a", "c")
    ),
    "branches": lambda lib: (
        chain(lib)
        .add_conditional_edges("a", lambda s: "b", {"x": "b", "y": END})
        .add_conditional_edges("a", route)
        .add_conditional_edges(START, route_private, ["a", "b"])
    ),
    "join to the end": lambda lib: chain(lib).add_edge(["a", "b"], END),
    "several joins": lambda lib: (
        chain(lib).add_node(c).add_edge(["a", "b"], "c").add_edge(["b", "c"], "a")
    ),
    "handler": lambda lib: chain(lib).add_node("h", a, error_handler=b),
    "defaults": lambda lib: chain(lib).set_node_defaults(error_handler=c),
    "sequence": lambda lib: (
        lib.StateGraph(State).add_sequence([a, ("second", b), c]).set_entry_point("a")
    ),
    "entry": lambda lib: (
        lib.StateGraph(State).add_node(a).set_conditional_entry_point(route).set_finish_point("a")
    ),
}


def writes(node):
    """Channels that a LangGraph node's edges write, in order, and its number of branches."""
    entries = [e for w in node.writers for e in getattr(w, "writes", ()) if hasattr(e, "channel")]
    branches = [w for w in node.writers if not hasattr(w, "writes")]
    return sorted(e.channel for e in entries), len(branches)


@pytest.mark.parametrize("make", PROGRAMS.values(), ids=PROGRAMS)
def test_programs_equal_langgraphs(make, theirs):
    mine, reference = program_of(make(OURS)), program_of(make(theirs))
    control = [name for name in reference.channels if name.startswith("join:")]
    fixed = [name for name in reference.channels if name not in control]
    assert list(mine.channels) == [*fixed, *sorted(control)]
    for name, channel in mine.channels.items():
        assert type(channel).__name__ == type(reference.channels[name]).__name__
    assert list(mine.nodes) == list(reference.nodes)
    for name, node in reference.nodes.items():
        lowered = mine.nodes[name]
        assert sorted(lowered.triggers) == sorted(node.triggers)
        assert as_list(lowered.reads) == as_list(node.channels)
        assert (lowered.mapper is None) == (node.mapper is None)
        assert (sorted(lowered.targets + lowered.joins), len(lowered.branches)) == writes(node)
        assert lowered.error_handler == node.error_handler_node
    assert as_list(mine.outputs) == as_list(reference.output_channels)
    assert as_list(mine.streams) == as_list(reference.stream_channels)
    assert mine.inputs == reference.input_channels


def as_list(names):
    return names if isinstance(names, str) else list(names)


def twice(builder):
    """Compile twice."""
    program_of(builder)
    return program_of(builder)


ERRORS = {
    "no entry": lambda lib: lib.StateGraph(State).add_node(a).compile(),
    "empty": lambda lib: lib.StateGraph(State).compile(),
    "unknown source": lambda lib: chain(lib).add_edge("x", "a").compile(),
    "unknown target": lambda lib: chain(lib).add_edge("a", "x").compile(),
    "unknown branch source": lambda lib: chain(lib).add_conditional_edges("x", route).compile(),
    "unknown branch target": lambda lib: (
        chain(lib).add_conditional_edges("a", same, {"y": "b", "z": "x"}).compile()
    ),
    "unknown listed target": lambda lib: (
        chain(lib).add_conditional_edges("a", lambda s: "x", ["x"]).compile()
    ),
    "unknown literal target": lambda lib: (
        lib.StateGraph(State).add_node(b).add_conditional_edges(START, route).compile()
    ),
    "unknown destination": lambda lib: chain(lib).add_node(c, destinations=("x",)).compile(),
    "unknown command target": lambda lib: chain(lib).add_node("c", commanding(lib)).compile(),
    "unknown breakpoint": lambda lib: chain(lib).compile(interrupt_before=["x"]),
    "unknown later breakpoint": lambda lib: chain(lib).compile(interrupt_after=["x"]),
    "no saver": lambda lib: chain(lib).compile(checkpointer=3),
    "from END": lambda lib: lib.StateGraph(State).add_edge(END, "a"),
    "to START": lambda lib: lib.StateGraph(State).add_edge("a", START),
    "join from END": lambda lib: chain(lib).add_edge(["a", END], "b"),
    "join from START": lambda lib: chain(lib).add_edge(["a", START], "b"),
    "join from unknown": lambda lib: chain(lib).add_edge(["a", "x"], "b"),
    "join to unknown": lambda lib: chain(lib).add_edge(["a", "b"], "x"),
    "join to START": lambda lib: chain(lib).add_edge(["a", "b"], START),
    "taken": lambda lib: chain(lib).add_node(a),
    "reserved": lambda lib: chain(lib).add_node(END, a),
    "bar": lambda lib: chain(lib).add_node("a|b", a),
    "colon": lambda lib: chain(lib).add_node("a:b", a),
    "reserved by the engine": lambda lib: chain(lib).add_node("__input__", a).compile(),
    "reserved channel": lambda lib: chain(lib, TypedDict("S", {"__interrupt__": int})).compile(),
    "channel of sends": lambda lib: chain(lib, TypedDict("S", {TASKS: int})).compile(),
    "branch name": lambda lib: (
        chain(lib).add_conditional_edges("a", route).add_conditional_edges("a", route)
    ),
    "two lambdas": lambda lib: (
        chain(lib)
        .add_conditional_edges("a", lambda s: "a")
        .add_conditional_edges("a", lambda s: "b")
    ),
    "two partials": lambda lib: (
        chain(lib)
        .add_conditional_edges("a", partial(route))
        .add_conditional_edges("a", partial(route))
    ),
    "empty sequence": lambda lib: lib.StateGraph(State).add_sequence([]),
    "sequence with a taken name": lambda lib: lib.StateGraph(State).add_sequence([a, ("a", b)]),
    "no action": lambda lib: chain(lib).add_node("x", 3),
    "timeout of a function": lambda lib: chain(lib).add_node(c, timeout=1).compile(),
    "default timeout of a function": lambda lib: chain(lib).set_node_defaults(timeout=1).compile(),
    "bad timeout": lambda lib: chain(lib).add_node(later, timeout=-1),
    "two reducers of one key": lambda lib: lib.StateGraph(
        State, input_schema=TypedDict("S", {"log": Annotated[list, operator.mul]})
    ),
    "bad reducer": lambda lib: lib.StateGraph(Annotated[int, lambda a: a]),
    "managed input": lambda lib: lib.StateGraph(
        State, input_schema=TypedDict("S", {"last": lib.IsLastStep})
    ),
    "default handler twice": lambda lib: twice(chain(lib).set_node_defaults(error_handler=c)),
    "handler's name": lambda lib: (
        chain(lib).add_node("__error_handler__x", a).add_node("x", a, error_handler=b)
    ),
}


def commanding(lib):
    def node(state): ...

    node.__annotations__ = {"return": lib.Command[Literal["x"]]}
    return node


@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
def test_errors_are_langgraphs(make, theirs):
    raised = []
    for lib in (OURS, theirs):
        with pytest.raises((ValueError, TypeError)) as caught:
            make(lib)
        raised.append((caught.type, str(caught.value)))
    assert raised[0] == raised[1]


FINE = {
    "a key that two schemas share": lambda lib: lib.StateGraph(
        State, input_schema=TypedDict("S", {"log": list})
    ),
    "two lambdas on one key": lambda lib: lib.StateGraph(
        TypedDict("S", {"k": Annotated[int, lambda a, b: a]}),
        input_schema=TypedDict("S", {"k": Annotated[int, lambda a, b: b]}),
    ),
    "a node without a way out": lambda lib: chain(lib).compile(),
    "a node that nothing reaches": lambda lib: chain(lib).add_node(c).compile(),
    "an empty path map": lambda lib: chain(lib).add_conditional_edges("a", same, {}).compile(),
}


@pytest.mark.parametrize("make", FINE.values(), ids=FINE)
def test_what_langgraph_accepts(make, theirs):
    make(theirs)
    make(OURS)


def test_names_are_inferred_as_in_langgraph(theirs):
    nodes = [a, Node(), Node().method, partial(a), later]
    for lib in (OURS, theirs):
        builder = lib.StateGraph(State)
        for node in nodes:
            builder.add_node(node)
        assert list(builder.nodes) == ["a", "Node", "method", "partial", "later"]


def unresolved(state: Nowhere): ...  # noqa: F821 - what is tested


@pytest.mark.parametrize(
    ("node", "schema"),
    [
        (private, Private), (model, Model), (Node(), Private), (Node().method, Private),
        (a, State), (unresolved, State), (partial(private), State), (lambda state: 0, State),
    ],
)  # fmt: skip
def test_input_schemas_are_inferred_as_in_langgraph(node, schema, theirs):
    for lib in (OURS, theirs):
        assert lib.StateGraph(State).add_node("n", node).nodes["n"].input_schema is schema


def test_an_input_schema_that_is_given_wins():
    builder = StateGraph(State).add_node("n", private, input_schema=Input)
    assert builder.nodes["n"].input_schema is Input


ENDS = [
    lambda lib: lib.Command[Literal["a", "b"]],
    lambda lib: Union[lib.Command[Literal["a"]], dict],  # noqa: UP007 - a form users write
    lambda lib: lib.Command[Literal["a"]] | None,
    lambda lib: lib.Command[str],
    lambda lib: lib.Command,
    lambda lib: dict,
    lambda lib: Literal["a"],
]


@pytest.mark.parametrize("annotation", ENDS)
def test_ends_of_commands_are_inferred_as_in_langgraph(annotation, theirs):
    ends = []
    for lib in (OURS, theirs):

        def node(state): ...

        node.__annotations__ = {"return": annotation(lib)}
        ends.append(tuple(lib.StateGraph(State).add_node("n", node).nodes["n"].ends))
    assert ends[0] == ends[1]


class Route:
    def __call__(self, state: Private) -> Literal["a"]: ...
    def method(self, state: Private) -> Literal["a"]: ...


async def route_later(state: Private) -> Literal["a"]: ...


ROUTERS = [
    (route, None), (route_private, None), (Route(), None), (Route().method, None),
    (partial(route), None), (route_later, None), (lambda s: "a", None), (same, {"x": "a"}),
    (same, ["a", "b"]), (route, ["a"]), (same, ("a", "b")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "path_map"), ROUTERS)
def test_branches_are_inferred_as_in_langgraph(path, path_map, theirs):
    found = []
    for lib in (OURS, theirs):
        builder = lib.StateGraph(State).add_conditional_edges("a", path, path_map)
        ((name, branch),) = builder.branches["a"].items()
        found.append((name, branch.ends, branch.input_schema, list(builder.channels)))
    assert found[0] == found[1]


def test_a_runnable_routes_as_the_function_in_it(theirs):
    runnables = pytest.importorskip("langchain_core.runnables", reason="they are LangChain's")
    for function in (route, route_private):
        found = []
        for lib in (OURS, theirs):
            path = runnables.RunnableLambda(function)
            builder = lib.StateGraph(State).add_conditional_edges("a", path)
            ((name, branch),) = builder.branches["a"].items()
            found.append((name, branch.ends, branch.input_schema))
        assert found[0] == found[1]


def test_a_branch_gets_the_raw_return_under_the_state_unless_it_has_a_schema():
    builder = chain(OURS).add_conditional_edges("a", route_private)
    builder.add_conditional_edges("a", lambda s: "b")
    first, second = builder.compile().program.nodes["a"].branches
    assert (first.reads, first.passthrough) == (("secret",), False)
    assert (second.reads, second.passthrough) == (("n", "log"), True)


def test_a_branch_of_a_class_gets_an_instance_alone():
    builder = chain(OURS, Record).add_conditional_edges("a", lambda s: "b")
    (branch,) = builder.compile().program.nodes["a"].branches
    assert branch.mapper({"n": 3}) == Record(3)
    assert not branch.passthrough


def test_the_start_node_writes_the_input_schemas_keys_only():
    start = chain(OURS, input_schema=Input).compile().program.nodes[START]
    assert start.writer({"n": 1, "log": [2]}) == [("n", 1)]
    assert (start.reads, start.triggers, start.hidden) == (START, (START,), True)


def test_managed_values_are_read_and_never_written():
    program = chain(OURS, Managed).compile().program
    assert list(program.managed) == ["last"]
    assert program.nodes["a"].reads == ("n", "last")
    assert program.nodes["a"].writer({"n": 1, "last": 2}) == [("n", 1)]
    assert program.outputs == ("n",)


def test_a_bare_state_is_one_channel():
    program = chain(OURS, int).compile().program
    assert (program.outputs, program.streams, program.nodes["a"].reads) == (ROOT, ROOT, ROOT)
    assert program.nodes["a"].writer(3) == [(ROOT, 3)]


def test_deferred_nodes_wait():
    program = PROGRAMS["defer"](OURS).compile().program
    assert program.nodes["c"].defer
    assert program.channels["join:a+b:c"].read is not None
    assert program.channels["branch:to:a"].available is not None
    assert isinstance(program.channels["branch:to:a"], EphemeralValue)


def test_a_nodes_policies_win_over_the_defaults():
    own, shared, cache = RetryPolicy(max_attempts=1), RetryPolicy(), CachePolicy(ttl=1)
    builder = StateGraph(State).add_node(later, retry_policy=own, timeout=2, metadata={"k": 1})
    builder.add_node("b", later, error_handler=later, retry_policy=[own, shared])
    builder.set_node_defaults(retry_policy=shared, cache_policy=cache, timeout=3)
    nodes = builder.set_entry_point("b").lower().nodes
    handler = nodes["__error_handler__b"]
    assert [nodes[n].retry_policy for n in ("later", "b")] == [(own,), (own, shared)]
    assert handler.retry_policy == (shared,)
    assert [nodes[n].cache_policy for n in ("later", "b")] == [cache, cache]
    assert handler.cache_policy is None
    assert nodes["later"].timeout == TimeoutPolicy(run_timeout=2.0)
    assert nodes["b"].timeout == handler.timeout == TimeoutPolicy(run_timeout=3.0)
    assert nodes["later"].metadata == {"k": 1}


def test_later_changes_only_warn(caplog):
    builder = chain(OURS)
    app = builder.compile()
    with caplog.at_level(logging.WARNING, "vecgraph"):
        builder.add_node(c).add_edge("a", "c").add_conditional_edges("a", route)
    assert len(caplog.records) == 3
    assert "already been compiled" in caplog.text
    assert "c" not in app.program.nodes


def test_what_compile_is_given_reaches_the_app():
    builder = chain(OURS)
    app = builder.compile(False, name="mine", debug=True, store="store")
    assert isinstance(app, CompiledStateGraph)
    assert (app.program.name, app.name, app.debug) == ("mine", "mine", True)
    assert (app.builder, app.store) == (builder, "store")


def test_vector_nodes_read_columns_whatever_class_the_state_has():
    def vector(batch: Private, runtime): ...

    builder = chain(OURS, Record).add_node(vector, batched=True, max_batch=10)
    builder.add_conditional_edges("a", lambda batch: 0, ["b", END], batched=True)
    builder.add_conditional_edges("b", lambda batch: 0, ("a", END), batched=True)
    program = builder.compile().program
    node = program.nodes["vector"]
    assert (node.action.tier, node.mapper, node.reads) == ("vector", None, ("secret",))
    assert node.action.options == {"max_batch": 10}
    assert program.nodes["a"].branches[0].ends == {"b": "b", END: END}
    assert program.nodes["b"].branches[0].ends == {"a": "a", END: END}


def test_expressions_are_nodes_and_routers():
    builder = chain(OURS).add_node("double", expr(n="n * 2"))
    builder.add_conditional_edges("a", when("n > 1", "double").otherwise(END))
    program = builder.compile().program
    assert program.nodes["double"].action.tier == "expr"
    assert program.nodes["a"].branches[0].ends == {"double": "double", END: END}


def routing(router, path_map=None):
    return chain(OURS).add_conditional_edges("a", router, path_map)


BAD_EXPRESSIONS = [
    (lambda: chain(OURS).add_node("x", expr(n="m + 1")).compile(), ExpressionError, "'m'"),
    (lambda: chain(OURS).add_node("x", expr(m="n + 1")).compile(), VectorNodeError, "channel 'm'"),
    (lambda: routing(when("m > 1", "a").otherwise("b")).compile(), ExpressionError, "'m'"),
    (lambda: routing(when("n > 1", "x").otherwise("b")).compile(), ValueError, "target 'x'"),
    (lambda: routing(when("n > 1", "x").otherwise("y"), {"x": "a"}), ValueError, "label 'y'"),
    (lambda: routing(expr(n="n")), TypeError, "computes updates"),
    (
        lambda: chain(OURS).add_node("x", when("n > 1", "a").otherwise("b")),
        TypeError,
        "is a router",
    ),
]


@pytest.mark.parametrize(("make", "kind", "text"), BAD_EXPRESSIONS)
def test_expressions_that_cannot_run_are_refused_before_they_do(make, kind, text):
    with pytest.raises(kind, match=text):
        make()


def test_a_node_needs_an_action():
    with pytest.raises(RuntimeError, match="Node 'x' has no action"):
        StateGraph(State).add_node("x")


def test_annotations_may_name_the_state():
    assert StateGraph[State].__origin__ is StateGraph
