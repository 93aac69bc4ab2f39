"""What vecgraph is tested with, shipped: the scalar reference executor and exact comparison.

The Hypothesis strategies are in `vecgraph.testing.strategies`, which needs Hypothesis.
"""

from __future__ import annotations

from vecgraph.testing.apps import Reference as Reference
from vecgraph.testing.apps import reference as reference
from vecgraph.testing.compare import difference as difference
from vecgraph.testing.compare import same as same
from vecgraph.testing.records import RunRecord as RunRecord
from vecgraph.testing.records import StepRecord as StepRecord
from vecgraph.testing.records import disagreement as disagreement

__all__ = [
    "Reference",
    "RunRecord",
    "StepRecord",
    "difference",
    "disagreement",
    "reference",
    "same",
]
