"""Columns of one type while an expression is computed, and the rows left to the interpreter."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from vecgraph.typing import Mask, Values

    Positions: TypeAlias = npt.NDArray[np.intp]

__all__ = ["DTYPES", "INT64", "Frame", "Run", "Vector", "constant", "fits", "merge", "spread"]

INT64: Final = (-(2**63), 2**63 - 1)
DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "b": np.dtype(np.bool_),
    "i": np.dtype(np.int64),
    "f": np.dtype(np.float64),
    "s": np.dtype(object),
    "o": np.dtype(object),
}
_KINDS: Final[dict[type, str]] = {bool: "b", int: "i", float: "f", str: "s"}
_ZEROS: Final[dict[str, Any]] = {"b": False, "i": 0, "f": 0.0, "s": "", "o": None}


def fits(low: int, high: int) -> bool:
    """Tell whether an interval of ints lies within int64."""
    return INT64[0] <= low and high <= INT64[1]


@dataclass(slots=True)
class Vector:
    """The value of a subexpression on the rows of a frame.

    Attributes
    ----------
    kind : str
        ``b`` bool, ``i`` int64, ``f`` float64, ``s`` str, ``o`` any Python values, ``u`` a union
        of the first four, ``x`` nothing: every row of the frame is suspect.
    values : ndarray of shape (M,), a Python scalar, or a Union
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
        return not isinstance(self.values, np.ndarray)

    def take(self, where: Positions) -> Vector:
        """Return the values at some positions."""
        if isinstance(self.values, Union):
            tags = self.values.tags.take(where)
            kinds = {kind: each.take(where) for kind, each in self.values.arrays.items()}
            return Vector("u", Union(tags, kinds))
        if isinstance(self.values, np.ndarray):
            return Vector(self.kind, self.values.take(where), own=True, bounds=self.bounds)
        return self

    def parts(self, n: int) -> list[tuple[Positions, Vector]]:
        """Return the positions and the values of each kind that occurs, out of n rows."""
        if not isinstance(self.values, Union):
            return [(np.arange(n), self)]
        tags, arrays = self.values.tags, self.values.arrays
        where = {kind: np.flatnonzero(tags == ord(kind)) for kind in arrays}
        return [(at, Vector(k, arrays[k].take(at), own=True)) for k, at in where.items() if at.size]

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

    def boxed(self) -> Values:
        """Return the values as Python objects."""
        result = np.empty(self.tags.size, object)
        for kind, values in self.arrays.items():
            where = np.flatnonzero(self.tags == ord(kind))
            result[where] = values.take(where).astype(object)
        return result


def constant(value: object) -> Vector:
    """Wrap a literal; ints beyond int64 are of kind ``o``, which sends rows to the interpreter."""
    kind = _KINDS.get(type(value), "o")
    if isinstance(value, int) and not fits(value, value):
        kind = "o"
    return Vector(kind, value)


@dataclass(slots=True)
class Run:
    """One evaluation: the columns, and the rows that only the interpreter gets right.

    A row is *suspect* when the vector arithmetic cannot vouch for it: an int that may have
    wrapped, a divisor of zero, a cell of a rare type. Suspicion may be wrong, trust may not:
    suspect rows are computed again in Python, so that marking too many costs time only.
    """

    columns: Mapping[str, Values]
    n: int
    suspects: list[Positions] = field(default_factory=list)
    flagged: bool = False
    _vectors: dict[str, Vector | None] = field(default_factory=dict)

    def flag(self, _kind: str, _code: int) -> None:
        """Take note that a NumPy operation divided by zero or got a NaN from numbers."""
        self.flagged = True

    def vector(self, name: str) -> Vector | None:
        """Return a column with all its rows, None when there is no such column."""
        if name not in self._vectors:
            column = self.columns.get(name)
            self._vectors[name] = None if column is None else self._ingest(column)
        return self._vectors[name]

    def suspicious(self) -> Positions:
        """Return the suspect rows, sorted and unique."""
        if not self.suspects:
            return np.empty(0, np.intp)
        return np.unique(np.concatenate(self.suspects))

    def _ingest(self, column: Values) -> Vector:
        kind, size = column.dtype.kind, column.dtype.itemsize
        if column.ndim != 1:
            return Vector("o", np.fromiter(iter(column), object, len(column)))
        if kind == "b":
            return Vector("b", column)
        if kind == "i" or (kind == "u" and (size < 8 or not (column > INT64[1]).any())):
            return Vector("i", column.astype(np.int64, copy=False))
        if kind == "f" and size <= 8:
            return Vector("f", column.astype(np.float64, copy=False))
        if kind in "UT":
            return Vector("s", column.astype(object))
        return self._sort_cells(column.astype(object, copy=False))

    def _sort_cells(self, column: Values) -> Vector:
        """Read an object column as its most common type; the cells of others are suspect."""
        cells = column.tolist()
        count = Counter(map(type, cells))
        common, most = count.most_common(1)[0] if count else (object, 0)
        kind = _KINDS.get(common, "o")
        if kind == "o" or 2 * most < len(cells):
            strange = [cell is MISSING or isinstance(cell, np.generic) for cell in cells]
            self._suspect(strange)
            return Vector("o", column)
        rare = [type(cell) is not common for cell in cells] if most < len(cells) else []
        if common is int:
            low, high = INT64
            rare = [type(cell) is not int or not low <= cell <= high for cell in cells]
        if any(rare):
            self._suspect(rare)
            zero = _ZEROS[kind]
            cells = [zero if odd else cell for cell, odd in zip(cells, rare, strict=True)]
        return Vector(kind, np.fromiter(cells, DTYPES[kind], len(cells)))

    def _suspect(self, strange: list[bool]) -> None:
        if any(strange):
            self.suspects.append(np.flatnonzero(strange))


