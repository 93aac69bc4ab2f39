"""Records that hold some of the writes themselves, of one type as long as all are of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.channels.statistic import Record, Statistic
from vecgraph.columns import Column, objects

if TYPE_CHECKING:
    from vecgraph.channels.base import Cell
    from vecgraph.typing import Values

__all__ = ["Kept"]

_TYPES: dict[str, type] = {"b": bool, "i": int, "f": float}
_KINDS: dict[Any, type] = {bool: np.bool_, int: np.int64}


class Kept(Statistic):
    """A statistic whose record is (count, values), the values being writes as they were.

    Rows hold ``room`` values, of which those beyond ``count`` mean nothing; tuples hold
    only the others. Writes of several types, or of one that no array holds, are kept
    in tuples.

    Parameters
    ----------
    typ : type
        Annotation of one write.
    room : int
        Greatest number of values kept.
    """

    def __init__(self, typ: Any, room: int) -> None:
        super().__init__(typ)
        self._room = room

    @property
    def ValueType(self) -> Any:
        """Type of what a node reads: a tuple of writes."""
        typ: Any = self.typ
        return tuple[typ, ...]

    def initial(self) -> Cell:
        """Return the record of a run that kept nothing: it can be read."""
        return (0, ())

    def empty(self, n: int) -> Column:
        """Return `n` records that keep nothing."""
        return Column(np.zeros(n, self._dtype(np.dtype(_KINDS.get(self.typ, np.float64)))))

    def _observe(self, value: Any) -> Any:
        return value

    def _observe_column(self, values: Column) -> Values | None:
        return values.as_numpy() if values.kind in {"bool", "int", "float"} else None

    def _dtype(self, observed: np.dtype[Any]) -> np.dtype[Any]:
        return np.dtype([("count", "i8"), ("values", observed, (self._room,))])

    def _held(self, record: Record) -> tuple[Any, ...]:
        """Return the values that a record of either form holds, in its order."""
        count, values = record
        held = values.tolist() if isinstance(values, np.ndarray) else values
        return tuple(held[: min(count, self._room)])

    def _pack(self, cells: list[Record], dtype: np.dtype[Any]) -> Values | None:
        held = [self._held(cell) for cell in cells]
        kinds = {type(value) for values in held for value in values}
        if not kinds <= {_TYPES.get(dtype["values"].base.kind)}:
            return None
        records = np.zeros(len(cells), dtype)
        try:
            for i, values in enumerate(held):
                records["values"][i, : len(values)] = values
        except OverflowError:  # an int beyond int64
            return None
        records["count"] = [cell[0] for cell in cells]
        return records

    def _in_order(self, records: Values) -> Values:
        """Return the values of rows in the order in which they are read."""
        return np.asarray(records["values"])

    def read_columns(self, column: Column) -> Column:
        """Return what is kept, a tuple a run."""
        if column.kind != "struct":
            return super().read_columns(column)
        records = column.as_numpy()
        rows = self._in_order(records).tolist()
        counts = np.minimum(records["count"], self._room).tolist()
        kept = [tuple(row[:count]) for row, count in zip(rows, counts, strict=True)]
        return Column(objects(kept), column.present)
