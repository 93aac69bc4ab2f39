"""Columns as typed Arrow arrays: exact, or a value at a time where Arrow has no type for it."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

from vecgraph.channels.log import Log
from vecgraph.checkpoint.arrays import Array, from_bytes, from_numpy, from_texts, to_numpy
from vecgraph.columns import Column, objects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.typing import Mask, Values

__all__ = [
    "APPENDED",
    "BLOB",
    "CLEARED",
    "COPY",
    "NONE",
    "PACKED",
    "UNCHANGED",
    "VALUE",
    "Pack",
    "Typed",
    "column_of",
    "typed",
]

UNCHANGED, VALUE, NONE, PACKED, CLEARED, APPENDED, BLOB = range(7)
"""What a channel's marker says of a row; null is a value, and unchanged is not null."""
COPY = 16
"""Added to a marker: a snapshot repeats what the parent has."""

Pack: TypeAlias = "Callable[[Any], tuple[int, bytes]]"
"""Returns `PACKED` and a value as bytes, or `BLOB` and the digest under which it is kept."""


def _numbers_of(dtype: type) -> Callable[[list[Any]], Array]:
    def made(values: list[Any]) -> Array:
        if None not in values:
            return from_numpy(np.array(values, dtype))
        valid = np.fromiter((value is not None for value in values), np.bool_, len(values))
        return from_numpy(
            np.array([0 if value is None else value for value in values], dtype), None, valid
        )

    return made


_SCALARS: dict[type, tuple[str, Callable[[list[Any]], Array]]] = {
    bool: ("bool", _numbers_of(np.bool_)),
    int: ("int", _numbers_of(np.int64)),
    float: ("float", _numbers_of(np.float64)),
    str: ("str", from_texts),
    bytes: ("bytes", from_bytes),
}
_NUMBER = re.compile(r"[<>|=]?[biuf](?:1|2|4|8)")


@dataclass(frozen=True, slots=True)
class Typed:
    """N cells for a chunk.

    Attributes
    ----------
    kind : str
        JSON; what the values of `array` are. Empty: there is no array.
    array : pyarrow Array of length N, or None
        Values of the rows marked `VALUE`.
    marks : uint8 ndarray of shape (N,), or None
        None: all are `VALUE`.
    packed : list of N bytes or None, or None
        Bytes of the rows marked `PACKED`, digests of those marked `BLOB`.
    """

    kind: str = ""
    array: Array = None
    marks: Values | None = None
    packed: list[bytes | None] | None = None


def typed(column: Column, pack: Pack) -> Typed:
    """Return a column in the form that a chunk holds."""
    if column.present is not None and not column.present.any():
        return Typed(marks=np.full(len(column), CLEARED, np.uint8))
    found = _whole(column)
    if found is None:
        return _each(column, pack)
    kind, array = found
    if column.is_full:
        return Typed(kind, array)
    return Typed(kind, array, np.where(column.mask(), VALUE, CLEARED).astype(np.uint8))


def _whole(column: Column) -> tuple[str, Array] | None:
    """Return a column's kind and array if one type holds every value, whatever is absent."""
    values = column.values
    if isinstance(values, pa.Array):
        return (_tag("arrow"), values) if _is_plain(values.type) else None
    if values.dtype == object:
        return _of_objects(values.tolist()) if column.present is None else None
    if column.kind in {"bool", "int", "float"}:
        return _tag(column.kind), _numbers(values, column.present)
    form = _form(values.dtype)
    if form is None or 0 in values.shape[1:]:
        return None
    return _tag(column.kind, form, values.shape[1:]), _nested(values)


def _tag(kind: str, dtype: Any = None, shape: Sequence[int] = ()) -> str:
    if dtype is None:
        return json.dumps({"kind": kind})
    return json.dumps({"kind": kind, "dtype": dtype, "shape": list(shape)})


def _numbers(values: Values, present: Mask | None) -> Array:
    return from_numpy(values, None, present)


def _of_objects(values: list[Any]) -> tuple[str, Array] | None:
    kinds = set(map(type, values))
    if len(kinds) != 1 or (found := _SCALARS.get(kinds.pop())) is None:
        return None
    try:
        return _tag(found[0]), found[1](values)
    except (OverflowError, UnicodeEncodeError):
        return None  # an int beyond int64, a lone surrogate


