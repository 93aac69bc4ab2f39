"""From Python values to what MessagePack holds: plain values, atoms, and maps with one mark.

`lower` is the general way. It is the only place that says what a value is stored as; `pack.py`
skips it for values that MessagePack stores as they are.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final, TypeAlias

import msgpack
import numpy as np
import pyarrow as pa

from vecgraph.checkpoint.serde import _codes as codes
from vecgraph.checkpoint.serde import _instances as instances
from vecgraph.checkpoint.serde._arrays import encode_array, encode_scalar, layout_of
from vecgraph.checkpoint.serde._arrow import encode_arrow
from vecgraph.checkpoint.serde._atoms import (
    ENCODERS,
    INT_MAX,
    INT_MIN,
    StoredError,
    encode_error,
)
from vecgraph.checkpoint.serde._codes import MAX_DEPTH, Refused
from vecgraph.checkpoint.serde._known import FACTORIES, is_slotted, stored_name
from vecgraph.checkpoint.serde._record import Record
from vecgraph.errors import UnserialisableError

__all__ = ["NATIVE", "lower", "lowered", "too_deep"]

Handler: TypeAlias = Callable[[Any, int], Any]

NATIVE: Final = frozenset({type(None), bool, float, bytes, msgpack.Timestamp})
"""Types whose every value MessagePack stores as it is."""

_TEXTS: Final = frozenset({str})
_ATTRIBUTE: Final = 60
"""Longest key that a path shows in full."""


def lower(value: Any, depth: int = 0) -> Any:
    """Return `value` in the terms of MessagePack; parts that need no change are shared.

    Parameters
    ----------
    value : object
    depth : int
        Containers around it.

    Raises
    ------
    Refused
        It, or a part of it, would not come back exactly.
    """
    kind = type(value)
    if kind in NATIVE:
        return value
    handler = _HANDLERS.get(kind) or _handler(kind)
    return handler(value, depth)


def lowered(value: Any, *prefix: str) -> Any:
    """Do the same for a whole value, and raise what the program is to see.

    Raises
    ------
    UnserialisableError
        The steps to the refused part follow those of `prefix`.
    """
    try:
        return lower(value)
    except Refused as refused:
        loop = len(set(refused.trail)) < len(refused.trail)
        why = (
            ("it contains itself", "Refer to it by an id instead.")
            if loop
            else (refused.reason, refused.hint)
        )
        raise UnserialisableError.at([*prefix, *refused.steps[::-1]], *why) from None
    except RecursionError:
        raise too_deep(*prefix) from None


def too_deep(*prefix: str) -> UnserialisableError:
    """Build the error of a value that this thread's stack cannot bear."""
    return UnserialisableError.at(prefix, "it is nested deeper than the stack", "Flatten it.")


def _int(value: int, _depth: int) -> Any:
    return value if INT_MIN <= value <= INT_MAX else _BIG_INT(value)


def _str(value: str, _depth: int) -> Any:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return _TEXT(value)
    return value


def _list(value: Iterable[Any], depth: int, owner: Any = None) -> Any:
    """Lower the items of any iterable container to a list; `owner` as in `_dict`."""
    _check_depth(depth)
    if type(value) is list and NATIVE.issuperset(map(type, value)):
        return value
    items: list[Any] = []
    try:
        for item in value:
            kind = type(item)
            # As `lower` does; a call an item is most of what that costs.
            if kind in NATIVE or (kind is str and item.isascii()):
                items.append(item)
            else:
                items.append((_HANDLERS.get(kind) or _handler(kind))(item, depth + 1))
    except Refused as refused:
        refused.leave(f"[{len(items)}]", value if owner is None else owner)
        raise
    return items


def _dict(value: dict[Any, Any], depth: int, owner: Any = None) -> Any:
    """Lower to a map; to a marked list of keys and values where a key is no key of MessagePack.

    The `owner` is the instance whose attributes `value` holds.
    """
    _check_depth(depth)
    if not (_TEXTS.issuperset(map(type, value)) and all(map(str.isascii, value))):
        return _odd_dict(value, depth, owner)
    items: dict[str, Any] = {}
    key = ""
    try:
        for key, item in value.items():
            kind = type(item)
            if kind in NATIVE or (kind is str and item.isascii()):
                items[key] = item
            else:
                items[key] = (_HANDLERS.get(kind) or _handler(kind))(item, depth + 1)
    except Refused as refused:
        refused.leave(_step(key), value if owner is None else owner)
        raise
    return items


