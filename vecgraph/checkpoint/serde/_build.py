"""From what MessagePack read back to Python values: the inverse of `_lower.py`.

Whatever is wrong with what was read raises; `pack.py` turns it into one error.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final, TypeAlias

import numpy as np

from vecgraph.checkpoint.serde import _arrays, _arrow, _atoms
from vecgraph.checkpoint.serde import _codes as codes
from vecgraph.checkpoint.serde import _instances as instances
from vecgraph.checkpoint.serde._codes import MARKS, NAMED
from vecgraph.checkpoint.serde._instances import Changed
from vecgraph.checkpoint.serde._known import FACTORIES, Classes, is_slotted, warn_once
from vecgraph.checkpoint.serde._record import Record
from vecgraph.constants import MISSING
from vecgraph.errors import CorruptDataError

__all__ = ["Marked", "Reader", "as_dict", "atom", "make", "reading"]

Maker: TypeAlias = Callable[[Classes, str, Any], Any]

_ATOMS: Final[dict[int, Callable[[bytes], Any]]] = {
    **_atoms.DECODERS,
    **_arrays.DECODERS,
    **_arrow.DECODERS,
}
_KEYS_CHECKED: Final = 1_000
_SAME_HASH: Final = 16


class Marked(Exception):
    """There is a mark in the data: it takes a `Reader` to read them."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever is raised within into the one error of data that cannot be read.

    Raises
    ------
    CorruptDataError
    """
    try:
        yield
    except CorruptDataError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise CorruptDataError.reading(what, reason[:300]) from error


def atom(code: int, data: bytes) -> Any:
    """Return the value of an atom; the hook for data without marks.

    Raises
    ------
    Marked
        It is a mark.
    """
    decode = _ATOMS.get(code)
    if decode is None:
        if code in MARKS:
            raise Marked
        raise ValueError(f"there is no extension type {code}")
    return decode(data)


class _Mark:
    """A mark that has been read and waits for the map that it is the key of."""

    __slots__ = ("code", "data")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, code: int, data: bytes) -> None:
        self.code, self.data = code, data


class Reader:
    """The hooks for data with marks; one for each value that is read."""

    __slots__ = ("_classes", "_open")

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self._open = 0

    def ext(self, code: int, data: bytes) -> Any:
        """Return an atom's value, or a mark."""
        if code in MARKS:
            self._open += 1
            return _Mark(code, data)
        return atom(code, data)

    def pairs(self, pairs: list[tuple[Any, Any]]) -> Any:
        """Return a dict, or what the only key says that the map is."""
        if len(pairs) == 1 and type(pairs[0][0]) is _Mark:
            mark, content = pairs[0]
            self._open -= 1
            return make(
                self._classes, mark.code, mark.data.decode("utf-8", "surrogatepass"), content
            )
        return as_dict(pairs)

    def finish(self) -> None:
        """Check that no mark was left where a value belongs."""
        if self._open:
            raise ValueError("an extension type that is no value stands where one belongs")


def make(classes: Classes, code: int, name: str, content: Any) -> Any:
    """Return what a mark says that its content is."""
    if (code in NAMED) != bool(name):
        raise ValueError(f"extension type {code} with the name {name[:40]!r}")
    return _MAKERS[code](classes, name, content)