def _each(column: Column, pack: Pack) -> Typed:
    """Return cells of several types: the commonest typed, the others one by one."""
    values = column.as_objects().values.tolist()
    kinds = Counter(map(type, values))
    common = next((kind for kind, _ in kinds.most_common() if kind in _SCALARS), None)
    if common is not None and kinds[common] * 4 < len(values):
        common = None
    marks = np.zeros(len(values), np.uint8)
    kept: list[Any] = [None] * len(values)
    packed: list[bytes | None] = [None] * len(values)
    mask = column.mask().tolist()
    for i, value in enumerate(values):
        if not mask[i]:
            marks[i] = CLEARED
        elif value is None:
            marks[i] = NONE
        elif type(value) is common and _fits(value):
            marks[i], kept[i] = VALUE, value
        else:
            marks[i], packed[i] = pack(value.tolist() if type(value) is Log else value)
    return _assembled(common, marks, kept, packed)


def _assembled(
    common: type | None, marks: Values, kept: list[Any], packed: list[bytes | None]
) -> Typed:
    some = packed if any(data is not None for data in packed) else None
    if common is None or not (marks == VALUE).any():
        return Typed(marks=marks, packed=some)
    kind, arrow = _SCALARS[common]
    return Typed(_tag(kind), arrow(kept), marks, some)


def _fits(value: Any) -> bool:
    if type(value) is int:
        return -(2**63) <= value < 2**63
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True


def _is_plain(kind: Any) -> bool:
    """Return whether a type stands in a chunk by itself and comes back as it is."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return False
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_union(kind):
        return False
    return all(_is_plain(kind.field(i).type) for i in range(kind.num_fields))


def _form(dtype: np.dtype[Any]) -> Any:
    """Return a dtype of plain numbers as JSON, None for any other."""
    if dtype.names is None:
        return dtype.str if _NUMBER.fullmatch(dtype.str) and dtype.isnative else None
    fields = []
    for name in dtype.names:
        part = dtype[name]
        base = _form(part.base)
        if base is None or 0 in part.shape:
            return None
        fields.append([name, base, list(part.shape)])
    return fields if dtype == _dtype(fields) else None  # not so with gaps between fields


def _dtype(form: Any) -> np.dtype[Any]:
    """Return the dtype of a JSON form that `_form` may have made.

    Raises
    ------
    ValueError
        It is none.
    """
    if isinstance(form, str):
        if not _NUMBER.fullmatch(form):
            raise ValueError(f"no type of numbers: {form!r}")
        return np.dtype(form)
    return np.dtype([(str(name), _dtype(base), tuple(shape)) for name, base, shape in form])


def _nested(values: Values) -> Array:
    """Return tensors as fixed-size lists and records as structs."""
    if values.ndim > 1:
        size = prod(values.shape[1:])
        flat = np.ascontiguousarray(values).reshape(-1)
        return pa.FixedSizeListArray.from_arrays(_nested(flat), size)
    if values.dtype.names is None:
        return from_numpy(values)
    names = list(values.dtype.names)
    return pa.StructArray.from_arrays([_nested(values[name]) for name in names], names)


def column_of(kind: str, array: Array) -> Column:
    """Return the column of an array that `typed` made; every row is present.

    Raises
    ------
    ValueError
        They do not belong together.
    """
    said = json.loads(kind)
    name = said["kind"]
    if name in {"bool", "int", "float"}:
        return Column(to_numpy(array))
    if name in {"str", "bytes"}:
        return Column(objects(array.to_pylist()))
    if name == "arrow":
        return Column(array)
    dtype, shape = _dtype(said["dtype"]), tuple(int(k) for k in said["shape"])
    return Column(_unnested(array, dtype, shape))


def _unnested(array: Array, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Values:
    if shape:
        size = prod(shape)
        if array.type.list_size != size:
            raise ValueError(f"lists of {array.type.list_size} values cannot have shape {shape}")
        inner = array.values.slice(array.offset * size, len(array) * size)
        return _unnested(inner, dtype, ()).reshape(len(array), *shape)
    if dtype.names is None:
        values = to_numpy(array)
        if values.dtype != dtype:
            raise ValueError(f"{values.dtype} values cannot be {dtype}")
        return values
    out = np.zeros(len(array), dtype)
    for i, name in enumerate(dtype.names):
        part = dtype[name]
        out[name] = _unnested(array.field(i), part.base, part.shape)
    return out
