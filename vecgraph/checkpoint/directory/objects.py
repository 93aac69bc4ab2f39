"""What one flush is in an object store: Arrow streams, and an index at the end."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint._messages import END_OF_STREAM
from vecgraph.checkpoint.directory.framing import Frame, framed
from vecgraph.checkpoint.directory.records import (
    DROP,
    RECORD,
    Record,
    chain_of,
    pack_record,
    read_records,
)
from vecgraph.checkpoint.directory.segments import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.checkpoint.storage import Chunk

__all__ = [
    "TRAILER",
    "Content",
    "Section",
    "TornError",
    "index_size",
    "pack_flush",
    "pack_index",
    "read_index",
]

_MAGIC = b"vgflush1"
_TRAILER = struct.Struct("<8sQQII")
TRAILER = _TRAILER.size
"""Bytes at the end of an object that say where its index begins."""


class TornError(ValueError):
    """An object ends where none does that was written to its end."""


@dataclass(frozen=True, slots=True)
class Section:
    """Where chunks of one schema are.

    Attributes
    ----------
    file : str
        Name of another object; empty: this one.
    offset, size : int
        Of the schema's message.
    """

    file: str
    offset: int
    size: int


@dataclass(slots=True)
class Content:
    """The index of an object.

    Attributes
    ----------
    sections : list of Section
    records : list of Record
        Their segment is a position in `sections`.
    base : bool
        Objects of earlier flushes do not count any more.
    next_thread : int
        Numbers of threads below were handed out.
    """

    sections: list[Section] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    base: bool = False
    next_thread: int = 0


def pack_flush(
    flush: int, number: int, drops: Sequence[Record], chunks: Sequence[Chunk], next_thread: int
) -> tuple[list[bytes], Content]:
    """Return a flush as the pieces of an object, and its index.

    Parameters
    ----------
    flush : int
        Its number.
    number : int
        Of the first chunk.
    drops : sequence of Record
        Chunks that it takes away.
    """
    content, pieces, at = Content(next_thread=next_thread), [], 0
    count = len(drops) + len(chunks)
    for i, record in enumerate(drops):
        frame = replace(record.frame, flush=flush, index=i, count=count)
        content.records.append(replace(record, frame=frame, segment=0, flags=DROP))
    by_schema: dict[str, list[tuple[int, Chunk]]] = {}
    for i, chunk in enumerate(chunks):
        by_schema.setdefault(chunk.header.schema, []).append((i, chunk))
    for found in by_schema.values():
        schema = Schema.of(found[0][1].schema)
        content.sections.append(Section("", at, len(schema.message)))
        pieces.append(schema.message)
        at += len(schema.message)
        for i, chunk in found:
            header = replace(chunk.header, number=number + i)
            frame = Frame(flush, len(drops) + i, count, header)
            pieces += (some := framed(frame, chunk.payload))
            size = sum(map(len, some))
            segment = len(content.sections) - 1
            content.records.append(Record(frame, segment, at, size, schema.crc))
            at += size
        pieces.append(END_OF_STREAM)
        at += len(END_OF_STREAM)
    content.records.sort(key=lambda record: record.frame.index)
    return [*pieces, pack_index(content, at)], content


def pack_index(content: Content, at: int) -> bytes:
    """Return an object's index and trailer, which begin at byte `at`."""
    said = {
        "sections": [[s.file, s.offset, s.size] for s in content.sections],
        "base": content.base,
        "next_thread": content.next_thread,
    }
    chain, packed = 0, [json.dumps(said).encode()]
    for record in content.records:
        packed.append(pack_record(record, chain))
        chain = chain_of(packed[-1])
    index = b"".join(packed)
    trailer = _TRAILER.pack(_MAGIC, at, len(packed[0]), len(content.records), zlib.crc32(index))
    return index + trailer


def index_size(trailer: bytes, size: int) -> int:
    """Return the bytes of the index before a trailer, in an object of `size` bytes.

    Raises
    ------
    TornError
        There is no index.
    """
    if len(trailer) != TRAILER:
        raise TornError("it is too short")
    magic, begin, text, count, _ = _TRAILER.unpack(trailer)
    length: int = size - TRAILER - begin
    if magic != _MAGIC or length != text + count * RECORD:
        raise TornError("it has no index")
    return length


def read_index(index: bytes, trailer: bytes) -> Content:
    """Return an object's index.

    Raises
    ------
    ValueError
        It fails its checksum.
    """
    _, _, text, _, crc = _TRAILER.unpack(trailer)
    if zlib.crc32(index) != crc:
        raise ValueError("its index fails its checksum")
    said: Any = json.loads(index[:text])
    records = [record for record in read_records(index[text:]) if record is not None]
    sections = [Section(str(f), int(o), int(s)) for f, o, s in said["sections"]]
    return Content(sections, records, bool(said["base"]), int(said["next_thread"]))
