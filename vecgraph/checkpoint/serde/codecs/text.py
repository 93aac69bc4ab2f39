"""States as JSON Lines: an object a line; what JSON has no word for is an object with a ``$`` key."""

from __future__ import annotations

import json
import math
import struct
from base64 import b64decode, b64encode
from itertools import chain
from typing import Any, ClassVar, Final

import msgpack

from vecgraph.checkpoint.serde import _build
from vecgraph.checkpoint.serde import _codes as codes
from vecgraph.checkpoint.serde._codes import MAX_DEPTH
from vecgraph.checkpoint.serde._known import Classes
from vecgraph.checkpoint.serde._lower import lowered, too_deep
from vecgraph.checkpoint.serde.codecs.base import Codec
from vecgraph.checkpoint.serde.codecs.table import States, Table, states_of

__all__ = ["JsonCodec"]

_TEXT_TAGS: Final = {
    codes.DECIMAL: "decimal",
    codes.DATE: "date",
    codes.TIME: "time",
    codes.DATETIME: "datetime",
    codes.ZONE: "zone",
}
"""Atoms whose payload is text."""

_BINARY_TAGS: Final = {
    codes.BIG_INT: "int",
    codes.COMPLEX: "complex",
    codes.TEXT: "text",
    codes.BYTEARRAY: "bytearray",
    codes.TIMEDELTA: "timedelta",
    codes.UUID_: "uuid",
    codes.PATH: "path",
    codes.IP: "ip",
    codes.PATTERN: "pattern",
    codes.NUMPY: "numpy",
    codes.NUMPY_TEXT: "numpy_str",
    codes.NUMPY_BYTES: "numpy_bytes",
    codes.ARRAY: "array",
    codes.ARROW: "arrow",
    codes.ERROR: "error",
}
_MARK_TAGS: Final = {
    codes.TUPLE: "tuple",
    codes.SET: "set",
    codes.FROZENSET: "frozenset",
    codes.DICT: "dict",
    codes.DEQUE: "deque",
    codes.ORDERED: "ordered",
    codes.COUNTER: "counter",
    codes.DEFAULTDICT: "defaultdict",
    codes.RANGE: "range",
    codes.OBJECT_ARRAY: "objects",
    codes.STRING_ARRAY: "strings",
    codes.FIELDS: "dataclass",
    codes.MODEL: "model",
    codes.ENUM: "enum",
    codes.NAMED_TUPLE: "namedtuple",
    codes.DERIVED: "subclass",
}
_TAGS: Final = {**_TEXT_TAGS, **_BINARY_TAGS, **_MARK_TAGS}
_CODES: Final = {f"${tag}": code for code, tag in _TAGS.items()}

_NAN_BITS: Final = struct.pack(">d", math.nan)
_INT_BITS: Final = 14_000
"""Longest whole number in plain digits; Python reads about 4,300 of them."""

_LEAVES: Final = frozenset({type(None), bool, int, float, str})
_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)


