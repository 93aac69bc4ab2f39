"""Threads and checkpoints of many runs at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint._forms import get_checkpoint_metadata
from vecgraph.checkpoint.columnform import flush_chunks
from vecgraph.checkpoint.threads import ThreadName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.checkpoint.codec import Codec
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.threads import Threads
    from vecgraph.checkpoint.writer import Writer
    from vecgraph.engine.flush import Flush
    from vecgraph.typing import Mask, Rows

__all__ = ["Bulk"]


class Bulk:
    """Registers threads, and writes checkpoints in column form.

    Parameters
    ----------
    shelf, threads, writer, codec
        Of the log.
    snapshot_every : int
    """

    def __init__(
        self, shelf: Shelf, threads: Threads, writer: Writer, codec: Codec, snapshot_every: int
    ) -> None:
        self._shelf = shelf
        self._threads = threads
        self._writer = writer
        self._codec = codec
        self._every = snapshot_every

    def register(self, names: Sequence[str], ns: str) -> tuple[Rows, Mask]:
        """Return the number of each thread, and which are new; those are registered."""
        known = self._known(names, ns)
        fresh = known < 0
        at = np.flatnonzero(fresh)
        if len(at):
            first = self._shelf.reserve(len(at))
            known[at] = np.arange(first, first + len(at))
            made = _ranges([names[i] for i in at.tolist()], ns, first)
            self._shelf.append([self._threads.registered(made, self._shelf.now())])
        return known, fresh

    def _known(self, names: Sequence[str], ns: str) -> Rows:
        if not self._threads.any():
            return np.full(len(names), -1, np.int64)
        found = (self._threads.number(name, ns) for name in names)
        numbers = (-1 if number is None else number for number in found)
        return np.fromiter(numbers, np.int64, len(names))

    def write(self, flush: Flush) -> None:
        """Store a flush."""
        if not len(flush):
            return
        ts = self._shelf.now() if flush.ts is None else flush.ts
        self._shelf.passed(ts)
        said: Any = get_checkpoint_metadata(flush.config, flush.metadata)  # type: ignore[arg-type]
        metadata = self._codec.packer.pack(said)
        how: Any = self._shelf.compression
        chunks = list(flush_chunks(flush, ts, metadata, self._every, self._codec.pack, how))
        self._shelf.append([*self._codec.taken(), *chunks])
        self._writer.forget_threads(flush.threads)


def _ranges(names: Sequence[str], ns: str, first: int) -> list[ThreadName]:
    """Return names as few ranges: those that count up share one."""
    made: list[ThreadName] = []
    begin = 0
    while begin < len(names):
        end = begin + 1
        prefix, number = _split(names[begin])
        if number is not None:
            while end < len(names) and names[end] == f"{prefix}{number + end - begin}":
                end += 1
        if end - begin > 1 and number is not None:
            made.append(ThreadName(first + begin, prefix, ns, end - begin, number))
        else:
            made.append(ThreadName(first + begin, names[begin], ns))
        begin = end
    return made


def _split(name: str) -> tuple[str, int | None]:
    """Return what stands before the number that a name ends with, and that number."""
    prefix = name.rstrip("0123456789")
    digits = name[len(prefix) :]
    while len(digits) > 1 and digits[0] == "0":
        prefix, digits = f"{prefix}0", digits[1:]
    if not digits.isascii() or not digits or len(digits) > 18:
        return name, None
    return prefix, int(digits)
