"""MinMax: the least and the greatest of what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vecgraph.channels.statistic import Record, Statistic
from vecgraph.columns import Column

if TYPE_CHECKING:
    from vecgraph.channels.base import Cell
    from vecgraph.typing import Values

__all__ = ["MinMax"]

_TYPES: dict[str, type] = {"b": bool, "i": int, "f": float}


class MinMax(Statistic):
    """Keep the least and the greatest of all writes.

    A node reads ``(least, greatest)``, two of the writes, as they were (an int stays an
    int, of any size), in their unit; nothing before the first write. Of equal writes
    the first counts. A NaN takes both places for good.

    Parameters
    ----------
    typ : type
        Annotation of an observation: anything that ``<`` compares.
    key : str
        Name of the slot.

    Notes
    -----
    The cell is (count, least, greatest). Vector nodes read a structured array with the
    fields ``least`` and ``greatest``.

    Source: the definition; NaN as in `numpy.minimum` (IEEE 754-2019, ``minimum``).

    Examples
    --------
    >>> extent = MinMax(int)
    >>> extent.read(extent.fold((1, 5, 5), [7, 3])[0])
    (3, 7)
    """

    _zero: ClassVar[Record] = (0, 0, 0)

    @property
    def ValueType(self) -> Any:
        """Type of what a node reads: a pair of writes."""
        typ: Any = self.typ
        return tuple[typ, typ]

    def _observe(self, value: Any) -> Any:
        return value

    def _observe_column(self, values: Column) -> Values | None:
        return values.as_numpy() if values.kind in {"bool", "int", "float"} else None

    def _dtype(self, observed: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype([("count", "i8"), ("least", observed), ("greatest", observed)])

    def _add(self, record: Record, x: Any) -> Record:
        count, least, greatest = record
        if count == 0 or x != x:  # noqa: PLR0124 - a NaN
            return count + 1, x, x
        return count + 1, (min(least, x)), (max(greatest, x))

    def _add_rows(self, records: Values, x: Values) -> None:
        fresh = (records["count"] == 0) | (x != x)  # noqa: PLR0124 - a NaN
        for name, better in (("least", np.less), ("greatest", np.greater)):
            held = records[name].copy()
            records[name] = np.where(fresh | better(x, held), x, held)
        records["count"] += 1

    def _pack(self, cells: list[Record], dtype: np.dtype[Any]) -> Values | None:
        kinds = {type(value) for cell in cells for value in cell[1:]}
        if kinds != {_TYPES[dtype["least"].kind]}:
            return None
        try:
            return np.array(cells, dtype)
        except OverflowError:  # an int beyond int64
            return None

    def read(self, cell: Cell) -> tuple[Any, Any]:
        """Return the least and the greatest."""
        return cell[1], cell[2]

    def read_columns(self, column: Column) -> Column:
        """Return the least and the greatest of each run."""
        if column.kind != "struct":
            return super().read_columns(column)
        pairs = column.as_numpy()[["least", "greatest"]]
        # A copy: the fields lie side by side, and nothing of the cells is shared.
        kind = pairs.dtype["least"]
        packed = np.empty(len(column), [("least", kind), ("greatest", kind)])
        packed["least"], packed["greatest"] = pairs["least"], pairs["greatest"]
        return Column(packed, column.present)
