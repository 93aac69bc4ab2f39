"""NumPy scalars and arrays as bytes and back, with every part of their dtype."""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Any, Final

import msgpack
import numpy as np
import numpy.typing as npt

from vecgraph.checkpoint.serde import _codes as codes
from vecgraph.checkpoint.serde._codes import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DECODERS", "check_shape", "encode_array", "encode_scalar", "layout_of", "shaped"]

_SIMPLE: Final = re.compile(r"[<>|=][biufcmMSUVqQ]\d*(\[[\w*]{0,32}\])?")
_NESTED: Final = 255
_DTYPE_DEPTH: Final = 16
_EMPTY_ITEMS: Final = 65_536
"""Most elements of an array whose elements have no bytes: nothing else bounds their number."""

_X87_MANTISSA, _X87_BYTES = 63, 10
_LAST_CODE_POINT: Final = 0x10FFFF


def encode_scalar(value: np.generic) -> Any:
    """Return the atom of a NumPy scalar: its dtype and its bytes."""
    if type(value) is np.str_:
        return msgpack.ExtType(codes.NUMPY_TEXT, value.encode("utf-8", "surrogatepass"))
    if type(value) is np.bytes_:
        return msgpack.ExtType(codes.NUMPY_BYTES, bytes(value))
    if type(value) is not value.dtype.type:
        raise _odd(f"a NumPy scalar of type {type(value).__module__}.{type(value).__qualname__}")
    raw = _without_gaps(np.asarray(value)).tobytes()
    return msgpack.ExtType(codes.NUMPY, _dtype_bytes(value.dtype) + raw)


def _decode_scalar(data: bytes) -> np.generic:
    dtype, start = _dtype_at(data, 0)
    return _items(data, start, dtype, 1)[0]  # type: ignore[no-any-return]


def _decode_text(data: bytes) -> np.str_:
    return np.str_(data.decode("utf-8", "surrogatepass"))


def encode_array(value: npt.NDArray[Any]) -> Any:
    """Return the atom of an array whose elements are bytes and no Python objects.

    C and Fortran order are kept, any other layout becomes C; what comes back is writable.
    """
    if value.dtype.itemsize == 0 and value.size > _EMPTY_ITEMS:
        raise _odd(f"an array of {value.size} elements without bytes")
    order = layout_of(value)
    layout = struct.pack(f">cB{value.ndim}q", order.encode(), value.ndim, *value.shape)
    raw = _without_gaps(value).tobytes(order=order)
    return msgpack.ExtType(codes.ARRAY, b"".join((_dtype_bytes(value.dtype), layout, raw)))


def layout_of(value: npt.NDArray[Any]) -> Any:
    """Return ``"F"`` for an array in Fortran order and in no other, else ``"C"``."""
    return "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"


def _decode_array(data: bytes) -> npt.NDArray[Any]:
    dtype, start = _dtype_at(data, 0)
    order, ndim = struct.unpack_from(">cB", data, start)
    shape = struct.unpack_from(f">{ndim}q", data, start + 2)
    start += 2 + 8 * ndim
    count = check_shape(shape)
    if dtype.itemsize == 0 and count > _EMPTY_ITEMS:
        raise ValueError(f"an array of {count} elements without bytes")
    return shaped(_items(data, start, dtype, count), shape, order.decode("ascii"))


def check_shape(shape: Any) -> int:
    """Return how many elements a declared shape has.

    Raises
    ------
    ValueError
        A length is no number, or negative.
    """
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"no array has the shape {shape}")
    return math.prod(shape)


def shaped(flat: npt.NDArray[Any], shape: Any, order: Any) -> npt.NDArray[Any]:
    """Return a flat array in a declared shape and order."""
    if order not in {"C", "F"}:
        raise ValueError(f"no array has the order {order!r}")
    return flat.reshape(tuple(shape), order=order)


def _items(data: bytes, start: int, dtype: np.dtype[Any], count: int) -> npt.NDArray[Any]:
    """Return `count` elements as an array of their own; they must be all the bytes there are."""
    if count * dtype.itemsize != len(data) - start:
        raise ValueError(
            f"{len(data) - start} bytes are not {count} elements of {dtype.itemsize} bytes"
        )
    if start == len(data):
        return np.empty(count, dtype)
    flat = np.frombuffer(data, dtype, count, start).copy()
    _check_bits(flat)
    return flat


def _check_bits(flat: npt.NDArray[Any]) -> None:
    """Refuse bits that NumPy never writes and cannot bear: bools of 2, characters that are none."""
    dtype = flat.dtype
    for name in dtype.names or ():
        _check_bits(flat[name])
    if dtype.kind == "b" and (flat.view(np.uint8) > 1).any():
        raise ValueError("a bool that is neither true nor false")
    if dtype.kind == "U":
        points = np.ascontiguousarray(flat).view(np.dtype("u4").newbyteorder(dtype.byteorder))
        if (points > _LAST_CODE_POINT).any():
            raise ValueError("a character that is none")


