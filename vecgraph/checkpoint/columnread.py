"""The states of many threads at once, as columns.

A cursor per thread goes from its checkpoint to its ancestors until every channel's value is found.
Cursors move together, chunk by chunk, newest first; nothing is done row by row but to unpack
values that have no type in Arrow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint.rows import EntryRow
from vecgraph.checkpoint.typed import APPENDED, UNCHANGED
from vecgraph.columns import Column, concat, objects
from vecgraph.errors import DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from vecgraph.checkpoint.columnform import ColumnChunk
    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Header
    from vecgraph.checkpoint.views import Views
    from vecgraph.engine.flush import GraphForm
    from vecgraph.typing import Mask, Rows, Values

__all__ = ["ColumnReader", "ColumnState"]


@dataclass(slots=True)
class ColumnState:
    """Checkpoints of N threads as columns, in the order asked for.

    Attributes
    ----------
    threads : int64 ndarray of shape (N,)
    seq : int32 ndarray of shape (N,)
        Place of each checkpoint; -1: the thread has none, and means nothing below.
    step, clock, ts : int64 ndarrays of shape (N,)
    ran, due : int32 ndarrays of shape (N,)
        As in `Flush`: positions in `nodes`.
    nodes : list of tuple of str
    columns : dict of str to Column
        Each channel that any of them has, absent where it has no value. Barriers are bool
        tensors, as they were written.
    """

    threads: Rows
    seq: npt.NDArray[np.int32]
    step: npt.NDArray[np.int64]
    clock: npt.NDArray[np.int64]
    ts: npt.NDArray[np.int64]
    ran: npt.NDArray[np.int32]
    due: npt.NDArray[np.int32]
    nodes: list[tuple[str, ...]] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.threads)


class ColumnReader:
    """Reads states as columns.

    Parameters
    ----------
    shelf, marks, views
        Of the log.
    load : callable
        Gets `PACKED` or `BLOB` and bytes; returns the value.
    """

    def __init__(
        self, shelf: Shelf, marks: Marks, views: Views, load: Callable[[int, bytes], Any]
    ) -> None:
        self._shelf = shelf
        self._marks = marks
        self._views = views
        self._load = load

    def latest(self, threads: Rows) -> npt.NDArray[np.int32]:
        """Return the place of each thread's latest checkpoint, -1 where it has none."""
        seq = np.full(len(threads), -1, np.int32)
        if not len(threads):
            return seq
        lo, hi = int(threads.min()), int(threads.max())
        headers = self._shelf.find(["columns"], lo, hi)
        for header in sorted(headers, key=lambda h: h.seq_hi, reverse=True):
            behind = (threads >= header.lo) & (threads <= header.hi) & (seq < header.seq_hi)
            at = np.flatnonzero(behind)
            if len(at):
                self._advance(header, threads, at, seq)
        self._one_by_one(threads, seq, lo, hi)
        return seq

    def _advance(self, header: Header, threads: Rows, at: Values, seq: Values) -> None:
        """Raise the places that a chunk has later checkpoints for."""
        if header.seq_lo == header.seq_hi and header.rows == header.hi - header.lo + 1:
            seq[at] = header.seq_lo
            return
        chunk = self._shelf.column(header)
        order = np.lexsort((chunk.seq, chunk.threads))
        # Of each thread the last row in this order has the greatest place.
        found = np.searchsorted(chunk.threads, threads[at], side="right", sorter=order) - 1
        rows = order[np.maximum(found, 0)]
        hit = (found >= 0) & (chunk.threads[rows] == threads[at])
        seq[at[hit]] = np.maximum(seq[at[hit]], chunk.seq[rows[hit]])

    def _one_by_one(self, threads: Rows, seq: Values, lo: int, hi: int) -> None:
        """Look at the threads by themselves that have other rows, or deleted ones."""
        odd = {thread for thread in self._marks.with_gone_rows() if lo <= thread <= hi}
        for chunk in self._shelf.rows(self._shelf.find(["entries"], lo, hi)):
            odd.update(np.unique(chunk.threads).tolist())
        if not odd:
            return
        for at in np.flatnonzero(np.isin(threads, list(odd))).tolist():
            number = int(threads[at])
            latest = self._views.view(number).latest(self._marks.gone(number))
            seq[at] = -1 if latest is None else latest.seq

    def read(self, threads: Rows, seq: Values, graph: GraphForm | None) -> ColumnState:
        """Return the states at places of threads.

        Raises
        ------
        DamagedCheckpointError
            A checkpoint that is needed is missing or broken.
        """
        walk = _Walk(threads, seq, self._load)
        if (seq >= 0).any():
            self._walk(walk, graph)
        return walk.state()

    def _walk(self, walk: _Walk, graph: GraphForm | None) -> None:
        headers = self._reachable(walk)
        for header in headers:
            walk.known(self._shelf.channels(header))
        moved = True
        while walk.any_active() and moved:
            moved = False
            for header in headers:
                moved |= self._visit(walk, header)
                if not walk.any_active():
                    return
            moved = moved or self._entries(walk, graph)
        if walk.any_active():
            lost = np.flatnonzero(walk.active)[0]
            raise DamagedCheckpointError.found(
                f"checkpoint {walk.at_seq[lost]} is missing, and others build on it",
                self._shelf.place,
                threads=[int(walk.at_thread[lost])],
            )

    def _reachable(self, walk: _Walk) -> list[Header]:
        """Return the chunks that may hold ancestors, newest first."""
        held = walk.threads[walk.active]
        ranges = self._marks.lineage(int(held.min()), int(held.max()))
        found = {
            header.number: header
            for lo, hi in ranges
            for header in self._shelf.find(["columns"], lo, hi)
        }
        return sorted(found.values(), key=lambda header: header.number, reverse=True)

    def _visit(self, walk: _Walk, header: Header) -> bool:
        """Move the cursors that stand in a chunk; return whether there were any."""
        moved = False
        while len(at := walk.within(header)):
            if self._can_skip(walk, header, at):
                walk.at_seq[at] -= 1
                walk.stop(at[walk.at_seq[at] < 0])
                return True
            chunk = self._shelf.column(header)
            where, rows = _matches(chunk, walk.at_thread[at], walk.at_seq[at])
            if not len(where):
                return moved
            walk.take(chunk, at[where], rows)
            moved = True
        return moved

    def _can_skip(self, walk: _Walk, header: Header, at: Values) -> bool:
        """Return whether all that a chunk tells these cursors is to go on to the place before."""
        return (
            header.seq_lo == header.seq_hi
            and header.rows == header.hi - header.lo + 1
            and self._shelf.is_linear(header)
            and bool(walk.placed[at].all())
            and not any(walk.need[c][at].any() for c in self._shelf.channels(header))
        )

    def _entries(self, walk: _Walk, graph: GraphForm | None) -> bool:
        """Finish the cursors that have come to a checkpoint in row form."""
        moved = False
        for target in np.flatnonzero(walk.active).tolist():
            place = int(walk.at_thread[target]), int(walk.at_seq[target])
            view = self._views.view(place[0], fresh=False)
            row = view.row(place[1]) or self._views.view(place[0]).row(place[1])
            if not isinstance(row, EntryRow):
                continue
            moved = True
            cells = self._views.resolve(row).cells
            values = {c: self._views.value(source) for c, source in cells.items()}
            versions = self._views.resolve(row).versions
            clock = max((int(float(str(v))) for v in versions.values()), default=0)
            due = _due(values, graph)
            walk.finish(target, row, clock, due, _as_columns(values, graph))
        return moved


