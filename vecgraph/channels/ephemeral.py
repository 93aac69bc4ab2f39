"""EphemeralValue: a value for the next superstep only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from vecgraph.channels.replace import Replace, cleared, forget
from vecgraph.errors import InvalidUpdateError

if TYPE_CHECKING:
    from vecgraph.channels.base import Cell
    from vecgraph.columns import Column
    from vecgraph.typing import Mask

__all__ = ["EphemeralValue"]


class EphemeralValue(Replace):
    """Keep a value for one superstep: one that writes nothing clears it.

    Parameters
    ----------
    typ : type
        Annotation of the values.
    guard : bool
        Refuse more than one write in a superstep; False: the last one wins.
    """

    steady: ClassVar[bool] = False

    def __init__(self, typ: Any = Any, guard: bool = True) -> None:
        super().__init__(typ)
        self.guard = guard

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EphemeralValue) and other.guard == self.guard

    def __hash__(self) -> int:
        return hash((EphemeralValue, self.guard))

    def _refusal(self) -> InvalidUpdateError | None:
        return InvalidUpdateError.guard(self.key, "EphemeralValue") if self.guard else None

    def tick(self, cell: Cell) -> tuple[Cell, bool]:
        """Clear the value."""
        return forget(cell)

    def tick_columns(self, column: Column) -> tuple[Column, Mask]:
        """Clear every row."""
        return cleared(column)
