"""States as an Arrow IPC stream: typed columns that pandas and polars read as they are."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import pyarrow as pa

from vecgraph.checkpoint.serde._arrow import read_stream, write_stream
from vecgraph.checkpoint.serde._build import reading
from vecgraph.checkpoint.serde.codecs.base import Codec
from vecgraph.checkpoint.serde.codecs.table import Table
from vecgraph.checkpoint.serde.codecs.typed import listed, typed
from vecgraph.checkpoint.serde.pack import Packer
from vecgraph.constants import MISSING
from vecgraph.errors import UnserialisableError

__all__ = ["ArrowCodec"]

_ROLE: Final = b"vecgraph"
_PACKED: Final = {_ROLE: b"packed"}
_ROWS: Final = {_ROLE: b"rows"}
_ABSENT: Final = b"absent:"


class ArrowCodec(Codec):
    """An Arrow IPC stream of one batch.

    A column whose values are all bools, int64s, floats, texts, bytes, lists of one of these or
    dicts with the same keys has that Arrow type, with None as null. Any other column holds
    MessagePack, a value a cell, as `Packer` packs it; its field's metadata say
    ``vecgraph: packed``. A column of bools with ``vecgraph: absent:<key>`` is true where a state
    lacks that key.
    """

    name: ClassVar[str] = "arrow"
    extension: ClassVar[str] = ".arrows"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._packer = Packer(self.allowed)

    def _write(self, table: Table) -> bytes:
        fields: list[pa.Field[Any]] = []
        arrays: list[pa.Array[Any]] = []
        for key, values in table.columns.items():
            missing = [value is MISSING for value in values]
            if any(missing):
                values = [None if value is MISSING else value for value in values]
                fields.append(_field(f"{key}:absent", pa.bool_(), {_ROLE: _ABSENT + key.encode()}))
                arrays.append(pa.array(missing, pa.bool_()))
            field, array = self._column(key, values)
            fields.append(field)
            arrays.append(array)
        if not arrays and table.rows:
            fields.append(_field("", pa.bool_(), _ROWS))
            arrays.append(pa.array([True] * table.rows, pa.bool_()))
        return write_stream(pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields)))

    def _column(self, key: str, values: list[Any]) -> tuple[pa.Field[Any], pa.Array[Any]]:
        _check_name(key)
        array = typed(values)
        if array is not None:
            return _field(key, array.type), array
        cells = [self._cell(key, row, value) for row, value in enumerate(values)]
        return _field(key, pa.large_binary(), _PACKED), pa.array(cells, pa.large_binary())

    def _cell(self, key: str, row: int, value: Any) -> bytes:
        try:
            return self._packer.pack(value)
        except UnserialisableError as error:
            raise error.within(f"[{row}]", f".{key}") from None

    def _read(self, data: bytes) -> Table:
        with reading("Arrow states"):
            table = read_stream(data)
            columns: dict[str, list[Any]] = {}
            absent: dict[str, list[Any]] = {}
            for field, column in zip(table.schema, table.columns, strict=True):
                role = (field.metadata or {}).get(_ROLE, b"")
                values = listed(column)
                if role.startswith(_ABSENT):
                    absent[role.removeprefix(_ABSENT).decode()] = values
                elif role != _ROWS[_ROLE]:
                    packed = role == _PACKED[_ROLE]
                    _add(columns, field.name, list(map(self._unpack, values)) if packed else values)
            for key, flags in absent.items():
                _mark_absent(columns[key], flags)
            return Table(table.num_rows, columns)

    def _unpack(self, cell: Any) -> Any:
        return self._packer.unpack(cell)


def _field(name: str, kind: pa.DataType, metadata: dict[bytes, bytes] | None = None) -> Any:
    return pa.field(name, kind, metadata=metadata)


def _check_name(key: str) -> None:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise UnserialisableError.at(
            ["{a key}"], "a key with half a character in it", "Rename it, or use json or msgpack."
        ) from None


def _add(columns: dict[str, list[Any]], name: str, values: list[Any]) -> None:
    if name in columns:
        raise ValueError(f"two columns are called {name!r}")
    columns[name] = values


def _mark_absent(values: list[Any], flags: list[Any]) -> None:
    for row, flag in enumerate(flags):
        if flag is not True and flag is not False:
            raise ValueError("a state that neither has nor lacks a key")
        if flag:
            if values[row] is not None:
                raise ValueError("a state that both has and lacks a key")
            values[row] = MISSING
