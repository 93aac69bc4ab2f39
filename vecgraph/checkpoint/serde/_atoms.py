"""Values without parts: numbers, text, times, identifiers; each one payload of bytes."""

from __future__ import annotations

import ipaddress
import pathlib
import re
import struct
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, Final, Self, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import msgpack

from vecgraph.checkpoint.serde import _codes as codes
from vecgraph.checkpoint.serde._codes import Refused
from vecgraph.checkpoint.serde._zones import zone_of, zone_text

__all__ = ["DECODERS", "ENCODERS", "INT_MAX", "INT_MIN", "StoredError", "encode_error"]

Encoder: TypeAlias = Callable[[Any], Any]
Decoder: TypeAlias = Callable[[bytes], Any]

_Clock = TypeVar("_Clock", date, datetime, time)

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**64 - 1
"""What MessagePack's own integers hold; int64 and uint64 together."""

_SAFETY: Final = tuple(uuid.SafeUUID)
_PATHS: Final[tuple[type[pathlib.PurePath], ...]] = (
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.PosixPath,
    pathlib.WindowsPath,
)
_ADDRESSES: Final[tuple[type[Any], ...]] = (
    ipaddress.IPv4Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Address,
    ipaddress.IPv6Interface,
    ipaddress.IPv6Network,
)
_PATTERN_BYTES: Final = 65_536
"""Longest pattern: to compile one takes time, and Python's stack."""

# DEBUG prints when a pattern is compiled, TEMPLATE is gone: neither may come from data.
_PATTERN_FLAGS: Final = (
    re.ASCII | re.IGNORECASE | re.LOCALE | re.MULTILINE | re.DOTALL | re.UNICODE | re.VERBOSE
)


class StoredError(str):
    """What is kept of an exception: its text, never the exception itself.

    As a string it is ``repr(error)``, which is what LangGraph stores.

    Attributes
    ----------
    type_name : str
        Module and name of the exception's class.
    message : str
        ``str(error)``.

    Examples
    --------
    >>> error = StoredError.of(ValueError("too long"))
    >>> error, error.type_name, error.message
    ("ValueError('too long')", 'builtins.ValueError', 'too long')
    """

    __slots__ = ("message", "type_name")

    type_name: str
    message: str

    def __new__(cls, text: str, type_name: str = "", message: str = "") -> Self:
        error = super().__new__(cls, text)
        error.type_name, error.message = type_name, message
        return error

    @classmethod
    def of(cls, error: BaseException) -> StoredError:
        """Write an exception down; one that cannot even say what it is keeps its type only."""
        kind = type(error)
        try:
            text, message = repr(error), str(error)
        except Exception:  # noqa: BLE001 - code of the error's class, which must not hide the error
            text, message = f"{kind.__name__}(...)", ""
        return cls(
            str.__str__(text), f"{kind.__module__}.{kind.__qualname__}", str.__str__(message)
        )


def encode_error(error: BaseException | StoredError) -> Any:
    """Return the atom of an exception, or of what is left of one."""
    stored = error if isinstance(error, StoredError) else StoredError.of(error)
    parts = (str.__str__(stored), stored.type_name, stored.message)
    return msgpack.ExtType(codes.ERROR, msgpack.packb(parts, unicode_errors="surrogatepass"))


def _decode_error(data: bytes) -> StoredError:
    text, type_name, message = msgpack.unpackb(data, unicode_errors="surrogatepass")
    if not type(text) is type(type_name) is type(message) is str:
        raise ValueError("an error that is not made of text")
    return StoredError(text, type_name, message)


