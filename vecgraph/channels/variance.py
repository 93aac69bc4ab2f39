"""Variance: the spread of what was written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vecgraph.channels.statistic import Record, Statistic
from vecgraph.columns import Column

if TYPE_CHECKING:
    from vecgraph.channels.base import Cell
    from vecgraph.typing import Values

__all__ = ["Variance"]


class Variance(Statistic):
    """Keep the variance of all writes: ``sum((xi - mean)**2) / (n - ddof)``.

    A node reads a float in the squared unit of the writes, NaN while there are no more
    writes than `ddof`; nothing before the first write. NaN and infinite writes make it NaN.

    Parameters
    ----------
    typ : type
        Annotation of an observation; writes become floats as by ``float()``.
    ddof : int
        0 for the variance of the writes themselves, 1 for the unbiased estimate of that
        of the population they are drawn from.

    Notes
    -----
    The cell is (count, mean, m2), m2 being the sum of squared deviations, updated with
    each write: no large squares are subtracted from each other.

    Source: B. P. Welford, "Note on a method for calculating corrected sums of squares and
    products", Technometrics 4 (1962) 419-420; analysed by T. F. Chan, G. H. Golub and
    R. J. LeVeque, The American Statistician 37 (1983) 242-247.

    Examples
    --------
    >>> variance = Variance(ddof=1)
    >>> cell, _ = variance.fold(variance.initial(), [1, 2, 3])
    >>> variance.read(cell)
    1.0
    """

    _zero: ClassVar[Record] = (0, 0.0, 0.0)

    def __init__(self, typ: Any = float, ddof: int = 0) -> None:
        if ddof < 0:
            raise ValueError(f"ddof must be 0 or more, got {ddof}")
        super().__init__(typ)
        self.ddof = ddof

    def _settings(self) -> tuple[Any, ...]:
        return (self.ddof,)

    def _dtype(self, observed: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype([("count", "i8"), ("mean", "f8"), ("m2", "f8")])

    def _add(self, record: Record, x: float) -> Record:
        count, mean, m2 = record
        off = x - mean
        mean += off / (count + 1)
        return count + 1, mean, m2 + off * (x - mean)

    def _add_rows(self, records: Values, x: Values) -> None:
        records["count"] += 1
        with np.errstate(all="ignore"):
            off = x - records["mean"]
            records["mean"] += off / records["count"]
            records["m2"] += off * (x - records["mean"])

    def read(self, cell: Cell) -> float:
        """Return the variance."""
        count, _, m2 = cell
        return float(m2 / (count - self.ddof)) if count > self.ddof else math.nan

    def read_columns(self, column: Column) -> Column:
        """Return the variance of each run."""
        if column.kind != "struct":
            return super().read_columns(column)
        records = column.as_numpy()
        freedom = records["count"] - self.ddof
        with np.errstate(all="ignore"):
            values = np.where(freedom > 0, records["m2"] / freedom, math.nan)
        return Column(values, column.present)
