"""TopK: the k greatest (or least) of what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.channels.kept import Kept

if TYPE_CHECKING:
    from vecgraph.channels.base import Cell
    from vecgraph.channels.statistic import Record
    from vecgraph.typing import Values

__all__ = ["TopK"]


class TopK(Kept):
    """Keep the k greatest of all writes, best first.

    A node reads a tuple of at most `k` writes, as they were, in their unit; ``()`` before
    the first. Of equal writes the earlier one stands first, and stays. NaN is left out.

    Parameters
    ----------
    typ : type
        Annotation of one write: anything that ``<=`` compares.
    k : int
        How many to keep.
    largest : bool
        False: keep the least.

    Notes
    -----
    The cell is (number kept, values). A write is inserted behind those that are at least
    as good: insertion sort, D. E. Knuth, The Art of Computer Programming 3, 5.2.1.

    Examples
    --------
    >>> best = TopK(int, k=2)
    >>> best.read(best.fold(best.initial(), [3, 9, 4])[0])
    (9, 4)
    """

    def __init__(self, typ: Any = float, *, k: int, largest: bool = True) -> None:
        if k < 1:
            raise ValueError(f"TopK keeps at least 1 write, got k={k}")
        super().__init__(typ, k)
        self.k = k
        self.largest = largest

    def _settings(self) -> tuple[Any, ...]:
        return (self.k, self.largest)

    def _add(self, record: Record, x: Any) -> Record:
        held = self._held(record)
        if x != x:  # noqa: PLR0124 - a NaN has no rank
            return len(held), held
        rank = sum((v >= x) if self.largest else (v <= x) for v in held)
        held = (*held[:rank], x, *held[rank:])[: self.k]
        return len(held), held

    def _add_rows(self, records: Values, x: Values) -> None:
        count, values, x = records["count"][:, None], records["values"].copy(), x[:, None]
        slot = np.arange(self.k)
        as_good = values >= x if self.largest else values <= x
        rank = (as_good & (slot < count)).sum(axis=1, keepdims=True)
        behind = np.roll(values, 1, axis=1)
        inserted = np.where(slot < rank, values, np.where(slot == rank, x, behind))
        number = x == x  # noqa: PLR0124 - a NaN has no rank
        records["values"] = np.where(number, inserted, values)
        records["count"] = np.minimum(count + number, self.k)[:, 0]

    def read(self, cell: Cell) -> tuple[Any, ...]:
        """Return what is kept, best first."""
        return self._held(cell)
