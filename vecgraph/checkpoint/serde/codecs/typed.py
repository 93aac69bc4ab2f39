"""Python values as an Arrow array of their own type, where there is one that keeps them exactly."""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa

__all__ = ["listed", "typed"]

_DEPTH: Final = 16
"""Lists and dicts in each other that become Arrow types; Arrow itself reads four times as many."""

_SCALARS: Final[dict[type[Any], pa.DataType]] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.large_string(),
    bytes: pa.large_binary(),
}


def typed(values: list[Any], depth: int = 0) -> pa.Array[Any] | None:
    """Return values as an array that gives exactly these again; None where no type does.

    Parameters
    ----------
    values : list
        None becomes null. NaN stays NaN.
    depth : int
        Lists and dicts around them.
    """
    kinds = set(map(type, values)) - {type(None)}
    if len(kinds) > 1 or depth > _DEPTH:
        return None
    kind = kinds.pop() if kinds else bool
    if kind is list:
        return _lists(values, depth)
    if kind is dict:
        return _structs(values, depth)
    if kind not in _SCALARS:
        return None
    try:
        return pa.array(values, _SCALARS[kind])
    except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
        # A number beyond int64, half a character, or more than an array holds.
        return None


def _lists(values: list[Any], depth: int) -> pa.Array[Any] | None:
    items = typed(list(chain.from_iterable(value for value in values if value)), depth + 1)
    if items is None:
        return None
    lengths = [0, *(len(value) if value else 0 for value in values)]
    offsets = pa.array(np.cumsum(lengths), pa.int64())
    return pa.LargeListArray.from_arrays(offsets, items, mask=_nulls(values))


def _structs(values: list[Any], depth: int) -> pa.Array[Any] | None:
    shapes = {tuple(value) for value in values if value is not None}
    names = shapes.pop()
    # A key that some have and some lack would come back as None.
    if shapes or not names or not all(type(name) is str for name in names):
        return None
    columns = []
    for name in names:
        column = typed([None if value is None else value[name] for value in values], depth + 1)
        if column is None:
            return None
        columns.append(column)
    try:
        return pa.StructArray.from_arrays(columns, names=list(names), mask=_nulls(values))
    except UnicodeEncodeError:
        return None


def _nulls(values: list[Any]) -> pa.Array[Any]:
    return pa.array([value is None for value in values], pa.bool_())


def listed(column: pa.ChunkedArray[Any]) -> list[Any]:
    """Return the values of an array that `typed` made.

    Raises
    ------
    ValueError
        It has a type that `typed` gives no array.
    """
    _check_type(column.type)
    if column.null_count == 0 and column.type in {pa.int64(), pa.float64()}:
        values: list[Any] = column.to_numpy().tolist()
        return values
    return column.to_pylist()


def _check_type(kind: pa.DataType) -> None:
    if kind in _SCALARS.values():
        return
    if pa.types.is_large_list(kind):
        _check_type(kind.value_type)
    elif pa.types.is_struct(kind) and kind.num_fields:
        names = {kind.field(number).name for number in range(kind.num_fields)}
        if len(names) < kind.num_fields:
            raise ValueError("a struct with two fields of one name")
        for number in range(kind.num_fields):
            _check_type(kind.field(number).type)
    else:
        raise ValueError(f"a column of type {kind}")
