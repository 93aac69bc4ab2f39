"""How a flush gets into a storage: at once, in the background, or without waiting for the disk."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.checkpoint.storage import Chunk, Header, Storage

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
    durability : str
        With ``"async"`` one thread appends whatever waits as one flush. If that fails nothing
        that was added since is kept, and the error is raised by the next call.
    guard : lock
        Held while the storage is called.
    on_failure : callable
        Called when a flush is lost: what the log knows by heart may not be true any more.
    """

    def __init__(
        self,
        storage: Storage,
        durability: Durability,
        guard: threading.RLock,
        on_failure: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._durability = durability
        self._guard = guard
        self._on_failure = on_failure
        self._waiting: deque[list[Chunk]] = deque()
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
            self._enqueue(list(chunks))
            return None
        return self._append(chunks)

    def _append(self, chunks: Sequence[Chunk]) -> list[Header]:
        try:
            with self._guard:
                headers = self._storage.append(chunks, durable=self._durability != "exit")
        except BaseException:
            self._on_failure()
            raise
        self.numbers.update(header.number for header in headers)
        return headers

    def _enqueue(self, chunks: list[Chunk]) -> None:
        size = sum(len(chunk.payload) for chunk in chunks)
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(size) or self._error is not None)
            self._raise()
            self._waiting.append(chunks)
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
                chunks = [chunk for flush in self._waiting for chunk in flush]
                self._waiting.clear()
                self._bytes, self._busy = 0, True
                self._changed.notify_all()
            self._store(chunks)

    def _store(self, chunks: list[Chunk]) -> None:
        error: BaseException | None = None
        try:
            self._append(chunks)
        except BaseException as raised:  # noqa: BLE001 - it belongs to whoever calls next
            error = raised
        with self._changed:
            self._busy = False
            if error is not None:
                # What came after a lost flush may build on it.
                self._waiting.clear()
                self._bytes, self._error = 0, error
            self._changed.notify_all()
