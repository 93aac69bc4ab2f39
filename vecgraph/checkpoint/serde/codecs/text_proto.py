"""A schema's messages as the text of a .proto, and as the descriptor that protobuf works with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vecgraph.checkpoint.serde._instances import is_model
from vecgraph.checkpoint.serde.codecs.shapes import (
    ABSENT,
    NONE,
    OTHER,
    UNSET,
    Field,
    Message,
    Shapes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PACKAGE", "descriptor", "proto_text"]

PACKAGE: Final = "vecgraph"

_HEAD: Final = """\
// States of {name}: a file of many is one {table}, a file of one is one {name}.
//
// A key that is None is listed in vecgraph_none; its own field is not set. A key that the state
// lacks has no field set, or is listed in vecgraph_absent where a list or a map cannot say so.
// vecgraph_other holds, as MessagePack, what is not of its field's type, and keys without a field.
// vecgraph_unset lists the fields of a pydantic model that have their default.
// Bytes marked "MessagePack" are described in vecgraph's reference of serialisation.

syntax = "proto3";

package {package};
"""
_NOTES: Final = {
    "packed": "MessagePack",
    "text": "text",
    "enum": "name of the member",
}
# Numbers of descriptor.proto.
_TYPES: Final = {"double": 1, "int64": 3, "bool": 8, "string": 9, "bytes": 12}
_MESSAGE_TYPE, _OPTIONAL, _REPEATED = 11, 1, 3


def proto_text(shapes: Shapes) -> str:
    """Return the .proto of a schema."""
    head = _HEAD.format(name=shapes.state.name, table=shapes.table, package=PACKAGE)
    table = f"message {shapes.table} {{\n  repeated {shapes.state.name} rows = 1;\n}}\n"
    packed = f"message {shapes.packed} {{\n  string key = 1;\n  bytes value = 2;\n}}\n"
    blocks = [head, table, *(_message_text(shapes, message) for message in shapes), packed]
    return "\n".join(blocks)


def _message_text(shapes: Shapes, message: Message) -> str:
    lines = [f"message {message.name} {{"]
    entries = []
    for field in message.fields:
        lines.append(_field_text(field))
        if field.entry:
            entries.append(
                f"\nmessage {field.entry} {{\n  string key = 1;\n"
                f"  {field.shape.proto} value = 2;\n}}\n"
            )
    lines += [
        f"  repeated {kind} {name} = {number};" for name, number, kind in _extras(shapes, message)
    ]
    return "\n".join([*lines, "}\n"]) + "".join(entries)


def _extras(shapes: Shapes, message: Message) -> list[tuple[str, int, str]]:
    """Return the names, numbers and types of the fields that every message has."""
    extras = [
        ("vecgraph_none", NONE, "string"),
        ("vecgraph_absent", ABSENT, "string"),
        ("vecgraph_other", OTHER, shapes.packed),
    ]
    if is_model(message.python):
        extras.append(("vecgraph_unset", UNSET, "string"))
    return extras


def _field_text(field: Field) -> str:
    label = "optional" if field.shape.many == "one" else "repeated"
    notes = [] if field.name == field.key else [f"key {field.key!a}"]
    if field.shape.kind in _NOTES:
        notes.append(f"{_NOTES[field.shape.kind]} of {ascii(field.annotation)[1:-1]}")
    comment = f"  // {', '.join(notes)}" if notes else ""
    return f"  {label} {field.entry or field.shape.proto} {field.name} = {field.number};{comment}"


def descriptor(shapes: Shapes, file: Any) -> None:
    """Fill in a FileDescriptorProto with what `proto_text` says."""
    file.name, file.package, file.syntax = f"{shapes.state.name}.proto", PACKAGE, "proto3"
    table = file.message_type.add(name=shapes.table)
    _add(table, "rows", 1, shapes.state.name, repeated=True)
    for message in shapes:
        made = file.message_type.add(name=message.name)
        for field in message.fields:
            one = field.shape.many == "one"
            _add(made, field.name, field.number, field.entry or field.shape.proto, repeated=not one)
        for name, number, kind in _extras(shapes, message):
            _add(made, name, number, kind, repeated=True)
        for field in _entries(message):
            _entry(file, field.entry, field.shape.proto)
    _entry(file, shapes.packed, "bytes")


def _entries(message: Message) -> Iterator[Field]:
    return (field for field in message.fields if field.entry)


def _entry(file: Any, name: str, kind: str) -> None:
    made = file.message_type.add(name=name)
    for number, (part, proto) in enumerate([("key", "string"), ("value", kind)], 1):
        made.field.add(name=part, number=number, label=_OPTIONAL, **_type(proto))


def _add(message: Any, name: str, number: int, kind: str, *, repeated: bool) -> None:
    label = _REPEATED if repeated else _OPTIONAL
    field = message.field.add(name=name, number=number, label=label, **_type(kind))
    if not repeated:
        # How presence is written in a descriptor: a oneof with nothing else in it.
        field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")


def _type(kind: str) -> dict[str, Any]:
    if kind in _TYPES:
        return {"type": _TYPES[kind]}
    return {"type": _MESSAGE_TYPE, "type_name": f".{PACKAGE}.{kind}"}
