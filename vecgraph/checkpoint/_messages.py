"""Arrow IPC messages as bytes: what one declares, and files made of whole messages.

Arrow decodes what a message declares, without asking whether so much can be there; here its
sizes are read first. And it writes files only from batches; here one is put together from
messages that are encoded already.

Source of the layouts: ``Message.fbs``, ``File.fbs`` of the Arrow format, and the FlatBuffers
binary format (tables begin with the distance back to their vtable; offsets point forward).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "END_OF_STREAM",
    "FILE_START",
    "Declared",
    "batch_table",
    "declared",
    "file_end",
    "schema_size",
]

END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
MAGIC = b"ARROW1"
FILE_START = MAGIC + b"\0\0"
_RECORD_BATCH = 3
_HEADER_TYPE, _HEADER, _BODY_LENGTH = 1, 2, 3
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3
_V5 = 4


@dataclass(frozen=True, slots=True)
class Declared:
    """What a record batch message says of itself.

    Attributes
    ----------
    rows : int
    size : int
        Bytes of its buffers once they are decompressed.
    """

    rows: int
    size: int


def declared(message: bytes) -> Declared:
    """Read the sizes of an encapsulated record batch message.

    Raises
    ------
    ValueError
        It is no such message, or its parts do not lie within it.
    """
    try:
        return _declared(message)
    except (struct.error, IndexError) as error:
        raise ValueError("the message ends before its parts do") from error


def _declared(message: bytes) -> Declared:
    mark, length = _read("<Ii", message, 0)
    body = 8 + length
    if mark != 0xFFFFFFFF or length < 8 or body > len(message):
        raise ValueError("no Arrow IPC message begins here")
    meta = message[8:body]
    (root,) = _read("<I", meta, 0)
    kind = _field(meta, root, _HEADER_TYPE)
    if not kind or meta[kind] != _RECORD_BATCH:
        raise ValueError("the message holds no record batch")
    size_at = _field(meta, root, _BODY_LENGTH)
    size = _read("<q", meta, size_at)[0] if size_at else 0
    if size != len(message) - body:
        raise ValueError(f"its body has {len(message) - body} bytes and not {size}")
    batch = _follow(meta, _field(meta, root, _HEADER))
    rows_at = _field(meta, batch, _LENGTH)
    buffers = _vector(meta, _field(meta, batch, _BUFFERS))
    compressed = bool(_field(meta, batch, _COMPRESSION))
    return Declared(
        _read("<q", meta, rows_at)[0] if rows_at else 0,
        _decompressed(message, body, size, buffers, compressed=compressed),
    )


def _decompressed(
    message: bytes, body: int, size: int, buffers: np.ndarray, *, compressed: bool
) -> int:
    total = 0
    for offset, length in buffers.tolist():
        if offset < 0 or length < 0 or offset + length > size:
            raise ValueError("a buffer lies outside of the message")
        if length and compressed:
            (whole,) = _read("<q", message, body + offset)
            if whole < -1:
                raise ValueError("a buffer declares a negative length")
            length = length if whole == -1 else whole
        total += length
    return total


def batch_table(message: bytes) -> int:
    """Return where the table of a record batch begins in its message's metadata."""
    meta = message[8 : 8 + _read("<Ii", message, 0)[1]]
    (root,) = _read("<I", meta, 0)
    return _follow(meta, _field(meta, root, _HEADER))


def schema_size(data: bytes) -> int:
    """Return the bytes of the schema message that `data` begins with.

    Raises
    ------
    ValueError
        No whole one does.
    """
    if len(data) < 16:
        raise ValueError("there is no schema")
    mark, length = _read("<Ii", data, 0)
    if mark != 0xFFFFFFFF or not 8 <= length <= len(data) - 8:
        raise ValueError("no schema begins here")
    return 8 + length


def _read(form: str, data: bytes, at: int) -> tuple[int, ...]:
    if at < 0:  # struct would count from the end
        raise ValueError("an offset is negative")
    return struct.unpack_from(form, data, at)


def _field(data: bytes, table: int, index: int) -> int:
    """Return where a table's field lies, 0 if it is not set."""
    vtable = table - _read("<i", data, table)[0]
    (size,) = _read("<H", data, vtable)
    if 4 + 2 * index + 2 > size:
        return 0
    (offset,) = _read("<H", data, vtable + 4 + 2 * index)
    return table + offset if offset else 0


def _follow(data: bytes, at: int) -> int:
    if not at:
        raise ValueError("a part that must be there is missing")
    return at + _read("<I", data, at)[0]


def _vector(data: bytes, at: int) -> np.ndarray:
    """Return a vector of pairs of int64; shape (N, 2)."""
    if not at:
        return np.zeros((0, 2), np.int64)
    begin = _follow(data, at)
    (n,) = _read("<I", data, begin)
    if begin + 4 + 16 * n > len(data):
        raise ValueError("a vector is longer than the message")
    return np.frombuffer(data, "<i8", 2 * n, begin + 4).reshape(-1, 2)


def file_end(schema: bytes, sizes: Sequence[tuple[int, int]]) -> bytes:
    """Return what follows the messages of an Arrow IPC file.

    The file is `FILE_START`, the schema, the messages and this.

    Parameters
    ----------
    schema : bytes
        The encapsulated schema message.
    sizes : sequence of pairs of int
        Of each encapsulated record batch message the bytes before its body, and all its bytes,
        both multiples of 8.
    """
    at = len(FILE_START) + len(schema)
    blocks = []
    for meta, length in sizes:
        blocks.append(struct.pack("<qiiq", at, meta, 0, length - meta))
        at += length
    footer = _footer(schema, len(blocks), b"".join(blocks))
    return END_OF_STREAM + footer + struct.pack("<i", len(footer)) + MAGIC


def _footer(schema: bytes, n: int, blocks: bytes) -> bytes:
    """Return the FlatBuffers root table `Footer`.

    Offsets within a FlatBuffers table are relative, so the schema message is copied as it is
    and the footer points at the `Schema` table within it.
    """
    inner = schema[8:]
    (root,) = _read("<I", inner, 0)
    within = _follow(inner, _field(inner, root, _HEADER))
    # Root offset; vtable of (version, schema, dictionaries, recordBatches); the table.
    table, vector = 24, 44
    begin = vector + 4 + len(blocks)
    copied = begin + -begin % 8
    head = struct.pack("<I4x6H4x", table, 12, 16, 12, 4, 0, 8)
    head += struct.pack(
        "<iIIhxx", table - 8, copied + within - (table + 4), vector - (table + 8), _V5
    )
    head += struct.pack("<4xI", n)
    return head + blocks + b"\0" * (copied - begin) + inner
