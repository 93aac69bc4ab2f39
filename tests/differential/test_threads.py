"""What is done with threads, in both libraries: values, errors, states and histories agree."""

from __future__ import annotations

import logging
import warnings
from types import SimpleNamespace

import langgraph.errors
import langgraph.graph
import langgraph.types
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

import vecgraph.errors
import vecgraph.graph
import vecgraph.types
from tests.differential.door_two import DoorTwo
from tests.differential.threads import actions, history, is_race, plans
from vecgraph.checkpoint.memory import InMemorySaver as OurSaver
from vecgraph.testing.compare import difference

logging.getLogger("langgraph").setLevel(logging.ERROR)
logging.getLogger("vecgraph").setLevel(logging.ERROR)


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
DOORS = {
    "door one": (OURS, InMemorySaver),
    "door two": (SimpleNamespace(**{**vars(THEIRS), "StateGraph": DoorTwo}), InMemorySaver),
    "door two, our saver": (SimpleNamespace(**{**vars(THEIRS), "StateGraph": DoorTwo}), OurSaver),
}


def compared(plan, todos, use_async, door):
    lib, make_saver = DOORS[door]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):  # LangGraph's threads race now and then
            wanted, their_calls = history(THEIRS, plan, todos, InMemorySaver(), use_async=use_async)
            found, our_calls = history(lib, plan, todos, make_saver(), use_async=use_async)
            if found == wanted:
                break
    for theirs, ours in zip(wanted, found, strict=True):
        different = difference(theirs, ours)
        assert different is None, f"{different}\n{plan}\n{todos}"
    assert sorted(our_calls) == sorted(their_calls)


EXAMPLES = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@given(plan=plans(), todos=st.lists(actions(), min_size=2, max_size=5))
@EXAMPLES
def test_threads_go_as_in_langgraph(plan, todos, use_async, door) -> None:
    assume(not is_race(plan, use_async=use_async))
    first = ("start", 0, None, None)
    compared(plan, [first, *todos], use_async, door)
