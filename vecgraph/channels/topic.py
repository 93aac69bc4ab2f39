"""Topic: a list of what was published, for one superstep or for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Union

from vecgraph.channels.base import Cell, Channel
from vecgraph.constants import MISSING

__all__ = ["Topic"]


class Topic(Channel):
    """Collect the values written; a list counts as its elements.

    The cell is a tuple, `MISSING` before the first write; nodes read a list. An empty
    topic is not available.

    Parameters
    ----------
    typ : type
        Annotation of one value.
    accumulate : bool
        Keep the values of earlier supersteps; False: each superstep starts empty.

    Examples
    --------
    >>> Topic(int).fold((0,), [1, [2, 3]])
    ((1, 2, 3), True)
    """

    steady: ClassVar[bool] = False
    plain = False

    def __init__(self, typ: Any = Any, accumulate: bool = False) -> None:
        super().__init__(typ)
        self.accumulate = accumulate

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topic) and other.accumulate == self.accumulate

    def __hash__(self) -> int:
        return hash((Topic, self.accumulate))

    @property
    def ValueType(self) -> Any:
        """Type of what a node reads: a sequence of `typ`."""
        return _generic(Sequence, self.typ)

    @property
    def UpdateType(self) -> Any:
        """Type of what a node writes: a `typ`, or a list of them."""
        return _generic(Union, (self.typ, _generic(list, self.typ)))

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Add `writes`, in order, to what is kept."""
        old = () if cell is MISSING else cell
        new: list[Any] = []
        for value in writes:
            if isinstance(value, list):
                new.extend(value)
            else:
                new.append(value)
        if self.accumulate:
            return (*old, *new), bool(new)
        return tuple(new), bool(old or new)

    def available(self, cell: Cell) -> bool:
        """Return whether anything is kept."""
        return bool(cell)

    def read(self, cell: Cell) -> list[Any]:
        """Return what is kept, as a new list."""
        return list(cell)

    def checkpoint(self, cell: Cell) -> Any:
        """Return what is kept, as a list."""
        return list(cell or ())

    def restore(self, value: Any) -> Cell:
        """Return the cell that keeps `value`; a pair is how LangGraph's early versions kept it."""
        if value is MISSING:
            return MISSING
        return tuple(value[1] if isinstance(value, tuple) else value)

    def tick(self, cell: Cell) -> tuple[Cell, bool]:
        """Empty the topic, unless it accumulates."""
        return (cell, False) if self.accumulate else ((), bool(cell))


def _generic(origin: Any, arguments: Any) -> Any:
    return origin[arguments]
