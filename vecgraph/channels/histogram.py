"""Histogram: how many of what was written fell into each bin."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.channels.statistic import Record, Statistic
from vecgraph.columns import Column, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.channels.base import Cell
    from vecgraph.typing import Values

__all__ = ["Histogram"]


class Histogram(Statistic):
    """Count the writes that fall into each bin.

    Bin i holds ``edges[i] <= x < edges[i + 1]``; the last one holds its right edge too. A
    node reads a tuple of ints, one a bin, zeros before the first write. Writes outside
    the edges and NaN fall into no bin.

    Parameters
    ----------
    typ : type
        Annotation of an observation; writes become floats as by ``float()``.
    edges : sequence of float
        At least two, ascending, in the unit of the writes.

    Notes
    -----
    The cell is (number of writes, counts). Bins as in `numpy.histogram`.

    Examples
    --------
    >>> spread = Histogram(edges=[0, 1, 2])
    >>> spread.read(spread.fold(spread.initial(), [0, 0.5, 2, 3])[0])
    (2, 1)
    """

    def __init__(self, typ: Any = float, *, edges: Sequence[float]) -> None:
        super().__init__(typ)
        self.edges = tuple(map(float, edges))
        if len(self.edges) < 2 or not all(a < b for a, b in pairwise(self.edges)):
            raise ValueError(f"edges must be two or more ascending numbers, got {list(edges)}")
        self._bins = len(self.edges) - 1

    def _settings(self) -> tuple[Any, ...]:
        return self.edges

    @property
    def ValueType(self) -> Any:
        """Type of what a node reads: a tuple of ints."""
        return tuple[int, ...]

    def initial(self) -> Cell:
        """Return the record without a write: it can be read."""
        return (0, (0,) * self._bins)

    def empty(self, n: int) -> Column:
        """Return `n` records without a write."""
        return Column(np.zeros(n, self._dtype(np.dtype(float))))

    def _dtype(self, observed: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype([("count", "i8"), ("bins", "i8", (self._bins,))])

    def _add(self, record: Record, x: float) -> Record:
        count, bins = record[0] + 1, self._counts(record)
        i = self._bins - 1 if x == self.edges[-1] else bisect_right(self.edges, x) - 1
        if 0 <= i < self._bins:
            bins = (*bins[:i], bins[i] + 1, *bins[i + 1 :])
        return count, bins

    def _add_rows(self, records: Values, x: Values) -> None:
        found = np.searchsorted(self.edges, x, side="right") - 1
        found[x == self.edges[-1]] = self._bins - 1
        rows = np.flatnonzero((found >= 0) & (found < self._bins))
        records["bins"][rows, found[rows]] += 1
        records["count"] += 1

    def _counts(self, record: Record) -> tuple[int, ...]:
        bins = record[1]
        return tuple(bins.tolist()) if isinstance(bins, np.ndarray) else bins or (0,) * self._bins

    def _pack(self, cells: list[Record], dtype: np.dtype[Any]) -> Values | None:
        return np.array([(cell[0], self._counts(cell)) for cell in cells], dtype)

    def read(self, cell: Cell) -> tuple[int, ...]:
        """Return the counts."""
        return self._counts(cell)

    def read_columns(self, column: Column) -> Column:
        """Return the counts of each run."""
        if column.kind != "struct":
            return super().read_columns(column)
        counts = column.as_numpy()["bins"].tolist()
        return Column(objects([tuple(row) for row in counts]), column.present)
