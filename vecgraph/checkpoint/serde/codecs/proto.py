"""States as Protocol Buffers, with a .proto made from their schema, for other languages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vecgraph.checkpoint.serde._build import reading
from vecgraph.checkpoint.serde.codecs._wire import Wire
from vecgraph.checkpoint.serde.codecs.base import Codec
from vecgraph.checkpoint.serde.codecs.table import States, Table, states_of
from vecgraph.checkpoint.serde.codecs.text_proto import proto_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ProtobufCodec"]


class ProtobufCodec(Codec):
    """Protocol Buffers (proto3); needs ``schema=`` and the extra ``protobuf``.

    Many states are a ``<State>Table`` with one ``<State>`` a row, one state is a ``<State>``.
    Where a key's annotation has no type in Protocol Buffers, its field holds MessagePack; so do
    values that are not what the annotation says, in the field ``vecgraph_other``. Keys come back in
    the order of the schema.

    Raises
    ------
    TypeError
        There is no schema, or it has no fields.
    ImportError
        The extra ``protobuf`` is not installed.
    """

    name: ClassVar[str] = "protobuf"
    extension: ClassVar[str] = ".binpb"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._wire = Wire(self.schema, self.allowed)

    @property
    def proto(self) -> str:
        """Text of the .proto that describes the bytes."""
        return proto_text(self._wire.shapes)

    def write_schema(self, folder: str | Path) -> Path:
        """Write the .proto beside the data; return its path, ``<folder>/<state>.proto``."""
        path = Path(folder) / f"{self._wire.shapes.state.name.lower()}.proto"
        path.write_text(self.proto, encoding="utf-8")
        return path

    def encode(self, states: States) -> bytes:
        """Return the bytes of many states, a ``<State>Table``."""
        return self._compressed(self._wire.pack_table(states_of(states)))

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """Return the states of a ``<State>Table``."""
        return self._states(self._expanded(data))

    def encode_one(self, state: Mapping[str, Any]) -> bytes:
        """Return the bytes of one state, a ``<State>``."""
        return self._compressed(self._wire.pack_state(states_of([state])[0]))

    def decode_one(self, data: bytes) -> dict[str, Any]:
        """Return the state of a ``<State>``."""
        with reading("Protocol Buffers"):
            return self._wire.unpack_state(self._expanded(data))

    def _write(self, table: Table) -> bytes:
        return self._wire.pack_table(table.states())

    def _read(self, data: bytes) -> Table:
        return Table.of(self._states(data))

    def _states(self, data: bytes) -> list[dict[str, Any]]:
        with reading("Protocol Buffers"):
            return self._wire.unpack_table(data)
