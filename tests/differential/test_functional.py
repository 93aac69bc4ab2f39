"""Workflows of the functional API in both libraries: streams, errors, states and calls agree."""

from __future__ import annotations

import logging
import operator
import warnings
from types import SimpleNamespace
from typing import Annotated, TypedDict

import langgraph.config
import langgraph.func
import langgraph.graph
import langgraph.types
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver

import vecgraph.config
import vecgraph.func
import vecgraph.graph
import vecgraph.types
from tests.differential.door_two import DoorTwo, HandedOver
from tests.differential.functional import ACTIONS, Flow, flows, history
from vecgraph.testing.compare import difference

logging.getLogger("langgraph").setLevel(logging.ERROR)
pytestmark = pytest.mark.usefixtures("quiet")


class State(TypedDict):
    n: int
    log: Annotated[list, operator.add]


def library(graph, types, func, config):
    return SimpleNamespace(
        StateGraph=graph.StateGraph,
        State=State,
        Command=types.Command,
        RetryPolicy=types.RetryPolicy,
        CachePolicy=types.CachePolicy,
        interrupt=types.interrupt,
        task=func.task,
        entrypoint=func.entrypoint,
        get_stream_writer=config.get_stream_writer,
        cache=InMemoryCache,
        limits=func is vecgraph.func,
    )


THEIRS = library(langgraph.graph, langgraph.types, langgraph.func, langgraph.config)
OURS = library(vecgraph.graph, vecgraph.types, vecgraph.func, vecgraph.config)


DOORS = {
    "door one": OURS,
    "door two": SimpleNamespace(
        **{**vars(THEIRS), "StateGraph": DoorTwo, "entrypoint": HandedOver, "limits": True}
    ),
}


def compared(flow, todos, use_async, door="door one"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):  # LangGraph's threads race now and then
            wanted, their_calls = history(THEIRS, flow, todos, InMemorySaver(), use_async=use_async)
            found, our_calls = history(
                DOORS[door], flow, todos, InMemorySaver(), use_async=use_async
            )
            if found == wanted:
                break
    for theirs, ours in zip(wanted, found, strict=True):
        different = difference(theirs, ours)
        assert different is None, f"{different}\n{flow}\n{todos}"
    assert sorted(map(repr, our_calls)) == sorted(map(repr, their_calls))


EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


# A task that ran anew before the question leaves the answer to be told a second time.
TOLD_TWICE = Flow((("try", "bad", 2), ("call", "asks", 0), ("call", "asks", 0), ("ask", 1)))


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@given(flow=flows(), todos=st.lists(ACTIONS, min_size=1, max_size=5))
@example(flow=TOLD_TWICE, todos=[("resume", 0), ("resume", 1), ("resume", 2)])
@EXAMPLES
def test_workflows_go_as_in_langgraph(flow, todos, use_async) -> None:
    compared(flow, [("start", 0), *todos], use_async)


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@given(flow=flows(), todos=st.lists(ACTIONS, min_size=1, max_size=5))
@example(flow=TOLD_TWICE, todos=[("resume", 0), ("resume", 1), ("resume", 2)])
@settings(EXAMPLES, max_examples=25)
def test_workflows_that_are_handed_over_go_as_in_langgraph(flow, todos, use_async) -> None:
    compared(flow, [("start", 0), *todos], use_async, "door two")
