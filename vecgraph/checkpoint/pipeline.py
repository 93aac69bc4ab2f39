"""How a flush gets into a storage: at once, in the background, or without waiting for the disk."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Literal

from vecgraph.checkpoint.holding import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.checkpoint.chunks import Row
    from vecgraph.checkpoint.holding import Encode
    from vecgraph.checkpoint.storage import Chunk, Header, Kind, Storage

    _Flush = list[Chunk] | tuple[Kind, Sequence[Row], int]

__all__ = ["Durability", "Pipeline"]

Durability = Literal["sync", "async", "exit"]
"""When a flush is safe from a power failure: before the call returns, soon, when it is closed."""

_MOST_FLUSHES = 64
_MOST_BYTES = 256 << 20
"""What may be in flight; whoever wants to add more waits."""


class Pipeline:
    """Appends to a storage, one flush after the other.

    Parameters
    ----------
    storage : Storage
        In one that is `volatile` a row is no safer than beside it: rows that come one at a time
        wait until somebody looks for them, and are encoded together.
    durability : str
        With ``"async"`` one thread appends whatever waits as one flush. If that fails nothing
        that was added since is kept, and the error is raised by the next call.
    encode : callable
        Makes a chunk of rows.
    guard : lock
        Held while the storage is called.
    on_failure : callable
        Called when a flush is lost: what the log knows by heart may not be true any more.

    Attributes
    ----------
    holds : bool
        Whether rows wait here.
    numbers : set of int
        Chunks that were appended from here.
    """

    def __init__(
        self,
        storage: Storage,
        durability: Durability,
        encode: Encode,
        guard: threading.RLock,
        on_failure: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._durability = durability
        self._encode = encode
        self._guard = guard
        self._on_failure = on_failure
        self._held = Held(encode)
        self.holds = durability != "async" and bool(getattr(storage, "volatile", False))
        self._waiting: deque[_Flush] = deque()
        self._bytes = 0
        self._busy = False
        self._closing = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self.numbers: set[int] = set()

    def append(self, chunks: Sequence[Chunk]) -> list[Header] | None:
        """Append a flush; return its headers, None if they are not known yet."""
        if self._durability == "async":
            flush = list(chunks)
            self._enqueue(flush, sum(len(chunk.payload) for chunk in flush))
            return None
        return self._append(chunks)

    def add(self, kind: Kind, rows: Sequence[Row], ts: int, before: Sequence[Chunk] = ()) -> None:
        """Append a flush of a thread's rows, and of chunks that they refer to."""
        if self.holds:
            with self._guard:
                if before:
                    self._append(before)
                self._held.add(kind, rows, ts)
                if self._held.is_full:
                    self.settle()
        elif self._durability == "async" and not before:
            self._enqueue((kind, rows, ts), sum(len(row[2]) for row in rows))
        else:
            self.append([*before, self._encode(kind, rows, ts)])

    def settle(self, lo: int | None = None, hi: int | None = None) -> None:
        """Append the rows that are held; with `lo` and `hi` those of the threads between them."""
        with self._guard:
            if chunks := self._held.chunks(lo, hi):
                self._append(chunks)
                self._held.drop(lo, hi)

    def _append(self, chunks: Sequence[Chunk]) -> list[Header]:
        try:
            with self._guard:
                headers = self._storage.append(chunks, durable=self._durability != "exit")
        except BaseException:
            self._on_failure()
            raise
        self.numbers.update(header.number for header in headers)
        return headers

    def _enqueue(self, flush: _Flush, size: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(size) or self._error is not None)
            self._raise()
            self._waiting.append(flush)
            self._bytes += size
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="vecgraph-checkpoints", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        # A flush larger than the limit goes alone.
        fits = self._bytes + size <= _MOST_BYTES or not self._waiting
        return len(self._waiting) < _MOST_FLUSHES and fits

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def drain(self) -> None:
        """Wait until everything is in the storage.

        Raises
        ------
        CheckpointWriteError
            An earlier flush could not be stored.
        """
        if self._durability == "async":
            with self._changed:
                self._changed.wait_for(lambda: not self._waiting and not self._busy)
                self._raise()
        else:
            self.settle()

    def sync(self) -> None:
        """Wait until everything is durable."""
        self.drain()
        with self._guard:
            self._storage.append([], durable=True)

    def close(self) -> None:
        """Stop the thread, once everything is in the storage."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._raise()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._closing)
                if not self._waiting:
                    return
                flushes = list(self._waiting)
                self._waiting.clear()
                self._bytes, self._busy = 0, True
                self._changed.notify_all()
            self._store(flushes)

    def _store(self, flushes: list[_Flush]) -> None:
        error: BaseException | None = None
        try:
            self._append(self._joined(flushes))
        except BaseException as raised:  # noqa: BLE001 - it belongs to whoever calls next
            error = raised
        with self._changed:
            self._busy = False
            if error is not None:
                # What came after a lost flush may build on it.
                self._waiting.clear()
                self._bytes, self._error = 0, error
            self._changed.notify_all()

    def _joined(self, flushes: list[_Flush]) -> list[Chunk]:
        """Return flushes as one, rows that came one by one put together."""
        chunks, held = [], Held(self._encode)
        for flush in flushes:
            if isinstance(flush, tuple):
                held.add(*flush)
                continue
            chunks += held.chunks()
            held.drop()
            chunks += flush
        return chunks + held.chunks()
