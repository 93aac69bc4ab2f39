"""Python values to the messages of a schema and back."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, SafeUUID

from vecgraph.checkpoint.serde import _atoms
from vecgraph.checkpoint.serde import _codes as codes
from vecgraph.checkpoint.serde import _instances as instances
from vecgraph.checkpoint.serde._codes import Refused
from vecgraph.checkpoint.serde.codecs.shapes import Field, Message, Shape, Shapes
from vecgraph.checkpoint.serde.codecs.text_proto import PACKAGE, descriptor
from vecgraph.checkpoint.serde.pack import Packer
from vecgraph.errors import UnserialisableError
from vecgraph.schema import is_typed_dict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Wire"]

_DEPTH: Final = 30
"""Messages in each other; protobuf reads a hundred levels, and a dict is two."""

_TEXT_CODES: Final[dict[type[Any], int]] = {
    date: codes.DATE,
    datetime: codes.DATETIME,
    time: codes.TIME,
    Decimal: codes.DECIMAL,
}
_INT64: Final = range(-(2**63), 2**63)


class Misfit(Exception):
    """A value is not of its field's type."""


class Wire:
    """The messages of a schema, with protobuf's classes.

    Raises
    ------
    ImportError
        The extra ``protobuf`` is not installed.
    """

    def __init__(self, schema: Any, allowed: Iterable[type[Any]]) -> None:
        protobuf = _protobuf()
        self.shapes = Shapes(schema, protobuf.taken)
        self._packer = Packer(allowed)
        self._unknown = protobuf.unknown
        file = protobuf.file()
        descriptor(self.shapes, file)
        pool = protobuf.pool()
        pool.AddSerializedFile(file.SerializeToString())

        def class_of(name: str) -> Any:
            return protobuf.make(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))

        for message in self.shapes:
            message.make = class_of(message.name)
        self._table = class_of(self.shapes.table)

    def pack_table(self, states: Sequence[dict[str, Any]]) -> bytes:
        """Return the bytes of many states."""
        table = self._table()
        for row, state in enumerate(states):
            _check_names(state)
            self._fill(table.rows.add(), self.shapes.state, state, [f"[{row}]"], 0)
        return self._bytes(table)

    def pack_state(self, state: dict[str, Any]) -> bytes:
        """Return the bytes of one state."""
        _check_names(state)
        message = self.shapes.state.make()
        self._fill(message, self.shapes.state, state, [], 0)
        return self._bytes(message)

    def unpack_table(self, data: bytes) -> list[dict[str, Any]]:
        """Return the states of a table's bytes."""
        table = self._table()
        table.ParseFromString(data)
        self._check_known(table)
        return [self._values(row, self.shapes.state) for row in table.rows]

    def unpack_state(self, data: bytes) -> dict[str, Any]:
        """Return the state of its bytes."""
        message = self.shapes.state.make()
        message.ParseFromString(data)
        return self._values(message, self.shapes.state)

    def _bytes(self, message: Any) -> bytes:
        data: bytes = message.SerializeToString(deterministic=True)
        return data

    def _fill(
        self, message: Any, plan: Message, values: dict[str, Any], path: list[str], depth: int
    ) -> None:
        """Write the values of a dict, or the attributes of an instance, into its message."""
        rest = dict(values)
        for field in plan.fields:
            if field.key not in rest:
                if field.shape.many != "one":
                    message.vecgraph_absent.append(field.key)
                continue
            value = rest[field.key]
            if value is None and not (field.shape.kind == "packed" and field.shape.many == "one"):
                message.vecgraph_none.append(field.key)
                del rest[field.key]
                continue
            try:
                self._set(message, field, value, path, depth)
            except Misfit:
                message.ClearField(field.name)
            else:
                del rest[field.key]
        for key, value in rest.items():
            packed = self._packed(value, [*path, f".{key}"])
            message.vecgraph_other.add(key=_text(key), value=packed)

    def _set(self, message: Any, field: Field, value: Any, path: list[str], depth: int) -> None:
        shape, path = field.shape, [*path, f".{field.key}"]
        if shape.many == "list":
            if type(value) is not list:
                raise Misfit
            target = getattr(message, field.name)
            for place, item in enumerate(value):
                target.append(self._to(shape, item, [*path, f"[{place}]"], depth))
        elif shape.many == "dict":
            if type(value) is not dict:
                raise Misfit
            target = getattr(message, field.name)
            for key, item in value.items():
                entry = target.add(key=_text(key))
                self._put(entry, "value", shape, self._to(shape, item, [*path, f".{key}"], depth))
        else:
            self._put(message, field.name, shape, self._to(shape, value, path, depth))

    def _put(self, message: Any, name: str, shape: Shape, wire: Any) -> None:
        if shape.kind == "message":
            # A message without fields is there as well.
            getattr(message, name).CopyFrom(wire)
            getattr(message, name).SetInParent()
        else:
            setattr(message, name, wire)

    def _to(self, shape: Shape, value: Any, path: list[str], depth: int) -> Any:
        """Return a value as its field holds it; Misfit unless it comes back exactly."""
        if shape.kind == "packed":
            return self._packed(value, path)
        if shape.message is not None:
            return self._message(shape.message, value, path, depth)
        if type(value) is not shape.python:
            raise Misfit
        if shape.kind == "text":
            return _to_text(value)
        if shape.kind == "enum":
            return _member_name(value)
        if shape.python is str:
            return _text(value)
        if shape.python is int and value not in _INT64:
            raise Misfit
        return value

    def _message(self, plan: Message, value: Any, path: list[str], depth: int) -> Any:
        if depth >= _DEPTH:
            raise Misfit
        made = plan.make()
        parts, unset = _parts(plan, value)
        if unset:
            made.vecgraph_unset.extend(unset)
        self._fill(made, plan, parts, path, depth + 1)
        return made

    def _packed(self, value: Any, path: list[str]) -> bytes:
        try:
            return self._packer.pack(value)
        except UnserialisableError as error:
            raise error.within(*path) from None

    def _check_known(self, message: Any) -> None:
        unknown = self._unknown(message)
        if len(unknown):
            raise ValueError(f"a field with the number {unknown[0].field_number}")

    def _values(self, message: Any, plan: Message) -> dict[str, Any]:
        """Return the values that `_fill` wrote, in the order of the schema."""
        self._check_known(message)
        none, absent = set(message.vecgraph_none), set(message.vecgraph_absent)
        other = self._others(message)
        values: dict[str, Any] = {}
        for field in plan.fields:
            key, there = field.key, self._is_there(message, field)
            if there + (key in none) + (key in absent) + (key in other) > 1:
                raise ValueError(f"two values for {key!r}")
            if key in none:
                values[key] = None
            elif key in other:
                values[key] = other.pop(key)
            elif there or (field.shape.many != "one" and key not in absent):
                values[key] = self._get(message, field)
        if odd := (none | absent) - {field.key for field in plan.fields}:
            raise ValueError(f"no field has the key {odd.pop()!r}")
        return values | other

    def _others(self, message: Any) -> dict[str, Any]:
        for entry in message.vecgraph_other:
            self._check_known(entry)
        other = {e.key: self._packer.unpack(e.value) for e in message.vecgraph_other}
        if len(other) != len(message.vecgraph_other):
            raise ValueError("two values for one key")
        return other

    def _is_there(self, message: Any, field: Field) -> bool:
        if field.shape.many == "one":
            return bool(message.HasField(field.name))
        return len(getattr(message, field.name)) > 0

    def _get(self, message: Any, field: Field) -> Any:
        held, shape = getattr(message, field.name), field.shape
        if shape.many == "list":
            return [self._of(shape, item) for item in held]
        if shape.many == "dict":
            for entry in held:
                self._check_known(entry)
            made = {entry.key: self._of(shape, entry.value) for entry in held}
            if len(made) != len(held):
                raise ValueError("two items of one key")
            return made
        return self._of(shape, held)

    def _of(self, shape: Shape, wire: Any) -> Any:
        if shape.kind == "packed":
            return self._packer.unpack(wire)
        if shape.message is not None:
            values = self._values(wire, shape.message)
            return _built(shape.message, values, list(getattr(wire, "vecgraph_unset", ())))
        if shape.kind == "text":
            return _of_text(shape.python, wire)
        return shape.python[wire] if shape.kind == "enum" else wire


