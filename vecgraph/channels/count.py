"""Count: how many writes there were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.channels.base import Cell, Channel, Folded
from vecgraph.channels.merging import rows_written
from vecgraph.channels.overwriting import has_overwrite, split_overwrite
from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.positions import positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.channels.base import Write

__all__ = ["Count"]


class Count(Channel):
    """Keep the number of writes, whatever is written.

    A node reads an int, the number itself (no unit); 0 before the first write.
    ``Overwrite(n)`` sets it.

    Parameters
    ----------
    typ : type
        Annotation of the count.
    key : str
        Name of the slot.

    Notes
    -----
    Source: the count of a multiset; NaN and None count like any other write.

    Examples
    --------
    >>> Count().fold(2, ["a", None])
    (4, True)
    """

    def __init__(self, typ: Any = int, key: str = "") -> None:
        super().__init__(typ, key)

    @property
    def UpdateType(self) -> Any:
        """Type of what a node writes: anything."""
        return Any

    def initial(self) -> Cell:
        """Return 0."""
        return 0

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Add the number of `writes`."""
        anew, value = split_overwrite(writes, self.key)
        if anew:
            return int(value), True
        return (0 if cell is MISSING else cell) + len(writes), bool(writes)

    def fold_columns(self, column: Column, writes: Sequence[Write]) -> Folded:
        """Add the number of writes to each run."""
        plain = column.kind == "int" and column.is_full
        if not plain or any(has_overwrite(write.values) for write in writes):
            return super().fold_columns(column, writes)
        where = rows_written(len(column), writes)
        at = np.concatenate([positions(write.where, len(column)) for write in writes])
        counts = column.as_numpy() + np.bincount(at, minlength=len(column))
        return Folded(where, Column(counts if where is None else counts[where]), where)
