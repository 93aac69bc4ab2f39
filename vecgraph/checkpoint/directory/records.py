"""Commit records: 128 bytes a chunk, from which a directory is opened without a look at its data."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint.directory.framing import LARGEST, Frame
from vecgraph.checkpoint.storage import KINDS, Header

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DROP",
    "DURABLE",
    "RECORD",
    "SYNC",
    "Record",
    "chain_of",
    "pack_record",
    "read_records",
]

RECORD = 128
"""Bytes of a record."""
DURABLE, DROP, SYNC = 1, 2, 4
"""Flags: the flush and all before it survive a power failure; the record takes a chunk away; it
says nothing but the first."""

_FIELDS = struct.Struct("<IQIIqIQIBBBxIqqiiqII32s")
_CRC = struct.Struct("<I")
_CRC_AT = RECORD - _CRC.size
_NO_SCHEMA = "0" * 32


@dataclass(frozen=True, slots=True)
class Record:
    """What a directory knows of a chunk.

    Attributes
    ----------
    frame : Frame
        Its header has no schema: that is its segment's.
    segment : int
        Number of the file.
    offset, size : int
        First byte and bytes of the frame in the file.
    schema_crc : int
        CRC-32 of the schema's message.
    flags : int
    """

    frame: Frame
    segment: int
    offset: int
    size: int
    schema_crc: int = 0
    flags: int = 0

    @property
    def header(self) -> Header:
        """The chunk's header."""
        return self.frame.header

    @property
    def end(self) -> int:
        """The byte after the frame."""
        return self.offset + self.size


def pack_record(record: Record, chain: int) -> bytes:
    """Return a record's bytes; the last four are the next one's `chain`, at first 0."""
    frame, header = record.frame, record.header
    key = bytes.fromhex(header.key)
    packed = _FIELDS.pack(
        record.schema_crc,
        *(frame.flush, frame.index, frame.count, header.number),
        *(record.segment, record.offset, record.size),
        *(KINDS.index(header.kind), record.flags, len(key)),
        *(header.rows, header.lo, header.hi, header.seq_lo, header.seq_hi, header.ts),
        *(header.length, header.crc, key),
    ).ljust(_CRC_AT, b"\0")
    return packed + _CRC.pack(zlib.crc32(packed, chain))


def chain_of(data: bytes) -> int:
    """Return what the record after those of `data` is chained to."""
    chain: int = _CRC.unpack_from(data, len(data) - _CRC.size)[0] if data else 0
    return chain


def read_records(data: bytes, chain: int = 0) -> Iterator[Record | None]:
    """Return records; None where the bytes are none, or do not follow what is before them."""
    for at in range(0, len(data) - RECORD + 1, RECORD):
        part = data[at : at + RECORD]
        (crc,) = _CRC.unpack_from(part, _CRC_AT)
        valid = zlib.crc32(part[:_CRC_AT], chain) == crc
        chain = crc
        yield _record(part) if valid else None


def _record(data: bytes) -> Record | None:
    fields: Any = _FIELDS.unpack_from(data)
    number, size, kind, flags, key_size = (fields[at] for at in (4, 7, 8, 9, 10))
    length, key = fields[17], fields[19]
    if kind >= len(KINDS) or key_size > len(key) or number < 0 or not length <= size <= LARGEST:
        return None
    header: Any = (number, KINDS[kind], _NO_SCHEMA, *fields[11:19], key[:key_size].hex())
    frame: Any = (*fields[1:4], Header(*header))
    place: Any = (*fields[5:8], fields[0], flags)
    return Record(Frame(*frame), *place)