def _odd_dict(value: dict[Any, Any], depth: int, owner: Any) -> Any:
    """Lower a dict with keys of any kind."""
    keys: list[Any] = []
    items: list[Any] = []
    try:
        for key, item in value.items():
            keys.append(lower(key, depth + 1))
            items.append(lower(item, depth + 1))
    except Refused as refused:
        in_key = len(keys) == len(items)
        key = list(value)[len(items)]
        refused.leave("{a key}" if in_key else _step(key), value if owner is None else owner)
        raise
    if all(map(_is, keys, value)):
        return dict(zip(keys, items, strict=True))
    flat = [part for pair in zip(keys, items, strict=True) for part in pair]
    return {msgpack.ExtType(codes.DICT, b""): flat}


def _is(low: Any, key: Any) -> bool:
    return low is key


def _step(key: Any) -> str:
    if type(key) is str and len(key) <= _ATTRIBUTE:
        return f".{key}" if key.isidentifier() else f"[{key!r}]"
    # Any other key may be an object whose repr is the program's, or a number of a million digits.
    if type(key) in {bool, float, type(None)} or (type(key) is int and INT_MIN <= key <= INT_MAX):
        return f"[{key!r}]"
    return f"[a key of type {type(key).__name__}]"


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise Refused(
            f"it is nested more than {MAX_DEPTH} levels deep",
            "Flatten it, e.g. into a list of items that refer to each other by id.",
        )


def _marked(code: int) -> Handler:
    mark = msgpack.ExtType(code, b"")

    def handler(value: Any, depth: int) -> Any:
        return {mark: _list(value, depth)}

    return handler


def _ordered(code: int) -> Handler:
    mark = msgpack.ExtType(code, b"")

    def handler(value: Any, depth: int) -> Any:
        return {mark: _dict(value, depth)}

    return handler


def _deque(value: deque[Any], depth: int) -> Any:
    return {msgpack.ExtType(codes.DEQUE, b""): [value.maxlen, _list(value, depth)]}


def _defaultdict(value: defaultdict[Any, Any], depth: int) -> Any:
    factory = value.default_factory
    name = None if factory is None else getattr(factory, "__name__", "")
    if factory is not FACTORIES.get(name):
        raise Refused(
            "a defaultdict whose factory is not a builtin type",
            "Use one of " + ", ".join(sorted(filter(None, FACTORIES))) + ", or dict(value).",
        )
    return {msgpack.ExtType(codes.DEFAULTDICT, b""): [name, _dict(value, depth)]}


def _range(value: range, depth: int) -> Any:
    parts = [value.start, value.stop, value.step]
    return {msgpack.ExtType(codes.RANGE, b""): _list(parts, depth)}


def _array(value: Any, depth: int) -> Any:
    """Lower an array; one of objects or of variable strings by its elements."""
    if value.dtype.kind not in "OT":
        return encode_array(value)
    order = layout_of(value)
    if not all(value.shape):
        elements: list[Any] = []
    else:
        elements = list(value.ravel(order=order))
    body = [order, list(value.shape), _list(elements, depth, value)]
    if value.dtype.kind == "O":
        if value.dtype.metadata:
            raise Refused(f"an array of dtype {value.dtype}", "Use np.array(value, dtype=object).")
        return {msgpack.ExtType(codes.OBJECT_ARRAY, b""): body}
    missing = getattr(value.dtype, "na_object", "")
    if not (missing == "" or missing is None or type(missing) is float):
        raise Refused(f"an array of dtype {value.dtype}", "Use None or NaN for missing strings.")
    marks = [] if missing == "" else [missing]
    return {msgpack.ExtType(codes.STRING_ARRAY, b""): [*body, value.dtype.coerce, marks]}


def _named(code: int, name: str) -> Any:
    return msgpack.ExtType(code, name.encode("utf-8", "surrogatepass"))


def _fields(value: Any, depth: int) -> Any:
    kind = type(value)
    instances.check_layout(kind)
    body = _dict(instances.attributes(value), depth, value)
    return {_named(codes.FIELDS, stored_name(kind)): body}


def _model(value: Any, depth: int) -> Any:
    kind = type(value)
    instances.check_layout(kind)
    fields, names, extra, private = instances.model_parts(value)
    mark = _named(codes.MODEL, stored_name(kind))
    return {mark: _model_body(fields, (names, extra, private), depth, value)}


def _model_body(fields: dict[str, Any], rest: Any, depth: int, owner: Any) -> Any:
    names, extra, private = rest
    body = _dict(fields, depth, owner)
    if names is None and not extra and not private:
        return body
    others = [None if part is None else _dict(part, depth, owner) for part in (extra, private)]
    return [body, names, *others]


def _enum(value: Enum, depth: int) -> Any:
    mark = _named(codes.ENUM, stored_name(type(value)))
    try:
        return {mark: [value._name_, lower(value._value_, depth + 1)]}
    except Refused:
        # The name alone says which member it is.
        if value._name_ not in type(value).__members__:
            raise
        return {mark: [value._name_]}


