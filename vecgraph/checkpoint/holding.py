"""Rows that wait until several of them can become one chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.checkpoint.chunks import Row
    from vecgraph.checkpoint.storage import Chunk, Kind

    Encode = Callable[[Kind, Sequence[Row], int], Chunk]

__all__ = ["Held"]

_MOST_ROWS = 1 << 10
_MOST_BYTES = 1 << 20


class Held:
    """Rows of single checkpoints and writes, by thread and kind.

    A chunk is of one thread, so that a thread is found without a look at others' chunks.

    Parameters
    ----------
    encode : callable
        Gets kind, rows and time; returns the chunk.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._rows: dict[tuple[int, Kind], list[Row]] = {}
        self._ts: dict[tuple[int, Kind], int] = {}
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether it is time to encode them."""
        return self._count >= _MOST_ROWS or self._bytes >= _MOST_BYTES

    def add(self, kind: Kind, rows: Sequence[Row], ts: int) -> None:
        """Hold rows of one thread; `ts` is when they were written, in microseconds since 1970."""
        key = (rows[0][0], kind)
        self._rows.setdefault(key, []).extend(rows)
        self._ts[key] = ts
        self._count += len(rows)
        for row in rows:
            self._bytes += len(row[2])

    def chunks(self, lo: int | None = None, hi: int | None = None) -> list[Chunk]:
        """Return the rows as chunks; with `lo` and `hi` those of the threads between them."""
        return [self._encode(key[1], self._rows[key], self._ts[key]) for key in self._keys(lo, hi)]

    def drop(self, lo: int | None = None, hi: int | None = None) -> None:
        """Hold rows no more that are in a storage."""
        for key in self._keys(lo, hi):
            rows = self._rows.pop(key)
            del self._ts[key]
            self._count -= len(rows)
            self._bytes -= sum(len(row[2]) for row in rows)

    def _keys(self, lo: int | None, hi: int | None) -> list[tuple[int, Kind]]:
        if lo is None or hi is None:
            return list(self._rows)
        return [key for key in self._rows if lo <= key[0] <= hi]
