"""The words of many streams, computed blocks ahead of the draws that use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from vecgraph.rng._philox import Positions, Words, philox

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RowWords"]

# Blocks per pass: the dozen buffers of a pass then stay in the second-level cache.
_BLOCK: Final = 4096
# Words computed ahead for all rows together, unless one block of each row is more: enough to
# make NumPy's cost per call small, and little enough to keep.
_AHEAD: Final = 1 << 15


class RowWords:
    """The 64-bit words of M streams, each read in order.

    Parameters
    ----------
    size : int
        M.
    counters : three uint64 ndarrays of shape (M,) or (1,)
        Words 1 to 3 of the counters; kept, not modified.
    key : tuple of two ints
        64 bits each.

    Attributes
    ----------
    ahead : int
        Words that each row is about to read, as far as known; changes no word, only how many
        are computed at once.
    """

    def __init__(self, size: int, counters: Sequence[Words], key: tuple[int, int]) -> None:
        self.ahead = 1
        self._size = size
        self._counters = counters
        self._key = key
        # Words read by every row, and the word behind the buffer, while all rows read alike;
        # `_level` is None since they differ, and then the arrays below count row by row.
        self._level: int | None = 0
        self._end = 0
        # Entry [w, i] is word `_start[i] + w` of row i, for words below `_stop[i]`.
        self._buffer: Words = np.empty((0, size), np.uint64)
        self._used = self._start = self._stop = np.empty(0, np.int64)

    @property
    def limit(self) -> int:
        """Words of each row that are worth computing at once; at least one."""
        return max(1, _AHEAD // max(self._size, 1))

    def take(self, most: int) -> Words:
        """Read one to `most` words of all rows, shape (words, M). Do not modify them."""
        if self._level is None:
            return self._gather(np.arange(self._size), min(most, self.limit))
        if self._level == self._end:
            blocks = (min(max(self.ahead, most), self.limit) + 3) >> 2
            self._buffer = self._compute(None, np.array([self._end >> 2]), blocks)
            self._end += 4 * blocks
        begin = self._level - self._end + len(self._buffer)
        words: Words = self._buffer[begin : begin + most]
        self._level += len(words)
        return words

    def take_at(self, where: Positions | None = None) -> Words:
        """Read a word of all rows, or of the rows at `where` (unique). Do not modify it."""
        if where is None:
            words: Words = self.take(1)[0]
        else:
            self.part()
            words = self._gather(where, 1)[0]
        return words

    def back(self, count: int) -> None:
        """Give back the last words that `take` returned, to be read again."""
        if self._level is None:
            self._used -= count
        else:
            self._level -= count

    def part(self) -> npt.NDArray[np.int64]:
        """Count row by row from now on.

        Returns
        -------
        int64 ndarray of shape (M,)
            The words that each row has read: a row goes on behind them, and a change to it
            moves the row on, or back to what the last `take` returned.
        """
        if self._level is not None:
            self._used = np.full(self._size, self._level)
            self._start = np.full(self._size, self._end - len(self._buffer))
            self._stop = np.full(self._size, self._end)
            self._level = None
        return self._used

    def _gather(self, positions: Positions, count: int) -> Words:
        used = self._used[positions]
        stale = np.flatnonzero(used + count > self._stop[positions])
        if stale.size:
            self._refill(positions[stale], used[stale], count)
        entries = used - self._start[positions]
        self._used[positions] = used + count
        words: Words = self._buffer[entries + np.arange(count)[:, None], positions]
        return words

    def _refill(self, rows: Positions, used: npt.NDArray[np.int64], count: int) -> None:
        """Compute the blocks of the next `count` words of each row, and more if announced."""
        wanted = max(count, min(self.ahead, self.limit))
        blocks = (int((used & 3).max()) + wanted + 3) >> 2
        numbers = used >> 2
        words = self._compute(rows, numbers, blocks)
        if rows.size == self._size:
            self._buffer = np.empty((0, self._size), np.uint64)  # nothing of it is needed
        if len(self._buffer) < len(words):
            longer = np.empty((len(words), self._size), np.uint64)
            longer[: len(self._buffer)] = self._buffer
            self._buffer = longer
        self._buffer[: len(words), rows] = words
        self._start[rows] = 4 * numbers
        self._stop[rows] = 4 * (numbers + blocks)

    def _compute(
        self, where: Positions | None, numbers: npt.NDArray[np.int64], blocks: int
    ) -> Words:
        """Compute `blocks` blocks of four words from each row's number on; they count from 0."""
        size = self._size if where is None else where.size
        # NumPy increments before it encrypts.
        counter = [(numbers + 1).astype(np.uint64)]
        counter.extend(
            each if where is None or each.size == 1 else each[where] for each in self._counters
        )
        words = np.empty((blocks, 4, size), np.uint64)
        together = max(1, _BLOCK // max(size, 1))
        for begin in range(0, size, _BLOCK):
            columns = slice(begin, begin + _BLOCK)
            part = [each if each.size == 1 else each[columns] for each in counter]
            for first in range(0, blocks, together):
                block = words[first : first + together, :, columns]
                self._encrypt(part, first, block)
        return words.reshape(4 * blocks, size)

    def _encrypt(self, counter: Sequence[Words], first: int, block: Words) -> None:
        """Fill `block` (blocks, 4, rows), `first` blocks behind the counters."""
        count, _, size = block.shape
        words = np.empty((4, count, size), np.uint64)
        words[0] = counter[0] + np.arange(first, first + count, dtype=np.uint64)[:, None]
        words[1], words[2], words[3] = counter[1:]
        for lane, word in enumerate(philox(words, self._key)):
            block[:, lane] = word
