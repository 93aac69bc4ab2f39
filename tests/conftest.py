"""Settings that all tests share: Hypothesis profiles and a quiet environment."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests import services
from vecgraph.engine.batch import Engine

# A deadline measures the machine, not the code. CI draws the same examples every time, so a
# red run is a changed program; new examples come from `dev` and, by the thousand, from `soak`.
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "soak", deadline=None, max_examples=2_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))

# The suite also runs with lanes of a few rows, so that runs enter, leave and join lanes all the time:
# what it compares with LangGraph does not depend on it.
if lane := os.environ.get("VECGRAPH_TEST_LANE"):
    Engine.__init__.__kwdefaults__ |= {"lane": int(lane), "small": 1}

# LangGraph is only the oracle here: it must never try to reach a tracing service.
os.environ["LANGSMITH_TRACING"] = "false"
os.environ.pop("LANGCHAIN_TRACING_V2", None)


@pytest.fixture(scope="session", autouse=True)
def _leave_nothing_on_servers():
    yield
    services.drop()
