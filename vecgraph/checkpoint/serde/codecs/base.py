"""What every codec is: states to bytes and back, in a format that other programs know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from vecgraph.checkpoint.serde._schema import classes_in
from vecgraph.checkpoint.serde.codecs.compress import (
    MAX_BYTES,
    SUFFIXES,
    Compression,
    compress,
    expand,
)
from vecgraph.checkpoint.serde.codecs.table import States, Table
from vecgraph.errors import CorruptDataError
from vecgraph.registry import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Codec"]


class Codec(ABC):
    """Writes states to bytes and reads them, exactly; see `vecgraph.checkpoint.serde.codecs`.

    Parameters
    ----------
    compression : {'none', 'lz4', 'zstd', 'gzip'}
        Of the whole; without one, and under each of them, the bytes are a file of the format.
    schema : type, optional
        The states' schema: its classes are allowed, and typed formats follow it.
    allowed : iterable of type
        More classes whose instances come back as instances.
    max_bytes : int
        Bytes that the uncompressed form may have, when written and when read.

    Raises
    ------
    ValueError
        There is no compression of that name.
    """

    name: ClassVar[str]
    """Name in the registry."""
    extension: ClassVar[str]
    """What a file's name ends in, before the compression's suffix."""

    def __init__(
        self,
        *,
        compression: Compression = "none",
        schema: Any = None,
        allowed: Iterable[type[Any]] = (),
        max_bytes: int = MAX_BYTES,
    ) -> None:
        if compression not in SUFFIXES:
            raise ValueError(unknown("compression", compression, list(get_args(Compression))))
        self.compression: Compression = compression
        self.schema = schema
        self.allowed = (*(classes_in(schema) if schema is not None else ()), *allowed)
        self.max_bytes = max_bytes

    @property
    def suffix(self) -> str:
        """What the name of a file of this codec ends in, such as ``.jsonl.zst``."""
        return self.extension + SUFFIXES[self.compression]

    def encode(self, states: States) -> bytes:
        """Return the bytes of many states.

        Raises
        ------
        UnserialisableError
            A part of one would not come back exactly; its path says which.
        ValueError
            They are more than `max_bytes`.
        """
        return self._compressed(self._write(Table.of(states)))

    def decode(self, data: bytes) -> list[dict[str, Any]]:
        """Return the states of bytes that `encode` made, a dict each.

        Raises
        ------
        CorruptDataError
            The bytes are anything else.
        """
        return self.decode_columns(data).states()

    def decode_columns(self, data: bytes) -> Table:
        """Do the same, but return columns."""
        return self._read(self._expanded(data))

    def encode_one(self, state: Mapping[str, Any]) -> bytes:
        """Return the bytes of one state."""
        return self.encode([state])

    def decode_one(self, data: bytes) -> dict[str, Any]:
        """Return the state of bytes that `encode_one` made."""
        states = self.decode(data)
        if len(states) != 1:
            raise CorruptDataError.reading("one state", f"there are {len(states)}")
        return states[0]

    @abstractmethod
    def _write(self, table: Table) -> bytes:
        """Return the uncompressed bytes of a table."""

    @abstractmethod
    def _read(self, data: bytes) -> Table:
        """Return the table of uncompressed bytes, or raise CorruptDataError."""

    def _expanded(self, data: bytes) -> bytes:
        return expand(data, self.compression, self.max_bytes)

    def _compressed(self, data: bytes) -> bytes:
        if len(data) > self.max_bytes:
            raise ValueError(
                f"{len(data)} bytes are more than max_bytes, which is {self.max_bytes}.\n"
                "Hint: write fewer states at a time, or raise max_bytes here and for reading."
            )
        return compress(data, self.compression)
