"""What the mathematical channels have in common: a small record per run, folded as arrays.

A record is a tuple for one run and a row of a structured array for many; its first field
counts writes, and a record of zeros is that of a run that wrote nothing. Both forms do
the same floating-point operations in the same order, so they agree to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vecgraph.channels.base import Cell, Channel, Folded
from vecgraph.channels.merging import rounds_of, rows_written
from vecgraph.channels.overwriting import split_overwrite
from vecgraph.columns import Column
from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.channels.base import Write
    from vecgraph.typing import Values

__all__ = ["Statistic", "number"]

Record = tuple[Any, ...]


def number(value: Any) -> float:
    """Return ``float(value)``, refusing text.

    Raises
    ------
    TypeError
        `value` is text, or nothing that Python converts to a float.
    """
    if isinstance(value, str | bytes | bytearray):
        raise TypeError(f"expected a number, got {value!r} (convert text with float() first)")
    return float(value)


class Statistic(Channel):
    """A channel that takes each write as one observation and keeps a record of them.

    `Overwrite` starts anew: its value counts as the only write, a list as several, None
    as none. The writes beside it in the superstep are dropped; two of them are an error.

    Parameters
    ----------
    typ : type
        Annotation of an observation.
    key : str
        Name of the slot.
    """

    plain = False

    _zero: ClassVar[Record] = (0, ())

    def __init__(self, typ: Any = float, key: str = "") -> None:
        super().__init__(typ, key)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._settings() == self._settings()

    def __hash__(self) -> int:
        return hash((type(self), self._settings()))

    def _settings(self) -> tuple[Any, ...]:
        """Return what tells two channels of this class apart."""
        return ()

    def _observe(self, value: Any) -> Any:
        """Return one write as an observation."""
        return number(value)

    def _observe_column(self, values: Column) -> Values | None:
        """Return writes as observations; None: they have to be taken one by one."""
        if values.kind not in {"bool", "int", "float"}:
            return None
        return values.as_numpy().astype(np.float64, copy=False)

    def _add(self, record: Record, x: Any) -> Record:
        """Return the record with one more observation."""
        raise NotImplementedError

    def _add_rows(self, records: Values, x: Values) -> None:
        """Add one observation to each row of a structured array, in place."""
        raise NotImplementedError

    def _dtype(self, observed: np.dtype[Any]) -> np.dtype[Any]:
        """Return the type of a row that keeps observations of type `observed`."""
        raise NotImplementedError

    def _pack(self, cells: list[Record], dtype: np.dtype[Any]) -> Values | None:
        """Return records as rows; None: `dtype` cannot hold them exactly."""
        return np.array(cells, dtype)

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Add `writes` to what was observed, in order."""
        if not writes:
            return cell, False
        anew, value = split_overwrite(writes, self.key)
        if anew:
            cell, writes = self.initial(), _several(value)
        record = self._zero if cell is MISSING else cell
        for write in writes:
            record = self._add(record, self._observe(write))
        return (record if writes else cell), True

    def fold_columns(self, column: Column, writes: Sequence[Write]) -> Folded:
        """Add the writes to what each run observed, all rows of a round at a time."""
        where = rows_written(len(column), writes)
        records = self._fold_rounds(column.take(where), where, writes)
        if records is not None:
            return Folded(where, Column(records), where)
        folded = super().fold_columns(column, writes)
        cells = self._packed(folded.cells)
        return Folded(folded.where, cells, folded.changed, folded.failures)

    def _fold_rounds(self, base: Column, where: Any, writes: Sequence[Write]) -> Values | None:
        observed = [self._observe_column(write.values) for write in writes]
        known = [values for values in observed if values is not None]
        if len(known) < len(writes) or len({values.dtype for values in known}) != 1:
            return None
        records = self._records(base, self._dtype(known[0].dtype))
        if records is None:
            return None
        for write, values in zip(writes, known, strict=True):
            for at, x in rounds_of(where, write, values, len(base)):
                part = records if at is None else records[at]
                self._add_rows(part, x)
                if at is not None:
                    records[at] = part
        return records

    def _records(self, base: Column, dtype: np.dtype[Any]) -> Values | None:
        """Return a column's records as a new array of `dtype`, zeros where absent, or None."""
        records = np.zeros(len(base), dtype)
        present, values = base.mask(), base.as_numpy()
        if values.dtype == dtype:
            records[present] = values[present]
            return records
        if not present.any() or (base.kind == "struct" and not values["count"][present].any()):
            return records
        known = self._pack(base.take(np.flatnonzero(present)).tolist(), dtype)
        if known is None:
            return None
        records[present] = known
        return records

    def _packed(self, cells: Column) -> Column:
        """Return a column of tuples as one of rows, where one type can hold them."""
        for kind in (np.float64, np.int64, np.bool_):
            records = self._records(cells, self._dtype(np.dtype(kind)))
            if records is not None:
                return Column(records, cells.present)
        return cells


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
