"""One channel's part of a chunk of checkpoints in column form: written, and read again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vecgraph.checkpoint.arrays import (
    Array,
    from_bytes,
    plain,
    runs,
    spread,
    spread_list,
    taken,
    to_numpy,
)
from vecgraph.checkpoint.typed import (
    APPENDED,
    BLOB,
    CLEARED,
    COPY,
    NONE,
    PACKED,
    UNCHANGED,
    VALUE,
    Pack,
    Typed,
    column_of,
    typed,
)
from vecgraph.columns import Column, concat, objects
from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vecgraph.engine.flush import ColumnChange
    from vecgraph.typing import Values, Where

__all__ = ["FIXED", "Cells", "Field", "channel_fields", "channels_of", "written"]

FIXED = frozenset(
    [
        "first",
        "thread",
        "thread_id",
        "ns",
        "seq",
        "parent",
        "parent_thread",
        "id",
        "step",
        "ts",
        "source",
        "clock",
        "ran",
        "next",
        "full",
        "metadata",
        "versions",
        "seen",
        "extra",
    ]
)
"""Columns of a chunk that are no channel's."""

Field = tuple[Any, Array]
"""A field of a schema and its array."""


def written(name: str) -> str:
    """Return what a channel's columns are called.

    Examples
    --------
    >>> written("total"), written("step"), written("a:b")
    ('total', 'channel:step', 'channel:a:b')
    """
    return f"channel:{name}" if name in FIXED or ":" in name else name


def channel_fields(
    name: str, n: int, changes: Sequence[ColumnChange], copies: ColumnChange | None, pack: Pack
) -> list[Field]:
    """Return the columns of a channel.

    Parameters
    ----------
    n : int
        Rows of the chunk.
    changes : sequence of ColumnChange
        Positions within those rows.
    copies : ColumnChange, optional
        Unchanged cells that are to be repeated.
    """
    puts = [change for change in changes if change.base is None]
    appends = [change for change in changes if change.base is not None]
    whole = [*puts, copies] if copies is not None else puts
    found = typed(_joined([part.values for part in whole]), pack) if whole else Typed()
    if len(whole) == 1 and whole[0].where is None and not appends:
        return _named(name, _marked(found, copies), found.array, found.kind, found.packed, None)
    return _scattered(name, n, whole, appends, found, copies, pack)


def _joined(columns: Sequence[Column]) -> Column:
    return columns[0] if len(columns) == 1 else concat(columns)


def _marked(found: Typed, copies: ColumnChange | None) -> Values | None:
    """Return the markers of a chunk's rows; None: all are `VALUE`."""
    if copies is None:
        return found.marks
    marks = np.full(len(copies.values), VALUE, np.uint8) if found.marks is None else found.marks
    return (marks + COPY).astype(np.uint8)


def _scattered(
    name: str,
    n: int,
    whole: Sequence[ColumnChange],
    appends: Sequence[ColumnChange],
    found: Typed,
    copies: ColumnChange | None,
    pack: Pack,
) -> list[Field]:
    where = np.concatenate([_at(part.where, n) for part in whole]) if whole else _NOWHERE
    marks = np.zeros(n, np.uint8)
    marks[where] = VALUE if found.marks is None else found.marks
    if copies is not None:
        marks[_at(copies.where, n)] += COPY
    array = None if found.array is None else spread(found.array, where, n)
    packed = None if found.packed is None else spread_list(found.packed, where, n)
    base = None
    if appends:
        base = np.zeros(n, np.int64)
        packed = packed or [None] * n
        for part in appends:
            at = _at(part.where, n)
            base[at] = np.asarray(part.base)
            for i, items in zip(at.tolist(), part.values.tolist(), strict=True):
                marks[i], packed[i] = _appended(items, pack)
    return _named(name, marks, array, found.kind, packed, base)


_NOWHERE = np.empty(0, np.intp)


def _at(where: Where, n: int) -> Values:
    return np.arange(n) if where is None else where


def _appended(items: Any, pack: Pack) -> tuple[int, bytes]:
    """Return the marker and bytes of appended items; they are no blob: each is new."""
    marker, data = pack(list(items))
    return (APPENDED, data) if marker == PACKED else (APPENDED | _IN_BLOB, data)


_IN_BLOB = 32
"""Added to `APPENDED`: the items are kept as a blob."""


def _named(
    name: str,
    marks: Values | None,
    array: Array | None,
    kind: str,
    packed: list[bytes | None] | None,
    base: Values | None,
) -> list[Field]:
    column = written(name)
    fields: list[Field] = []
    if array is not None:
        fields.append((_field(column, array, name, "value", kind), array))
    if marks is not None:
        marker = runs(marks, pa.uint8())
        fields.append((_field(f"{column}:marker", marker, name, "marker"), marker))
    if packed is not None:
        data = from_bytes(packed)
        fields.append((_field(f"{column}:packed", data, name, "packed"), data))
    if base is not None:
        before = runs(base, pa.int64())
        fields.append((_field(f"{column}:base", before, name, "base"), before))
    return fields


