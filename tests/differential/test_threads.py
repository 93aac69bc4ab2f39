"""What is done with threads, in both libraries: values, errors, states and histories agree."""

from __future__ import annotations

import logging
import warnings
from types import SimpleNamespace

import langgraph.errors
import langgraph.graph
import langgraph.types
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

import vecgraph.errors
import vecgraph.graph
import vecgraph.types
from tests.differential.door_two import DoorTwo, GuestsOnly, HostOnly
from tests.differential.threads import START, NodePlan, Plan, actions, history, is_race, plans
from vecgraph.checkpoint.memory import InMemorySaver as OurSaver
from vecgraph.testing.compare import difference

logging.getLogger("langgraph").setLevel(logging.ERROR)
pytestmark = pytest.mark.usefixtures("quiet")


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


def door_two(builder):
    return SimpleNamespace(**{**vars(THEIRS), "StateGraph": builder})


DOORS = {
    "door one": (OURS, InMemorySaver),
    "door two": (door_two(DoorTwo), InMemorySaver),
    "door two, our saver": (door_two(DoorTwo), OurSaver),
    "host only": (door_two(HostOnly), InMemorySaver),
    "guests only": (door_two(GuestsOnly), InMemorySaver),
}


def compared(plan, todos, use_async, doors):
    """Compare what each door gives with what LangGraph does."""
    left = set(doors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):  # LangGraph's threads race now and then
            wanted, their_calls = history(THEIRS, plan, todos, InMemorySaver(), use_async=use_async)
            found = {}
            for door in left:
                lib, make_saver = DOORS[door]
                found[door] = history(lib, plan, todos, make_saver(), use_async=use_async)
            left = {door for door in left if found[door][0] != wanted}
            if not left:
                break
    for door, (seen, our_calls) in found.items():
        for theirs, ours in zip(wanted, seen, strict=True):
            different = difference(theirs, ours)
            assert different is None, f"{door}: {different}\n{plan}\n{todos}"
        assert sorted(our_calls) == sorted(their_calls), door


def examples(count):
    return settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )


# A graph that keeps nothing asks anew, under another id, each time its node runs again.
ASKS_ANEW = Plan(
    (NodePlan("a"), NodePlan("b", child="child"), NodePlan("c")),
    ((START, "a"), (START, "b")),
    joins=((("a", "b"), "c"),),
    child_asks=1,
    durability="async",
    child_saver=False,
)
AGAIN = [("start", 0, None, None), ("go on", 0, None, None), ("resume map", 0, "x", None)]


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@given(plan=plans(), todos=st.lists(actions(), min_size=2, max_size=5))
@example(plan=ASKS_ANEW, todos=AGAIN)
@examples(20)
def test_threads_go_as_in_langgraph(plan, todos, use_async) -> None:
    assume(not is_race(plan, use_async=use_async))
    first = ("start", 0, None, None)
    compared(plan, [first, *todos], use_async, ["door one"])


@pytest.mark.soak
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@given(plan=plans(), todos=st.lists(actions(), min_size=2, max_size=5))
@example(plan=ASKS_ANEW, todos=AGAIN)
@examples(15)
def test_threads_of_what_is_handed_over_go_as_in_langgraph(plan, todos, use_async) -> None:
    assume(not is_race(plan, use_async=use_async))
    first = ("start", 0, None, None)
    compared(plan, [first, *todos], use_async, DOORS.keys() - {"door one"})
