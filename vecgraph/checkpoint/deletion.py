"""Deleting, pruning and copying threads, so that nothing is lost that others build on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint.entries import CLEAR, PUT, REF, SAME, Entry, Op
from vecgraph.checkpoint.marks import Branch, branch_row, gone_rows
from vecgraph.checkpoint.rows import EntryRow, Packed, Resolved
from vecgraph.checkpoint.typed import BLOB
from vecgraph.checkpoint.writer import dropped, newer, news

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vecgraph.checkpoint.blobs import Blobs
    from vecgraph.checkpoint.chunks import Row as RawRow
    from vecgraph.checkpoint.codec import Codec
    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.reader import Reader
    from vecgraph.checkpoint.rows import Place, Row, Source
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Chunk, Header, Kind
    from vecgraph.checkpoint.threads import Threads
    from vecgraph.checkpoint.views import Views
    from vecgraph.checkpoint.writer import Writer

__all__ = ["Deletion"]

_OF_THREADS: tuple[Kind, ...] = ("threads", "entries", "columns", "writes")
_DELTA_COUNTERS = "counters_since_delta_snapshot"


class Deletion:
    """Takes checkpoints away, and copies threads. Called by one thread at a time.

    What is deleted is hidden at once. Its chunks are dropped where they hold nothing else and no
    other thread has its past in them; the rest goes when the storage is compacted.

    Parameters
    ----------
    shelf, threads, marks, views, codec, writer, reader, blobs
        Of the log.
    """

    def __init__(
        self,
        shelf: Shelf,
        threads: Threads,
        marks: Marks,
        views: Views,
        codec: Codec,
        writer: Writer,
        reader: Reader,
        blobs: Blobs,
    ) -> None:
        self._shelf = shelf
        self._threads = threads
        self._marks = marks
        self._views = views
        self._codec = codec
        self._writer = writer
        self._reader = reader
        self._blobs = blobs

    def thread(self, thread_id: str) -> None:
        """Delete a thread with all its namespaces."""
        for number in self._threads.namespaces(thread_id).values():
            self._delete(number)

    def _delete(self, number: int) -> None:
        headers = self._shelf.find(_OF_THREADS, number, number)
        own = [header for header in headers if header.lo == header.hi]
        has_heirs = self._marks.heirs(number, number)
        if not has_heirs:
            self._blobs.deleted(number, headers)
        has_past = self._marks.lineage(number, number) != [(number, number)]
        if has_heirs or has_past or len(own) < len(headers):
            # Others are in those chunks, or build on them; or those that this one builds on are
            # to know that it is gone.
            self._hide([(number, -1)])
        apart = [h for h in own if h.kind != "threads" or len(own) == len(headers)]
        if apart and not has_heirs:
            self._shelf.replace(apart, [])
        self._forget(number)

    def _hide(self, places: Sequence[tuple[int, int]]) -> None:
        if not places:
            return
        rows = gone_rows(places)
        self._shelf.append([self._shelf.rows_chunk("marks", rows, self._shelf.now())])
        self._marks.refresh()

    def _forget(self, number: int) -> None:
        self._views.forget_thread(number)
        self._writer.forget_thread(number)
        self._threads.forget()

    def runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints of some runs."""
        wanted = set(run_ids)
        if not wanted:
            return
        for number, _, _ in list(self._threads.living()):
            rows = self._visible(number)
            found = [row for row in rows if self._run_of(row) in wanted]
            if not found:
                continue
            if len(found) == len(rows):
                self._delete(number)
                continue
            self._hide([row.place for row in found])
            self._forget(number)

    def _visible(self, number: int) -> list[Row]:
        view, gone = self._views.view(number), self._marks.gone(number)
        return list(view.rows([seq for seq in view.seqs if seq not in gone]))

    def _run_of(self, row: Row) -> Any:
        metadata = self._reader.metadata(row, self._views.resolve(row))
        run_id = metadata.get("run_id")
        return run_id if isinstance(run_id, str) else None

    def prune(self, thread_ids: Sequence[str], strategy: str) -> None:
        """Delete all checkpoints of threads, or all but the latest.

        Raises
        ------
        ValueError
            The strategy is unknown.
        """
        if strategy not in {"keep_latest", "delete"}:
            raise ValueError(
                f"Unknown strategy {strategy!r}.\nHint: it is 'keep_latest' or 'delete'."
            )
        for thread_id in thread_ids:
            for number in self._threads.namespaces(thread_id).values():
                if strategy == "delete":
                    self._delete(number)
                else:
                    self._keep_latest(number)

    def _keep_latest(self, number: int) -> None:
        view = self._views.view(number)
        latest = view.latest(self._marks.gone(number))
        if latest is None or len(view.seqs) == 1:
            return
        headers = self._shelf.find(("entries", "columns", "writes"), number, number)
        apart = all(header.lo == header.hi for header in headers)
        if apart and not self._marks.heirs(number, number) and not self._has_deltas(latest):
            chunks = [self._rewritten(latest), *self._writes_of(latest, headers)]
            self._blobs.deleted(number, headers)
            self._shelf.replace(headers, [*self._codec.taken(), *chunks])
        else:
            gone = self._marks.gone(number) | {latest.seq}
            self._hide([(number, seq) for seq in view.seqs if seq not in gone])
        self._views.forget_thread(number)
        self._writer.forget_thread(number)

    def _has_deltas(self, row: Row) -> bool:
        """Return whether values of LangGraph's delta channels are made of ancestors' writes."""
        return _DELTA_COUNTERS in self._reader.metadata(row, self._views.resolve(row))

    def _rewritten(self, row: Row) -> Chunk:
        """Return a checkpoint as a chunk that needs no other."""
        return self._shelf.rows_chunk("entries", [(*row.place, self._full(row).body())], row.ts)

    def _writes_of(self, row: Row, headers: Sequence[Header]) -> Iterator[Chunk]:
        rows = [
            (row.thread, int(chunk.seqs[at]), chunk.body(at))
            for chunk in self._shelf.rows([h for h in headers if h.kind == "writes"])
            for at in chunk.of(row.thread)
            if self._is_kept(row, int(chunk.seqs[at]), chunk.said(at))
        ]
        if rows:
            yield self._shelf.rows_chunk("writes", rows, self._shelf.now())

    def _is_kept(self, row: Row, seq: int, said: Any) -> bool:
        """Return whether a write is a checkpoint's, or of one that is not there yet."""
        if seq >= 0:
            return seq == row.seq
        return self._views.view(row.thread).seq_of(said[0]) is None

    def thinned(
        self, number: int, wanted: Callable[[int], bool] | None
    ) -> tuple[list[RawRow], set[int]] | None:
        """Return what is left of a thread: its latest checkpoint, and those that are wanted.

        Parameters
        ----------
        wanted : callable or None
            Gets a place; None: all are.

        Returns
        -------
        tuple or None
            Rows of ``entries``, each of which says everything, and their places. None: all stay,
            since all are wanted or others build on them. Those that were deleted one by one stay
            too, unless only one is left: each of several would have to say everything.
        """
        rows, gone = self._visible(number), self._marks.gone(number)
        latest = self._views.view(number).latest(gone)
        if latest is None or self._marks.heirs(number, number) or self._has_deltas(latest):
            return None
        kept = [row for row in rows if row.seq == latest.seq or wanted is None or wanted(row.seq)]
        is_alone = len(kept) == 1 and len(self._views.view(number).seqs) > 1
        if len(kept) == len(rows) and not is_alone:
            return None
        left = []
        for row in kept:
            top = None if row.seq == latest.seq else latest.seq
            left.append((number, row.seq, replace(self._full(row), top=top).body()))
        return left, {row.seq for row in kept}

    def copy(self, source: str, target: str) -> None:
        """Copy a thread with all its namespaces; the copy refers to the values of the other."""
        for ns, number in self._threads.namespaces(source).items():
            rows = self._visible(number)
            if not rows:
                continue
            copied, made = self._threads.number(target, ns), []
            if copied is None:
                copied, chunk = self._threads.created(target, ns, self._shelf.now())
                made.append(chunk)
            self._shelf.append([*made, *self._linked(rows, number, copied)])
            self._marks.refresh()
            self._views.forget_thread(copied)
            self._writer.forget_thread(copied)

    def _linked(self, rows: Sequence[Row], number: int, copied: int) -> list[Chunk]:
        """Return the chunks of a copy: its checkpoints, their writes, and where they come from."""
        tail, view = self._writer.tail(copied), self._views.view(copied)
        gone = [(copied, seq) for row in rows if (seq := view.seq_of(row.id)) is not None]
        places = {row.place: tail.next + i for i, row in enumerate(rows)}
        entries: list[RawRow] = []
        top, top_id = tail.top, tail.top_id
        for row in rows:
            seq = places[row.place]
            if row.id >= top_id:
                top, top_id = seq, row.id
            entry = replace(self._link(row, places), top=None if top == seq else top)
            entries.append((copied, seq, entry.body()))
        now = self._shelf.now()
        marks = [
            *(
                branch_row(Branch(copied, copied, *of))
                for of in self._marks.lineage(number, number)
            ),
            *gone_rows(gone),
        ]
        return [
            self._shelf.rows_chunk("entries", entries, now),
            *self._copied_writes(rows, copied, places),
            self._shelf.rows_chunk("marks", marks, now),
        ]

    def _link(self, row: Row, places: Mapping[Place, int]) -> Entry:
        """Return a checkpoint as changes to its copied parent that refer to the original's."""
        state = self._views.resolve(row)
        known = row.parent is not None and row.parent in places
        base = self._views.resolve(self._views.row(row.parent)) if known else Resolved()  # type: ignore[arg-type]
        ops: dict[str, Op] = {
            channel: [SAME, *source.place]
            for channel, source in state.cells.items()
            if channel not in base.cells or base.cells[channel].place != source.place
        }
        ops |= {channel: [CLEAR] for channel in base.cells if channel not in state.cells}
        parent = places[row.parent] if known else self._parent_id(row)  # type: ignore[index]
        return replace(
            self._like(row, state),
            parent=parent,
            changes=ops,
            versions=newer(base.versions, state.versions),
            seen=news(base.seen, state.seen),
            dropped=dropped(base, state.versions, state.seen),
            metadata=None if known and base.metadata == state.metadata else state.metadata,
        )

    def _parent_id(self, row: Row) -> str | None:
        return row.parent_id if row.parent is None else self._views.row(row.parent).id

    def _like(self, row: Row, state: Resolved) -> Entry:
        """Return an entry with what does not depend on where it stands."""
        entry = row.entry if isinstance(row, EntryRow) else None
        return Entry(
            v=4 if entry is None else entry.v,
            id=row.id,
            parent=None,
            parent_thread=None,
            step=row.step,
            ts=row.ts,
            source=row.source,
            changes={},
            updated=row.updated(state, self._views.value),
            extra=None if entry is None else entry.extra,
            sends=entry is not None and entry.sends,
        )

    def _full(self, row: Row) -> Entry:
        """Return a checkpoint as an entry that needs no other."""
        state = self._views.resolve(row)
        return replace(
            self._like(row, state),
            parent=self._parent_id(row),
            changes={c: self._whole(row, source) for c, source in state.cells.items()},
            versions=state.versions,
            seen=state.seen,
            metadata=state.metadata,
            full=True,
        )

    def _whole(self, row: Row, source: Source) -> Op:
        """Return the operation that puts or repeats the whole of a value."""
        found = self._views.grounded(source)
        is_blob, data, length = False, b"", None
        if isinstance(found, Packed):
            is_blob, data, length = found.is_blob, found.data, found.length
        else:
            value = self._views.value(found)
            kind, data = self._codec.pack(value)
            is_blob, length = kind == BLOB, len(value) if type(value) is list else None
        op = REF if is_blob else PUT
        return [op if source.place == row.place else -1 - op, data, length]

    def _copied_writes(
        self, rows: Sequence[Row], copied: int, places: Mapping[Place, int]
    ) -> Iterator[Chunk]:
        number = rows[0].thread
        chunks = self._shelf.rows(self._shelf.find(["writes"], number, number))
        writes = [
            (copied, places[row.place], chunk.body(at))
            for row in rows
            for chunk in chunks
            for at in chunk.of(number)
            if int(chunk.seqs[at]) == row.seq
        ]
        if writes:
            yield self._shelf.rows_chunk("writes", writes, self._shelf.now())
