"""What an instance of a program's class is made of, and an instance made of it again.

Neither direction runs the class's own code: no ``__init__``, no ``__post_init__``, no validator,
no ``__getstate__``. An instance is its attributes; they are read as they are and set as they were.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
import weakref
from enum import Enum, Flag
from types import MemberDescriptorType
from typing import Any, Final, TypeAlias

from vecgraph.checkpoint.serde._codes import Refused
from vecgraph.constants import MISSING

__all__ = [
    "BASES",
    "Changed",
    "attributes",
    "base_of",
    "check_layout",
    "describe",
    "is_model",
    "is_named_tuple",
    "make_derived",
    "make_enum",
    "make_fields",
    "make_model",
    "make_named_tuple",
    "model_parts",
    "name_of",
    "plain_base",
    "set_attributes",
]

BASES: Final[dict[str, type[Any]]] = {
    kind.__name__: kind for kind in (str, int, float, bytes, list, dict)
}
"""Builtin types whose subclasses are stored as a value of the builtin and attributes."""

_HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: a class that Python code made."""

# `Foo[int](...)` leaves the alias on the instance; it is no part of the value.
_MODEL_SLOTS: Final = frozenset(
    {"__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"}
)
_NOT_STATE: Final = frozenset({"__orig_class__", "__weakref__", "__dict__"})


class Changed(Exception):
    """A class is not what it was when the value was stored."""


def name_of(kind: type[Any]) -> str:
    """Return the name under which a class is stored and looked up.

    Examples
    --------
    >>> name_of(dataclasses.Field)
    'dataclasses:Field'
    """
    return f"{kind.__module__}:{kind.__qualname__}"


def describe(kind: type[Any]) -> str:
    """Return a class's name for a message."""
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"


def is_model(kind: type[Any]) -> bool:
    """Return whether a class is a pydantic (version 2) model; never imports pydantic."""
    model = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    return model is not None and issubclass(kind, model)


def is_named_tuple(kind: type[Any]) -> bool:
    """Return whether a class was made by `typing.NamedTuple` or `collections.namedtuple`."""
    fields = getattr(kind, "_fields", None)
    return (
        issubclass(kind, tuple)
        and isinstance(fields, tuple)
        and all(isinstance(name, str) for name in fields)
    )


def base_of(kind: type[Any]) -> type[Any] | None:
    """Return the builtin in `BASES` that a class extends by Python code alone, if there is one."""
    static = [base for base in kind.__mro__[:-1] if not base.__flags__ & _HEAP_TYPE]
    return static[0] if len(static) == 1 and static[0] in BASES.values() else None


def plain_base(value: Any, base: type[Any]) -> Any:
    """Return the builtin value inside an instance of a subclass, past any method it overrides."""
    if base is str:
        return str.__str__(value)
    if base is int:
        return int.__int__(value)
    if base is float:
        return float.__float__(value)
    if base is bytes:
        return memoryview(value).tobytes()
    return list(list.__iter__(value)) if base is list else dict(dict.items(value))


def attributes(value: Any) -> dict[str, Any]:
    """Return the attributes that an instance holds, those in slots included.

    Values of `functools.cached_property` are left out: they are computed again.
    """
    slots, hidden = _layout(type(value))
    found = {}
    for name, slot in slots.items():
        with contextlib.suppress(AttributeError):
            found[name] = slot.__get__(value)
    found.update(getattr(value, "__dict__", {}))
    return {name: item for name, item in found.items() if name not in hidden}


_Layout: TypeAlias = tuple[dict[str, MemberDescriptorType], frozenset[str]]
_LAYOUTS: weakref.WeakKeyDictionary[type[Any], _Layout] = weakref.WeakKeyDictionary()


def _layout(kind: type[Any]) -> _Layout:
    """Return the slots of a class, and the names of attributes that are no state."""
    known = _LAYOUTS.get(kind)
    if known is None:
        items = [item for base in reversed(kind.__mro__) for item in vars(base).items()]
        slots = {
            name: item
            for name, item in items
            if isinstance(item, MemberDescriptorType) and item.__objclass__.__flags__ & _HEAP_TYPE
        }
        cached = {name for name, item in items if isinstance(item, functools.cached_property)}
        known = _LAYOUTS[kind] = (slots, _NOT_STATE | cached)
    return known


def set_attributes(value: Any, stored: dict[str, Any]) -> Any:
    """Give a new instance its attributes, past `__setattr__`; return it.

    Raises
    ------
    Changed
        The class has no place for one of them any more.
    """
    slots, _ = _layout(type(value))
    rest = {}
    for name, item in stored.items():
        if name in slots:
            slots[name].__set__(value, item)
        else:
            rest[name] = item
    if rest and not hasattr(value, "__dict__"):
        raise Changed(f"it has no attribute {next(iter(rest))!r}")
    if rest:
        value.__dict__.update(rest)
    return value


