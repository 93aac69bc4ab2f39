"""Checkpoints in memory, within a budget."""

from __future__ import annotations

import tempfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from vecgraph.checkpoint.codec import SerdePacker
from vecgraph.checkpoint.headers import HeaderTable
from vecgraph.checkpoint.log import LogSaver
from vecgraph.errors import CheckpointBudgetError, CheckpointWriteError, DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from vecgraph.checkpoint.chunks import Compression
    from vecgraph.checkpoint.codec import PacksValues
    from vecgraph.checkpoint.storage import Chunk, Header, Kind

__all__ = ["InMemorySaver", "MemorySaver", "MemoryStorage"]

_OVERHEAD = 512
"""Bytes that a chunk takes beside its payload: its header, and its places in the index."""


class MemoryStorage:
    """Chunks in memory.

    Parameters
    ----------
    max_bytes : int, optional
        Budget; None: none.
    spill : path, optional
        Folder of a temporary file that the oldest payloads go to when the budget is used up.
        Without it what does not fit is refused.
    """

    exclusive = True
    place = "memory"

    @property
    def volatile(self) -> bool:
        """Whether rows may as well wait outside: not if they count against a budget."""
        return self.max_bytes is None

    def __init__(self, max_bytes: int | None = None, spill: str | Path | None = None) -> None:
        self.max_bytes = max_bytes
        self._headers = HeaderTable()
        self._payloads: dict[int, bytes] = {}
        self._spill = None if spill is None else _Spill(spill)
        self._schemas: dict[str, bytes] = {}
        self._next = 0
        self._threads = 0
        self.nbytes = 0

    @property
    def chunks(self) -> int:
        """The number that the next chunk gets."""
        return self._next

    def append(self, chunks: Sequence[Chunk], *, durable: bool = True) -> list[Header]:
        """Append a flush."""
        self._make_room(sum(len(chunk.payload) + _OVERHEAD for chunk in chunks))
        headers = []
        for chunk in chunks:
            header = replace(chunk.header, number=self._next)
            self._next += 1
            self._headers.add(header)
            self._payloads[header.number] = chunk.payload
            self._schemas.setdefault(header.schema, chunk.schema)
            self.nbytes += len(chunk.payload) + _OVERHEAD
            headers.append(header)
        return headers

    def _make_room(self, more: int) -> None:
        """Spill the oldest payloads until there is room.

        Raises
        ------
        CheckpointBudgetError
            There is none, and nothing more to spill.
        """
        budget = self.max_bytes
        if budget is None or self.nbytes + more <= budget:
            return
        if self._spill is not None:
            for number in list(self._payloads):
                if self.nbytes + more <= budget:
                    return
                self._spill.add(number, self._payloads[number])
                self.nbytes -= len(self._payloads.pop(number))
        if self.nbytes + more > budget:
            raise CheckpointBudgetError(self.nbytes + more, budget)

    def reserve(self, n: int) -> int:
        """Hand out numbers of threads."""
        first = self._threads
        self._threads += n
        return first

    def find(
        self,
        kinds: Iterable[Kind],
        lo: int | None = None,
        hi: int | None = None,
        *,
        key: str | None = None,
        after: int = -1,
    ) -> list[Header]:
        """Return headers in order of append."""
        return self._headers.find(kinds, lo, hi, key=key, after=after)

    def load(self, headers: Sequence[Header]) -> list[bytes]:
        """Return payloads."""
        return [self._load(header) for header in headers]

    def _load(self, header: Header) -> bytes:
        found = self._payloads.get(header.number)
        if found is None and self._spill is not None:
            found = self._spill.get(header)
        if found is None:
            raise DamagedCheckpointError.found(
                "it is gone", self.place, chunk=header.number, threads=[header.lo, header.hi]
            )
        return found

    def schema(self, digest: str) -> bytes:
        """Return a serialised schema."""
        return self._schemas[digest]

    def replace(self, old: Sequence[Header], new: Sequence[Chunk]) -> list[Header]:
        """Put chunks in the place of others."""
        for header in old:
            self._headers.drop(header)
            payload = self._payloads.pop(header.number, None)
            if payload is not None:
                self.nbytes -= len(payload)
            elif self._spill is not None:
                self._spill.drop(header.number)
            self.nbytes -= _OVERHEAD
        return self.append(new)

    def close(self) -> None:
        """Forget everything."""
        if self._spill is not None:
            self._spill.close()


class _Spill:
    """Payloads in a temporary file that no other program sees."""

    def __init__(self, folder: str | Path) -> None:
        self.place = str(folder)
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder, prefix="vecgraph-")  # noqa: SIM115
        self._at: dict[int, int] = {}
        self._end = 0

    def add(self, number: int, payload: bytes) -> None:
        try:
            self._file.seek(self._end)
            self._file.write(payload)
            self._file.flush()
        except OSError as error:
            raise CheckpointWriteError.of(self.place, error) from error
        self._at[number] = self._end
        self._end += len(payload)

    def get(self, header: Header) -> bytes | None:
        if header.number not in self._at:
            return None
        self._file.seek(self._at[header.number])
        payload = self._file.read(header.length)
        if zlib.crc32(payload) != header.crc:
            raise DamagedCheckpointError.found(
                "it fails its checksum", self.place, chunk=header.number
            )
        return payload

    def drop(self, number: int) -> None:
        self._at.pop(number, None)

    def close(self) -> None:
        self._file.close()


class InMemorySaver(LogSaver):
    """Keeps checkpoints in memory, packed: what a node does to its values cannot change them.

    Reads create nothing.

    Parameters
    ----------
    serde : object, optional
        Has `dumps_typed` and `loads_typed`, as LangGraph's serialisers have.
    packer : object, optional
        Has `pack` and `unpack`; `serde` wins.
    max_bytes : int, optional
        What the checkpoints may take; None: no limit.
    spill : path, optional
        Existing folder for a temporary file: the oldest checkpoints go there when the budget
        is used up. Without it what does not fit is refused with `CheckpointBudgetError`.
    compression, snapshot_every, blob_at
        See `LogSaver`.

    Examples
    --------
    >>> from vecgraph.checkpoint.base import empty_checkpoint
    >>> saver = InMemorySaver()
    >>> config = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}
    >>> checkpoint = empty_checkpoint()
    >>> checkpoint["channel_values"], checkpoint["channel_versions"] = {"x": 7}, {"x": 1}
    >>> stored = saver.put(config, checkpoint, {"step": 0}, {"x": 1})
    >>> saver.get_tuple(config).checkpoint["channel_values"]
    {'x': 7}
    """

    inline = True
    """Whether a run may write with its own hands: nothing here waits."""

    storage: MemoryStorage

    def __init__(
        self,
        *,
        serde: Any = None,
        packer: PacksValues | None = None,
        max_bytes: int | None = None,
        spill: str | Path | None = None,
        compression: Compression = None,
        snapshot_every: int = 64,
        blob_at: int = 1 << 14,
    ) -> None:
        super().__init__(
            MemoryStorage(max_bytes, spill),
            packer=packer if serde is None else SerdePacker(serde),
            compression=compression,
            snapshot_every=snapshot_every,
            blob_at=blob_at,
        )

    @property
    def nbytes(self) -> int:
        """Bytes that the checkpoints take in memory."""
        self._shelf.drain()
        return self.storage.nbytes


MemorySaver = InMemorySaver
"""LangGraph's older name of `InMemorySaver`."""
