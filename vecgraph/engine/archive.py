"""Results of the runs that have ended, gathered as they leave their lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vecgraph.columns import Column, concat
from vecgraph.engine.records import Results, RowError
from vecgraph.positions import is_sorted_unique

if TYPE_CHECKING:
    from vecgraph.types import Interrupt
    from vecgraph.typing import Rows

__all__ = ["Archive"]


class Archive:
    """Results of the runs that have ended, in the order in which they ended."""

    def __init__(self, names: tuple[str, ...], ids: Rows) -> None:
        n = len(ids)
        self.ids = ids
        self.names = names
        self.rows: list[Rows] = []
        self.columns: dict[str, list[Column]] = {name: [] for name in names}
        self.emitted: list[np.ndarray] = []
        self.status = np.zeros(n, np.int8)
        self.steps = np.zeros(n, np.int64)
        self.errors: list[RowError] = []
        self.interrupts: dict[int, tuple[Interrupt, ...]] = {}
        self._next = 0

    def add(self, rows: Rows, steps: np.ndarray | int, *, is_part: bool) -> None:
        """Note runs that have ended, and how many steps each took.

        Parameters
        ----------
        rows : int64 ndarray of shape (K,)
        steps : int64 ndarray of shape (K,), or int
        is_part : bool
            The rows follow one upon the other.
        """
        self.rows.append(rows)
        if is_part and len(rows):
            begin = int(rows[0])
            self.steps[begin : begin + len(rows)] = steps
            self._next = begin + len(rows) if begin == self._next else -1
        else:
            self.steps[rows] = steps
            self._next = -1

    def results(self) -> Results:
        """Return everything in row order."""
        n = len(self.status)
        if not self.rows:
            columns = {name: Column.absent(0) for name in self.names}
            return Results(columns, np.zeros(0, np.bool_), self.status, self.steps, self.ids)
        rows = _joined(self.rows)
        columns = {name: concat(parts) for name, parts in self.columns.items()}
        emitted = _joined(self.emitted)
        if self._next != n and not is_sorted_unique(rows):
            order = np.empty(n, np.intp)
            order[rows] = np.arange(n)
            columns = {name: column.take(order) for name, column in columns.items()}
            emitted = emitted[order]
        errors = sorted(self.errors, key=lambda error: error.row)
        return Results(columns, emitted, self.status, self.steps, self.ids, errors, self.interrupts)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