def _named_tuple(value: Any, depth: int) -> Any:
    kind = type(value)
    if instances.attributes(value):
        raise Refused(
            f"{instances.describe(kind)}, a named tuple with attributes of its own",
            "Make them fields, or use a dataclass.",
        )
    body = _dict(dict(zip(kind._fields, tuple.__iter__(value), strict=True)), depth, value)
    return {_named(codes.NAMED_TUPLE, stored_name(kind)): body}


def _derived(value: Any, depth: int) -> Any:
    kind = type(value)
    base: Any = instances.base_of(kind)
    state = instances.attributes(value)
    body = [
        base.__name__,
        _base(instances.plain_base(value, base), depth, value),
        _dict(state, depth, value) if state else None,
    ]
    return {_named(codes.DERIVED, stored_name(kind)): body}


def _base(plain: Any, depth: int, owner: Any) -> Any:
    if type(plain) is list:
        return _list(plain, depth, owner)
    return _dict(plain, depth, owner) if type(plain) is dict else lower(plain, depth)


def _record(value: Record, depth: int) -> Any:
    """Lower to what the instance was lowered to that came back as this record."""
    if value.code == codes.ENUM:
        mark = _named(codes.ENUM, value.type_name)
        return {mark: _list([value[key] for key in ("name", "value") if key in value], depth)}
    if value.code == codes.MODEL:
        names, extras, private = value.rest or (None, (), None)
        extra = {key: value[key] for key in extras if key in value}
        fields = {key: item for key, item in value.items() if key not in extra}
        body = _model_body(fields, (names, extra or None, private), depth, value)
        return {_named(codes.MODEL, value.type_name): body}
    return {_named(value.code, value.type_name): _dict(value, depth)}


def _without_depth(encode: Callable[[Any], Any]) -> Handler:
    def handler(value: Any, _depth: int) -> Any:
        return encode(value)

    return handler


def _refuse(value: Any, _depth: int) -> Any:
    kind = type(value)
    name = instances.describe(kind)
    hint = next((hint for start, hint in _HINTS.items() if name.startswith(start)), _HINT)
    raise Refused(name, hint)


_HINT: Final = "Store plain data, or make its class a dataclass, a pydantic model or a NamedTuple."
_HINTS: Final = {
    "memoryview": "Store bytes(value).",
    "array.array": "Store np.array(value).",
    "pandas.": "Store pa.Table.from_pandas(value), or value.to_dict('list').",
    "polars.": "Store value.to_arrow().",
    "numpy.": "Convert it with np.asarray(value) or .tolist().",
    "function": "Store its name and look it up when it is needed.",
    "type": "Store its name and look it up when it is needed.",
}

_ARROW: Final = (pa.Table, pa.RecordBatch, pa.Array, pa.ChunkedArray)


def _kind_of(kind: type[Any]) -> Handler:
    """Return how instances of a class are stored that is not in the table."""
    choices: tuple[tuple[Callable[[], Any], Handler], ...] = (
        (lambda: issubclass(kind, BaseException), _without_depth(encode_error)),
        (lambda: issubclass(kind, Enum), _enum),
        (lambda: issubclass(kind, np.generic), _without_depth(encode_scalar)),
        (lambda: issubclass(kind, _ARROW), _without_depth(encode_arrow)),
        (lambda: instances.is_model(kind), _model),
        (lambda: dataclasses.is_dataclass(kind) or is_slotted(kind), _fields),
        (lambda: instances.is_named_tuple(kind), _named_tuple),
        (lambda: instances.base_of(kind), _derived),
    )
    return next((handler for applies, handler in choices if applies()), _refuse)


_CLASSES: weakref.WeakKeyDictionary[type[Any], Handler] = weakref.WeakKeyDictionary()


def _handler(kind: type[Any]) -> Handler:
    known = _CLASSES.get(kind)
    if known is None:
        known = _CLASSES[kind] = _kind_of(kind)
    return known


_BIG_INT: Final = ENCODERS[int]
_TEXT: Final = ENCODERS[str]
_HANDLERS: Final[dict[type[Any], Handler]] = {
    **{kind: _without_depth(encode) for kind, encode in ENCODERS.items()},
    int: _int,
    str: _str,
    list: _list,
    dict: _dict,
    tuple: _marked(codes.TUPLE),
    set: _marked(codes.SET),
    frozenset: _marked(codes.FROZENSET),
    deque: _deque,
    OrderedDict: _ordered(codes.ORDERED),
    Counter: _ordered(codes.COUNTER),
    defaultdict: _defaultdict,
    range: _range,
    np.ndarray: _array,
    Record: _record,
    # A named tuple, but one that MessagePack would take for an extension type of ours.
    msgpack.ExtType: _refuse,
    StoredError: _without_depth(encode_error),
}
