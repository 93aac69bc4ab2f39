"""Where chunks live: the contract between the log of checkpoints and memory, directories, SQL.

A storage appends, finds, loads and replaces chunks. It knows their headers and nothing of what
is in them; whatever it returns is, byte for byte, what was appended, or an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Chunk", "Header", "Kind", "Storage"]

Kind = Literal["threads", "entries", "columns", "writes", "blobs", "marks"]
"""What the rows of a chunk are; design record 0004 has the table."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a storage knows of a chunk.

    Attributes
    ----------
    number : int
        Order of append, from 0; unique in the storage, never reused.
    kind : str
    schema : str
        Digest of its Arrow schema, by which `Storage.schema` gives the schema itself.
    rows : int
    lo, hi : int
        Least and greatest number of a thread in it; for ``blobs``, 0 and 0.
    seq_lo, seq_hi : int
        Least and greatest place of a checkpoint in its thread.
    ts : int
        When it was written, in microseconds since 1970.
    length : int
        Bytes of the payload.
    crc : int
        CRC-32 of the payload; a storage that finds another one raises.
    key : str
        For ``threads``: thread_id of a chunk of one row; for ``blobs``: the digest. Else empty.
    """

    number: int
    kind: Kind
    schema: str
    rows: int
    lo: int
    hi: int
    seq_lo: int
    seq_hi: int
    ts: int
    length: int
    crc: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A record batch on its way into a storage.

    Attributes
    ----------
    header : Header
        Its `number` is given by the storage; what stands here before is ignored.
    payload : bytes
        An Arrow IPC record batch message without its schema, compressed as its header says.
    schema : bytes
        The serialised schema, which a storage keeps once for each digest.
    """

    header: Header
    payload: bytes
    schema: bytes


class Storage(Protocol):
    """Keeps chunks. One writer at a time; readers see every flush whole or not at all."""

    def append(self, chunks: Sequence[Chunk], *, durable: bool = True) -> list[Header]:
        """Append a flush: all of `chunks` or, after a failure, none.

        Parameters
        ----------
        chunks : sequence of Chunk
        durable : bool
            Return only when a power failure cannot undo it.

        Returns
        -------
        list of Header
            With their numbers.
        """
        ...

    def reserve(self, n: int) -> int:
        """Hand out `n` numbers of threads that nobody has had; return the first."""
        ...

    def find(
        self,
        kinds: Iterable[Kind],
        lo: int | None = None,
        hi: int | None = None,
        *,
        key: str | None = None,
        after: int = -1,
    ) -> list[Header]:
        """Return headers in order of append.

        Parameters
        ----------
        kinds : iterable of str
        lo, hi : int, optional
            Only chunks that may hold a thread from `lo` to `hi`, both included.
        key : str, optional
            Only chunks with this key.
        after : int
            Only chunks with a greater number.
        """
        ...

    def load(self, header: Header) -> bytes:
        """Return a chunk's payload.

        Raises
        ------
        DamagedCheckpointError
            It is missing, shorter than its header says, or fails its checksum.
        """
        ...

    def schema(self, digest: str) -> bytes:
        """Return a serialised schema."""
        ...

    def replace(self, old: Sequence[Header], new: Sequence[Chunk]) -> list[Header]:
        """Put chunks in the place of others, at once for every reader (compaction, deletion)."""
        ...

    def close(self) -> None:
        """Let go of files, locks and connections; what was appended is durable then."""
        ...
