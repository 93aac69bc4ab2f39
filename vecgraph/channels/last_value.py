"""LastValue: one write per superstep; and its form that waits for the run's end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vecgraph.channels.base import Cell, Channel, Folded, Write
from vecgraph.channels.merging import merge, only_write
from vecgraph.channels.replace import Replace
from vecgraph.columns import Column, objects
from vecgraph.constants import MISSING
from vecgraph.errors import InvalidUpdateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.typing import Mask

__all__ = ["LastValue", "LastValueAfterFinish"]


class LastValue(Replace):
    """Keep the value written last; more than one write in a superstep is an error.

    It is the channel of every key that is not annotated with another. Two writes are
    refused even if they are equal; one equal to the old value counts as a change.

    Parameters
    ----------
    typ : type
        Annotation of the values.
    key : str
        Name of the slot.

    Examples
    --------
    >>> LastValue(int).fold(1, [2])
    (2, True)
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LastValue)

    def __hash__(self) -> int:
        return hash(LastValue)

    def _refusal(self) -> InvalidUpdateError:
        return InvalidUpdateError.two_writers(self.key)


class LastValueAfterFinish(Channel):
    """Keep the value written last, and show it only when the run is about to end.

    The cell is ``(value, finished)``. Any number of writes is fine; a new one hides
    the value again. It is cleared when a node that it triggers has run. Deferred nodes
    (``add_node(..., defer=True)``) are triggered through it.

    Parameters
    ----------
    typ : type
        Annotation of the values.
    key : str
        Name of the slot.
    """

    steady: ClassVar[bool] = False
    plain = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LastValueAfterFinish)

    def __hash__(self) -> int:
        return hash(LastValueAfterFinish)

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Keep the last of `writes`, hidden until `finish`."""
        return ((writes[-1], False), True) if writes else (cell, False)

    def available(self, cell: Cell) -> bool:
        """Return whether the value was written and `finish` came after it."""
        return cell is not MISSING and bool(cell[1])

    def read(self, cell: Cell) -> Any:
        """Return the value."""
        return cell[0]

    def restore(self, value: Any) -> Cell:
        """Return the cell of which a checkpoint kept (value, finished)."""
        return value if value is MISSING else (value[0], bool(value[1]))

    def consume(self, cell: Cell) -> tuple[Cell, bool]:
        """Clear the value if it was shown."""
        return (MISSING, True) if self.available(cell) else (cell, False)

    def finish(self, cell: Cell) -> tuple[Cell, bool]:
        """Show the value."""
        if cell is MISSING or cell[1]:
            return cell, False
        return (cell[0], True), True

    def fold_columns(self, column: Column, writes: Sequence[Write]) -> Folded:
        """Keep the last value of each row."""
        write = only_write(writes)
        if write is None:
            merged = merge(len(column), writes)
            where, last = merged.where, merged.last
        else:
            where, last = write.where, write.values
        cells = Column(objects([(value, False) for value in last.tolist()]))
        return Folded(where, cells, where)

    def tick_columns(self, column: Column) -> tuple[Column, Mask]:
        """Return the column: a superstep without writes changes nothing."""
        return column, np.zeros(len(column), np.bool_)
