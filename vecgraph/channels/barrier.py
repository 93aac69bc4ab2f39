"""NamedBarrierValue: wait until every name was written; and its form that waits for the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vecgraph.channels.base import Cell, Channel, Folded, Write
from vecgraph.channels.merging import rows_written
from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.errors import InvalidUpdateError
from vecgraph.positions import positions

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from vecgraph.typing import Mask, Values


__all__ = ["NamedBarrierValue", "NamedBarrierValueAfterFinish"]

_MOST_BITS = 62


class NamedBarrierValue(Channel):
    """Become available when every one of `names` was written; nodes read None.

    The cell is an int: bit i stands for the i-th of the sorted names. Writing a name
    twice changes nothing. It starts anew when a node that it triggers has run.
    Edges from several nodes (``add_edge(["a", "b"], "c")``) are such channels.

    Parameters
    ----------
    typ : type
        Annotation of a name.
    names : set
        Hashable values to wait for.

    Examples
    --------
    >>> barrier = NamedBarrierValue(str, {"a", "b"})
    >>> cell, changed = barrier.fold(barrier.initial(), ["b"])
    >>> cell, changed, barrier.available(cell), barrier.seen(cell)
    (2, True, False, {'b'})
    """

    steady: ClassVar[bool] = False
    plain = False

    def __init__(self, typ: Any, names: Collection[Any]) -> None:
        super().__init__(typ)
        self.names = names
        self._bits = {name: 1 << i for i, name in enumerate(_in_order(names))}
        self._full = (1 << len(self._bits)) - 1

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.names == self.names

    def __hash__(self) -> int:
        return hash((type(self), frozenset(self.names)))

    def seen(self, cell: Cell) -> set[Any]:
        """Return the names written so far."""
        return {name for name, bit in self._bits.items() if cell & bit}

    def initial(self) -> Cell:
        """Return the cell in which no name was written."""
        return 0

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Add the names written; changed if one is new.

        Raises
        ------
        InvalidUpdateError
            A value is none of the names.
        """
        before = cell or 0  # MISSING: nothing seen
        after = before
        for value in writes:
            if value not in self._bits:
                raise InvalidUpdateError.not_a_name(self.key, value, self.names)
            after |= self._bits[value]
        return after, after != before

    def checkpoint(self, cell: Cell) -> Any:
        """Return the set of names written so far."""
        return self.seen(cell or 0)

    def restore(self, value: Any) -> Cell:
        """Return the cell in which the names of a set were written."""
        return 0 if value is MISSING else self._cell(value)

    def _cell(self, seen: Collection[Any]) -> int:
        return sum(self._bits[name] for name in set(seen))

    def available(self, cell: Cell) -> bool:
        """Return whether every name was written."""
        return bool(cell == self._full)

    def read(self, cell: Cell) -> None:
        """Return None: the barrier has no value."""

    def consume(self, cell: Cell) -> tuple[Cell, bool]:
        """Start anew if the barrier was passed."""
        return (0, True) if self.available(cell) else (cell, False)

    def fold_columns(self, column: Column, writes: Sequence[Write]) -> Folded:
        """Add the names written, as bits."""
        bits = self._bits_of(writes) if self._is_bits(column) else None
        if bits is None:
            return super().fold_columns(column, writes)
        before = column.as_numpy()
        after = before.copy()
        for write, bit in zip(writes, bits, strict=True):
            np.bitwise_or.at(after, positions(write.where, len(column)), bit)
        where = rows_written(len(column), writes)
        if where is None:
            return Folded(where, Column(after), np.flatnonzero(after != before))
        return Folded(where, Column(after[where]), where[after[where] != before[where]])

    def _is_bits(self, column: Column) -> bool:
        return column.kind == "int" and column.is_full and len(self._bits) <= _MOST_BITS

    def _bits_of(self, writes: Sequence[Write]) -> list[Values] | None:
        """Return the bits of each value, or None if a name is unknown."""
        bit = self._bits.__getitem__
        try:
            return [np.fromiter(map(bit, w.values.tolist()), np.int64) for w in writes]
        except (KeyError, TypeError):  # the general path knows which run fails, and how
            return None

    def available_columns(self, column: Column) -> Mask | None:
        """Return in which rows every name was written."""
        if not self._is_bits(column):
            return super().available_columns(column)
        return np.asarray(column.as_numpy() == self._full)

    def read_columns(self, column: Column) -> Column:
        """Return None where the barrier is passed."""
        return Column(np.full(len(column), None, object), self.available_columns(column))

    def tick_columns(self, column: Column) -> tuple[Column, Mask]:
        """Return the column: a superstep without writes changes nothing."""
        return column, np.zeros(len(column), np.bool_)

    def consume_columns(self, column: Column) -> tuple[Column, Mask]:
        """Start anew where the barrier was passed."""
        passed = self.available_columns(column)
        if passed is None or not self._is_bits(column):
            return super().consume_columns(column)
        return (Column(np.where(passed, 0, column.as_numpy())) if passed.any() else column), passed


class NamedBarrierValueAfterFinish(NamedBarrierValue):
    """A barrier that, once every name was written, opens only when the run is about to end.

    The cell has one more bit: whether `finish` has opened it. A join into a deferred
    node is such a channel.

    Parameters
    ----------
    typ : type
        Annotation of a name.
    names : set
        Hashable values to wait for.
    """

    def __init__(self, typ: Any, names: Collection[Any]) -> None:
        super().__init__(typ, names)
        self._closed = self._full
        self._full |= 1 << len(self._bits)

    def checkpoint(self, cell: Cell) -> Any:
        """Return the set of names written so far, and whether `finish` has opened it."""
        return self.seen(cell or 0), cell == self._full

    def restore(self, value: Any) -> Cell:
        """Return the cell of which `checkpoint` gave (names, opened)."""
        if value is MISSING:
            return 0
        seen, opened = value
        return self._full if opened else self._cell(seen)

    def finish(self, cell: Cell) -> tuple[Cell, bool]:
        """Open the barrier if every name was written."""
        return (self._full, True) if cell == self._closed else (cell, False)

    def finish_columns(self, column: Column) -> tuple[Column, Mask]:
        """Open the barrier where every name was written."""
        if not self._is_bits(column):
            return super().finish_columns(column)
        ready = np.asarray(column.as_numpy() == self._closed)
        cells = np.where(ready, self._full, column.as_numpy())
        return (Column(cells) if ready.any() else column), ready


def _in_order(names: Collection[Any]) -> list[Any]:
    # The same order in every process, so that a cell can be read back in another.
    return sorted(names, key=lambda name: (type(name).__name__, repr(name)))