def _due(values: dict[str, Any], graph: GraphForm | None) -> tuple[str, ...]:
    """Return the nodes whose trigger channels have a value or are complete."""
    if graph is None:
        return ()
    open_ = {channel for channel in graph.signals if channel in values}
    for channel, names in graph.barriers.items():
        seen, finished = _barrier(values.get(channel, ()))
        if len(seen) == len(names) and (finished or channel not in graph.deferred):
            open_.add(channel)
    return tuple(
        sorted(n for n, channels in graph.triggers.items() if open_.intersection(channels))
    )


def _barrier(value: Any) -> tuple[Any, bool]:
    return value if isinstance(value, tuple) else (value, False)


def _as_columns(values: dict[str, Any], graph: GraphForm | None) -> dict[str, Any]:
    """Return values as column form has them: signals are not stored, barriers are flags."""
    if graph is None:
        return values
    made = {c: v for c, v in values.items() if c not in graph.signals or v is not None}
    for channel, names in graph.barriers.items():
        if channel in made:
            seen, _ = _barrier(made[channel])
            made[channel] = np.array([name in seen for name in names])
    return made


def _matches(chunk: ColumnChunk, threads: Values, seqs: Values) -> tuple[Values, Values]:
    """Return which (thread, place) pairs a chunk has, and in which rows."""
    if chunk.has("first"):
        rows = threads - int(chunk.threads[0])
        hit = np.flatnonzero((rows >= 0) & (rows < len(chunk)))
        hit = hit[chunk.seq[rows[hit]] == seqs[hit]]
        return hit, rows[hit]
    keys = chunk.threads.astype(np.int64) << 32 | chunk.seq
    order = np.argsort(keys, kind="stable")
    wanted = threads.astype(np.int64) << 32 | seqs
    found = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    rows = order[found]
    hit = np.flatnonzero(keys[rows] == wanted)
    return hit, rows[hit]


