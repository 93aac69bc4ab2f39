"""Batches against LangGraph: value, type, error type and text, and tasks of every row.

Each row of a batch must be what LangGraph gives for that row alone, whatever its neighbours do,
for every tier of node and below and above the size at which the engine turns to columns.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential.cases import SIZES, check_batch, check_stream, examples
from tests.differential.vecgraph_side import TIERS
from vecgraph.testing.strategies import graphs, numeric_graphs, pregel_graphs, rows

DISTINCT = {1: 1, 7: 7, 300: 10}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tier", ["rowwise", "async"])
@examples(12)
@given(data=st.data())
def test_object_graphs(tier, size, data) -> None:
    spec = data.draw(graphs())
    check_batch(spec, data.draw(rows(spec, DISTINCT[size], numbers=False)), size, tier)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tier", TIERS)
@examples(12)
@given(data=st.data())
def test_numeric_graphs(tier, size, data) -> None:
    spec = data.draw(numeric_graphs())
    check_batch(spec, data.draw(rows(spec, DISTINCT[size], numbers=True)), size, tier)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tier", ["rowwise", "async"])
@examples(12)
@given(data=st.data())
def test_subscribers_to_persistent_channels(tier, size, data) -> None:
    spec = data.draw(pregel_graphs())
    check_batch(spec, data.draw(rows(spec, DISTINCT[size], numbers=True)), size, tier)


STREAMED = {
    "objects": (graphs(), False),
    "numbers": (numeric_graphs(), True),
    "pregel": (pregel_graphs(), True),
}


@pytest.mark.parametrize(
    ("profile", "tier"),
    [
        ("objects", "rowwise"),
        ("objects", "async"),
        ("numbers", "vector"),
        ("numbers", "mixed"),
        ("pregel", "rowwise"),
        ("pregel", "async"),
    ],
)
@examples(12)
@given(data=st.data())
def test_stream_of_one_run(profile, tier, data) -> None:
    """Inputs and order of tasks, updates and values of every superstep."""
    strategy, numbers = STREAMED[profile]
    spec = data.draw(strategy)
    check_stream(spec, data.draw(rows(spec, 3, numbers=numbers)), tier)


@pytest.mark.soak
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tier", TIERS)
@examples(1500, anew=True)
@given(data=st.data())
def test_all_graphs_at_length(tier, size, data) -> None:
    strategy, numbers = data.draw(st.sampled_from(list(STREAMED.values())))
    spec = data.draw(strategy)
    tier = tier if strategy is STREAMED["numbers"][0] or tier == "async" else "rowwise"
    check_batch(spec, data.draw(rows(spec, DISTINCT[size], numbers=numbers)), size, tier)
