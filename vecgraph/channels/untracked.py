"""UntrackedValue: a value that no checkpoint keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from vecgraph.channels.replace import Replace
from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.errors import InvalidUpdateError

if TYPE_CHECKING:
    from vecgraph.channels.base import Cell

__all__ = ["UntrackedValue"]


class UntrackedValue(Replace):
    """Keep the last value within a run; checkpoints leave it out.

    Parameters
    ----------
    typ : type
        Annotation of the values.
    guard : bool
        Refuse more than one write in a superstep; False: the last one wins.
    """

    tracked: ClassVar[bool] = False

    def __init__(self, typ: Any = Any, guard: bool = True) -> None:
        super().__init__(typ)
        self.guard = guard

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntrackedValue) and other.guard == self.guard

    def __hash__(self) -> int:
        return hash((UntrackedValue, self.guard))

    def checkpoint(self, cell: Cell) -> Any:
        """Return `MISSING`: nothing is kept."""
        return MISSING

    def checkpoint_columns(self, column: Column) -> Column:
        """Return a column of which no row is present."""
        return Column.absent(len(column))

    def restore(self, value: Any) -> Cell:
        """Return the cell of a run that has not written, whatever was kept."""
        return MISSING

    def _refusal(self) -> InvalidUpdateError | None:
        return InvalidUpdateError.guard(self.key, "UntrackedValue") if self.guard else None
