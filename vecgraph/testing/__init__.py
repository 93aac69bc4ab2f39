"""What vecgraph is tested with, shipped: a scalar executor, exact comparison, a fake chat model.

The Hypothesis strategies are in `vecgraph.testing.strategies`, which needs Hypothesis.
"""

from __future__ import annotations

from vecgraph.testing.apps import Reference as Reference
from vecgraph.testing.apps import reference as reference
from vecgraph.testing.compare import difference as difference
from vecgraph.testing.compare import same as same
from vecgraph.testing.models import FakeChatModel as FakeChatModel
from vecgraph.testing.records import RunRecord as RunRecord
from vecgraph.testing.records import StepRecord as StepRecord
from vecgraph.testing.records import disagreement as disagreement

__all__ = [
    "FakeChatModel",
    "Reference",
    "RunRecord",
    "StepRecord",
    "difference",
    "disagreement",
    "reference",
    "same",
]
