"""Read a column for an expression: what type its rows have, and which of them have another."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vecgraph.constants import MISSING
from vecgraph.nodes import _expr_arrow as arrow
from vecgraph.nodes._expr_vector import DTYPES, INT64, KINDS, ZEROS, Vector, with_none

if TYPE_CHECKING:
    import numpy.typing as npt

    from vecgraph.typing import Values

__all__ = ["vector_of"]


def vector_of(column: Any) -> tuple[Vector, npt.NDArray[np.intp]]:
    """Return a column as a vector, and the positions of cells that it does not stand for.

    Parameters
    ----------
    column : ndarray of shape (N, ...), or Arrow array of length N
        Not modified, not copied where its type is one that vectors have.
    """
    if isinstance(column, np.ndarray):
        return _of_numpy(column)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = arrow.classify(array.type)
    if kind == "n":
        return _whole(Vector("n", None))
    if kind == "t":
        return _whole(Vector("t", arrow.as_text(array)))
    if kind != "o":
        values, nulls = arrow.numbers_of(array)
        vector, strange = _of_numpy(values)  # strange: unsigned ints beyond int64
        return vector if nulls is None else with_none(vector, nulls), strange
    return _of_objects(arrow.objects_of(array))


def _whole(vector: Vector) -> tuple[Vector, npt.NDArray[np.intp]]:
    return vector, np.empty(0, np.intp)


def _of_numpy(column: Values) -> tuple[Vector, npt.NDArray[np.intp]]:
    kind, size = column.dtype.kind, column.dtype.itemsize
    if column.ndim != 1:
        return _whole(Vector("o", np.fromiter(iter(column), object, len(column))))
    if kind == "b":
        return _whole(Vector("b", column))
    if kind == "i" or (kind == "u" and (size < 8 or not (column > INT64[1]).any())):
        return _whole(Vector("i", column.astype(np.int64, copy=False)))
    if kind == "f" and size <= 8:
        return _whole(Vector("f", column.astype(np.float64, copy=False)))
    if kind in "UT":
        return _whole(Vector("s", column.astype(object)))
    return _of_objects(column.astype(object, copy=False))


def _of_objects(column: Values) -> tuple[Vector, npt.NDArray[np.intp]]:
    """Read Python objects as the most common of their types, beside None."""
    cells = column.tolist()
    count = Counter(map(type, cells))
    nones = count.pop(type(None), 0)
    if nones == len(cells) > 0:
        return _whole(Vector("n", None))
    common, most = count.most_common(1)[0] if count else (object, 0)
    if KINDS.get(common, "o") == "o" or 2 * most < len(cells) - nones:
        strange = [cell is MISSING or isinstance(cell, np.generic) for cell in cells]
        return Vector("o", column), np.flatnonzero(strange)
    nulls = np.array([cell is None for cell in cells]) if nones else None
    return _of_cells(cells, common, nulls)


def _of_cells(
    cells: list[Any], common: type, nulls: npt.NDArray[np.bool_] | None
) -> tuple[Vector, npt.NDArray[np.intp]]:
    """Take the cells of one type; those of others are strange, unless they are None."""
    kind = KINDS[common]
    odd = [type(cell) is not common for cell in cells]
    if common is int:
        low, high = INT64
        odd = [type(cell) is not int or not low <= cell <= high for cell in cells]
    strange = np.array(odd, np.bool_)
    if strange.any():
        zero = ZEROS[kind]
        cells = [zero if other else cell for cell, other in zip(cells, odd, strict=True)]
    vector = Vector(kind, np.fromiter(cells, DTYPES[kind], len(cells)))
    if nulls is None:
        return vector, np.flatnonzero(strange)
    return with_none(vector, nulls), np.flatnonzero(strange & ~nulls)
