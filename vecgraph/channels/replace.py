"""What the channels that keep the last value written have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from vecgraph.channels.base import Cell, Channel, Folded, Write
from vecgraph.channels.merging import merge, only_write
from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.positions import mask_of, without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.errors import InvalidUpdateError
    from vecgraph.typing import Mask

__all__ = ["Replace", "cleared", "forget"]


class Replace(Channel):
    """A channel whose cell is the last value written.

    Subclasses say in `_refusal` whether a second write in one superstep is an error.
    """

    replaces: ClassVar[bool] = True

    def _refusal(self) -> InvalidUpdateError | None:
        """Return a new error for a run with several writes; None: the last one wins."""
        return None

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Return the last of `writes`; see the class for what several of them mean."""
        if not writes:
            return cell, False
        if len(writes) > 1:
            refusal = self._refusal()
            if refusal is not None:
                raise refusal
        return writes[-1], True

    def fold_columns(self, column: Column, writes: Sequence[Write]) -> Folded:
        """Adopt the values of one write; keep the last value of each row of several."""
        write = only_write(writes)
        if write is not None:
            return Folded(write.where, write.values, write.where)
        merged = merge(len(column), writes)
        if not len(merged.several) or self._refusal() is None:
            return Folded(merged.where, merged.last, merged.where)
        failures: list[tuple[int, BaseException]] = []
        for position in merged.several.tolist():
            error = self._refusal()
            if error is not None:
                failures.append((position, error))
        changed = without(merged.where, mask_of(merged.several, len(column)))
        return Folded(merged.where, merged.last, changed, failures)


def cleared(column: Column) -> tuple[Column, Mask]:
    """Return a column in which no row is present, and which rows that changes."""
    return Column.absent(len(column)), column.mask().copy()


def forget(cell: Cell) -> tuple[Cell, bool]:
    """Return the cell of a value that lives for one superstep, a superstep later."""
    return MISSING, cell is not MISSING
