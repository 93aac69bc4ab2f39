"""Mean: the arithmetic mean of what was written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vecgraph.channels.statistic import Record, Statistic
from vecgraph.columns import Column

if TYPE_CHECKING:
    from vecgraph.channels.base import Cell
    from vecgraph.typing import Values

__all__ = ["Mean"]


class Mean(Statistic):
    """Keep the arithmetic mean of all writes: ``(x1 + ... + xn) / n``.

    A node reads a float in the unit of the writes; nothing before the first write. A NaN
    makes the mean NaN, infinities of both signs too; a sum beyond the largest float makes
    it infinite.

    Parameters
    ----------
    typ : type
        Annotation of an observation; writes become floats as by ``float()``.
    key : str
        Name of the slot.

    Notes
    -----
    The cell is (count, total, lost): the sum and, apart from it, the low-order bits that
    each addition lost. The error of the mean does not grow with the number of writes, as
    that of a plain or a running sum does.

    Source: A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher
    Summen", ZAMM 54 (1974) 39-51.

    Examples
    --------
    >>> mean = Mean()
    >>> cell, _ = mean.fold(mean.initial(), [1e100, 1, -1e100, 1])
    >>> mean.read(cell)
    0.5
    """

    _zero: ClassVar[Record] = (0, 0.0, 0.0)

    def _dtype(self, observed: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype([("count", "i8"), ("total", "f8"), ("lost", "f8")])

    def _add(self, record: Record, x: float) -> Record:
        count, old, lost = record
        total = old + x
        lost += (old - total) + x if abs(old) >= abs(x) else (x - total) + old
        return count + 1, total, lost

    def _add_rows(self, records: Values, x: Values) -> None:
        old = records["total"].copy()
        with np.errstate(all="ignore"):
            total = old + x
            larger = np.abs(old) >= np.abs(x)
            records["lost"] += np.where(larger, (old - total) + x, (x - total) + old)
        records["total"] = total
        records["count"] += 1

    def read(self, cell: Cell) -> float:
        """Return the mean."""
        count, total, lost = cell
        # Beyond the largest float the lost bits are not numbers; the total says it all.
        return float((total + lost if math.isfinite(lost) else total) / count)

    def read_columns(self, column: Column) -> Column:
        """Return the mean of each run."""
        if column.kind != "struct":
            return super().read_columns(column)
        records = column.as_numpy()
        lost = np.where(np.isfinite(records["lost"]), records["lost"], -0.0)
        with np.errstate(all="ignore"):
            return Column((records["total"] + lost) / records["count"], column.present)
