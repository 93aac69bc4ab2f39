"""One superstep's writes folded into one column, for each rule that has a form for columns."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

import vecgraph.channels as ch
from vecgraph.channels.base import Write
from vecgraph.columns import Column

MAKE: dict[str, Callable[[], ch.Channel]] = {
    "LastValue": lambda: ch.LastValue(float),
    "LastValueAfterFinish": lambda: ch.LastValueAfterFinish(float),
    "AnyValue": lambda: ch.AnyValue(float),
    "EphemeralValue": lambda: ch.EphemeralValue(float),
    "UntrackedValue": lambda: ch.UntrackedValue(float),
    "add": lambda: ch.BinaryOperatorAggregate(float, operator.add),
    "mul": lambda: ch.BinaryOperatorAggregate(float, operator.mul),
    "max": lambda: ch.BinaryOperatorAggregate(float, max),
    "add_int": lambda: ch.BinaryOperatorAggregate(int, operator.add),
    "Topic": lambda: ch.Topic(float, accumulate=True),
    "Mean": lambda: ch.Mean(float),
    "Variance": lambda: ch.Variance(float),
    "MinMax": lambda: ch.MinMax(float),
    "Count": lambda: ch.Count(int),
    "EWMA": lambda: ch.EWMA(alpha=0.5),
}

ONE_WRITER = {"LastValue", "EphemeralValue", "UntrackedValue"}
"""Rules that refuse a second write of the same superstep."""


class Fold:
    """`Channel.fold_columns` on a column of n_rows; seconds per superstep.

    A share `active` of the rows is written, by two tasks where the rule allows it.
    """

    params = (list(MAKE), [1_000, 1_000_000], [0.01, 1.0])
    param_names = ("channel", "n_rows", "active")
    version = "1"

    def setup(self, channel: str, n_rows: int, active: float) -> None:
        """Draw the writes, and fold those of a few rows one by one for comparison."""
        rng = np.random.default_rng(0)
        self.channel = MAKE[channel]()
        self.column = self.channel.empty(n_rows)
        where = None if active == 1.0 else np.flatnonzero(rng.random(n_rows) < active)
        size = n_rows if where is None else where.size
        # Whole numbers: a sum of them is exact in any order, so equality means the same rule.
        drawn = [rng.integers(-9, 9, size) for _ in range(1 if channel in ONE_WRITER else 2)]
        dtype = np.int64 if channel == "add_int" else np.float64
        self.writes = [Write(where, Column.of_array(values.astype(dtype))) for values in drawn]
        self.sample = np.arange(min(size, 5))
        self.expected = [self._scalar(position) for position in self.sample]

    def _scalar(self, position: int) -> Any:
        """Value that the rule itself gives for one of the written rows."""
        writes = [write.values.take(np.array([position])).tolist()[0] for write in self.writes]
        return self.channel.fold(self.channel.initial(), writes)[0]

    def time_fold(self, channel: str, n_rows: int, active: float) -> None:
        """Fold all writes."""
        folded = self.channel.fold_columns(self.column, self.writes)
        assert folded.cells.take(self.sample).tolist() == self.expected
