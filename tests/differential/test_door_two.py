"""Generated graphs through the second door: LangGraph's builder, our engine, LangGraph's results."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential.cases import SIZES, check_batch, check_stream, examples
from tests.differential.vecgraph_side import handed_over
from vecgraph.testing.strategies import graphs, numeric_graphs, pregel_graphs, rows

DISTINCT = {1: 1, 7: 7, 300: 10}
PROFILES = {
    "objects": (graphs(), False),
    "numbers": (numeric_graphs(), True),
    "pregel": (pregel_graphs(), True),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tier", ["rowwise", "async"])
@pytest.mark.parametrize("profile", PROFILES)
@examples(6)
@given(data=st.data())
def test_batches(profile, tier, size, data) -> None:
    strategy, numbers = PROFILES[profile]
    spec = data.draw(strategy)
    inputs = data.draw(rows(spec, DISTINCT[size], numbers=numbers))
    check_batch(spec, inputs, size, tier, make=handed_over)


@pytest.mark.parametrize("tier", ["rowwise", "async"])
@pytest.mark.parametrize("profile", PROFILES)
@examples(8)
@given(data=st.data())
def test_stream_of_one_run(profile, tier, data) -> None:
    strategy, numbers = PROFILES[profile]
    spec = data.draw(strategy)
    check_stream(spec, data.draw(rows(spec, 3, numbers=numbers)), tier, make=handed_over)


@pytest.mark.soak
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tier", ["rowwise", "async"])
@examples(1500, anew=True)
@given(data=st.data())
def test_all_graphs_at_length(tier, size, data) -> None:
    strategy, numbers = data.draw(st.sampled_from(list(PROFILES.values())))
    spec = data.draw(strategy)
    inputs = data.draw(rows(spec, DISTINCT[size], numbers=numbers))
    check_batch(spec, inputs, size, tier, make=handed_over)
