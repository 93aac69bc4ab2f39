"""SetUnion: everything that was ever written, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.channels.base import Cell, Channel
from vecgraph.channels.overwriting import split_overwrite
from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SetUnion"]


class SetUnion(Channel):
    """Keep the set of everything that was written.

    A write that is a set, a frozenset or a list adds its elements; any other adds itself
    (a tuple is one element). A node reads a frozenset (no unit), empty before the first
    write. Elements are the same as Python has it: 1, 1.0 and True are, of which the
    first stays. NaN is one element.

    `Overwrite` starts anew with the elements of its value; None stands for none.

    Parameters
    ----------
    typ : type
        Annotation of the set.
    key : str
        Name of the slot.

    Notes
    -----
    Source: the grow-only set, M. Shapiro et al., "A comprehensive study of convergent and
    commutative replicated data types", INRIA RR-7506 (2011), section 3.3.1.

    Examples
    --------
    >>> cell, _ = SetUnion().fold(frozenset(), ["b", ["a", "b"]])
    >>> sorted(cell)
    ['a', 'b']
    """

    def __init__(self, typ: Any = frozenset, key: str = "") -> None:
        super().__init__(typ, key)

    def initial(self) -> Cell:
        """Return the empty set."""
        return frozenset()

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Add the elements of `writes`."""
        if not writes:
            return cell, False
        anew, value = split_overwrite(writes, self.key)
        if anew:
            cell, writes = frozenset(), [] if value is None else [value]
        known: frozenset[Any] = frozenset() if cell is MISSING else cell
        new = known.union(*map(_elements, writes))
        nans = [e for write in writes for e in _elements(write) if _is_nan(e)]
        if nans:  # each may be another object: a column of floats makes a new one of each
            new = (new - set(nans)) | {next(filter(_is_nan, known), nans[0])}
        return new, True


def _elements(value: Any) -> Any:
    return value if isinstance(value, set | frozenset | list) else (value,)


def _is_nan(element: Any) -> bool:
    return isinstance(element, float) and element != element  # noqa: PLR0124
