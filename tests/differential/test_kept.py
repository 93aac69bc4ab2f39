"""Checkpoints of runs in lanes against those of LangGraph, run by run."""

from __future__ import annotations

import tempfile
import warnings
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver as TheirSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.errors import GraphRecursionError

from tests.differential.cases import examples
from tests.differential.kept import listed, pending
from tests.differential.langgraph_side import LANGGRAPH
from tests.differential.vecgraph_side import compiled
from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.testing.building import build
from vecgraph.testing.compare import difference
from vecgraph.testing.strategies import graphs, numeric_graphs, rows

DURABILITY = pytest.mark.parametrize("durability", ["sync", "exit"])


def in_lanes(spec, inputs, tier, durability="sync"):
    """Return the saver after a batch of all inputs, in lanes that hold few rows."""
    return kept_in(InMemorySaver(), spec, inputs, tier, durability)


def kept_in(saver, spec, inputs, tier, durability="sync"):
    app = compiled(spec, tier)
    app.checkpointer = saver
    app.engine.small, app.engine.lane = 1, max(2, len(inputs) // 3)
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": spec.limit}
    app.batch(inputs, config, return_exceptions=True, durability=durability)
    return saver


def one_by_one(spec, inputs, durability="sync"):
    """Return LangGraph's saver after it ran each input, and what the runs raised."""
    # Without pickle their serialiser has no integers beyond 64 bits.
    saver = TheirSaver(serde=JsonPlusSerializer(pickle_fallback=True))
    app = build(spec, LANGGRAPH)
    app.checkpointer = saver
    raised = {}
    for at, value in enumerate(inputs):
        config = {"configurable": {"thread_id": f"t/{at}"}, "recursion_limit": spec.limit}
        try:
            app.invoke(value, config, durability=durability)
        except Exception as error:  # noqa: BLE001 - what a run raises is compared elsewhere
            raised[at] = error
    return saver, raised


def is_half_applied(saver, at, error) -> bool:
    """Return whether LangGraph has saved half of a superstep whose writes were refused."""
    left = repr(pending(saver, f"t/{at}"))
    return not (error is None or isinstance(error, GraphRecursionError) or "__error__" in left)


def check(spec, inputs, tier, durability):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = one_by_one(spec, inputs, durability)
        ours = in_lanes(spec, inputs, tier, durability)
    compare(theirs, ours, spec, inputs, durability)


def compare(theirs, ours, spec, inputs, durability) -> None:
    theirs, raised = theirs
    for at in range(len(inputs)):
        if durability == "exit" and is_half_applied(theirs, at, raised.get(at)):
            continue
        wanted, found = listed(theirs, f"t/{at}"), listed(ours, f"t/{at}")
        different = difference(wanted, found)
        assert different is None, f"run {at}: {different}\n{inputs[at]}\n{spec}"
        check_beside(pending(theirs, f"t/{at}"), pending(ours, f"t/{at}"), f"run {at}\n{spec}")


def check_beside(wanted, found, which):
    """Compare what is kept beside the latest checkpoint.

    Where a task fails, LangGraph drops those that its threads have not finished by then; lanes
    finish all of them.
    """
    if any("__error__" in dict(pairs) for pairs in wanted):
        missing = Counter(map(repr, wanted)) - Counter(map(repr, found))
        assert not missing, f"not beside {which}: {missing}"
    else:
        different = difference(wanted, found)
        assert different is None, f"beside {which}: {different}"


@DURABILITY
@pytest.mark.parametrize("size", [1, 7])
@examples(25)
@given(data=st.data())
def test_object_graphs(durability, size, data) -> None:
    spec = data.draw(graphs())
    check(spec, data.draw(rows(spec, size, numbers=False)), "rowwise", durability)


@DURABILITY
@pytest.mark.parametrize("tier", ["rowwise", "vector", "expr"])
@examples(25)
@given(data=st.data())
def test_numeric_graphs(durability, tier, data) -> None:
    spec = data.draw(numeric_graphs())
    check(spec, data.draw(rows(spec, 7, numbers=True)), tier, durability)


@DURABILITY
@examples(10)
@given(data=st.data())
def test_graphs_whose_checkpoints_are_in_a_folder(durability, data) -> None:
    spec = data.draw(graphs())
    inputs = data.draw(rows(spec, 5, numbers=False))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = one_by_one(spec, inputs, durability)
        kept_in(ArrowSaver(folder), spec, inputs, "rowwise", durability).close()
        with ArrowSaver(folder, read_only=True) as ours:
            compare(theirs, ours, spec, inputs, durability)


@pytest.mark.soak
@examples(1500, anew=True)
@given(data=st.data())
def test_all_graphs_at_length(data) -> None:
    strategy, numbers = data.draw(st.sampled_from([(graphs(), False), (numeric_graphs(), True)]))
    spec = data.draw(strategy)
    tier = data.draw(st.sampled_from(["rowwise", "vector", "expr"])) if numbers else "rowwise"
    inputs = data.draw(rows(spec, 7, numbers=numbers))
    check(spec, inputs, tier, data.draw(st.sampled_from(["sync", "exit"])))
