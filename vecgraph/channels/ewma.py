"""EWMA: the exponentially weighted moving average of what was written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vecgraph.channels.statistic import Record, Statistic
from vecgraph.columns import Column

if TYPE_CHECKING:
    from vecgraph.channels.base import Cell
    from vecgraph.typing import Values

__all__ = ["EWMA"]


class EWMA(Statistic):
    """Keep the exponentially weighted moving average: ``m + alpha * (x - m)``.

    It starts at the first write. A node reads a float in the unit of the writes; nothing
    before the first write. A NaN makes it NaN for good, an infinity from the next write on.

    Parameters
    ----------
    typ : type
        Annotation of an observation; writes become floats as by ``float()``.
    alpha : float, optional
        Weight of a new write, above 0 and at most 1.
    halflife : float, optional
        Instead of `alpha`: after how many writes a weight has halved, that is
        ``alpha = 1 - 2 ** (-1 / halflife)``.

    Notes
    -----
    The cell is (count, mean). The first write keeps its full weight, as in pandas'
    ``ewm(adjust=False)``.

    Source: S. W. Roberts, "Control chart tests based on geometric moving averages",
    Technometrics 1 (1959) 239-250.

    Examples
    --------
    >>> smooth = EWMA(alpha=0.5)
    >>> smooth.read(smooth.fold(smooth.initial(), [4, 8])[0])
    6.0
    """

    _zero: ClassVar[Record] = (0, 0.0)

    def __init__(
        self, typ: Any = float, *, alpha: float | None = None, halflife: float | None = None
    ) -> None:
        super().__init__(typ)
        if (alpha is None) == (halflife is None):
            raise ValueError("EWMA needs either alpha or halflife, e.g. EWMA(alpha=0.1)")
        if halflife is not None:
            if not halflife > 0:
                raise ValueError(f"halflife must be above 0 writes, got {halflife}")
            alpha = -math.expm1(-math.log(2.0) / halflife)
        self.alpha = float(alpha or 0.0)
        if not 0.0 < self.alpha <= 1.0:
            raise ValueError(f"alpha must be above 0 and at most 1, got {alpha}")

    def _settings(self) -> tuple[Any, ...]:
        return (self.alpha,)

    def _dtype(self, observed: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype([("count", "i8"), ("mean", "f8")])

    def _add(self, record: Record, x: float) -> Record:
        count, mean = record
        return count + 1, (mean + self.alpha * (x - mean) if count else x)

    def _add_rows(self, records: Values, x: Values) -> None:
        mean = records["mean"].copy()
        with np.errstate(all="ignore"):
            moved = mean + self.alpha * (x - mean)
        records["mean"] = np.where(records["count"] > 0, moved, x)
        records["count"] += 1

    def read(self, cell: Cell) -> float:
        """Return the average."""
        return float(cell[1])

    def read_columns(self, column: Column) -> Column:
        """Return the average of each run."""
        if column.kind != "struct":
            return super().read_columns(column)
        return Column(column.as_numpy()["mean"].copy(), column.present)
