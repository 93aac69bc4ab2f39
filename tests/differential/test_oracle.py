"""The oracle against LangGraph: what the batch engine is compared with must be right itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential.cases import examples, truth
from vecgraph.testing.strategies import graphs, numeric_graphs, pregel_graphs, rows

PROFILES = {
    "objects": (graphs(), False),
    "numbers": (numeric_graphs(), True),
    "pregel": (pregel_graphs(), True),
}


@pytest.mark.parametrize("profile", PROFILES)
@examples(40)
@given(data=st.data())
def test_oracle_is_langgraph(profile, data) -> None:
    compare(profile, data)


@pytest.mark.soak
@pytest.mark.parametrize("profile", PROFILES)
@examples(3000, anew=True)
@given(data=st.data())
def test_oracle_is_langgraph_at_length(profile, data) -> None:
    compare(profile, data)


def compare(profile, data) -> None:
    strategy, numbers = PROFILES[profile]
    spec = data.draw(strategy)
    truth(spec, data.draw(rows(spec, 4, numbers=numbers)), by_langgraph=True, invoke=True)
