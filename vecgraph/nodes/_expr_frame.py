"""Where a subexpression is computed, and the rows of it that are left to the interpreter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vecgraph.nodes import _expr_arrow as arrow
from vecgraph.nodes._expr_cells import vector_of
from vecgraph.nodes._expr_vector import DTYPES, ZEROS, Union, Vector, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from vecgraph.typing import Mask

    Positions: TypeAlias = npt.NDArray[np.intp]

__all__ = ["Frame", "Run", "merge", "spread"]


@dataclass(slots=True)
class Run:
    """One evaluation: the columns, and the rows that only the interpreter gets right.

    A row is *suspect* when the vector arithmetic cannot vouch for it: an int that may have
    wrapped, a divisor of zero, a cell of a rare type. Suspicion may be wrong, trust may not:
    suspect rows are computed again in Python, so that marking too many costs time only.
    """

    columns: Mapping[str, Any]
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
            if column is None:
                self._vectors[name] = None
                return None
            self._vectors[name], strange = vector_of(column)
            if strange.size:
                self.suspects.append(strange)
        return self._vectors[name]

    def suspicious(self) -> Positions:
        """Return the suspect rows, sorted and unique."""
        if not self.suspects:
            return np.empty(0, np.intp)
        return np.unique(np.concatenate(self.suspects))


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
            part = whole.take(self.rows)
            part.own = False
            self._taken[name] = part
        return self._taken[name]

    def has_none(self, name: str) -> bool:
        """Tell whether some row of a column, perhaps not of this frame, is None."""
        whole = self.run.vector(name)
        if whole is None or whole.kind in "un":
            return True
        return whole.kind == "t" and bool(whole.values.null_count)

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
    known = [(where, part) for where, part in flat if part.kind != "x"]
    kinds = dict.fromkeys(part.kind for _, part in known)
    if not kinds:
        return Vector("x", None)
    if "t" in kinds:
        return _merge_texts(frame, known)
    return _merge_objects(frame, known) if "o" in kinds else _merge_typed(frame, known)


def _merge_objects(frame: Frame, parts: list[tuple[Positions, Vector]]) -> Vector:
    result = np.full(frame.n, None)
    for where, part in parts:
        result[where] = part.values if part.scalar else part.values.astype(object)
    return Vector("o", result, own=True)


def _merge_typed(frame: Frame, parts: list[tuple[Positions, Vector]]) -> Vector:
    kinds = dict.fromkeys(part.kind for _, part in parts)
    arrays = {kind: np.full(frame.n, ZEROS[kind], DTYPES[kind]) for kind in kinds}
    tags = np.full(frame.n, ord(next(iter(kinds))), np.uint8)
    for where, part in parts:
        arrays[part.kind][where] = part.values
        tags[where] = ord(part.kind)
    if len(arrays) > 1:
        return Vector("u", Union(tags, arrays))
    ((kind, only),) = arrays.items()
    return Vector(kind, only, own=True)


def _merge_texts(frame: Frame, parts: list[tuple[Positions, Vector]]) -> Vector:
    """Merge parts of which some are Arrow arrays, into one where all are texts or None."""
    if all(part.kind in "tn" or (part.kind == "s" and part.scalar) for _, part in parts):
        cells = [(where, None if part.kind == "n" else part.values) for where, part in parts]
        if all(arrow.literal(cell) is not None for _, cell in cells if isinstance(cell, str)):
            return Vector("t", arrow.scatter(frame.n, cells))
    return merge(frame, [(where, plain(part)) for where, part in parts])