def _check_names(state: dict[str, Any]) -> None:
    if not all(map(_is_utf8, state)):
        raise UnserialisableError.at(
            ["{a key}"], "a key with half a character in it", "Rename it, or use json or msgpack."
        )


def _text(value: Any) -> str:
    if type(value) is not str or not _is_utf8(value):
        raise Misfit
    return value


def _is_utf8(value: str) -> bool:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True


def _member_name(value: Any) -> str:
    name = value._name_
    if type(value).__members__.get(name) is not value:
        raise Misfit
    return _text(name)


def _to_text(value: Any) -> str:
    if type(value) is UUID:
        if value.is_safe is not SafeUUID.unknown:
            raise Misfit
        return str(value)
    try:
        return _text(_atoms.ENCODERS[type(value)](value).data.decode())
    except (Refused, UnicodeDecodeError):
        raise Misfit from None


def _of_text(kind: type[Any], text: str) -> Any:
    if kind is UUID:
        made = UUID(text)
        if str(made) != text:
            raise ValueError(f"{text!r} is not how an id is written")
        return made
    return _atoms.DECODERS[_TEXT_CODES[kind]](text.encode())


def _parts(plan: Message, value: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of a dict or an instance; Misfit unless they are all there is to it.

    Beside them, the names of a model's fields that were not set.
    """
    kind = plan.python
    if is_typed_dict(kind):
        return _of_dict(plan, value), []
    if type(value) is not kind:
        raise Misfit
    try:
        instances.check_layout(kind)
        if not instances.is_model(kind):
            return _complete(plan, instances.attributes(value)), []
        parts, names, extra, private = instances.model_parts(value)
    except Refused:
        raise Misfit from None
    chosen = parts.keys() if names is None else set(names)
    if extra or private or not chosen <= parts.keys():
        raise Misfit
    return _complete(plan, parts), [name for name in parts if name not in chosen]


def _complete(plan: Message, parts: dict[str, Any]) -> dict[str, Any]:
    if parts.keys() != {field.key for field in plan.fields}:
        raise Misfit
    return parts


def _of_dict(plan: Message, value: Any) -> dict[str, Any]:
    if type(value) is not dict or not all(type(key) is str for key in value):
        raise Misfit
    keys = [field.key for field in plan.fields if field.key in value]
    rest = [key for key in value if key not in keys]
    # Keys come back in this order.
    if list(value) != keys + rest or not all(map(_is_utf8, rest)):
        raise Misfit
    return value


def _built(plan: Message, values: dict[str, Any], unset: list[str]) -> Any:
    kind = plan.python
    if is_typed_dict(kind):
        return values
    if values.keys() != {field.key for field in plan.fields}:
        raise ValueError(f"a {plan.name} without all of its fields")
    if not instances.is_model(kind):
        return instances.make_fields(kind, values)
    names = [name for name in values if name not in unset] if unset else None
    return instances.make_model(kind, values, names, None, None)


@dataclasses.dataclass(frozen=True, slots=True)
class _Protobuf:
    """What this module needs of the package protobuf."""

    file: Any
    pool: Any
    make: Any
    unknown: Any
    taken: frozenset[str]


def _protobuf() -> _Protobuf:
    try:
        from google.protobuf.descriptor_pb2 import FileDescriptorProto
        from google.protobuf.descriptor_pool import DescriptorPool
        from google.protobuf.message import Message as Base
        from google.protobuf.message_factory import GetMessageClass
        from google.protobuf.unknown_fields import UnknownFieldSet
    except ImportError as error:
        raise ImportError(
            "Protocol Buffers need protobuf: pip install 'vecgraph[protobuf]'"
        ) from error
    taken = frozenset({*dir(Base), "DESCRIPTOR"})
    return _Protobuf(FileDescriptorProto, DescriptorPool, GetMessageClass, UnknownFieldSet, taken)