def _without_gaps(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array whose bytes without a meaning are zero: they are whatever memory held.

    They lie between the fields of a record, and behind the ten bytes of x87's long double.
    """
    if value.dtype.names is not None:
        clean = np.zeros_like(value, subok=False)
        _copy_fields(clean, value)
        return clean
    if value.dtype.char in "gG" and np.finfo(value.dtype).nmant == _X87_MANTISSA:
        clean = np.array(value, order="K", subok=False)
        size = clean.dtype.itemsize // (2 if clean.dtype.kind == "c" else 1)
        places = clean.ravel(order="K").view(np.uint8).reshape(-1, size)
        # Swapped as a whole, so that the ten bytes then come last.
        big = clean.dtype.str[0] == ">"
        places[:, slice(size - _X87_BYTES) if big else slice(_X87_BYTES, None)] = 0
        return clean
    return value


def _copy_fields(target: npt.NDArray[Any], source: npt.NDArray[Any]) -> None:
    for name in source.dtype.names or ():
        if source[name].dtype.names is None:
            target[name] = _without_gaps(source[name])
        else:
            _copy_fields(target[name], source[name])


def _dtype_bytes(dtype: np.dtype[Any]) -> bytes:
    """Return a dtype with its length: its short name, or MessagePack where it has fields."""
    described = _describe(dtype, 0)
    if isinstance(described, str):
        return bytes([len(described)]) + described.encode("ascii")
    packed: bytes = msgpack.packb(described, unicode_errors="surrogatepass")
    return struct.pack(">BI", _NESTED, len(packed)) + packed


def _dtype_at(data: bytes, start: int) -> tuple[np.dtype[Any], int]:
    """Return the dtype written at `start` and where the bytes after it begin."""
    length = data[start]
    begin = start + 1
    if length != _NESTED:
        return _build(data[begin : begin + length].decode("ascii"), 0), begin + length
    (length,) = struct.unpack_from(">I", data, begin)
    begin += 4
    packed = data[begin : begin + length]
    return _build(msgpack.unpackb(packed, unicode_errors="surrogatepass"), 0), begin + length


def _describe(dtype: np.dtype[Any], depth: int) -> Any:
    if dtype.hasobject or dtype.metadata or depth > _DTYPE_DEPTH:
        raise _odd(f"an array of dtype {dtype}")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [_describe(base, depth + 1), list(shape)]
    if dtype.names is None or dtype.fields is None:
        return _short(dtype)
    if dtype.type is not np.void:
        raise _odd(f"an array of {dtype.type.__name__}s")
    fields = [dtype.fields[name] for name in dtype.names]
    titles = [field[2] if len(field) > 2 else None for field in fields]
    if not all(title is None or type(title) is str for title in titles):
        raise _odd(f"an array of dtype {dtype}")
    return {
        "names": list(dtype.names),
        "formats": [_describe(field[0], depth + 1) for field in fields],
        "offsets": [field[1] for field in fields],
        "titles": titles,
        "itemsize": dtype.itemsize,
        "aligned": dtype.isalignedstruct,
    }


def _short(dtype: np.dtype[Any]) -> str:
    # Two C types of one size have the same name and are different types: long and long long.
    for text in (dtype.str, f"{dtype.str[0]}{dtype.char}"):
        if _SIMPLE.fullmatch(text):
            made = np.dtype(text)
            if made == dtype and made.type is dtype.type:
                return text
    raise _odd(f"an array of dtype {dtype}")


def _build(described: Any, depth: int) -> np.dtype[Any]:
    if depth > _DTYPE_DEPTH:
        raise ValueError("a dtype that is nested too deep")
    if isinstance(described, str):
        if not _SIMPLE.fullmatch(described):
            raise ValueError(f"no dtype is written {described[:40]!r}")
        return np.dtype(described)
    if isinstance(described, list):
        base, shape = described
        check_shape(shape)
        return np.dtype((_build(base, depth + 1), tuple(shape)))
    words = [*described["names"], *described["titles"]]
    if not all(word is None or type(word) is str for word in words):
        raise ValueError("a field whose name is no text")
    formats = [_build(item, depth + 1) for item in described["formats"]]
    parts = {key: described[key] for key in ("names", "offsets", "titles", "itemsize")}
    aligned = bool(described["aligned"])
    made: np.dtype[Any] = np.dtype({**parts, "formats": formats}, align=aligned)  # type: ignore[call-overload]
    return made


def _odd(what: str) -> Refused:
    return Refused(
        what, "Convert it first: np.asarray(value), .astype() to a plain dtype, or .tolist()."
    )


DECODERS: Final[dict[int, Callable[[bytes], Any]]] = {
    codes.NUMPY: _decode_scalar,
    codes.NUMPY_TEXT: _decode_text,
    codes.NUMPY_BYTES: np.bytes_,
    codes.ARRAY: _decode_array,
}
