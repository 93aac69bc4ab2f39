"""NumPy arrays and Arrow arrays, both ways, exactly; runs of equal values take no room.

Arrays are made from buffers: `pyarrow.array` imports pandas, where it is installed, to see
whether what it gets is of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vecgraph.columns import objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.typing import Mask, Values

__all__ = [
    "Array",
    "coded",
    "constant",
    "decoded",
    "from_bytes",
    "from_numpy",
    "from_texts",
    "plain",
    "runs",
    "spread",
    "spread_list",
    "taken",
    "to_numpy",
]

Array: TypeAlias = Any
"""A pyarrow Array; the stubs of pyarrow know too little of its kinds."""

_compute: Any = pc  # its stubs lack newer functions
_FEW = 8
"""Runs are worth it where they are this many times fewer than rows."""

_KINDS: dict[Any, np.dtype[Any]] = {
    pa.int8(): np.dtype(np.int8),
    pa.int16(): np.dtype(np.int16),
    pa.int32(): np.dtype(np.int32),
    pa.int64(): np.dtype(np.int64),
    pa.uint8(): np.dtype(np.uint8),
    pa.uint16(): np.dtype(np.uint16),
    pa.uint32(): np.dtype(np.uint32),
    pa.uint64(): np.dtype(np.uint64),
    pa.float16(): np.dtype(np.float16),
    pa.float32(): np.dtype(np.float32),
    pa.float64(): np.dtype(np.float64),
    pa.timestamp("us", tz="UTC"): np.dtype(np.int64),
}
_OF_DTYPE = {dtype: kind for kind, dtype in reversed(_KINDS.items())}


def from_numpy(values: Values, kind: Any = None, valid: Mask | None = None) -> Array:
    """Return numbers or flags as an Arrow array.

    Parameters
    ----------
    values : ndarray of shape (N,)
        Numbers are not copied if they have the width of `kind`.
    kind : pyarrow DataType, optional
        The one of the same width, if left out.
    valid : bool ndarray of shape (N,), optional
        Where it is False there is null.
    """
    n = len(values)
    if values.dtype == np.bool_:
        return pa.Array.from_buffers(pa.bool_(), n, [_bits(valid), _bits(values)])
    if kind is None:
        kind = _OF_DTYPE[values.dtype]
    whole: Any = np.ascontiguousarray(values, _KINDS[kind])
    return pa.Array.from_buffers(kind, n, [_bits(valid), pa.py_buffer(whole)])


def _bits(flags: Mask | None) -> Any:
    if flags is None:
        return None
    packed: Any = np.packbits(flags, bitorder="little")
    return pa.py_buffer(packed)


def from_bytes(values: Sequence[bytes | None]) -> Array:
    """Return byte strings as an Arrow array of large_binary."""
    known = [value or b"" for value in values]
    valid = None
    if None in values:
        valid = np.fromiter((value is not None for value in values), np.bool_, len(values))
    return _strings(pa.large_binary(), b"".join(known), map(len, known), valid, len(known))


def from_texts(values: Sequence[str | None]) -> Array:
    """Return texts as an Arrow array of large_string.

    Raises
    ------
    UnicodeEncodeError
        One has a lone surrogate.
    """
    known = [value or "" for value in values]
    valid = None
    if None in values:
        valid = np.fromiter((value is not None for value in values), np.bool_, len(values))
    whole = "".join(known)
    if whole.isascii():
        return _strings(pa.large_string(), whole.encode(), map(len, known), valid, len(known))
    encoded = [value.encode() for value in known]
    return _strings(pa.large_string(), b"".join(encoded), map(len, encoded), valid, len(known))


def _strings(kind: Any, data: bytes, lengths: Any, valid: Mask | None, n: int) -> Array:
    offsets: Any = np.zeros(n + 1, np.int64)
    np.cumsum(np.fromiter(lengths, np.int64, n), out=offsets[1:])
    buffers = [_bits(valid), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, n, buffers)


def runs(values: Values, kind: Any) -> Array:
    """Return an integer array as runs of equal values, or as it is where they are many."""
    ends = _ends(values)
    if ends is None:
        return from_numpy(values, kind)
    return _runs(ends, from_numpy(values[ends - 1], kind))


def coded(codes: Values, table: Sequence[str]) -> Array:
    """Return the texts that `codes` are positions of, as runs where those are few."""
    texts = from_texts(table)
    ends = _ends(codes)
    if ends is None:
        return taken(texts, codes)
    return _runs(ends, taken(texts, codes[ends - 1]))


def constant(value: Array, n: int) -> Array:
    """Return `n` times the one value of an array; n is at least 1."""
    return _runs(np.array([n]), value)


def _runs(ends: Values, values: Array) -> Array:
    kind = pa.run_end_encoded(pa.int32(), values.type)
    children = (from_numpy(ends, pa.int32()), values)
    return pa.RunEndEncodedArray.from_buffers(kind, int(ends[-1]), [None], children=children)


def _ends(values: Values) -> Values | None:
    """Return where runs end, or None if there are too many (or no values at all)."""
    n = len(values)
    if n == 0:
        return None
    if values[0] == values[-1] and bool((values == values[0]).all()):
        return np.array([n])
    ends = np.flatnonzero(values[1:] != values[:-1]) + 1
    return np.append(ends, n) if (len(ends) + 1) * _FEW <= n else None


def plain(array: Array) -> Array:
    """Return an array without runs."""
    return _compute.run_end_decode(array) if pa.types.is_run_end_encoded(array.type) else array


def to_numpy(array: Array) -> Values:
    """Return a fixed-width array as NumPy sees it; what stands at a null is unspecified.

    Shares memory with the array, and cannot be written to, where NumPy has the same layout.

    Raises
    ------
    ValueError
        NumPy has no such numbers.
    """
    n = len(array)
    if pa.types.is_boolean(array.type):
        bits = np.frombuffer(array.buffers()[1], np.uint8) if n else np.zeros(0, np.uint8)
        flags = np.unpackbits(bits, bitorder="little", count=array.offset + n)
        return flags[array.offset :].view(np.bool_)
    dtype = _KINDS.get(array.type)
    if dtype is None:
        raise ValueError(f"{array.type} values where numbers are expected")
    if not n:
        return np.empty(0, dtype)
    begin = array.offset * dtype.itemsize
    values: Values = np.frombuffer(array.buffers()[1], dtype, n, begin)
    return values


def decoded(array: Array) -> tuple[Values, list[str]]:
    """Return texts as codes of shape (N,) and the table that they are positions in."""
    if pa.types.is_run_end_encoded(array.type):
        ends, texts = array.run_ends, array.values
        index = texts.dictionary_encode()
        # A slice of runs keeps all of them; chunks are decoded whole, so there is none here.
        lengths = np.diff(to_numpy(ends), prepend=0)
        return np.repeat(to_numpy(index.indices), lengths), index.dictionary.to_pylist()
    index = array.dictionary_encode()
    return to_numpy(index.indices), index.dictionary.to_pylist()


def taken(array: Array, where: Values) -> Array:
    """Return the values at positions."""
    return array.take(from_numpy(np.asarray(where), pa.int64()))


def spread(array: Array, where: Values, n: int) -> Array:
    """Return `n` values, those of `array` at positions `where` and null elsewhere."""
    index = np.zeros(n, np.int64)
    index[where] = np.arange(len(where))
    valid = np.zeros(n, np.bool_)
    valid[where] = True
    return array.take(from_numpy(index, pa.int64(), valid))


def spread_list(values: Sequence[Any], where: Values, n: int) -> list[Any]:
    """Return `n` objects, `values` at positions `where` and None elsewhere."""
    out = objects([None] * n)
    out[where] = objects(values)
    listed: list[Any] = out.tolist()
    return listed