class _Walk:
    """N cursors and what they have found.

    Attributes
    ----------
    at_thread, at_seq : ndarrays of shape (N,)
        Where each cursor stands.
    active : bool ndarray of shape (N,)
        Cursors that still look for something and have somewhere to go.
    placed : bool ndarray of shape (N,)
        Whose own checkpoint was found.
    need : dict of str to bool ndarray of shape (N,)
        Who still looks for a channel.
    """

    def __init__(self, threads: Rows, seq: Values, load: Callable[[int, bytes], Any]) -> None:
        n = len(threads)
        self.threads = threads
        self.seq = seq.astype(np.int32)
        self.at_thread = threads.astype(np.int64)
        self.at_seq = seq.astype(np.int64)
        self.active: Mask = seq >= 0
        self.placed = np.zeros(n, np.bool_)
        self.need: dict[str, Mask] = {}
        self._missing = np.zeros(n, np.int64)
        self._load = load
        self._pieces: dict[str, list[tuple[Values, Column]]] = {}
        self._tails: dict[str, dict[int, list[tuple[int, list[Any]]]]] = {}
        self._numbers = np.zeros((3, n), np.int64)
        self._sets = np.zeros((2, n), np.int32)
        self._nodes: dict[tuple[str, ...], int] = {(): 0}

    def known(self, channels: Iterable[str]) -> None:
        """Note that there are channels: all look for them."""
        for channel in channels:
            if channel not in self.need:
                self.need[channel] = np.ones(len(self.threads), np.bool_)
                self._missing += 1

    def any_active(self) -> bool:
        """Return whether a cursor still looks for something."""
        return bool(self.active.any())

    def within(self, header: Header) -> Values:
        """Return the cursors that may stand in a chunk."""
        thread, seq = self.at_thread, self.at_seq
        inside = self.active & (thread >= header.lo) & (thread <= header.hi)
        return np.flatnonzero(inside & (seq >= header.seq_lo) & (seq <= header.seq_hi))

    def stop(self, at: Values) -> None:
        """Note that cursors have nowhere to go."""
        self.active[at] = False

    def take(self, chunk: ColumnChunk, at: Values, rows: Values) -> None:
        """Take what a chunk's rows tell the cursors that stand there, and move those on."""
        self._place(chunk, at, rows)
        for channel in chunk.channels:
            need = self.need[channel][at]
            if need.any():
                self._look(chunk, channel, at[need], rows[need])
        self.at_thread[at] = chunk.parent_thread[rows]
        self.at_seq[at] = chunk.parent[rows]
        self.stop(at[(self.at_seq[at] < 0) | (self._missing[at] == 0)])

    def _place(self, chunk: ColumnChunk, at: Values, rows: Values) -> None:
        fresh = ~self.placed[at]
        if not fresh.any():
            return
        at, rows = at[fresh], rows[fresh]
        for i, values in enumerate((chunk.step, chunk.clock, chunk.ts)):
            self._numbers[i, at] = values[rows]
        for i, (codes, sets) in enumerate((chunk.ran, chunk.due)):
            table = np.array([self._code(nodes) for nodes in sets] or [0], np.int32)
            self._sets[i, at] = table[codes[rows]]
        self.placed[at] = True

    def _code(self, nodes: tuple[str, ...]) -> int:
        return self._nodes.setdefault(nodes, len(self._nodes))

    def _look(self, chunk: ColumnChunk, channel: str, at: Values, rows: Values) -> None:
        """Take a channel's values from the rows that have them."""
        cells = chunk.cells(channel)
        marks = cells.said(rows)
        whole = (marks != UNCHANGED) & (marks != APPENDED)
        if whole.any():
            where = None if len(rows) == len(chunk) and _is_range(rows) else rows
            where = where if whole.all() else rows[whole]
            self._found(channel, at[whole], cells.column(where, self._load))
        longer = np.flatnonzero(marks == APPENDED)
        if len(longer):
            assert cells.base is not None
            tails = self._tails.setdefault(channel, {})
            bases = cells.base[rows[longer]].tolist()
            items = cells.items(rows[longer], self._load)
            for target, base, some in zip(at[longer].tolist(), bases, items, strict=True):
                tails.setdefault(target, []).append((base, some))
            begun = at[longer][cells.base[rows[longer]] == 0]
            if len(begun):
                self._found(channel, begun, Column(objects([[] for _ in begun])))

    def _found(self, channel: str, at: Values, column: Column) -> None:
        self._pieces.setdefault(channel, []).append((at, column))
        self.need[channel][at] = False
        self._missing[at] -= 1

    def finish(
        self,
        target: int,
        row: EntryRow,
        clock: int,
        due: tuple[str, ...],
        values: dict[str, Any],
    ) -> None:
        """Give a cursor all that it still looks for."""
        at = np.array([target])
        self.known(values)
        for channel, value in values.items():
            if self.need[channel][target]:
                self._found(channel, at, _single(value))
        if not self.placed[target]:
            self._numbers[:, target] = (row.step or 0, clock, row.ts)
            self._sets[:, target] = (0, self._code(due))
            self.placed[target] = True
        self.stop(at)

    def state(self) -> ColumnState:
        """Return what was found."""
        columns = {channel: self._column(channel) for channel in self.need}
        step, clock, ts = self._numbers
        ran, due = self._sets
        nodes = list(self._nodes)
        return ColumnState(self.threads, self.seq, step, clock, ts, ran, due, nodes, columns)

    def _column(self, channel: str) -> Column:
        n = len(self.threads)
        pieces = self._pieces.get(channel, [])
        if not pieces:
            return Column.absent(n)
        where = np.concatenate([at for at, _ in pieces])
        column = concat([part for _, part in pieces])
        if len(where) == n:
            inverse = np.empty(n, np.intp)
            inverse[where] = np.arange(n)
            column = column if _is_range(where) else column.take(inverse)
        else:
            column = Column.absent(n).put(where, column)
        tails = self._tails.get(channel)
        return column if tails is None else _longer(channel, column, tails)


def _single(value: Any) -> Column:
    if type(value) is np.ndarray and value.dtype == np.bool_:
        return Column(value[None])
    return Column.of([value])


def _is_range(rows: Sequence[Any] | Values) -> bool:
    """Return whether rows are 0, 1, 2, ..."""
    n = len(rows)
    return n > 0 and rows[0] == 0 and rows[-1] == n - 1 and bool((np.diff(rows) == 1).all())


def _longer(channel: str, column: Column, tails: dict[int, list[tuple[int, list[Any]]]]) -> Column:
    """Return lists with what was appended to them; the newest comes first in `tails`."""
    cells = column.tolist()
    for target, parts in tails.items():
        whole = cells[target]
        if type(whole) is not list:
            raise ValueError(f"channel {channel!r} was appended to and is no list")
        whole = list(whole)
        for base, items in reversed(parts):
            if len(whole) != base:
                raise ValueError(f"channel {channel!r}: {len(whole)} items went on from {base}")
            whole += items
        cells[target] = whole
    return Column.of_cells(cells)
