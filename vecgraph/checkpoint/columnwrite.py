"""Writing checkpoints of many threads at once, and naming those threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint._forms import get_checkpoint_metadata
from vecgraph.checkpoint.columnform import OPTIONAL, flush_chunks
from vecgraph.checkpoint.columnwrites import writes_chunks
from vecgraph.checkpoint.marks import Branch, branch_row
from vecgraph.checkpoint.threads import ThreadName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.checkpoint.codec import Codec
    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Chunk
    from vecgraph.checkpoint.threads import Threads
    from vecgraph.checkpoint.writer import Writer
    from vecgraph.engine.flush import Flush
    from vecgraph.typing import Rows, Values

__all__ = ["ColumnWriter"]


class ColumnWriter:
    """Writes flushes. Called by one thread at a time.

    Parameters
    ----------
    shelf, threads, marks, codec, writer
        Of the log.
    snapshot_every : int
        A place divisible by it gets all channels; 0: none does.
    """

    def __init__(
        self,
        shelf: Shelf,
        threads: Threads,
        marks: Marks,
        codec: Codec,
        writer: Writer,
        snapshot_every: int,
    ) -> None:
        self._shelf = shelf
        self._threads = threads
        self._marks = marks
        self._codec = codec
        self._writer = writer
        self._every = snapshot_every

    def register(self, ids: Sequence[str], ns: str) -> Rows:
        """Return the numbers of threads; those that are not there yet are made known."""
        known = self._threads.numbers(ids, ns)
        new = [name for name in dict.fromkeys(ids) if name not in known]
        if new:
            first = self._shelf.reserve(len(new))
            names = [ThreadName(first + i, name, ns) for i, name in enumerate(new)]
            self._append_names(names)
            known |= {name: first + i for i, name in enumerate(new)}
        return np.array([known[name] for name in ids], np.int64)

    def register_counted(self, prefix: str, count: int, first: int, ns: str) -> Rows:
        """Return the numbers of threads ``prefix + str(i)``, i from `first` on."""
        known = self._threads.range_of(prefix, count, first, ns)
        if known is not None:
            # All were named together: no other thread can have one of their ids.
            return np.arange(known, known + count)
        if self._threads.counted(prefix, count, first, ns):
            # Some are there: one by one, so that those keep their numbers.
            return self.register([f"{prefix}{i}" for i in range(first, first + count)], ns)
        number = self._shelf.reserve(count)
        self._append_names([ThreadName(number, prefix, ns, count, first)])
        return np.arange(number, number + count)

    def _append_names(self, names: list[ThreadName]) -> None:
        self._shelf.append([self._threads.registered(names, self._shelf.now())])

    def write(self, flush: Flush) -> int:
        """Store a flush; return its time in microseconds since 1970.

        Raises
        ------
        ValueError
            The arrays do not belong together, or a node's name cannot be stored.
        """
        _check(flush)
        if not len(flush):
            return self._shelf.now()
        latest = flush.ts or 0 if flush.stamps is None else int(flush.stamps.max())
        ts = self._shelf.now(latest)
        said: Any = get_checkpoint_metadata(flush.config, flush.metadata)  # type: ignore[arg-type]
        metadata = self._codec.packer.pack(said)
        how = self._shelf.compression
        chunks = list(flush_chunks(flush, ts, metadata, self._every, self._codec.pack, how))
        marks = self._branches(flush, ts)
        self._shelf.append([*self._codec.taken(), *marks, *chunks])
        if marks:
            self._marks.refresh()
        self._writer.forget_threads(int(flush.threads.min()), int(flush.threads.max()))
        return ts

    def put_writes(
        self,
        threads: Rows,
        seq: Values,
        tasks: tuple[Sequence[str], Sequence[str]],
        channels: Sequence[str],
        values: Sequence[Any],
        idx: Values | None,
    ) -> None:
        """Store writes; `tasks` are their ids and paths."""
        if not len(threads):
            return
        chunks = writes_chunks(
            threads,
            seq,
            *tasks,
            channels,
            values,
            idx=idx,
            ts=self._shelf.now(),
            pack=self._codec.pack,
            how=self._shelf.compression,
        )
        made = list(chunks)
        self._shelf.append([*self._codec.taken(), *made])

    def _branches(self, flush: Flush, ts: int) -> list[Chunk]:
        """Return the mark that says where threads have their past, if it is not their own."""
        of = flush.parent_thread
        if of is None or not (apart := of != flush.threads).any():
            return []
        lo, hi = int(flush.threads[apart].min()), int(flush.threads[apart].max())
        lineage = self._marks.lineage(int(of[apart].min()), int(of[apart].max()))
        rows: list[Any] = [branch_row(Branch(lo, hi, *past)) for past in lineage]
        return [self._shelf.rows_chunk("marks", rows, ts)]


def _check(flush: Flush) -> None:
    n = len(flush)
    for name in ("seq", "step", "clock", "ran", "due", *OPTIONAL):
        array = getattr(flush, name)
        if array is not None and len(array) != n:
            raise ValueError(f"a flush of {n} threads has {len(array)} values of {name}")
    for channel, parts in flush.changes.items():
        for part in parts:
            m = n if part.where is None else len(part.where)
            if len(part.values) != m or (part.base is not None and len(part.base) != m):
                raise ValueError(f"a change of channel {channel!r} has not {m} values")
