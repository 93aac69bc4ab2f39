"""The values of one channel at all rows of a timeline."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint.entries import APPEND, CLEAR, SAME
from vecgraph.checkpoint.timeline import Entries
from vecgraph.checkpoint.typed import APPENDED, BLOB, CLEARED, PACKED
from vecgraph.columns import Column, concat
from vecgraph.constants import MISSING
from vecgraph.errors import DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vecgraph.checkpoint.entries import Op
    from vecgraph.checkpoint.timeline import Part, Timeline
    from vecgraph.typing import Mask, Rows, Values

__all__ = ["ChannelCells"]

_NOTHING, _WHOLE, _EMPTY, _APART = range(4)
"""What a row says of a channel: nothing, a value in a column, that it is empty, something else."""


class ChannelCells:
    """Where one channel's values are.

    Parameters
    ----------
    timeline : Timeline
    channel : str
    load : callable
        Gets `PACKED` or `BLOB` and bytes; returns the value.
    place : str
        Of the storage, for messages.

    Attributes
    ----------
    source : int64 ndarray of shape (N,)
        Row that each row's value is from, -1 where there is none.
    """

    def __init__(
        self, timeline: Timeline, channel: str, load: Callable[[int, bytes], Any], place: str
    ) -> None:
        self.timeline = timeline
        self.channel = channel
        self._load = load
        self._place = place
        self._said = np.zeros(len(timeline), np.uint8)
        for part, at in timeline.spread():
            if channel in part.channels:
                self._take(part, at)
        self.source = timeline.filled(self._said != _NOTHING)
        self._before = self.source
        if (self._said == _EMPTY).any():
            self.source = np.where(self._said[self.source] == _EMPTY, -1, self.source)

    def _take(self, part: Part, at: Values) -> None:
        if isinstance(part, Entries):
            for i, entry in enumerate(part.entries):
                op = entry.changes.get(self.channel)
                if self.channel in entry.dropped:
                    self._said[at[i]] = _EMPTY
                elif op is not None:
                    self._said[at[i]] = _EMPTY if op[0] == CLEAR else _APART
                elif entry.full:
                    self._said[at[i]] = _EMPTY
            return
        cells = part.cells(self.channel)
        marks = cells.said()
        said = (marks != 0).astype(np.uint8)
        said[marks == CLEARED] = _EMPTY
        said[marks == APPENDED] = _APART
        self._said[at] = said

    @cached_property
    def changed(self) -> Mask:
        """Rows that changed the channel; copies of a snapshot or of a thread did not."""
        changed = np.zeros(len(self.timeline), np.bool_)
        for part, at in self.timeline.spread():
            if isinstance(part, Entries):
                ops = [entry.changes.get(self.channel) for entry in part.entries]
                changed[at] = [op is not None and 0 <= op[0] != SAME for op in ops]
            elif self.channel in part.channels:
                changed[at] = part.cells(self.channel).is_change()
        return changed

    def column(self, rows: Rows | None = None) -> Column:
        """Return the values at some rows, or at all of them; absent where there is none."""
        source = self.source if rows is None else self.source[rows]
        known = source >= 0
        needed = np.zeros(len(self.timeline), np.bool_)
        needed[source if known.all() else source[known]] = True
        parts = list(self._parts(needed))
        if parts and all(_form(column) == _form(parts[0][1]) for _, column in parts):
            values: Any = np.empty(len(self.timeline), parts[0][1].as_numpy().dtype)
            for at, column in parts:
                values[at] = column.values
            return Column(values[source], None if known.all() else known)
        return self._put_together(parts, source)

    def _put_together(self, parts: list[tuple[Values, Column]], source: Rows) -> Column:
        known = source >= 0
        slot = np.zeros(len(self.timeline), np.int64)
        columns, done = [], 0
        for at, column in parts:
            slot[at] = np.arange(done, done + len(at))
            done += len(at)
            columns.append(column)
        if not columns:
            return Column.absent(len(source))
        values = concat(columns)
        if known.all():
            return values.take(slot[source])
        return Column.absent(len(source)).put(
            np.flatnonzero(known), values.take(slot[source[known]])
        )

    def _parts(self, needed: Mask) -> Iterator[tuple[Values, Column]]:
        """Return columns of the needed rows, and which rows those are."""
        whole = needed & (self._said == _WHOLE)
        for part, at in self.timeline.spread():
            wanted = whole[at]
            if isinstance(part, Entries) or not wanted.any():
                continue
            where = None if wanted.all() else np.flatnonzero(wanted)
            column = part.cells(self.channel).column(where, self._load)
            yield at if where is None else at[where], column
        apart = np.flatnonzero(needed & (self._said == _APART))
        if len(apart):
            yield apart, Column.of_cells(self._one_by_one(apart.tolist()))

    def growth(self, row: int) -> list[tuple[int, int | None, Any]]:
        """Return what made the value at a row, oldest first.

        Returns
        -------
        list of (row, kept, value)
            Of each ancestor that changed the channel: with `kept`, the items that came after so
            many; without, the whole value.
        """
        parts: list[tuple[int, int | None, Any]] = []
        at, passed = int(self._before[row]), set[int]()
        while at >= 0:
            if at in passed:
                raise self._broken("a value is its own ancestor")
            passed.add(at)
            value, before, base = self._step(at) if self._said[at] != _EMPTY else (None, None, 0)
            if before is not None:
                if value is not None:
                    parts.append((at, base, value))
                at = before
                continue
            parts.append((at, None, value))
            above = int(self.timeline.parent[at])
            at = int(self._before[above]) if above >= 0 else -1
        return parts[::-1]

    def _one_by_one(self, rows: list[int]) -> list[Any]:
        made: dict[int, Any] = {}
        for row in rows:
            made[row] = self._value(row, made)
        return [made[row] for row in rows]

    def _value(self, row: int, made: dict[int, Any]) -> Any:
        """Return the value that a row made; `made` has those of earlier rows."""
        tails: list[tuple[int, list[Any]]] = []
        passed: set[int] = set()
        while row not in made:
            if row in passed or row < 0:
                raise self._broken("what a value builds on is missing, or it is its own ancestor")
            passed.add(row)
            value, before, base = self._step(row)
            if before is None:
                return _longer(value, tails, self._broken)
            if value is not None:
                tails.append((base, value))
            row = before
        return _longer(made[row], tails, self._broken)

    def _step(self, row: int) -> tuple[Any, int | None, int]:
        """Return a value alone, or items, the row of the list before them, and its length.

        Without items the value is that of the other row.
        """
        part, at = self.timeline.part_of(row)
        if isinstance(part, Entries):
            return self._op(part.entries[at].changes[self.channel], int(part.threads[at]))
        if self.channel not in part.channels:
            return None, None, 0  # a signal: column form says what is due, and not the None
        cells, where = part.cells(self.channel), np.array([at])
        if cells.said(where)[0] != APPENDED:
            return cells.column(where, self._load).item(0), None, 0
        items = next(cells.items(where, self._load))
        base = 0 if cells.base is None else int(cells.base[at])
        if not base:
            return list(items), None, 0
        above = int(self.timeline.parent[row])
        return items, int(self._before[above]) if above >= 0 else -1, base

    def _op(self, op: Op, thread: int) -> tuple[Any, int | None, int]:
        kind = op[0] if op[0] >= 0 else -1 - op[0]
        if kind == CLEAR:
            return MISSING, None, 0
        if kind == SAME:
            return None, self._row(op[1], op[2], thread), 0
        if kind != APPEND:
            return self._load(PACKED if kind == 0 else BLOB, op[1]), None, 0
        items = self._load(BLOB if op[3] else PACKED, op[2])
        if not op[1]:
            return items, None, 0
        return items, self._row(op[4], op[5], thread), op[1]

    def _row(self, thread: int | None, seq: int, own: int) -> int:
        at = np.array([own if thread is None else thread]), np.array([seq])
        return int(self.timeline.rows_of(*at)[0])

    def _broken(self, reason: str) -> DamagedCheckpointError:
        return DamagedCheckpointError.found(f"channel {self.channel!r}: {reason}", self._place)


def _form(column: Column) -> Any:
    """Return the dtype of numbers or flags that are all present; of others, what equals nothing."""
    values = column.values
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "bif":
        return values.dtype if column.present is None else object()
    return object()


def _longer(
    value: Any,
    tails: list[tuple[int, list[Any]]],
    broken: Callable[[str], DamagedCheckpointError],
) -> Any:
    """Return a list with what was appended to it; the newest comes first in `tails`."""
    if not tails:
        return value
    if not isinstance(value, list):
        raise broken("what was appended to is no list")
    whole = list(value)
    for base, items in reversed(tails):
        if len(whole) != base:
            raise broken(f"a list of {len(whole)} items went on from {base}")
        whole += items
    return whole