def check_layout(kind: type[Any]) -> None:
    """Refuse a class that extends a type written in C other than `object`.

    Raises
    ------
    Refused
    """
    for base in kind.__mro__[:-1]:
        if not base.__flags__ & _HEAP_TYPE:
            raise Refused(
                f"{describe(kind)}, which extends {describe(base)}",
                "Keep the other value in a field instead of extending its type.",
            )


def make_fields(kind: type[Any], stored: dict[str, Any]) -> Any:
    """Return an instance of a dataclass, or of a class of slots, with these attributes.

    Raises
    ------
    Changed
        The class has no such attribute any more, or a new one without a default.
    """
    if dataclasses.is_dataclass(kind):
        stored = _defaults(kind, stored)
    return set_attributes(object.__new__(kind), stored)


def _defaults(kind: Any, stored: dict[str, Any]) -> dict[str, Any]:
    missing = [field for field in dataclasses.fields(kind) if field.name not in stored]
    if not missing:
        return stored
    added = {}
    for field in missing:
        if field.default is not dataclasses.MISSING:
            added[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            added[field.name] = field.default_factory()
        else:
            raise Changed(f"its field {field.name!r} was not stored")
    return {**stored, **added}


def model_parts(value: Any) -> tuple[dict[str, Any], list[str] | None, Any, Any]:
    """Return a pydantic model's fields, the names that were set, its extras and private values.

    The names are None where all fields were set, extras and private values where there are none.
    """
    slots, hidden = _layout(type(value))
    if odd := slots.keys() - _MODEL_SLOTS:
        raise Refused(
            f"{describe(type(value))}, a model with the slots {sorted(odd)}", "Use fields."
        )
    fields = {name: item for name, item in vars(value).items() if name not in hidden}
    chosen = value.__pydantic_fields_set__
    extra, private = value.__pydantic_extra__, value.__pydantic_private__
    names = None if chosen == {*fields, *(extra or ())} else sorted(chosen)
    return fields, names, extra or None, private or None


def make_model(
    kind: Any, fields: dict[str, Any], names: list[str] | None, extra: Any, private: Any
) -> Any:
    """Return an instance of a pydantic model with these parts, unvalidated.

    Raises
    ------
    Changed
        The class has no such field any more, or a new one that is required.
    """
    known = kind.model_fields
    allows = kind.model_config.get("extra") == "allow"
    unknown = [name for name in fields if name not in known]
    if unknown or (extra and not allows):
        raise Changed(f"it has no field {(unknown or list(extra))[0]!r}")
    fields = dict(fields)
    chosen = set(names) if names is not None else {*fields, *(extra or ())}
    for name, field in known.items():
        if name not in fields:
            if field.is_required():
                raise Changed(f"its field {name!r} was not stored")
            fields[name] = _default(field, fields)
    value = kind.__new__(kind)
    object.__setattr__(value, "__dict__", fields)
    object.__setattr__(value, "__pydantic_fields_set__", chosen)
    object.__setattr__(value, "__pydantic_extra__", (extra or {}) if allows else None)
    hidden = private or ({} if kind.__private_attributes__ else None)
    object.__setattr__(value, "__pydantic_private__", hidden)
    return value


def _default(field: Any, fields: dict[str, Any]) -> Any:
    if field.default_factory is None:
        return field.get_default()
    takes_fields = getattr(field, "default_factory_takes_validated_data", False)
    return field.default_factory(fields) if takes_fields else field.default_factory()


def make_enum(kind: type[Enum], name: Any, value: Any) -> Enum:
    """Return the member of that name, or for a combination of flags, of that value.

    Raises
    ------
    Changed
        There is none, or it has another value now.
    """
    member = kind.__members__.get(name) if isinstance(name, str) else None
    if member is None and value is not MISSING and issubclass(kind, Flag):
        try:
            member = kind(value)
        except ValueError as error:
            raise Changed(str(error)) from error
    if member is None:
        raise Changed(f"it has no member {name!r}")
    if value is not MISSING and not _alike(member.value, value):
        raise Changed(f"its member {name!r} has another value")
    return member


def _alike(a: Any, b: Any) -> bool:
    # NaN and arrays differ from themselves.
    same = a == b
    return bool(same) if isinstance(same, bool) and same else repr(a) == repr(b)


def make_named_tuple(kind: type[Any], stored: dict[str, Any]) -> Any:
    """Return an instance of a named tuple.

    Raises
    ------
    Changed
        The class has other fields now.
    """
    if tuple(stored) != kind._fields:
        raise Changed(f"its fields are {kind._fields} now")
    return tuple.__new__(kind, stored.values())


def make_derived(kind: type[Any], base: type[Any], plain: Any, stored: dict[str, Any]) -> Any:
    """Return an instance of a subclass of a builtin, with the builtin's value and attributes.

    Raises
    ------
    Changed
        The class has no such attribute any more.
    """
    if base is list or base is dict:
        value = base.__new__(kind)
        (list.extend if base is list else dict.update)(value, plain)
    else:
        value = base.__new__(kind, plain)
    return set_attributes(value, stored)
