"""Arrow tables, batches and arrays as an IPC stream and back."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import msgpack
import pyarrow as pa

from vecgraph.checkpoint.serde import _codes as codes
from vecgraph.checkpoint.serde._codes import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["decode_arrow", "encode_arrow", "read_stream", "write_stream"]

_TABLE, _BATCH, _ARRAY, _CHUNKED = b"t", b"b", b"a", b"c"
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
"""Types of message, from Arrow's Message.fbs."""


def encode_arrow(value: Any) -> Any:
    """Return the atom of a table, record batch, array or chunked array.

    Values, types, nulls and metadata are kept; where the chunks of a table end may change.
    """
    kind, table = _as_table(value)
    for field in table.schema:
        _check_type(field.type)
    return msgpack.ExtType(codes.ARROW, kind + write_stream(table))


def _as_table(value: Any) -> tuple[bytes, Any]:
    if isinstance(value, pa.Table):
        return _TABLE, value
    if isinstance(value, pa.RecordBatch):
        return _BATCH, value
    if isinstance(value, pa.ChunkedArray):
        return _CHUNKED, pa.Table.from_arrays([value], names=[""])
    return _ARRAY, pa.record_batch({"": value})


def write_stream(table: Any) -> bytes:
    """Write a table or a record batch as an uncompressed Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    return sink.getvalue().to_pybytes()


def _check_type(kind: pa.DataType) -> None:
    # A reader that lacks the program's extension type would silently get its storage.
    if isinstance(kind, pa.ExtensionType):
        raise Refused(
            f"an Arrow array of the extension type {kind.extension_name!r}",
            "Store its storage array: value.storage.",
        )
    for number in range(kind.num_fields):
        _check_type(kind.field(number).type)
    if pa.types.is_dictionary(kind):
        _check_type(kind.value_type)


def decode_arrow(data: bytes) -> Any:
    """Return what `encode_arrow` wrote.

    Raises
    ------
    ValueError
        It is damaged.
    """
    kind, table = data[:1], read_stream(data[1:])
    if kind == _TABLE:
        return table
    if kind == _CHUNKED:
        return table.column(0)
    # An empty table has no batch.
    batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    if len(batches) != 1 or kind not in {_BATCH, _ARRAY}:
        raise ValueError(f"{len(batches)} batches are not one value of kind {kind!r}")
    return batches[0] if kind == _BATCH else batches[0].column(0)


def read_stream(data: bytes) -> Any:
    """Read an uncompressed Arrow IPC stream to a table whose every value was checked.

    Raises
    ------
    ValueError
        It is damaged, or compressed: a compressed buffer says how large it will be, and would
        be believed.
    """
    try:
        for message in pa.ipc.MessageReader.open_stream(data):
            _check_message(message)
        table = pa.ipc.open_stream(data).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise ValueError(f"no Arrow stream ({error})") from error
    return table


def _check_message(message: Any) -> None:
    """Refuse a message with compressed buffers. Its metadata were verified when it was read."""
    buffer = message.metadata.to_pybytes()
    root = _Flat(buffer, struct.unpack_from("<I", buffer)[0])
    kind = root.byte(1)
    if kind not in {_RECORD_BATCH, _DICTIONARY_BATCH}:
        return
    batch = root.table(2)
    if kind == _DICTIONARY_BATCH and batch is not None:
        batch = batch.table(1)
    if batch is not None and batch.table(3) is not None:
        raise ValueError("a compressed Arrow stream where an uncompressed one belongs")


class _Flat:
    """A table of a FlatBuffer: as much of the format as one question needs."""

    def __init__(self, buffer: bytes, start: int) -> None:
        self.buffer, self.start = buffer, start

    def _field(self, number: int) -> int | None:
        vtable = self.start - struct.unpack_from("<i", self.buffer, self.start)[0]
        size = struct.unpack_from("<H", self.buffer, vtable)[0]
        place = 4 + 2 * number
        if place + 2 > size:
            return None
        offset = struct.unpack_from("<H", self.buffer, vtable + place)[0]
        return self.start + offset if offset else None

    def byte(self, number: int) -> int:
        place = self._field(number)
        return 0 if place is None else self.buffer[place]

    def table(self, number: int) -> _Flat | None:
        place = self._field(number)
        if place is None:
            return None
        return _Flat(self.buffer, place + struct.unpack_from("<I", self.buffer, place)[0])


DECODERS: Final[dict[int, Callable[[bytes], Any]]] = {codes.ARROW: decode_arrow}
