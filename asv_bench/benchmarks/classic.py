"""The single operations that ports of LangGraph to Rust publish, on columns; seconds per column.

Divide by `n_rows` for the cost per run. Checkpoints and serialisation are measured beside them, in
files of their own.
"""

from __future__ import annotations

import numpy as np

import vecgraph.channels as ch
from benchmarks.axis import sizes
from vecgraph.channels.base import Write
from vecgraph.columns import Column

ITEMS = 5


class Classic:
    """One operation of one channel, for all rows of a column."""

    params = (sizes(1, 1_000, 100_000, 1_000_000),)
    param_names = ("n_rows",)
    version = "1"

    def setup(self, n_rows: int) -> None:
        """Make columns and what is written to them."""
        rng = np.random.default_rng(0)
        self.last_value, self.topic = ch.LastValue(float), ch.Topic(float)
        self.drawn = [rng.standard_normal(n_rows) for _ in range(ITEMS)]
        self.writes = [Write(None, Column.of_array(values)) for values in self.drawn]
        self.empty_value = self.last_value.empty(n_rows)
        self.empty_topic = self.topic.empty(n_rows)
        self.written = self.writes[0].values
        self.rows = np.arange(n_rows)
        self.last = n_rows - 1

    def time_last_value_update(self, n_rows: int) -> None:
        """Write one value per row."""
        folded = self.last_value.fold_columns(self.empty_value, self.writes[:1])
        assert folded.cells.take(self.rows[-1:]).tolist() == [self.drawn[0][self.last]]

    def time_last_value_get(self, n_rows: int) -> None:
        """Read one value per row, by row number, as a node does that not all rows are at."""
        values = self.written.take(self.rows)
        assert values.take(self.rows[-1:]).tolist() == [self.drawn[0][self.last]]

    def time_topic_update(self, n_rows: int) -> None:
        """Write ITEMS values per row, each from a task of its own."""
        folded = self.topic.fold_columns(self.empty_topic, self.writes)
        (items,) = folded.cells.take(self.rows[-1:]).tolist()
        assert list(items) == [values[self.last] for values in self.drawn]
