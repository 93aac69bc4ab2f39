"""AnyValue: several writers that agree, gone after a superstep without writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from vecgraph.channels.replace import Replace, cleared, forget

if TYPE_CHECKING:
    from vecgraph.channels.base import Cell
    from vecgraph.columns import Column
    from vecgraph.typing import Mask

__all__ = ["AnyValue"]


class AnyValue(Replace):
    """Keep the last of the values written, taking all of them to be equal.

    A superstep that writes nothing clears it.

    Parameters
    ----------
    typ : type
        Annotation of the values.
    key : str
        Name of the slot.
    """

    steady: ClassVar[bool] = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnyValue)

    def __hash__(self) -> int:
        return hash(AnyValue)

    def tick(self, cell: Cell) -> tuple[Cell, bool]:
        """Clear the value."""
        return forget(cell)

    def tick_columns(self, column: Column) -> tuple[Column, Mask]:
        """Clear every row."""
        return cleared(column)