def _field(column: str, array: Array, channel: str, part: str, kind: str = "") -> Any:
    said = {"channel": channel, "part": part} | ({"kind": kind} if kind else {})
    return pa.field(column, array.type, metadata={"vecgraph": json.dumps(said)})


def channels_of(schema: pa.Schema) -> dict[str, dict[str, tuple[int, str]]]:
    """Return, for each channel, the position of each of its columns and its kind."""
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for position, field in enumerate(schema):
        if field.metadata and (text := field.metadata.get(b"vecgraph")):
            said = json.loads(text)
            part = found.setdefault(said["channel"], {})
            part[said["part"]] = (position, said.get("kind", ""))
    return found


@dataclass(frozen=True, slots=True)
class Cells:
    """A channel's part of a chunk that was read.

    Attributes
    ----------
    marks : uint8 ndarray of shape (K,)
    kind : str
    array, packed : pyarrow Array of length K, or None
    base : int64 ndarray of shape (K,), or None
    """

    marks: Values
    kind: str
    array: Array
    packed: Array
    base: Values | None

    @classmethod
    def of(cls, n: int, parts: dict[str, tuple[int, str]], column: Callable[[int], Array]) -> Cells:
        """Read the columns of one channel; `parts` is of `channels_of`."""
        columns = {part: plain(column(at)) for part, (at, _) in parts.items()}
        marker, base = columns.get("marker"), columns.get("base")
        return cls(
            marks=np.full(n, VALUE, np.uint8) if marker is None else to_numpy(marker),
            kind=parts["value"][1] if "value" in parts else "",
            array=columns.get("value"),
            packed=columns.get("packed"),
            base=None if base is None else to_numpy(base),
        )

    def said(self, where: Where = None) -> Values:
        """Return the markers at `where` without what was added to them."""
        marks = self.marks if where is None else self.marks[where]
        said: Values = np.bitwise_and(marks, 15)
        return said

    def is_change(self, where: Where = None) -> Values:
        """Return which rows changed the channel; copies of a snapshot did not."""
        marks = self.marks if where is None else self.marks[where]
        changed: Values = (marks != UNCHANGED) & (marks & COPY == 0)
        return changed

    def column(self, where: Where, load: Callable[[int, bytes], Any]) -> Column:
        """Return the cells at `where`, where each is put, cleared or repeated, not appended to.

        Parameters
        ----------
        load : callable
            Gets `PACKED` or `BLOB` and bytes; returns the value.
        """
        marks = self.said(where)
        if self.array is not None and (marks == VALUE).all():
            array = self.array if where is None else taken(self.array, where)
            return column_of(self.kind, array)
        if (marks == CLEARED).all():
            return Column.absent(len(marks))
        return self._mixed(marks, where, load)

    def _mixed(self, marks: Values, where: Where, load: Callable[[int, bytes], Any]) -> Column:
        at = np.arange(len(self.marks)) if where is None else where
        cells = objects([MISSING] * len(marks))
        plainly = np.flatnonzero(marks == VALUE)
        if len(plainly):
            known = column_of(self.kind, taken(self.array, at[plainly]))
            if (marks[marks != VALUE] == CLEARED).all():
                return Column.absent(len(marks)).put(plainly, known)
            cells[plainly] = objects(known.tolist())
        cells[marks == NONE] = None
        one_by_one = np.flatnonzero((marks == PACKED) | (marks == BLOB))
        if len(one_by_one):
            data = taken(self.packed, at[one_by_one]).to_pylist()
            kinds = marks[one_by_one].tolist()
            cells[one_by_one] = objects([load(k, d) for k, d in zip(kinds, data, strict=True)])
        return Column.of_cells(cells.tolist())

    def digests(self) -> tuple[Values, list[bytes]]:
        """Return the rows that refer to blobs, and the digests of those."""
        rows = np.flatnonzero((self.said() == BLOB) | (self.marks & _IN_BLOB != 0))
        return rows, taken(self.packed, rows).to_pylist() if len(rows) else []

    def items(self, where: Values, load: Callable[[int, bytes], Any]) -> Iterator[list[Any]]:
        """Return the items appended at each of `where`."""
        kinds = np.where(self.marks[where] & _IN_BLOB, BLOB, PACKED).tolist()
        data = taken(self.packed, where).to_pylist()
        return (load(k, d) for k, d in zip(kinds, data, strict=True))
