"""Errors have LangGraph's types and texts; facts are attributes."""

from __future__ import annotations

from typing import TypedDict

import pytest

from vecgraph import errors as ours
from vecgraph.types import Command, Interrupt

theirs = pytest.importorskip("langgraph.errors", reason="LangGraph is the reference of these tests")


def raised(call, *args, **kwargs):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the type is compared below
        call(*args, **kwargs)
    return caught.value


def same(mine, reference):
    assert str(mine) == str(reference)
    assert type(mine).__name__ == type(reference).__name__


def langgraph_channel(name, *args, **kwargs):
    from langgraph import channels

    channel = getattr(channels, name)(*args, **kwargs)
    channel.key = "k"
    return channel


def test_two_writers():
    same(
        ours.InvalidUpdateError.two_writers("k"),
        raised(langgraph_channel("LastValue", int).update, [1, 2]),
    )
    assert ours.InvalidUpdateError.two_writers("k").channel == "k"


@pytest.mark.parametrize("kind", ["EphemeralValue", "UntrackedValue"])
def test_guard(kind):
    from langgraph.channels import UntrackedValue

    made = UntrackedValue(int) if kind == "UntrackedValue" else langgraph_channel(kind, int)
    made.key = "k"
    same(ours.InvalidUpdateError.guard("k", kind), raised(made.update, [1, 2]))


def test_two_overwrites():
    from langgraph.types import Overwrite

    channel = langgraph_channel("BinaryOperatorAggregate", list, lambda a, b: a + b)
    same(
        ours.InvalidUpdateError.two_overwrites("k"),
        raised(channel.update, [Overwrite([1]), Overwrite([2])]),
    )


def test_a_barrier_refuses_other_names():
    channel = langgraph_channel("NamedBarrierValue", str, {"a"})
    same(ours.InvalidUpdateError.not_a_name("k", "x", {"a"}), raised(channel.update, ["x"]))


class State(TypedDict):
    n: int


def run_langgraph(node, limit=None, path=None):
    from langgraph.graph import StateGraph

    builder = StateGraph(State).add_node("a", node).set_entry_point("a")
    if path is not None:
        builder.add_conditional_edges("a", path)
    return raised(builder.compile().invoke, {"n": 0}, limit and {"recursion_limit": limit})


def test_recursion_limit():
    error = ours.GraphRecursionError.at(3)
    same(error, run_langgraph(lambda s: None, 3, lambda s: "a"))
    assert error.limit == 3
    assert isinstance(error, RecursionError)


@pytest.mark.parametrize("result", [3, "text", [1, 2], ("a", 1)])
def test_bad_return(result):
    same(ours.InvalidUpdateError.bad_return(result), run_langgraph(lambda s: result))


def test_a_packet_to_the_end():
    from langgraph.types import Send

    same(
        ours.InvalidUpdateError.send_to_end(),
        run_langgraph(lambda s: None, path=lambda s: Send("__end__", 1)),
    )


def test_no_input():
    from langgraph.graph import StateGraph

    builder = StateGraph(State).add_node("a", lambda s: None).set_entry_point("a")
    same(ours.EmptyInputError.for_channels("__start__"), raised(builder.compile().invoke, None))


SHARED = [name for name in theirs.__all__ if hasattr(ours, name)]
CLASSES = [name for name in SHARED if isinstance(getattr(ours, name), type)]


@pytest.mark.parametrize("name", CLASSES)
def test_bases_are_langgraphs(name):
    mine, reference = getattr(ours, name), getattr(theirs, name)
    assert [base.__name__ for base in mine.__mro__] == [base.__name__ for base in reference.__mro__]


def test_only_what_has_no_use_here_is_missing():
    missing = set(theirs.__all__) - set(SHARED)
    assert missing == {"NodeInterrupt"}


INSTANCES = [
    lambda lib: lib.GraphDrained(),
    lambda lib: lib.NodeCancelledError("n"),
    lambda lib: lib.NodeCancelledError("n", "why"),
    lambda lib: lib.NodeTimeoutError("n", 2.5, kind="idle", idle_timeout=1.0),
    lambda lib: lib.NodeTimeoutError("n", 2.5, kind="run", run_timeout=2.0),
    lambda lib: lib.NodeError("n", ValueError("x")),
    lambda lib: lib.GraphInterrupt(),
    lambda lib: lib.UnknownInterruptError("no", reason="empty_map", pending_ids=["1"]),
]


@pytest.mark.parametrize("make", INSTANCES)
def test_instances_print_as_in_langgraph(make):
    assert str(make(ours)) == str(make(theirs))


@pytest.mark.parametrize("given", [{"kind": "idle"}, {"kind": "run"}, {"kind": "other"}])
def test_a_timeout_error_needs_its_limit(given):
    mine = raised(ours.NodeTimeoutError, "n", 1.0, **given)
    reference = raised(theirs.NodeTimeoutError, "n", 1.0, **given)
    assert str(mine) == str(reference)


def test_control_flow_carries_its_load():
    command, interrupt = Command(goto="x"), Interrupt("why?")
    assert ours.ParentCommand(command).args == (command,)
    assert ours.GraphInterrupt([interrupt]).args == ([interrupt],)


def test_batch_errors_say_what_where_and_what_to_do():
    error = ours.BatchInputError.duplicate_ids("id", [3, 5, 7, 8, 9, 10, 11])
    assert str(error) == (
        "Row ids in column 'id' must be unique, but rows 7 (3, 5, 7, 8, 9, ...) "
        "repeat an earlier id.\nHint: drop the duplicates, or number the rows."
    )
    assert error.rows == (3, 5, 7, 8, 9, 10, 11)
    assert isinstance(error, ValueError)


BATCH_ERRORS = [
    (ours.BatchInputError.length("x", 3, 4), "Column 'x' has 3 rows, but the batch has 4."),
    (
        ours.BatchInputError.dtype("x", "string", "int"),
        "Column 'x' has type string, but its channel holds int.",
    ),
    (
        ours.BatchInputError.missing(["x", "y"], ["z"]),
        "The table lacks the column(s) 'x', 'y'; it has 1 (z).",
    ),
    (
        ours.VectorNodeError.length("n", "x", 3, 4),
        "Vector node 'n' returned 3 values for 'x', but ran on 4 rows.",
    ),
    (
        ours.VectorNodeError.unknown_channel("n", "x", ["y"]),
        "Vector node 'n' returned the unknown channel 'x'; the graph has 1 (y).",
    ),
    (
        ours.VectorNodeError.unknown_label("r", "x", ["y"]),
        "Router 'r' returned 'x', which its path map lacks; it has 1 (y).",
    ),
]


@pytest.mark.parametrize(("error", "first_line"), BATCH_ERRORS)
def test_first_lines_of_our_own_errors(error, first_line):
    line, hint = str(error).split("\n")
    assert line == first_line
    assert hint.startswith("Hint: ")
    assert isinstance(error, ours.BatchError)


def test_a_vector_nodes_wrong_return_is_an_invalid_update():
    error = ours.VectorNodeError.length("n", "x", 3, 4)
    assert isinstance(error, ours.InvalidUpdateError)
    assert (error.node, error.channel) == ("n", "x")
