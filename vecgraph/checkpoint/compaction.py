"""Putting the chunks of a log together: few and open ones in the place of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from vecgraph.checkpoint.arrays import from_numpy
from vecgraph.checkpoint.chunks import Span, encode, encode_rows, is_rows
from vecgraph.checkpoint.columnform import CHUNK_ROWS
from vecgraph.checkpoint.opened import Form, Names, forms_of
from vecgraph.checkpoint.openrows import open_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from vecgraph.checkpoint.blobs import Blobs
    from vecgraph.checkpoint.chunks import Row, RowsChunk
    from vecgraph.checkpoint.codec import Codec
    from vecgraph.checkpoint.deletion import Deletion
    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Chunk, Header, Kind
    from vecgraph.checkpoint.threads import Threads
    from vecgraph.typing import Mask, Values

__all__ = ["Compaction", "Rewritable"]

_IN_ROWS: tuple[Kind, ...] = ("threads", "entries", "writes", "marks")
_LABELS = {
    "threads": "threads",
    "entries": "entries",
    "columns": "checkpoints",
    "writes": "writes",
    "blobs": "blobs",
    "marks": "marks",
}
_MOST_BYTES = 8 << 20
"""Bytes of what rows say that are put into one chunk."""

_pyarrow: Any = pa  # its stubs lack newer functions
_MOST_HELD = 64
"""Batches of few rows that wait side by side."""
_TOGETHER = 4096
"""Chunks of rows that are looked at together."""


class Rewritable(Protocol):
    """A storage whose files can be written anew; `DirectoryStorage` tells more."""

    def rewrite(
        self, new: Iterable[tuple[str, Chunk]], old: Sequence[Header], *, labels: Mapping[str, str]
    ) -> None:
        """Put chunks in the place of others."""
        ...

    @property
    def is_scattered(self) -> bool:
        """Whether anything was appended or taken away since the last time."""
        ...

    @property
    def has_dropped(self) -> bool:
        """Whether anything was taken away since the last time."""
        ...

    def is_compact(self, header: Header) -> bool:
        """Return whether a chunk lies where `rewrite` put it."""
        ...


class Compaction:
    """Puts chunks together. Called by one thread at a time.

    What rows of deleted threads say is left out, unless others have their past in them, and so
    are the blobs that nothing refers to then.

    Parameters
    ----------
    shelf, threads, marks
        Of the log.
    storage : Rewritable
    deletion, codec, blobs
        Of the log.
    unpack : callable or None
        Returns the value of packed bytes; None: nobody else is to read values.
    """

    def __init__(
        self,
        shelf: Shelf,
        threads: Threads,
        marks: Marks,
        storage: Rewritable,
        deletion: Deletion,
        codec: Codec,
        blobs: Blobs,
        unpack: Callable[[bytes], Any] | None,
    ) -> None:
        self._unpack = unpack
        self._deletion = deletion
        self._codec = codec
        self._blobs = blobs
        self._thin: dict[int, set[int]] = {}
        self._is_less = False
        self._shelf = shelf
        self._threads = threads
        self._marks = marks
        self._storage = storage

    def run(self, wanted: Callable[[int], bool] | None = None) -> None:
        """Put together all that was appended since the last time.

        Parameters
        ----------
        wanted : callable, optional
            Gets the place of a checkpoint in its thread; those that are not wanted go, but for
            the latest ones.
        """
        self._shelf.drain()
        self._marks.refresh()
        self._thin = {}
        marks = self._shelf.find(["marks"])
        self._is_less = self._storage.has_dropped or not all(map(self._storage.is_compact, marks))
        left = self._thinned(wanted) if self._is_less or wanted is not None else []
        if not left and not self._storage.is_scattered:
            return
        self._is_less |= bool(left)
        unused = self._unused(left) if self._is_less else []
        columns = [h for h in self._shelf.find(["columns"]) if self._is_due(h)]
        rows = self._mergeable()
        new = [*self._merged(rows), *self._thin_chunks(left)]
        old = [header for headers in rows.values() for header in headers]
        self._storage.rewrite(self._all(new, columns), [*old, *columns, *unused], labels=_LABELS)

    def _unused(self, left: Sequence[Row]) -> list[Header]:
        """Return the blobs that nothing refers to once `left` has taken the place of threads."""
        return self._blobs.unused(self._left_out, (body for _, _, body in left))

    def _thinned(self, wanted: Callable[[int], bool] | None) -> list[Row]:
        """Return what takes the place of the threads that lose checkpoints."""
        stuck, pruned = self._stuck(), set(self._marks.with_gone_rows())
        left: list[Row] = []
        for number, _, _ in list(self._threads.living()):
            if wanted is None and number not in pruned:
                continue
            is_stuck = any(header.lo <= number <= header.hi for header in stuck)
            found = None if is_stuck else self._deletion.thinned(number, wanted)
            if found is not None:
                rows, self._thin[number] = found
                left += rows
        return left

    def _stuck(self) -> list[Header]:
        """Return the chunks that stay as they are, so that nothing can take their place."""
        early = self._early()
        return [h for h in self._shelf.find(["entries", "writes"]) if early and _touches(h, early)]

    def _thin_chunks(self, rows: list[Row]) -> Iterator[tuple[str, Chunk]]:
        for chunk in self._codec.taken():  # a list that was appended to may be large as a whole
            yield _LABELS["blobs"], chunk
        headers = self._shelf.find(["entries", "columns"])
        for begin in range(0, len(rows), CHUNK_ROWS):
            part = rows[begin : begin + CHUNK_ROWS]
            yield _LABELS["entries"], self._chunk("entries", part, None, headers)

    def _all(
        self, rows: Sequence[tuple[str, Chunk]], columns: Sequence[Header]
    ) -> Iterator[tuple[str, Chunk]]:
        yield from rows
        yield from self._opened(columns)

    def _mergeable(self) -> dict[Kind, list[Header]]:
        """Return the chunks of rows that may be put together, by kind."""
        found: dict[Kind, list[Header]] = {}
        early, in_columns = self._early(), self._written_in_columns()
        for kind in _IN_ROWS:
            headers = [
                header
                for header in self._shelf.find([kind])
                if _is_mergeable(header)
                and self._is_due(header)
                and (kind in {"threads", "marks"} or not _touches(header, early))
                and (kind != "writes" or not any(_meets(header, other) for other in in_columns))
            ]
            if headers:
                found[kind] = headers
        return found

    def _early(self) -> set[int]:
        """Return the threads with writes that came before their checkpoint.

        Which of them it has taken is told by the numbers of their chunks, so those stay.
        """
        headers = [h for h in self._shelf.find(["writes"]) if h.seq_lo < 0]
        return {int(t) for chunk in self._shelf.rows(headers) for t in chunk.threads}

    def _written_in_columns(self) -> list[Header]:
        """Return the chunks of writes that stay as they are.

        Which of two writes counts is told by the numbers of their chunks, so those that are
        beside them stay too.
        """
        return [header for header in self._shelf.find(["writes"]) if not is_rows(header)]

    def _merged(self, found: Mapping[Kind, Sequence[Header]]) -> Iterator[tuple[str, Chunk]]:
        for kind, headers in found.items():
            for begin in range(0, len(headers), _TOGETHER):
                part = headers[begin : begin + _TOGETHER]
                for rows, hi in self._batches(kind, self._shelf.rows(part)):
                    yield _LABELS[kind], self._chunk(kind, rows, hi, part)

    def _chunk(
        self, kind: Kind, rows: list[Row], hi: int | None, headers: Sequence[Header]
    ) -> Chunk:
        ts, how = max(header.ts for header in headers), self._shelf.compression
        if kind != "entries" or self._unpack is None:
            return encode_rows(kind, rows, ts, hi=hi, compression=how)
        names = Names(self._threads.all())
        batch = open_rows(rows, headers[0], names, self._unpack, self._shelf.place)
        threads, seqs = [row[0] for row in rows], [row[1] for row in rows]
        span = Span(min(threads), max(threads), min(seqs), max(seqs), ts)
        return encode(kind, batch, span, how)

    def _batches(
        self, kind: Kind, chunks: Sequence[RowsChunk]
    ) -> Iterator[tuple[list[Row], int | None]]:
        rows: list[Row] = []
        size, hi = 0, 0
        for chunk in chunks:
            hi = max(hi, chunk.header.hi)
            gone = self._left_out(kind, chunk.threads, chunk.seqs)
            for at, (thread, seq) in enumerate(
                zip(chunk.threads.tolist(), chunk.seqs.tolist(), strict=True)
            ):
                if gone[at]:
                    continue
                rows.append((thread, seq, body := chunk.body(at)))
                size += len(body)
                if size >= _MOST_BYTES or len(rows) >= CHUNK_ROWS:
                    yield rows, hi if kind in {"threads", "marks"} else None
                    rows, size = [], 0
        if rows:
            yield rows, hi if kind in {"threads", "marks"} else None

    def _is_due(self, header: Header) -> bool:
        """Return whether a chunk is to be put together with others."""
        if not self._storage.is_compact(header):
            return True
        if header.kind not in {"entries", "writes", "columns"} or not self._is_less:
            return False
        if header.kind == "columns":
            chunk: Any = self._shelf.column(header)
            return bool(self._left_out(header.kind, chunk.threads, chunk.seq).any())
        rows = self._shelf.rows([header])[0]
        return bool(self._left_out(header.kind, rows.threads, rows.seqs).any())

    def _left_out(self, kind: Kind, threads: Values, seqs: Values) -> Mask:
        """Return which rows are not needed any more."""
        if kind not in {"entries", "writes", "columns"}:
            return np.zeros(len(threads), np.bool_)
        out = self._marks.lost(threads)
        if self._thin:
            thin = np.isin(threads, list(self._thin))
            if kind == "writes":
                for at in np.flatnonzero(thin).tolist():
                    thin[at] = int(seqs[at]) not in self._thin[int(threads[at])]
            out = out | thin
        return out

    def _opened(self, headers: Sequence[Header]) -> Iterator[tuple[str, Chunk]]:
        """Return chunks in column form as any program reads them."""
        if not headers:
            return
        names = Names(self._threads.all())
        schemas = [self._shelf.schema_of(header) for header in headers]
        waiting: dict[int, _Waiting] = {}
        for header, form in zip(headers, forms_of(schemas), strict=True):
            chunk = self._shelf.column(header)
            batches = waiting.setdefault(id(form), _Waiting(form, self._shelf.compression))
            batch = form.batch(chunk, names)
            if (gone := self._left_out("columns", chunk.threads, chunk.seq)).any():
                batch = batch.filter(from_numpy(~gone))
            yield from batches.add(header, batch)
            self._shelf.release(header)
        for batches in waiting.values():
            yield from batches.flush()


class _Waiting:
    """Batches of one form that become one chunk."""

    def __init__(self, form: Form, compression: Any) -> None:
        self._form = form
        self._compression = compression
        self._headers: list[Header] = []
        self._held: list[Any] = []
        self._rows = 0

    def add(self, header: Header, batch: Any) -> Iterator[tuple[str, Chunk]]:
        if self._rows + len(batch) > CHUNK_ROWS:
            yield from self.flush()
        self._headers.append(header)
        self._held.append(batch)
        self._rows += len(batch)
        if len(self._held) >= _MOST_HELD:  # many small batches take far more than their values
            self._held = [_pyarrow.concat_batches(self._held)]

    def flush(self) -> Iterator[tuple[str, Chunk]]:
        if not self._rows:
            return
        headers = self._headers
        batch = _pyarrow.concat_batches(self._held)
        span = Span(
            min(h.lo for h in headers),
            max(h.hi for h in headers),
            min(h.seq_lo for h in headers),
            max(h.seq_hi for h in headers),
            max(h.ts for h in headers),
        )
        self._headers, self._held, self._rows = [], [], 0
        yield _LABELS["columns"], encode("columns", batch, span, self._compression)


def _is_mergeable(header: Header) -> bool:
    """Return whether a chunk says what it says in rows, for vecgraph alone or for others too."""
    return is_rows(header) or header.kind == "entries"


def _meets(header: Header, other: Header) -> bool:
    return header.lo <= other.hi and header.hi >= other.lo


def _touches(header: Header, threads: set[int]) -> bool:
    if header.lo == header.hi:
        return header.lo in threads
    return bool(np.any([header.lo <= thread <= header.hi for thread in threads]))
