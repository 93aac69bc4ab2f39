"""Chunks and the record batches in them: encoding, and decoding that trusts nothing it reads."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

import msgpack
import numpy as np
import pyarrow as pa

from vecgraph.checkpoint._messages import END_OF_STREAM, declared
from vecgraph.checkpoint.arrays import Array, from_bytes, from_numpy, to_numpy
from vecgraph.checkpoint.storage import Chunk, Header, Kind
from vecgraph.errors import DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vecgraph.typing import Values

__all__ = [
    "FORMAT",
    "ROWS",
    "Compression",
    "Row",
    "RowsChunk",
    "Span",
    "damaged",
    "decode",
    "digest_of",
    "encode",
    "encode_rows",
    "is_rows",
    "pack_body",
    "unpack_body",
]

Compression = Literal["zstd", "lz4"] | None

FORMAT = 1
"""Version of the format; a reader refuses a greater one."""

_FIELDS: list[pa.Field[Any]] = [
    pa.field("thread", pa.int64(), nullable=False),
    pa.field("seq", pa.int32(), nullable=False),
    pa.field("body", pa.large_binary(), nullable=False),
]

ROWS = pa.schema(_FIELDS, {"vecgraph": f'{{"format": {FORMAT}}}'})
"""Schema of all kinds of chunks but ``columns``: a row's place, and what it says as MessagePack."""

_SMALL = 1024
"""Below so many bytes compression costs more than it saves."""
_LARGEST = 1 << 31
"""Bytes that a chunk may take once it is decompressed."""

Row = tuple[int, int, bytes]
"""(thread, seq, body)."""


@dataclass(frozen=True, slots=True)
class Span:
    """What a chunk covers: least and greatest thread and place in it, and when it was made."""

    lo: int
    hi: int
    seq_lo: int
    seq_hi: int
    ts: int
    key: str = ""


def digest_of(schema: bytes) -> str:
    """Return the name of a schema: its BLAKE2b hash of 16 bytes in hexadecimal digits."""
    return blake2b(schema, digest_size=16).hexdigest()


_ROWS_BYTES = ROWS.serialize().to_pybytes()
_ROWS_DIGEST = digest_of(_ROWS_BYTES)


def encode_rows(
    kind: Kind,
    rows: Sequence[Row],
    ts: int,
    *,
    key: str = "",
    hi: int | None = None,
    compression: Compression = None,
) -> Chunk:
    """Return the chunk of rows in the schema `ROWS`; `hi`: the greatest thread, if no row's."""
    threads, seqs, bodies = zip(*rows, strict=True)
    batch = pa.RecordBatch.from_arrays(
        [
            from_numpy(np.array(threads, np.int64), pa.int64()),
            from_numpy(np.array(seqs, np.int32), pa.int32()),
            from_bytes(bodies),
        ],
        schema=ROWS,
    )
    span = Span(min(threads), max(threads) if hi is None else hi, min(seqs), max(seqs), ts, key)
    if compression is not None and sum(map(len, bodies)) < _SMALL:
        compression = None
    payload = _payload(batch, len(_ROWS_BYTES), compression)
    return _chunk(kind, _ROWS_BYTES, _ROWS_DIGEST, batch.num_rows, span, payload)


def is_rows(header: Header) -> bool:
    """Return whether a chunk has the schema `ROWS`."""
    return header.schema == _ROWS_DIGEST


def encode(kind: Kind, batch: pa.RecordBatch, span: Span, compression: Compression) -> Chunk:
    """Return the chunk of a record batch of any schema."""
    schema = batch.schema.serialize().to_pybytes()
    payload = _payload(batch, len(schema), compression)
    return _chunk(kind, schema, digest_of(schema), batch.num_rows, span, payload)


def _payload(batch: pa.RecordBatch, begin: int, compression: Compression) -> bytes:
    if compression is None:
        whole: bytes = batch.serialize().to_pybytes()
        return whole
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    stream = sink.getvalue()
    part: bytes = stream.slice(begin, stream.size - begin - len(END_OF_STREAM)).to_pybytes()
    return part


