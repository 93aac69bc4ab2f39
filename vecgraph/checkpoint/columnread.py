"""The states of many threads at once, as columns.

A cursor per thread goes from its checkpoint to its ancestors until every channel's value is found.
Cursors move together, chunk by chunk, newest first; nothing is done row by row but to unpack
values that have no type in Arrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint.columnwalk import ColumnState, RowState, Walk
from vecgraph.checkpoint.columnwrites import has_writes, keys_of
from vecgraph.checkpoint.rows import EntryRow
from vecgraph.engine.flush import PUSHED
from vecgraph.errors import DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from vecgraph.checkpoint.columnform import ColumnChunk
    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.rows import Resolved
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Header
    from vecgraph.checkpoint.views import Views
    from vecgraph.engine.flush import GraphForm
    from vecgraph.typing import Mask, Rows, Values

__all__ = ["ColumnReader"]


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
        odd |= self._in_rows(lo, hi)
        if not odd:
            return
        for at in np.flatnonzero(np.isin(threads, list(odd))).tolist():
            number = int(threads[at])
            latest = self._views.view(number).latest(self._marks.gone(number))
            seq[at] = -1 if latest is None else latest.seq

    def _behind(self, threads: Rows) -> Mask:
        """Return which threads have deleted checkpoints after their latest."""
        found: Mask = np.isin(threads, list(self._marks.with_gone_rows()))
        for at in np.flatnonzero(found).tolist():
            number = int(threads[at])
            gone, view = self._marks.gone(number), self._views.view(number)
            latest = view.latest(gone)
            found[at] = latest is not None and latest.seq < max([*view.seqs, *gone])
        return found

    def _in_rows(self, lo: int, hi: int) -> set[int]:
        """Return the threads from `lo` to `hi` that have checkpoints in row form."""
        headers = self._shelf.find(["entries"], lo, hi)
        found = {header.lo for header in headers if header.lo == header.hi}
        for chunk in self._shelf.rows([h for h in headers if h.lo != h.hi]):
            found.update(np.unique(chunk.threads).tolist())
        return found

    def read(self, threads: Rows, seq: Values, graph: GraphForm | None) -> ColumnState:
        """Return the states at places of threads.

        Raises
        ------
        DamagedCheckpointError
            A checkpoint that is needed is missing or broken.
        """
        walk = Walk(threads, seq, self._load)
        if walk.any_active():
            self._walk(walk, graph)
        return walk.state(has_writes(self._shelf, threads, walk.seq), self._behind(threads))

    def _walk(self, walk: Walk, graph: GraphForm | None) -> None:
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

    def _reachable(self, walk: Walk) -> list[Header]:
        """Return the chunks that may hold ancestors, newest first."""
        held = walk.threads[walk.active]
        lowest, highest = int(held.min()), int(held.max())
        found: dict[int, Header] = {}
        for lo, hi in self._marks.lineage(lowest, highest):
            in_rows = self._in_rows(lo, hi)
            # Whose ancestors are in other threads is not known before the walk.
            own = (lo, hi) == (lowest, highest)
            walk.hungry |= np.isin(walk.threads, list(in_rows)) if own else bool(in_rows)
            found.update((h.number, h) for h in self._shelf.find(["columns"], lo, hi))
        return sorted(found.values(), key=lambda header: header.number, reverse=True)

    def _visit(self, walk: Walk, header: Header) -> bool:
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

    def _can_skip(self, walk: Walk, header: Header, at: Values) -> bool:
        """Return whether all that a chunk tells these cursors is to go on to the place before."""
        return (
            header.seq_lo == header.seq_hi
            and header.rows == header.hi - header.lo + 1
            and self._shelf.is_linear(header)
            and bool(walk.placed[at].all())
            and not any(walk.need[c][at].any() for c in self._shelf.channels(header))
        )

    def _entries(self, walk: Walk, graph: GraphForm | None) -> bool:
        """Finish the cursors that have come to a checkpoint in row form."""
        moved = False
        for target in np.flatnonzero(walk.active).tolist():
            place = int(walk.at_thread[target]), int(walk.at_seq[target])
            view = self._views.view(place[0], fresh=False)
            row = view.row(place[1]) or self._views.view(place[0]).row(place[1])
            if not isinstance(row, EntryRow):
                continue
            moved = True
            walk.finish(target, self._row_state(row, graph))
        return moved

    def _row_state(self, row: EntryRow, graph: GraphForm | None) -> RowState:
        state = self._views.resolve(row)
        values = {c: self._views.value(source) for c, source in state.cells.items()}
        versions = state.versions.values()
        return RowState(
            row,
            clock=max((int(float(str(version))) for version in versions), default=0),
            foreign=any(type(version) is not int for version in versions),
            due=() if graph is None else _due(state, values, graph),
            values=_as_columns(values, graph),
            signals=() if graph is None else graph.signals,
        )


def _due(state: Resolved, values: dict[str, Any], graph: GraphForm) -> tuple[str, ...]:
    """Return the nodes whose trigger channels are open and newer than they have seen."""
    due = set()
    for node, triggers in graph.triggers.items():
        seen: dict[str, Any] = state.seen.get(node, {})
        news = [
            channel
            for channel in triggers
            if _is_open(channel, values, graph)
            and (channel not in seen or state.versions[channel] > seen[channel])
        ]
        if news:
            own = any(graph.signals.get(channel) == node for channel in news)
            due.add(node if own else f"{PUSHED}{node}")
    return tuple(sorted(due))


def _is_open(channel: str, values: dict[str, Any], graph: GraphForm) -> bool:
    if channel not in values:
        return False
    if channel in graph.deferred:
        return bool(values[channel][1])
    names = graph.barriers.get(channel)
    return names is None or len(values[channel]) == len(names)


def _as_columns(values: dict[str, Any], graph: GraphForm | None) -> dict[str, Any]:
    """Return values as column form has them: signals are not stored, barriers are flags."""
    if graph is None:
        return values
    made = {c: v for c, v in values.items() if c not in graph.signals or v is not None}
    for channel, names in graph.barriers.items():
        if channel in made:
            made[channel] = np.array([name in made[channel] for name in names])
    for channel in graph.deferred:
        if channel in made:
            made[channel] = tuple(made[channel])
    return made


def _matches(chunk: ColumnChunk, threads: Values, seqs: Values) -> tuple[Values, Values]:
    """Return which (thread, place) pairs a chunk has, and in which rows."""
    if chunk.has("first"):
        rows = threads - int(chunk.threads[0])
        hit = np.flatnonzero((rows >= 0) & (rows < len(chunk)))
        hit = hit[chunk.seq[rows[hit]] == seqs[hit]]
        return hit, rows[hit]
    keys, wanted = keys_of(chunk.threads, chunk.seq), keys_of(threads, seqs)
    order = np.argsort(keys, kind="stable")
    found = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    rows = order[found]
    hit = np.flatnonzero(keys[rows] == wanted)
    return hit, rows[hit]
