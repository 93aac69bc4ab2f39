"""Arrow columns in expressions: numbers without a copy, text by pyarrow.compute, None exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from vecgraph.typing import Mask, Values

__all__ = [
    "TEXT",
    "as_text",
    "choose",
    "classify",
    "compare",
    "is_none",
    "join",
    "length",
    "literal",
    "member",
    "numbers_of",
    "objects_of",
    "patched",
    "scatter",
    "search",
    "transform",
    "with_nulls",
]

TEXT: Final = pa.large_string()
"""The one type that text has while an expression is computed."""

# What Python's str.strip removes; Arrow's own idea of white space is another one.
_SPACE: Final = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
_COMPARE: Final[dict[str, Callable[..., Any]]] = {
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
    "==": pc.equal,
    "!=": pc.not_equal,
}
_SEARCH: Final[dict[str, Callable[..., Any]]] = {
    "contains": pc.match_substring,
    "startswith": pc.starts_with,
    "endswith": pc.ends_with,
}
_ASCII: Final[dict[str, Callable[..., Any]]] = {"lower": pc.ascii_lower, "upper": pc.ascii_upper}


def classify(kind: pa.DataType) -> str:
    """Return what an expression makes of an Arrow type: ``b i f t n``, or ``o`` for objects."""
    if pa.types.is_dictionary(kind):
        inner = classify(kind.value_type)
        return inner if inner == "t" else "o"
    tests: dict[str, Callable[[pa.DataType], bool]] = {
        "b": pa.types.is_boolean,
        "i": pa.types.is_integer,
        "f": pa.types.is_floating,
        "n": pa.types.is_null,
    }
    for letter, test in tests.items():
        if test(kind):
            return letter
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return "t" if text or kind == pa.string_view() else "o"


def numbers_of(array: pa.Array[Any]) -> tuple[Values, Mask | None]:
    """Return a column of bools, ints or floats for NumPy, and which rows are null.

    Returns
    -------
    ndarray of shape (N,)
        0 where null; shares the memory of `array` if nothing is null.
    bool ndarray of shape (N,), or None
    """
    nulls = None
    if array.null_count:
        nulls = is_none(array)
        array = array.fill_null(pa.scalar(0, pa.int8()).cast(array.type))
    return array.to_numpy(zero_copy_only=False), nulls


def as_text(array: pa.Array[Any]) -> pa.Array[Any]:
    """Return a column of strings in the type that this module computes with."""
    return array if array.type == TEXT else array.cast(TEXT)


def literal(value: str | None) -> pa.Scalar[Any] | None:
    """Return a string for Arrow, None if it is no Unicode text (a lone surrogate)."""
    try:
        return pa.scalar(value, TEXT)
    except UnicodeEncodeError:
        return None


def objects_of(array: pa.Array[Any]) -> Values:
    """Return a column as Python objects."""
    cells = array.to_pylist()
    return np.fromiter(cells, object, len(cells))


def is_none(array: pa.Array[Any]) -> Mask:
    """Return which rows are null."""
    return _mask(array.is_null())


def compare(op: str, left: Any, right: Any) -> tuple[Mask, Mask | None]:
    """Compare two texts, at least one of them a column.

    Returns
    -------
    bool ndarray of shape (M,)
        Bytes of UTF-8 sort as code points do, so that the order is Python's. None equals
        None alone.
    bool ndarray of shape (M,), or None
        Rows where Python raises: None has no order.
    """
    result = _COMPARE[op](left, right)
    if not result.null_count:
        return _mask(result), None
    nulls = _mask(result.is_null())
    values = _mask(result.fill_null(False))
    if op not in {"==", "!="}:
        return values, nulls
    both = _nulls(left, len(values)) & _nulls(right, len(values))
    values[nulls] = (both if op == "==" else ~both)[nulls]
    return values, None


def join(left: Any, right: Any) -> tuple[pa.Array[Any], Mask | None]:
    """Return ``left + right``, and the rows where one of them is None."""
    joined = pc.binary_join_element_wise(left, right, pa.scalar("", TEXT))
    if not joined.null_count:
        return joined, None
    return joined, is_none(joined)


def length(array: pa.Array[Any]) -> tuple[Values, Mask | None]:
    """Return the number of code points in each row, and the rows that are None."""
    texts: Any = array
    return numbers_of(pc.utf8_length(texts))  # of large_string: int64


def member(array: pa.Array[Any], items: Iterable[object]) -> Mask:
    """Return which rows are among some literals."""
    found = list(items)
    known = [item for item in found if isinstance(item, str) and literal(item) is not None]
    # A None among the items has no equal here unless the column has a null: Arrow's rule too.
    values = pa.array([*known, None] if None in found else known, TEXT)
    mask = _mask(pc.is_in(array, value_set=values))
    return mask if None in found else mask & ~_nulls(array, len(array))


def search(function: str, array: pa.Array[Any], pattern: str) -> tuple[Mask, Mask | None]:
    """Look for a literal in each row; also return the rows that are None."""
    return _known(_SEARCH[function](array, pattern))


def transform(function: str, array: pa.Array[Any]) -> tuple[pa.Array[Any], Mask | None]:
    """Return each row in lower or upper case, or stripped, and the rows to compute in Python.

    Arrow maps letters one to one where Python's ``lower`` may give several, so that only
    ASCII is trusted.
    """
    if function == "strip":
        return pc.utf8_trim(array, characters=_SPACE), is_none(array) if array.null_count else None
    doubtful = _mask(pc.invert(pc.string_is_ascii(array)).fill_null(True))
    return _ASCII[function](array), doubtful if doubtful.any() else None


def choose(mask: Mask, then: Any, other: Any) -> pa.Array[Any]:
    """Return ``then`` where the mask holds, else ``other``; None stays None."""
    chosen: pa.Array[Any] = pc.if_else(pa.array(mask), then, other)
    return chosen


def scatter(n: int, parts: list[tuple[npt.NDArray[np.intp], Any]]) -> pa.Array[Any]:
    """Put columns, or single texts, at disjoint positions that together cover `n` rows."""
    place = np.zeros(n, np.int64)
    arrays, begin = [], 0
    for where, part in parts:
        array = part if isinstance(part, pa.Array) else pa.array([part], TEXT)
        step = 1 if isinstance(part, pa.Array) else 0
        place[where] = begin + step * np.arange(len(where))
        arrays.append(array)
        begin += len(array)
    return pa.concat_arrays(arrays).take(pa.array(place, pa.int64()))


def with_nulls(values: Values, nulls: Mask) -> pa.Array[Any]:
    """Return numbers or texts as a column that is null at a mask.

    Raises
    ------
    UnicodeEncodeError
        A text is no Unicode text.
    """
    return pa.array(values, TEXT if values.dtype == object else None, mask=nulls)


def patched(
    array: pa.Array[Any], where: npt.NDArray[np.intp], cells: list[Any]
) -> pa.Array[Any] | None:
    """Return a column of text with other cells at some positions; None if they do not fit."""
    if not set(map(type, cells)) <= {str, type(None)}:
        return None
    try:
        new = pa.array(cells, TEXT)
    except UnicodeEncodeError:
        return None
    mask = np.zeros(len(array), np.bool_)
    mask[where] = True
    patch: pa.Array[Any] = pc.replace_with_mask(array, pa.array(mask), new)
    return patch


def _mask(array: Any) -> Mask:
    """Return a column of bools without nulls as an array that belongs to the caller."""
    return np.array(array.to_numpy(zero_copy_only=False), np.bool_)


def _known(array: Any) -> tuple[Mask, Mask | None]:
    if not array.null_count:
        return _mask(array), None
    return _mask(array.fill_null(False)), _mask(array.is_null())


def _nulls(value: Any, n: int) -> Mask:
    if isinstance(value, pa.Array):
        return is_none(value)
    return np.zeros(n, np.bool_)
