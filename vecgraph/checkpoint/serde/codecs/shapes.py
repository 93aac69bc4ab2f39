"""What a schema's annotations become in Protocol Buffers: fields, their types and their numbers."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, Flag
from typing import Any, Final, Literal, get_args, get_origin
from uuid import UUID

from vecgraph.checkpoint.serde import _instances as instances
from vecgraph.checkpoint.serde._schema import hints_of
from vecgraph.schema import is_typed_dict

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ABSENT", "NONE", "OTHER", "UNSET", "Field", "Kind", "Message", "Shape", "Shapes"]

NONE: Final = 100_001
ABSENT: Final = 100_002
OTHER: Final = 100_003
UNSET: Final = 100_004
"""Numbers of the fields that say which keys are None, which are absent, what fits no field, and
which fields of a pydantic model have their default."""

_RESERVED_NUMBERS: Final = range(19_000, 20_000)
_SCALARS: Final = {int: "int64", float: "double", bool: "bool", str: "string", bytes: "bytes"}
_TEXTS: Final = (datetime, date, time, Decimal, UUID)
_QUALIFIERS: Final = frozenset({"Required", "NotRequired", "ReadOnly"})
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

Kind = Literal["scalar", "text", "enum", "message", "packed"]
"""A number, text or bytes as it is; a value as text; a member's name; fields; MessagePack."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """How the values of one annotation are stored.

    Attributes
    ----------
    kind : Kind
    proto : str
        Type in the .proto.
    python : type
        What a value's type must be.
    many : {'one', 'list', 'dict'}
        One value, a list of them, or a dict from text to them.
    message : Message or None
        For messages, their fields.
    """

    kind: Kind
    proto: str
    python: Any
    many: Literal["one", "list", "dict"] = "one"
    message: Message | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A key of a state or a field of a class, in a message.

    Attributes
    ----------
    key : str
        The name in Python.
    name : str
        The name in the .proto; the same where it may be.
    number : int
    shape : Shape
    entry : str
        For a dict, the name of the message of its items.
    annotation : str
        As the comment shows it.
    """

    key: str
    name: str
    number: int
    shape: Shape
    entry: str
    annotation: str


@dataclasses.dataclass(slots=True)
class Message:
    """A message: a class's instances, or dicts of a TypedDict's.

    Attributes
    ----------
    name : str
    python : type
    fields : list of Field
    make : type or None
        The class that protobuf made for it, once it has.
    """

    name: str
    python: type[Any]
    fields: list[Field] = dataclasses.field(default_factory=list)
    make: Any = None


