"""Columns of one type while an expression is computed, and the rows left to the interpreter."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from vecgraph.typing import Mask, Values

__all__ = ["DTYPES", "INT64", "Frame", "Run", "Vector", "constant", "fits", "merge"]

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
        ``b`` bool, ``i`` int64, ``f`` float64, ``s`` str, ``o`` any Python values, ``x`` nothing:
        every row of the frame is suspect.
    values : ndarray of shape (M,), or a Python scalar
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
        if not self.scalar:
            return self.values if self.own else self.values.copy()
        return np.full(n, self.values, DTYPES[self.kind])


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
    suspects: list[npt.NDArray[np.intp]] = field(default_factory=list)
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

    def suspicious(self) -> npt.NDArray[np.intp]:
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

    def __init__(self, run: Run, rows: npt.NDArray[np.intp] | None = None) -> None:
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

    def narrow(self, positions: npt.NDArray[np.intp]) -> Frame:
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


def merge(
    frame: Frame, parts: list[tuple[npt.NDArray[np.intp], Vector]]
) -> Vector:
    """Scatter the values of disjoint sets of positions that together cover a frame.

    Where the kinds differ the result holds Python values, each of its own type.
    """
    kinds = {part.kind for _, part in parts} - {"x"}
    if not kinds:
        return Vector("x", None)
    kind = kinds.pop() if len(kinds) == 1 else "o"
    result = np.empty(frame.n, DTYPES[kind])
    if kind == "i" or kind == "s":
        result[...] = _ZEROS[kind]
    for positions, part in parts:
        if part.kind != "x":
            boxed = kind == "o" and not part.scalar
            result[positions] = part.values.astype(object) if boxed else part.values
        elif kind != "i" and kind != "s":
            result[positions] = _ZEROS[kind]
    return Vector(kind, result, own=True)
