"""RingBuffer: the last few of what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.channels.kept import Kept

if TYPE_CHECKING:
    from vecgraph.channels.base import Cell
    from vecgraph.channels.statistic import Record
    from vecgraph.typing import Values

__all__ = ["RingBuffer"]


class RingBuffer(Kept):
    """Keep the last `size` writes, in the order in which they were written.

    A node reads a tuple of at most `size` writes, as they were, oldest first, in their
    unit; ``()`` before the first. NaN and None are kept like any other write.

    Parameters
    ----------
    typ : type
        Annotation of one write.
    size : int
        How many to keep.

    Notes
    -----
    The cell is (number of writes so far, values); the i-th write lies at ``i % size``.

    Source: circular queues, D. E. Knuth, The Art of Computer Programming 1, 2.2.2.

    Examples
    --------
    >>> recent = RingBuffer(int, size=2)
    >>> recent.read(recent.fold(recent.initial(), [1, 2, 3])[0])
    (2, 3)
    """

    def __init__(self, typ: Any = float, *, size: int) -> None:
        if size < 1:
            raise ValueError(f"RingBuffer keeps at least 1 write, got size={size}")
        super().__init__(typ, size)
        self.size = size

    def _settings(self) -> tuple[Any, ...]:
        return (self.size,)

    def _add(self, record: Record, x: Any) -> Record:
        held, at = self._held(record), record[0] % self.size
        return record[0] + 1, (*held[:at], x, *held[at + 1 :])

    def _add_rows(self, records: Values, x: Values) -> None:
        records["values"][np.arange(len(records)), records["count"] % self.size] = x
        records["count"] += 1

    def read(self, cell: Cell) -> tuple[Any, ...]:
        """Return what is kept, oldest first."""
        held = self._held(cell)
        at = cell[0] % self.size if len(held) == self.size else 0
        return (*held[at:], *held[:at])

    def _in_order(self, records: Values) -> Values:
        oldest = np.where(records["count"] > self.size, records["count"] % self.size, 0)
        slots = (oldest[:, None] + np.arange(self.size)) % self.size
        return np.take_along_axis(records["values"], slots, axis=1)
