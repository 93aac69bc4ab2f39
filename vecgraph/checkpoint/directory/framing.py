"""Chunks as messages of an Arrow IPC stream that say themselves what they are.

A chunk's payload is an encapsulated record batch message. In a stream it gets custom metadata:
a new root table is put before the payload's own, which refers to the same record batch. Any
Arrow reader reads the stream, and the payload comes out again byte for byte.

Source of the layouts: ``Message.fbs`` of the Arrow format, and the FlatBuffers binary format.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint._messages import batch_table
from vecgraph.checkpoint.storage import KINDS, Header

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LARGEST", "PREFIX", "Frame", "framed", "header_of", "unframed"]

LARGEST = (1 << 32) - (1 << 16)
"""Most bytes of a frame."""

KEY = b"vecgraph"
_TABLE, _TEXT = 24, 92
_START = struct.Struct("<Ii")
PREFIX = 8 + _TEXT + 4
"""So many bytes of a frame say how long its text is."""
_ROOT = struct.Struct("<I HHHHHHH 6x ihBxIIq II HHHH iII I8sx3x I")
_V5, _RECORD_BATCH = 4, 3
_LONGEST_TEXT = 512


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame says of itself.

    Attributes
    ----------
    flush : int
        Number of the flush that it belongs to.
    index, count : int
        Which of how many chunks of the flush it is; a count of 0 says that only the commit
        record counts.
    header : Header
    """

    flush: int
    index: int
    count: int
    header: Header


def framed(frame: Frame, payload: bytes) -> list[bytes]:
    """Return the pieces of a chunk's message in a stream."""
    text = _text(frame)
    meta_size = _START.unpack_from(payload)[1]
    begin = _TEXT + 4 + len(text) + 1
    begin += -begin % 8
    batch = batch_table(payload)
    vtable = (14, 24, 4, 6, 8, 16, 12)
    body = len(payload) - 8 - meta_size
    head = _ROOT.pack(
        *(_TABLE, *vtable),
        *(_TABLE - 4, _V5, _RECORD_BATCH, begin + batch - (_TABLE + 8), 48 - (_TABLE + 12), body),
        *(1, 64 - 52),
        *(8, 12, 4, 8),
        *(64 - 56, 76 - 68, _TEXT - 72),
        *(len(KEY), KEY),
        len(text),
    )
    padded = text.ljust(begin - _TEXT - 4, b"\0")
    return [_START.pack(0xFFFFFFFF, begin + meta_size), head, padded, memoryview(payload)[8:]]  # type: ignore[list-item]


def unframed(data: bytes, length: int) -> bytes:
    """Return the payload of `length` bytes that a message in a stream was made of.

    Raises
    ------
    ValueError
        There is none.
    """
    more = len(data) - length
    if more < _TEXT or length < 8:
        raise ValueError("it is shorter than a message")
    meta_size = _START.unpack_from(data)[1] - more
    if not 0 <= meta_size < 1 << 31:
        raise ValueError("no message begins here")
    return _START.pack(0xFFFFFFFF, meta_size) + data[8 + more :]


def _text(frame: Frame) -> bytes:
    header = frame.header
    numbers = (
        *(frame.flush, frame.index, frame.count),
        *(header.number, KINDS.index(header.kind), header.rows, header.lo, header.hi),
        *(header.seq_lo, header.seq_hi, header.ts, header.length, header.crc),
    )
    text = f"{' '.join(map(str, numbers))} {header.key or '-'}".encode()
    return text + b" %d" % zlib.crc32(text)


def header_of(data: bytes, schema: str = "") -> tuple[Frame, int] | None:
    """Return what the frame at the beginning of `data` says, and its bytes.

    Parameters
    ----------
    data : bytes
        The first bytes of the frame; a kilobyte is enough.
    schema : str
        Digest of the stream's schema.

    Returns
    -------
    tuple or None
        None: no valid frame begins here.
    """
    if len(data) < PREFIX or data[:4] != b"\xff\xff\xff\xff":
        return None
    (size,) = struct.unpack_from("<I", data, 8 + _TEXT)
    text = data[PREFIX : PREFIX + size]
    if not 0 < size <= _LONGEST_TEXT or len(text) < size:
        return None
    said, _, crc = text.rpartition(b" ")
    if crc != b"%d" % zlib.crc32(said):
        return None
    frame = _frame(said.decode("ascii", "replace").split(" "), schema)
    begin = _TEXT + 4 + size + 1
    return None if frame is None else (frame, begin + -begin % 8 + frame.header.length)


def _frame(parts: Sequence[str], schema: str) -> Frame | None:
    try:
        place, (number, kind), rest = [
            [int(part) for part in parts[begin:end]] for begin, end in ((0, 3), (3, 5), (5, 13))
        ]
        (key,) = parts[13:]
        if min(*place, number, kind, rest[0], rest[6]) < 0 or rest[6] > LARGEST:
            return None
        flush, index, count = place
        names: Any = (number, KINDS[kind], schema, *rest, "" if key == "-" else key)
        return Frame(flush, index, count, Header(*names))
    except (ValueError, IndexError):
        return None
