"""Batches of threads that are gone on with in lanes, against LangGraph, thread by thread."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver as TheirSaver

from tests.differential.cases import examples
from tests.differential.going_on import OURS, THEIRS, actions, alone, in_batches
from tests.differential.threads import is_race, plans
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.testing.compare import difference

logging.getLogger("langgraph").setLevel(logging.ERROR)
pytestmark = pytest.mark.usefixtures("quiet")


def compared(plan, todos, threads, durability="sync"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):  # LangGraph's threads race now and then
            wanted = alone(THEIRS, plan, todos, threads, TheirSaver(), durability)
            found, _ = in_batches(OURS, plan, todos, threads, InMemorySaver(), durability)
            if found == wanted:
                break
    different = difference(wanted, found)
    assert different is None, f"{different}\n{plan}\n{todos}"


def columnar(plan):
    """Return a plan that lanes can run."""
    nodes = tuple(replace(node, retries=False, handled=False, child="") for node in plan.nodes)
    return replace(plan, nodes=nodes, durability="sync", child_asks=0)


@pytest.mark.parametrize("durability", ["sync", "exit"])
@given(
    plan=plans().map(columnar),
    todos=st.lists(st.lists(actions(), min_size=4, max_size=4), min_size=1, max_size=4),
)
@examples(20)
def test_threads_in_batches_go_as_in_langgraph(durability, plan, todos) -> None:
    assume(not is_race(plan, use_async=True))
    compared(plan, todos, 4, durability)


@pytest.mark.soak
@given(
    plan=plans().map(columnar),
    todos=st.lists(st.lists(actions(), min_size=4, max_size=4), min_size=1, max_size=6),
    durability=st.sampled_from(["sync", "exit"]),
)
@examples(2000, anew=True)
def test_threads_in_batches_at_length(plan, todos, durability) -> None:
    assume(not is_race(plan, use_async=True))
    compared(plan, todos, 4, durability)