def _chunk(kind: Kind, schema: bytes, digest: str, rows: int, span: Span, payload: bytes) -> Chunk:
    header = Header(
        number=-1,
        kind=kind,
        schema=digest,
        rows=rows,
        lo=span.lo,
        hi=span.hi,
        seq_lo=span.seq_lo,
        seq_hi=span.seq_hi,
        ts=span.ts,
        length=len(payload),
        crc=zlib.crc32(payload),
        key=span.key,
    )
    return Chunk(header, payload, schema)


def decode(
    header: Header,
    payload: bytes,
    schema: bytes,
    place: str,
    fields: Sequence[int] | None = None,
) -> pa.RecordBatch:
    """Return a chunk's record batch, checked in full.

    Parameters
    ----------
    header : Header
    payload, schema : bytes
    place : str
        Of the storage, for messages.
    fields : sequence of int, optional
        Positions of the columns wanted; others are not decompressed.

    Raises
    ------
    DamagedCheckpointError
        The payload is no record batch of this schema, or not the one that the header speaks
        of, or it declares more than a chunk may hold.
    """
    try:
        _check(header, payload)
        options = pa.ipc.IpcReadOptions(
            included_fields=None if fields is None else list(fields), use_threads=False
        )
        stream = pa.ipc.open_stream(pa.py_buffer(schema + payload), options=options)
        batch = stream.read_next_batch()
        batch.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError, StopIteration) as error:
        raise damaged(header, str(error), place) from error
    return batch


def _check(header: Header, payload: bytes) -> None:
    """Refuse a message before anything is allocated for it."""
    said = declared(payload)
    if said.rows != header.rows:
        raise ValueError(f"it has {said.rows} rows and not {header.rows}")
    if said.size > _LARGEST:
        raise ValueError(f"it declares {said.size} bytes, more than a chunk may hold")


def damaged(header: Header, reason: str, place: str) -> DamagedCheckpointError:
    """Return the error of a chunk that cannot be read."""
    touched = () if header.kind == "blobs" else sorted({header.lo, header.hi})
    return DamagedCheckpointError.found(
        f"a chunk of {header.kind} cannot be read: {reason}",
        place,
        chunk=header.number,
        threads=touched,
    )


class RowsChunk:
    """A chunk in the schema `ROWS`; what a row says is unpacked when it is asked for.

    Attributes
    ----------
    header : Header
    threads : int64 ndarray of shape (N,)
    seqs : int32 ndarray of shape (N,)
    """

    def __init__(self, header: Header, batch: pa.RecordBatch, place: str) -> None:
        self.header = header
        self.place = place
        if not batch.schema.equals(ROWS):
            raise damaged(header, "it has another schema than rows have", place)
        self.threads: Values = to_numpy(batch.column(0))
        self.seqs: Values = to_numpy(batch.column(1))
        self._bodies: Array = batch.column(2)

    def __len__(self) -> int:
        return len(self.threads)

    def said(self, row: int) -> Any:
        """Return what a row says."""
        return unpack_body(self.header, self._bodies[row].as_py(), self.place)

    def body(self, row: int) -> bytes:
        """Return what a row says, packed."""
        found: bytes = self._bodies[row].as_py()
        return found

    def of(self, thread: int) -> list[int]:
        """Return the rows of a thread."""
        found: list[int] = np.flatnonzero(self.threads == thread).tolist()
        return found

    def __iter__(self) -> Iterator[tuple[int, int, Any]]:
        """Return (thread, seq, what it says) of each row."""
        for row, body in enumerate(self._bodies.to_pylist()):
            said = unpack_body(self.header, body, self.place)
            yield int(self.threads[row]), int(self.seqs[row]), said


def pack_body(body: Any) -> bytes:
    """Return what a row says, as MessagePack of plain values.

    Text may hold lone surrogates, as Python's may: they are kept.
    """
    packed: bytes = msgpack.packb(body, use_bin_type=True, unicode_errors="surrogatepass")
    return packed


def unpack_body(header: Header, body: bytes, place: str) -> Any:
    """Return what a row says.

    Raises
    ------
    DamagedCheckpointError
        It is not MessagePack, or not of plain values.
    """
    try:
        return msgpack.unpackb(
            body, raw=False, strict_map_key=False, unicode_errors="surrogatepass"
        )
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise damaged(header, f"a row is not MessagePack ({error})", place) from error
