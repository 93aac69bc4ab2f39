"""Columns of one type, or of a few, while an expression is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from vecgraph.columns import taken
from vecgraph.nodes import _expr_arrow as arrow

if TYPE_CHECKING:
    import numpy.typing as npt

    from vecgraph.typing import Mask, Values

    Positions: TypeAlias = npt.NDArray[np.intp]

__all__ = [
    "DTYPES",
    "INT64",
    "KINDS",
    "ZEROS",
    "Union",
    "Vector",
    "constant",
    "fits",
    "plain",
    "with_none",
]

INT64: Final = (-(2**63), 2**63 - 1)
DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "b": np.dtype(np.bool_),
    "i": np.dtype(np.int64),
    "f": np.dtype(np.float64),
    "s": np.dtype(object),
    "n": np.dtype(object),
    "o": np.dtype(object),
}
KINDS: Final[dict[type, str]] = {bool: "b", int: "i", float: "f", str: "s", type(None): "n"}
ZEROS: Final[dict[str, Any]] = {"b": False, "i": 0, "f": 0.0, "s": "", "n": None, "o": None}
_NOTHING: Final = np.array(None, np.dtype(object))


def fits(low: int, high: int) -> bool:
    """Tell whether an interval of ints lies within int64."""
    return INT64[0] <= low and high <= INT64[1]


@dataclass(slots=True)
class Vector:
    """The value of a subexpression on the rows of a frame.

    Attributes
    ----------
    kind : str
        ``b`` bool, ``i`` int64, ``f`` float64, ``s`` str, ``n`` None, ``t`` str or None in an
        Arrow array, ``o`` any Python values, ``u`` a union of the first five, ``x`` nothing:
        every row of the frame is suspect.
    values : ndarray or Arrow array of shape (M,), a Python scalar, or a Union
        A scalar stands for M equal values.
    own : bool
        Whether nobody else reads the array, so that the next operation may write into it.
    bounds : tuple of int, optional
        An interval that holds the values of kind ``b`` and ``i``, suspect rows aside.
    tight : bool
        Whether the bounds were measured, so that measuring again tells nothing new.
    """

    kind: str
    values: Any
    own: bool = False
    bounds: tuple[int, int] | None = None
    tight: bool = False

    @property
    def scalar(self) -> bool:
        """Whether one Python value stands for all rows."""
        # Asked several times an operation: a union of types would be built at each.
        values = self.values
        return type(values) is not np.ndarray and not isinstance(values, pa.Array)

    def take(self, where: Positions) -> Vector:
        """Return the values at some positions."""
        if isinstance(self.values, Union):
            return self.values.take(where)
        if self.scalar:
            return self
        return Vector(self.kind, taken(self.values, where), own=True, bounds=self.bounds)

    def parts(self, n: int) -> list[tuple[Positions, Vector]]:
        """Return the positions and the values of each kind that occurs, out of n rows."""
        if not isinstance(self.values, Union):
            return [(np.arange(n), self)]
        tags = self.values.tags
        where = {kind: np.flatnonzero(tags == ord(kind)) for kind in self.values.arrays}
        return [(at, self._part(k, at)) for k, at in where.items() if at.size]

    def _part(self, kind: str, where: Positions) -> Vector:
        if kind == "n":
            return Vector("n", None)
        return Vector(kind, self.values.arrays[kind].take(where), own=True)

    def interval(self) -> tuple[int, int]:
        """Return the bounds, measuring the values when none are known."""
        return self.bounds if self.bounds is not None else self.measure()

    def measure(self) -> tuple[int, int]:
        """Set the bounds to the least and the greatest value and return them."""
        if self.scalar:
            self.bounds = (int(self.values), int(self.values))
        elif not self.values.size or self.kind == "b":
            self.bounds = (0, 1)
        elif not self.tight:
            self.bounds = (int(self.values.min()), int(self.values.max()))
        self.tight = True
        assert self.bounds is not None
        return self.bounds

    def to(self, kind: str) -> Vector:
        """Convert bool to int, or either to float, as Python's arithmetic does."""
        if kind == self.kind:
            return self
        if self.scalar:
            value = float(self.values) if kind == "f" else int(self.values)
            return Vector(kind, value)
        return Vector(kind, self.values.astype(DTYPES[kind]), own=True, bounds=self.bounds)

    def array(self, n: int) -> Values:
        """Return the values as an array of n rows that the caller may keep and write to."""
        if isinstance(self.values, Union):
            return self.values.boxed()
        if isinstance(self.values, np.ndarray):
            return self.values if self.own else self.values.copy()
        if isinstance(self.values, pa.Array):
            return arrow.objects_of(self.values)
        return np.full(n, self.values, DTYPES[self.kind])


@dataclass(frozen=True, slots=True)
class Union:
    """Values of several types, e.g. of ``x if test else 0``, without a Python object per row.

    Attributes
    ----------
    tags : uint8 ndarray of shape (M,)
        The code point of each row's kind.
    arrays : dict of str to ndarray of shape (M,)
        Kind -> values, which mean something where the tag is that kind.
    """

    tags: npt.NDArray[np.uint8]
    arrays: dict[str, Values]

    def take(self, where: Positions) -> Vector:
        """Return the values at some positions: a union unless they are all of one kind."""
        tags = self.tags.take(where)
        first = tags[:1].tobytes().decode() or next(iter(self.arrays))
        if (tags == ord(first)).all():
            if first == "n":
                return Vector("n", None)
            return Vector(first, self.arrays[first].take(where), own=True)
        parts = {k: each.take(where) for k, each in self.arrays.items() if k != "n"}
        if "n" in self.arrays:
            parts["n"] = np.broadcast_to(_NOTHING, len(where))
        return Vector("u", Union(tags, parts))

    def boxed(self) -> Values:
        """Return the values as Python objects."""
        result = np.empty(self.tags.size, object)
        for kind, values in self.arrays.items():
            where = np.flatnonzero(self.tags == ord(kind))
            result[where] = values.take(where).astype(object)
        return result


def constant(value: object) -> Vector:
    """Wrap a literal; ints beyond int64 are of kind ``o``, which sends rows to the interpreter."""
    kind = KINDS.get(type(value), "o")
    if isinstance(value, int) and not fits(value, value):
        kind = "o"
    return Vector(kind, value)


def plain(vector: Vector) -> Vector:
    """Return texts of Arrow as Python strings, beside None where there is any."""
    if vector.kind != "t":
        return vector
    texts = arrow.objects_of(vector.values)
    if not vector.values.null_count:
        return Vector("s", texts)
    nulls = arrow.is_none(vector.values)
    texts[nulls] = ""
    return with_none(Vector("s", texts), nulls)


def with_none(vector: Vector, nulls: Mask) -> Vector:
    """Return a column in which the rows of a mask are None instead."""
    tags = np.where(nulls, np.uint8(ord("n")), np.uint8(ord(vector.kind)))
    nothing = np.broadcast_to(_NOTHING, len(nulls))
    return Vector("u", Union(tags, {vector.kind: vector.values, "n": nothing}))
