"""NumPy arrays and Arrow arrays, both ways, exactly; runs of equal values take no room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vecgraph.columns import objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.typing import Values

__all__ = [
    "Array",
    "coded",
    "constant",
    "decoded",
    "plain",
    "runs",
    "spread",
    "spread_list",
    "to_numpy",
]

Array: TypeAlias = Any
"""A pyarrow Array; the stubs of pyarrow know too little of its kinds."""

_compute: Any = pc  # its stubs lack newer functions
_FEW = 8
"""Runs are worth it where they are this many times fewer than rows."""


def from_numpy(values: Values, kind: pa.DataType) -> Array:
    """Return numbers as an Arrow array of the same width, without a copy.

    `pyarrow.array` does too, but it imports pandas to see whether they are of that.
    """
    whole: Any = np.ascontiguousarray(values)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(whole)])


def from_bytes(values: Sequence[bytes]) -> Array:
    """Return byte strings as an Arrow array of large_binary."""
    offsets: Any = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(pa.large_binary(), len(values), buffers)


def runs(values: Values, kind: pa.DataType) -> Array:
    """Return an integer array as runs of equal values, or as it is where they are many."""
    ends = _ends(values)
    if ends is None:
        return pa.array(values, kind)
    return pa.RunEndEncodedArray.from_arrays(
        pa.array(ends, pa.int32()), pa.array(values[ends - 1], kind)
    )


def coded(codes: Values, table: Sequence[str]) -> Array:
    """Return the texts that `codes` are positions of, as runs where those are few."""
    texts: Array = pa.array(table, pa.large_string())
    ends = _ends(codes)
    if ends is None:
        return texts.take(pa.array(codes))
    return pa.RunEndEncodedArray.from_arrays(
        pa.array(ends, pa.int32()), texts.take(pa.array(codes[ends - 1]))
    )


def constant(value: Any, n: int, kind: pa.DataType) -> Array:
    """Return `n` times one value; n is at least 1."""
    return pa.RunEndEncodedArray.from_arrays(pa.array([n], pa.int32()), pa.array([value], kind))


def _ends(values: Values) -> Values | None:
    """Return where runs end, or None if there are too many (or no values at all)."""
    n = len(values)
    if n == 0:
        return None
    if n > 1 and values[0] == values[-1] and (values == values[0]).all():
        return np.array([n], np.int32)
    ends = np.flatnonzero(values[1:] != values[:-1]) + 1
    return np.append(ends, n).astype(np.int32) if (len(ends) + 1) * _FEW <= max(n, 9) else None


def plain(array: Array) -> Array:
    """Return an array without runs."""
    return _compute.run_end_decode(array) if pa.types.is_run_end_encoded(array.type) else array


def to_numpy(array: Array) -> Values:
    """Return a fixed-width array as NumPy sees it; what stands at a null is unspecified.

    Shares memory with the array, and cannot be written to, where NumPy has the same layout.
    """
    kind = array.type
    if pa.types.is_boolean(kind):
        bits = np.frombuffer(array.buffers()[1], np.uint8)
        flags = np.unpackbits(bits, bitorder="little", count=array.offset + len(array))
        return flags[array.offset :].view(np.bool_)
    dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
    if not len(array):
        return np.empty(0, dtype)
    begin = array.offset * dtype.itemsize
    values: Values = np.frombuffer(array.buffers()[1], dtype, len(array), begin)
    return values


def decoded(array: Array) -> tuple[Values, list[str]]:
    """Return texts as codes of shape (N,) and the table that they are positions in."""
    if pa.types.is_run_end_encoded(array.type):
        ends, texts = array.run_ends, array.values
        index = texts.dictionary_encode()
        lengths = np.diff(np.concatenate([[0], to_numpy(ends)]))
        # A slice of runs keeps all of them; chunks are decoded whole, so there is none here.
        return np.repeat(to_numpy(index.indices), lengths), index.dictionary.to_pylist()
    index = array.dictionary_encode()
    return to_numpy(index.indices), index.dictionary.to_pylist()


def spread(array: Array, where: Values, n: int) -> Array:
    """Return `n` values, those of `array` at positions `where` and null elsewhere."""
    index = np.zeros(n, np.int64)
    index[where] = np.arange(len(where))
    gaps = np.ones(n, np.bool_)
    gaps[where] = False
    return array.take(pa.array(index, mask=gaps))


def spread_list(values: Sequence[Any], where: Values, n: int) -> list[Any]:
    """Return `n` objects, `values` at positions `where` and None elsewhere."""
    out = objects([None] * n)
    out[where] = objects(values)
    listed: list[Any] = out.tolist()
    return listed