class Shapes:
    """The messages of a schema.

    Parameters
    ----------
    schema : type
        TypedDict, dataclass or pydantic model.
    taken : iterable of str
        Names that no field may have, such as those of protobuf's own methods.

    Raises
    ------
    TypeError
        The schema has no fields.
    """

    def __init__(self, schema: Any, taken: typing.Iterable[str]) -> None:
        if not isinstance(schema, type) or not hints_of(schema):
            raise TypeError(
                f"Protocol Buffers need a schema with fields, but got {schema!r}.\n"
                "Hint: pass schema=State, a TypedDict, dataclass or pydantic model."
            )
        self._taken = frozenset(taken)
        self._messages: dict[type[Any], Message] = {}
        self._names: set[str] = set()
        self.state = self._message_of(schema)
        self.table = self._unique(f"{self.state.name}Table")
        self.packed = self._unique("Packed")

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages.values())

    def _unique(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self._names:
            count += 1
            name = f"{wanted}{count}"
        self._names.add(name)
        return name

    def _message_of(self, kind: type[Any]) -> Message:
        known = self._messages.get(kind)
        if known is None:
            # Entered before its fields are looked at: a class may hold instances of itself.
            name = _identifier(kind.__name__)
            # In capitals, lest it be taken for a type of Protocol Buffers' own.
            known = Message(self._unique(name[:1].upper() + name[1:]), kind)
            self._messages[kind] = known
            known.fields.extend(self._fields(known, hints_of(kind)))
        return known

    def _fields(self, message: Message, hints: dict[str, Any]) -> Iterator[Field]:
        used = {_folded(f"vecgraph_{word}") for word in ("none", "absent", "other", "unset")}
        numbers = (n for n in range(1, NONE) if n not in _RESERVED_NUMBERS)
        for (key, annotation), number in zip(hints.items(), numbers, strict=False):
            if key == "__slots__" or get_origin(annotation) is typing.ClassVar:
                continue
            name = self._free(_identifier(key), used)
            shape = self._shape(annotation)
            entry = self._unique(f"{message.name}_{name}_Entry") if shape.many == "dict" else ""
            yield Field(key, name, number, shape, entry, _shown(annotation))

    def _free(self, wanted: str, used: set[str]) -> str:
        name, count = wanted, 1
        while name in self._taken or _folded(name) in used:
            count += 1
            name = f"{wanted}_{count}"
        used.add(_folded(name))
        return name

    def _shape(self, annotation: Any) -> Shape:
        """Return how values of an annotation are stored: as MessagePack unless there is better."""
        annotation = _bare(annotation)
        origin, args = get_origin(annotation), get_args(annotation)
        if annotation is list or origin is list:
            return self._many("list", args[0] if args else Any)
        if origin is dict and args[0] is str:
            return self._many("dict", args[1])
        return self._one(annotation)

    def _many(self, many: Literal["list", "dict"], item: Any) -> Shape:
        one = self._one(_strict(item))
        return dataclasses.replace(one, many=many)

    def _one(self, annotation: Any) -> Shape:
        if get_origin(annotation) is Literal:
            kinds = {type(item) for item in get_args(annotation)}
            annotation = kinds.pop() if len(kinds) == 1 else Any
        if not isinstance(annotation, type) or get_origin(annotation) is not None:
            return _PACKED
        if annotation in _SCALARS:
            return Shape("scalar", _SCALARS[annotation], annotation)
        if annotation in _TEXTS:
            return Shape("text", "string", annotation)
        if issubclass(annotation, Enum) and not issubclass(annotation, Flag):
            return Shape("enum", "string", annotation)
        if _has_fields(annotation):
            message = self._message_of(annotation)
            return Shape("message", message.name, annotation, message=message)
        return _PACKED


_PACKED: Final = Shape("packed", "bytes", object)


def _has_fields(kind: type[Any]) -> bool:
    """Return whether instances of a class can be a message."""
    if is_typed_dict(kind):
        return bool(hints_of(kind))
    made = dataclasses.is_dataclass(kind) or instances.is_model(kind)
    return made and instances.base_of(kind) is None and bool(hints_of(kind))


def _bare(annotation: Any) -> Any:
    """Return an annotation without what wraps it; of a type or None, the type."""
    while True:
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is typing.Annotated:
            annotation = annotation.__origin__
        elif getattr(origin, "_name", None) in _QUALIFIERS:
            annotation = args[0]
        elif origin in {typing.Union, types.UnionType}:
            rest = [arg for arg in args if arg is not type(None)]
            if len(rest) != 1:
                return Any
            annotation = rest[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation


def _strict(annotation: Any) -> Any:
    """Return an item's annotation; one that allows None has no place in a list of a type."""
    optional = type(None) in get_args(annotation)
    return Any if optional else _bare(annotation)


def _identifier(text: str) -> str:
    """Return a name that a .proto allows, as near to `text` as there is.

    Examples
    --------
    >>> _identifier("n"), _identifier("_n"), _identifier("größe 2")
    ('n', 'f_n', 'gr__e_2')
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return name if _NAME.fullmatch(name) else f"f_{name.lstrip('_')}"


def _folded(name: str) -> str:
    # Names that differ only in these are one name in JSON, which protoc refuses.
    return name.replace("_", "").lower()


def _shown(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else repr(annotation)
    return " ".join(text.replace("typing.", "").split())[:80]
