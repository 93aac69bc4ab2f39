"""Cursors that go from checkpoints to their ancestors, and what they have found on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint.typed import APPENDED, UNCHANGED
from vecgraph.columns import Column, concat, objects

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    import numpy.typing as npt

    from vecgraph.checkpoint.columnform import ColumnChunk
    from vecgraph.checkpoint.rows import EntryRow
    from vecgraph.checkpoint.storage import Header
    from vecgraph.typing import Mask, Rows, Values

__all__ = ["ColumnState", "RowState", "Walk"]

_WHOLE = ("ids", "nodes", "columns")


@dataclass(slots=True)
class ColumnState:
    """Checkpoints of N threads as columns, in the order asked for.

    Attributes
    ----------
    threads : int64 ndarray of shape (N,)
    seq : int32 ndarray of shape (N,)
        Place of each checkpoint; -1: the thread has none, and means nothing below.
    step, clock, ts : int64 ndarrays of shape (N,)
        `clock` is the greatest version of a channel.
    ran, due : int32 ndarrays of shape (N,)
        As in `Flush`: positions in `nodes`. Nodes that are due for a Send are not among them:
        the packets are the channel ``__pregel_tasks``. What ran before a checkpoint in row form
        is not known: the empty set.
    pending : bool ndarray of shape (N,)
        Whether writes are kept beside the checkpoint: a task of the next superstep has failed,
        asked, ended or been answered.
    foreign : bool ndarray of shape (N,)
        Whether the thread's versions are no integers: another library began it.
    behind : bool ndarray of shape (N,)
        Whether places after the thread's latest checkpoint are taken, by deleted ones: what
        goes on from it has another place than the next.
    ids : dict of int to str
        Ids of the checkpoints, by position, that do not follow from their places and times.
    nodes : list of tuple of str
    columns : dict of str to Column
        Each channel that any of them has, absent where it has no value. Barriers are bool
        tensors and deferred channels pairs of a value and whether they are open, as they were
        written. Signals are not here but in `due`; of the input channel, only an input that
        waits is.
    """

    threads: Rows
    seq: npt.NDArray[np.int32]
    step: npt.NDArray[np.int64]
    clock: npt.NDArray[np.int64]
    ts: npt.NDArray[np.int64]
    ran: npt.NDArray[np.int32]
    due: npt.NDArray[np.int32]
    pending: Mask
    foreign: Mask
    behind: Mask
    ids: dict[int, str] = field(default_factory=dict)
    nodes: list[tuple[str, ...]] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.threads)

    def take(self, at: Rows) -> ColumnState:
        """Return the checkpoints at positions."""
        rows = {f.name: getattr(self, f.name)[at] for f in fields(self) if f.name not in _WHOLE}
        columns = {name: column.take(at) for name, column in self.columns.items()}
        own = enumerate(at.tolist() if self.ids else ())
        ids = {i: self.ids[place] for i, place in own if place in self.ids}
        return replace(self, **rows, columns=columns, ids=ids)


@dataclass(frozen=True, slots=True)
class RowState:
    """What a checkpoint in row form tells a cursor.

    Attributes
    ----------
    row : EntryRow
    clock : int
    foreign : bool
    due : tuple of str
    values : dict of str to object
    signals : collection of str
        Channels whose value means nothing to those that build on the checkpoint.
    """

    row: EntryRow
    clock: int
    foreign: bool
    due: tuple[str, ...]
    values: dict[str, Any]
    signals: Collection[str]


class Walk:
    """N cursors and what they have found.

    Attributes
    ----------
    at_thread, at_seq : ndarrays of shape (N,)
        Where each cursor stands.
    active : bool ndarray of shape (N,)
        Cursors that still look for something and have somewhere to go.
    placed : bool ndarray of shape (N,)
        Whose own checkpoint was found.
    hungry : bool ndarray of shape (N,)
        Who may have channels that nobody knows of before checkpoints in row form are read.
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
        self.hungry = np.zeros(n, np.bool_)
        self.foreign = np.zeros(n, np.bool_)
        self.need: dict[str, Mask] = {}
        self._missing = np.zeros(n, np.int64)
        self._load = load
        self._pieces: dict[str, list[tuple[Values, Column]]] = {}
        self._tails: dict[str, dict[int, list[tuple[int, list[Any]]]]] = {}
        self._numbers = np.zeros((3, n), np.int64)
        self._sets = np.zeros((2, n), np.int32)
        self._nodes: dict[tuple[str, ...], int] = {(): 0}
        self._signals: set[str] = set()
        self._ids: dict[int, str] = {}

    def known(self, channels: Iterable[str]) -> None:
        """Note that there are channels: all look for them.

        Of a signal only the checkpoint itself tells: those that have passed it do not look.
        """
        for channel in channels:
            if channel not in self.need:
                is_signal = channel in self._signals
                need = ~self.placed if is_signal else np.ones(len(self.threads), np.bool_)
                self.need[channel] = need
                self._missing += need

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
        self._signals.update(() if chunk.graph is None else chunk.graph.signals)
        for channel in chunk.channels:
            need = self.need[channel][at]
            if need.any():
                self._look(chunk, channel, at[need], rows[need])
        self._place(chunk, at, rows)
        self.at_thread[at] = chunk.parent_thread[rows]
        self.at_seq[at] = chunk.parent[rows]
        done = (self._missing[at] == 0) & ~self.hungry[at]
        self.stop(at[(self.at_seq[at] < 0) | done])

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
        self._placed(at)

    def _placed(self, at: Values) -> None:
        """Note that cursors have seen their own checkpoint: a signal is set there or nowhere."""
        self.placed[at] = True
        for channel in self._signals & self.need.keys():
            need = self.need[channel]
            self._missing[at] -= need[at]
            need[at] = False

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

    def finish(self, target: int, found: RowState) -> None:
        """Give a cursor all that it still looks for."""
        at = np.array([target])
        self._signals.update(found.signals)
        self.known(found.values)
        for channel, value in found.values.items():
            if self.need[channel][target]:
                self._found(channel, at, _single(value))
        if not self.placed[target]:
            self._numbers[:, target] = (found.row.step or 0, found.clock, found.row.ts)
            self._sets[:, target] = (0, self._code(found.due))
            self._ids[target] = found.row.id
            self._placed(at)
        self.foreign[target] = found.foreign
        self.stop(at)

    def state(self, pending: Mask, behind: Mask) -> ColumnState:
        """Return what was found."""
        step, clock, ts = self._numbers
        ran, due = self._sets
        return ColumnState(
            threads=self.threads,
            seq=self.seq,
            step=step,
            clock=clock,
            ts=ts,
            ran=ran,
            due=due,
            pending=pending,
            foreign=self.foreign,
            behind=behind,
            ids=self._ids,
            nodes=list(self._nodes),
            columns={channel: self._column(channel) for channel in self.need},
        )

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
