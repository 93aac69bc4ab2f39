"""States as MessagePack: a map with the columns, and which rows lack which key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from vecgraph.checkpoint.serde.codecs.base import Codec
from vecgraph.checkpoint.serde.codecs.table import Table, states_of
from vecgraph.checkpoint.serde.pack import Packer
from vecgraph.constants import MISSING
from vecgraph.errors import CorruptDataError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MsgpackCodec"]


class MsgpackCodec(Codec):
    """``{"rows": n, "columns": {key: [values]}, "absent": {key: [rows]}}``, as `Packer` packs it.

    Absent values are nil in their column. Without columns, `rows` is a list of as many nils. One
    state is the map of its keys.
    """

    name: ClassVar[str] = "msgpack"
    extension: ClassVar[str] = ".msgpack"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._packer = Packer(self.allowed)

    def encode_one(self, state: Mapping[str, Any]) -> bytes:
        """Return the bytes of one state, keys in the order that it has."""
        return self._compressed(self._packer.pack(states_of([state])[0]))

    def decode_one(self, data: bytes) -> dict[str, Any]:
        """Return the state of bytes that `encode_one` made."""
        state = self._packer.unpack(self._expanded(data))
        if type(state) is not dict:
            raise CorruptDataError.reading("a state", f"the bytes hold a {type(state).__name__}")
        return state

    def _write(self, table: Table) -> bytes:
        absent = table.absent()
        columns = dict(table.columns)
        for key in absent:
            columns[key] = [None if value is MISSING else value for value in columns[key]]
        # Nothing else would bound a number of states without keys.
        rows = table.rows if columns else [None] * table.rows
        return self._packer.pack({"rows": rows, "columns": columns, "absent": absent})

    def _read(self, data: bytes) -> Table:
        whole = self._packer.unpack(data)
        if type(whole) is not dict or set(whole) != {"rows", "columns", "absent"}:
            raise CorruptDataError.reading("states", "the bytes hold another value")
        rows, columns, absent = whole["rows"], whole["columns"], whole["absent"]
        if columns == {} and type(rows) is list:
            return Table(len(rows), {})
        if type(rows) is not int or not columns or not _is_table(rows, columns):
            raise CorruptDataError.reading("states", "the columns have other lengths than declared")
        if type(absent) is not dict or not absent.keys() <= columns.keys():
            raise CorruptDataError.reading("states", "rows lack a key that is not there")
        for key, places in absent.items():
            for row in places if type(places) is list else [None]:
                if type(row) is not int or not 0 <= row < rows:
                    raise CorruptDataError.reading("states", f"row {row!r} lacks a key")
                columns[key][row] = MISSING
        return Table(rows, columns)


def _is_table(rows: int, columns: Any) -> bool:
    return type(columns) is dict and all(
        type(key) is str and type(values) is list and len(values) == rows
        for key, values in columns.items()
    )