class JsonCodec(Codec):
    """JSON Lines, in UTF-8.

    None, bools, whole numbers of any size, finite floats, text, lists and dicts with keys of
    text are what they are in JSON. All else is an object with one key that begins with ``$``:
    ``{"$tuple":[1,2]}``, ``{"$datetime":"2026-01-31T10:00:00 Z"}``, ``{"$float":"nan"}``,
    ``{"$dataclass shop:Basket":{"items":3}}``. Keys come back in the order of each state.
    """

    name: ClassVar[str] = "json"
    extension: ClassVar[str] = ".jsonl"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._classes = Classes(self.allowed)

    def encode(self, states: States) -> bytes:
        """Return the bytes of many states, keys in the order that each has."""
        return self._compressed(self._lines(states_of(states)))

    def _write(self, table: Table) -> bytes:
        return self._lines(table.states())

    def _lines(self, states: list[dict[str, Any]]) -> bytes:
        plain = _is_plain(states)
        return b"".join([_line(state, row, plain) for row, state in enumerate(states)])

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """Return the states of bytes that `encode` made, keys in the order that each had."""
        return self._states(self._expanded(data))

    def _read(self, data: bytes) -> Table:
        return Table.of(self._states(data))

    def _states(self, data: bytes) -> list[dict[str, Any]]:
        with _build.reading("JSON"):
            *lines, rest = data.split(b"\n")
            if rest:
                raise ValueError("the last line has no end")
            states = [self._value(line) for line in lines]
            if not all(type(state) is dict for state in states):
                raise ValueError("a state that is no object")
            return states

    def _value(self, line: bytes) -> Any:
        return json.loads(line.decode(), object_pairs_hook=self._pairs, parse_constant=_no_constant)

    def _pairs(self, pairs: list[tuple[str, Any]]) -> Any:
        if len(pairs) == 1 and pairs[0][0].startswith("$"):
            return self._tagged(*pairs[0])
        if any(key.startswith("$") for key, _ in pairs):
            raise ValueError("a key that begins with $ beside others")
        return _build.as_dict(pairs)

    def _tagged(self, key: str, content: Any) -> Any:
        if key in _PLAIN_TAGS:
            return _PLAIN_TAGS[key](content)
        tag, _, name = key.partition(" ")
        code = _CODES.get(tag)
        if code is None:
            raise ValueError(f"there is no {tag[:40]!r}")
        if code in codes.MARKS:
            return _build.make(self._classes, code, name, content)
        payload = content.encode() if type(content) is str else _from_base64(*content)
        return _build.atom(code, payload)


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _is_plain(states: list[Any]) -> bool:
    """Return whether states are of JSON's own types alone, and none of their keys is a tag."""
    level = states
    for _ in range(MAX_DEPTH):
        keys = set(chain.from_iterable(item for item in level if type(item) is dict))
        if not all(type(key) is str and key[:1] != "$" for key in keys):
            return False
        items = chain.from_iterable(item.values() if type(item) is dict else item for item in level)
        level = [item for item in items if type(item) not in _LEAVES]
        if not level:
            return True
        if not {list, dict}.issuperset(map(type, level)):
            return False
    return False


def _line(state: dict[str, Any], row: int, plain: bool) -> bytes:
    if plain:
        try:
            return _ENCODER.encode(state).encode() + b"\n"
        except ValueError:
            # NaN, an infinity, half a character, or a number of thousands of digits.
            pass
    low = lowered(state, f"[{row}]")
    try:
        return _ENCODER.encode(_rendered(low)).encode() + b"\n"
    except RecursionError:
        raise too_deep(f"[{row}]") from None


def _rendered(low: Any) -> Any:
    """Return what `lower` gave, in JSON's types."""
    kind = type(low)
    if kind is list:
        return list(map(_rendered, low))
    if kind is dict:
        return _rendered_dict(low)
    if kind is float and not math.isfinite(low):
        return {"$float": _float_word(low)}
    if kind is bytes:
        return {"$bytes": b64encode(low).decode()}
    if kind is msgpack.ExtType:
        return _rendered_atom(low.code, low.data)
    if kind is msgpack.Timestamp:
        return {"$timestamp": [low.seconds, low.nanoseconds]}
    return low


def _rendered_dict(low: dict[Any, Any]) -> Any:
    first: Any = next(iter(low), None)
    if len(low) == 1 and type(first) is msgpack.ExtType:
        name = first.data.decode("utf-8", "surrogatepass")
        key = f"${_TAGS[first.code]}"
        return {f"{key} {name}" if name else key: _rendered(low[first])}
    if all(type(key) is str and key[:1] != "$" for key in low):
        return {key: _rendered(item) for key, item in low.items()}
    return {"$dict": [_rendered(part) for pair in low.items() for part in pair]}


def _rendered_atom(code: int, payload: bytes) -> Any:
    if code == codes.BIG_INT and len(payload) * 8 <= _INT_BITS:
        return int.from_bytes(payload, "big", signed=True)
    key = f"${_TAGS[code]}"
    if code in _TEXT_TAGS:
        try:
            return {key: payload.decode()}
        except UnicodeDecodeError:
            pass
    return {key: [b64encode(payload).decode()]}


def _float_word(value: float) -> str:
    bits = struct.pack(">d", value)
    return bits.hex() if math.isnan(value) and bits != _NAN_BITS else repr(value)


def _float_of(word: Any) -> float:
    if word in {"nan", "inf", "-inf"}:
        return float(word)
    (value,) = struct.unpack(">d", bytes.fromhex(word))
    return value  # type: ignore[no-any-return]


def _from_base64(text: Any) -> bytes:
    return b64decode(text, validate=True)


def _timestamp_of(parts: Any) -> msgpack.Timestamp:
    return msgpack.Timestamp(*parts)


_PLAIN_TAGS: Final = {
    "$float": _float_of,
    "$bytes": _from_base64,
    "$timestamp": _timestamp_of,
}