class Frame:
    """The rows on which a subexpression is computed: all of a run, or one branch's share."""

    __slots__ = ("_taken", "n", "rows", "run")

    def __init__(self, run: Run, rows: Positions | None = None) -> None:
        self.run, self.rows = run, rows
        self.n = run.n if rows is None else len(rows)
        self._taken: dict[str, Vector] = {}

    def column(self, name: str) -> Vector:
        """Return a column on the rows of this frame."""
        whole = self.run.vector(name)
        if whole is None:
            return self.dead()
        if self.rows is None:
            return whole
        if name not in self._taken:
            part = whole.values.take(self.rows)
            self._taken[name] = Vector(whole.kind, part, bounds=whole.bounds)
        return self._taken[name]

    def narrow(self, positions: Positions) -> Frame:
        """Return the frame of some of these rows."""
        return Frame(self.run, positions if self.rows is None else self.rows.take(positions))

    def mark(self, mask: Mask) -> None:
        """Make the rows of a mask over this frame suspect."""
        positions = np.flatnonzero(mask)
        if positions.size:
            rows = positions if self.rows is None else self.rows.take(positions)
            self.run.suspects.append(rows)

    def dead(self) -> Vector:
        """Make every row suspect, and return the value that stands for no value."""
        rows = np.arange(self.n, dtype=np.intp) if self.rows is None else self.rows
        self.run.suspects.append(rows)
        return Vector("x", None)


def spread(
    function: Callable[[list[Vector], Frame], Vector], vectors: list[Vector], frame: Frame
) -> Vector:
    """Apply an operation to operands, each type that a union holds on its own rows."""
    if any(vector.kind == "x" for vector in vectors):
        return Vector("x", None)
    mixed = next((i for i, vector in enumerate(vectors) if vector.kind == "u"), None)
    if mixed is None:
        return function(vectors, frame)
    done = []
    for where, part in vectors[mixed].parts(frame.n):
        taken = [vector.take(where) for vector in vectors]
        taken[mixed] = part
        done.append((where, spread(function, taken, frame.narrow(where))))
    return merge(frame, done)


def merge(frame: Frame, parts: list[tuple[Positions, Vector]]) -> Vector:
    """Scatter the values of disjoint sets of positions that together cover a frame.

    Where the kinds differ the result is a union, or Python values if any part holds those.
    """
    flat = [
        (where if part.kind != "u" else where.take(at), each)
        for where, part in parts
        for at, each in part.parts(where.size)
    ]
    kinds = dict.fromkeys(part.kind for _, part in flat if part.kind != "x")
    if not kinds:
        return Vector("x", None)
    if "o" in kinds:
        result = np.full(frame.n, None)
        for where, part in flat:
            if part.kind != "x":
                result[where] = part.values if part.scalar else part.values.astype(object)
        return Vector("o", result, own=True)
    arrays = {kind: np.full(frame.n, _ZEROS[kind], DTYPES[kind]) for kind in kinds}
    tags = np.full(frame.n, ord(next(iter(kinds))), np.uint8)
    for where, part in flat:
        if part.kind != "x":
            arrays[part.kind][where] = part.values
            tags[where] = ord(part.kind)
    if len(arrays) > 1:
        return Vector("u", Union(tags, arrays))
    ((kind, only),) = arrays.items()
    return Vector(kind, only, own=True)