def _encode_text(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _decode_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _encode_int(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _decode_int(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _encode_complex(value: complex) -> bytes:
    return struct.pack(">dd", value.real, value.imag)


def _decode_complex(data: bytes) -> complex:
    return complex(*struct.unpack(">dd", data))


def _encode_decimal(value: Decimal) -> bytes:
    return str(value).encode("ascii")


def _decode_decimal(data: bytes) -> Decimal:
    text = data.decode("ascii")
    value = Decimal(text)
    # Case depends on the thread's decimal context.
    if str(value).upper() != text.upper():
        raise ValueError("a decimal that is not written as decimals are")
    return value


def _encode_date(value: date) -> bytes:
    return value.isoformat().encode("ascii")


def _decode_date(data: bytes) -> date:
    text = data.decode("ascii")
    return _canonical(date.fromisoformat(text), text)


def _encode_clock(value: Any) -> bytes:
    """``2026-01-31T10:00:00.000001f =Europe/Paris``: ISO text, ``f`` for fold 1, the zone."""
    zone = "" if value.tzinfo is None else f" {zone_text(value.tzinfo)}"
    fold = "f" if value.fold else ""
    return _encode_text(f"{value.replace(tzinfo=None).isoformat()}{fold}{zone}")


def _decode_datetime(data: bytes) -> datetime:
    return _clock(datetime, data)  # type: ignore[no-any-return]


def _decode_time(data: bytes) -> time:
    return _clock(time, data)  # type: ignore[no-any-return]


def _clock(kind: type[Any], data: bytes) -> Any:
    head, zoned, zone = _decode_text(data).partition(" ")
    text = head.removesuffix("f")
    value = _canonical(kind.fromisoformat(text), text)
    if text == head and not zoned:
        return value
    return value.replace(fold=int(text != head), tzinfo=zone_of(zone) if zoned else None)


def _canonical(value: _Clock, text: str) -> _Clock:
    # `fromisoformat` reads more forms than `isoformat` writes.
    if value.isoformat() != text:
        raise ValueError(f"{text!r} is not how a time is written")
    return value


def _encode_timedelta(value: timedelta) -> bytes:
    return struct.pack(">iii", value.days, value.seconds, value.microseconds)


def _decode_timedelta(data: bytes) -> timedelta:
    days, seconds, microseconds = struct.unpack(">iii", data)
    return timedelta(days, seconds, microseconds)


def _encode_zone(value: tzinfo) -> bytes:
    return _encode_text(zone_text(value))


def _decode_zone(data: bytes) -> tzinfo:
    return zone_of(_decode_text(data))


def _encode_uuid(value: uuid.UUID) -> bytes:
    known = value.is_safe is not uuid.SafeUUID.unknown
    return value.bytes + (bytes([_SAFETY.index(value.is_safe)]) if known else b"")


def _decode_uuid(data: bytes) -> uuid.UUID:
    if len(data) == 16:
        return uuid.UUID(bytes=data)
    raw, (safety,) = data[:16], data[16:]
    return uuid.UUID(bytes=raw, is_safe=_SAFETY[safety])


def _encode_path(value: pathlib.PurePath) -> bytes:
    return bytes([_PATHS.index(type(value))]) + _encode_text(str(value))


def _decode_path(data: bytes) -> pathlib.PurePath:
    kind = _PATHS[data[0]]
    if issubclass(kind, pathlib.Path) and kind is not type(pathlib.Path()):
        # The other system's files are not here; only its spelling is.
        kind = _PATHS[data[0] - 2]
    return kind(_decode_text(data[1:]))


def _encode_address(value: Any) -> bytes:
    return bytes([_ADDRESSES.index(type(value))]) + str(value).encode("utf-8", "surrogatepass")


def _decode_address(data: bytes) -> Any:
    return _ADDRESSES[data[0]](_decode_text(data[1:]))


def _encode_pattern(value: re.Pattern[Any]) -> bytes:
    text = value.pattern
    body = b"s" + _encode_text(text) if isinstance(text, str) else b"b" + bytes(text)
    if value.flags & ~_PATTERN_FLAGS or len(body) > _PATTERN_BYTES:
        raise Refused(
            f"a pattern of {len(body) - 1} bytes with the flags {value.flags}",
            "Store its text and compile that.",
        )
    return struct.pack(">I", value.flags) + body


def _decode_pattern(data: bytes) -> re.Pattern[Any]:
    (flags,) = struct.unpack_from(">I", data)
    kind, body = data[4:5], data[5:]
    if flags & ~_PATTERN_FLAGS or kind not in {b"s", b"b"} or len(body) >= _PATTERN_BYTES:
        raise ValueError(f"no pattern has the flags {flags}, {len(body)} bytes and kind {kind!r}")
    return re.compile(_decode_text(body) if kind == b"s" else body, flags)


def _atom(code: int, encode: Encoder) -> Encoder:
    def atom(value: Any) -> Any:
        return msgpack.ExtType(code, encode(value))

    return atom


_PAIRS: Final[tuple[tuple[int, tuple[type[Any], ...], Encoder, Decoder], ...]] = (
    (codes.BIG_INT, (int,), _encode_int, _decode_int),
    (codes.COMPLEX, (complex,), _encode_complex, _decode_complex),
    (codes.TEXT, (str,), _encode_text, _decode_text),
    (codes.BYTEARRAY, (bytearray,), bytes, bytearray),
    (codes.DECIMAL, (Decimal,), _encode_decimal, _decode_decimal),
    (codes.DATE, (date,), _encode_date, _decode_date),
    (codes.TIME, (time,), _encode_clock, _decode_time),
    (codes.DATETIME, (datetime,), _encode_clock, _decode_datetime),
    (codes.TIMEDELTA, (timedelta,), _encode_timedelta, _decode_timedelta),
    (codes.ZONE, (timezone, ZoneInfo), _encode_zone, _decode_zone),
    (codes.UUID_, (uuid.UUID,), _encode_uuid, _decode_uuid),
    (codes.PATH, _PATHS, _encode_path, _decode_path),
    (codes.IP, _ADDRESSES, _encode_address, _decode_address),
    (codes.PATTERN, (re.Pattern,), _encode_pattern, _decode_pattern),
)

ENCODERS: Final[dict[type[Any], Encoder]] = {
    kind: _atom(code, encode) for code, kinds, encode, _ in _PAIRS for kind in kinds
}
DECODERS: Final[dict[int, Decoder]] = {
    codes.ERROR: _decode_error,
    **{code: decode for code, _, _, decode in _PAIRS},
}