def as_dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return a dict of keys that must differ."""
    if len(pairs) > _KEYS_CHECKED:
        _check_hashes([key for key, _ in pairs])
    made = dict(pairs)
    if len(made) != len(pairs):
        _check_distinct(len(made), len(pairs))
    return made


def _as_set(kind: type[Any], content: Any) -> Any:
    items = _sequence(content)
    if len(items) > _KEYS_CHECKED:
        _check_hashes(items)
    made = kind(items)
    _check_distinct(len(made), len(items))
    return made


def _check_hashes(keys: list[Any]) -> None:
    # Keys of one hash take a time that grows with the square of their number.
    if len(set(map(hash, keys))) * _SAME_HASH < len(keys):
        raise ValueError(f"{len(keys)} keys have {len(set(map(hash, keys)))} hashes")


def _check_distinct(found: int, stored: int) -> None:
    if found != stored:
        raise ValueError(
            f"of {stored} keys only {found} differ (instances of classes that are not in the "
            "allow-list are compared by their fields)"
        )


def _sequence(content: Any) -> list[Any]:
    if type(content) is not list:
        raise ValueError(f"a {type(content).__name__} where a list belongs")
    return content


def _parts(content: Any, *lengths: int) -> list[Any]:
    if len(_sequence(content)) not in lengths:
        raise ValueError(f"{len(content)} parts where {lengths[-1]} belong")
    return content  # type: ignore[no-any-return]


def _mapping(content: Any) -> dict[Any, Any]:
    if type(content) is not dict:
        raise ValueError(f"a {type(content).__name__} where a map belongs")
    return content


def _names(content: Any) -> dict[str, Any]:
    if not all(type(name) is str for name in _mapping(content)):
        raise ValueError("a field whose name is no text")
    return content  # type: ignore[no-any-return]


def _tuple(_classes: Classes, _name: str, content: Any) -> Any:
    return tuple(_sequence(content))


def _set(_classes: Classes, _name: str, content: Any) -> Any:
    return _as_set(set, content)


def _frozenset(_classes: Classes, _name: str, content: Any) -> Any:
    return _as_set(frozenset, content)


def _pairs(_classes: Classes, _name: str, content: Any) -> Any:
    items = iter(_sequence(content))
    return as_dict(list(zip(items, items, strict=True)))


def _deque(_classes: Classes, _name: str, content: Any) -> Any:
    maxlen, items = _parts(content, 2)
    made = deque(_sequence(items), maxlen)
    _check_distinct(len(made), len(items))
    return made


def _ordered(_classes: Classes, _name: str, content: Any) -> Any:
    return OrderedDict(_mapping(content))


def _counter(_classes: Classes, _name: str, content: Any) -> Any:
    made: Counter[Any] = Counter()
    dict.update(made, _mapping(content))
    return made


def _defaultdict(_classes: Classes, _name: str, content: Any) -> Any:
    factory, items = _parts(content, 2)
    return defaultdict(FACTORIES[factory], _mapping(items))


def _range(_classes: Classes, _name: str, content: Any) -> Any:
    return range(*_parts(content, 3))


def _object_array(_classes: Classes, _name: str, content: Any) -> Any:
    order, shape, elements = _parts(content, 3)
    count = _arrays.check_shape(_sequence(shape))
    _check_distinct(count, len(_sequence(elements)))
    # fromiter keeps elements that are sequences apart; assignment would spread them.
    return _arrays.shaped(np.fromiter(elements, np.dtype(object), count), shape, order)


def _string_array(_classes: Classes, _name: str, content: Any) -> Any:
    order, shape, elements, coerce, missing = _parts(content, 5)
    count = _arrays.check_shape(_sequence(shape))
    _check_distinct(count, len(_sequence(elements)))
    kinds = {str, *map(type, _sequence(missing))}
    alien = kinds - {str, float, type(None)} or set(map(type, elements)) - kinds
    if alien or len(missing) > 1:
        raise ValueError("an array of strings with something else in it")
    marks = {"na_object": missing[0]} if missing else {}
    dtype = np.dtypes.StringDType(coerce=bool(coerce), **marks)
    return _arrays.shaped(np.array(elements, dtype), shape, order)


def _instance(
    code: int, fits: Callable[[type[Any]], bool], make: Callable[..., Any]
) -> Callable[[Classes, str, tuple[Any, ...], dict[str, Any], Any], Any]:
    """Return what makes an instance of an allowed class, or else a record."""

    def maker(
        classes: Classes, name: str, parts: tuple[Any, ...], shown: dict[str, Any], rest: Any
    ) -> Any:
        kind = classes.find(name)
        if kind is None:
            warn_once(
                name,
                f"{name} comes back as a Record, a dict of its fields: the class is not in the "
                "allow-list. Hint: pass the class to allowed=.",
            )
        elif not fits(kind):
            _warn_changed(name, "it is another kind of class")
        else:
            try:
                return make(kind, *parts)
            except Changed as change:
                _warn_changed(name, str(change))
        return Record(name, shown, code, rest)

    return maker


def _warn_changed(name: str, change: str) -> None:
    warn_once(
        name,
        f"{name} comes back as a Record, a dict of its fields: the class has changed since it "
        f"was stored ({change}).",
    )


def _fields(classes: Classes, name: str, content: Any) -> Any:
    stored = _names(content)
    return _MAKE_FIELDS(classes, name, (stored,), stored, None)


def _named_tuple(classes: Classes, name: str, content: Any) -> Any:
    stored = _names(content)
    return _MAKE_NAMED_TUPLE(classes, name, (stored,), stored, None)


def _model(classes: Classes, name: str, content: Any) -> Any:
    if type(content) is dict:
        fields = _names(content)
        return _MAKE_MODEL(classes, name, (fields, None, None, None), fields, None)
    fields, names, extra, private = _parts(content, 4)
    if names is not None and not all(type(item) is str for item in _sequence(names)):
        raise ValueError("a field whose name is no text")
    extra = None if extra is None else _names(extra)
    private = None if private is None else _names(private)
    shown = {**_names(fields), **(extra or {})}
    rest = (names, tuple(extra or ()), private)
    return _MAKE_MODEL(classes, name, (fields, names, extra, private), shown, rest)


def _enum(classes: Classes, name: str, content: Any) -> Any:
    member, *value = _parts(content, 1, 2)
    if not (member is None or type(member) is str):
        raise ValueError("a member whose name is no text")
    shown = {"name": member, "value": value[0]} if value else {"name": member}
    return _MAKE_ENUM(classes, name, (member, shown.get("value", MISSING)), shown, None)


def _derived(classes: Classes, name: str, content: Any) -> Any:
    base_name, plain, state = _parts(content, 3)
    base = instances.BASES[base_name]
    if type(plain) is not base:
        raise ValueError(f"a {type(plain).__name__} where a {base_name} belongs")
    stored = {} if state is None else _names(state)
    kind = classes.find(name)
    if kind is not None and instances.base_of(kind) is base:
        try:
            return instances.make_derived(kind, base, plain, stored)
        except Changed as change:
            reason = f"the class has changed since it was stored ({change})"
    else:
        reason = "the class is not in the allow-list. Hint: pass the class to allowed="
    warn_once(name, f"{name} comes back as a plain {base_name}: {reason}.")
    return plain


def _is_fields(kind: type[Any]) -> bool:
    return dataclasses.is_dataclass(kind) or is_slotted(kind)


def _is_enum(kind: type[Any]) -> bool:
    return issubclass(kind, Enum)


_MAKE_FIELDS: Final = _instance(codes.FIELDS, _is_fields, instances.make_fields)
_MAKE_MODEL: Final = _instance(codes.MODEL, instances.is_model, instances.make_model)
_MAKE_ENUM: Final = _instance(codes.ENUM, _is_enum, instances.make_enum)
_MAKE_NAMED_TUPLE: Final = _instance(
    codes.NAMED_TUPLE, instances.is_named_tuple, instances.make_named_tuple
)

_MAKERS: Final[dict[int, Maker]] = {
    codes.TUPLE: _tuple,
    codes.SET: _set,
    codes.FROZENSET: _frozenset,
    codes.DICT: _pairs,
    codes.DEQUE: _deque,
    codes.ORDERED: _ordered,
    codes.COUNTER: _counter,
    codes.DEFAULTDICT: _defaultdict,
    codes.RANGE: _range,
    codes.OBJECT_ARRAY: _object_array,
    codes.STRING_ARRAY: _string_array,
    codes.FIELDS: _fields,
    codes.MODEL: _model,
    codes.ENUM: _enum,
    codes.NAMED_TUPLE: _named_tuple,
    codes.DERIVED: _derived,
}
