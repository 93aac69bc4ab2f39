"""Where chunks live: the contract between the log of checkpoints and memory, directories, SQL.

A storage appends, finds, loads and replaces chunks. It knows their headers and nothing of what
is in them; whatever it returns is, byte for byte, what was appended, or an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

__all__ = ["KINDS", "Chunk", "Header", "Kind", "SharedStorage", "Storage"]

Kind = Literal["threads", "entries", "columns", "writes", "blobs", "marks"]
"""What the rows of a chunk are; design record 0004 has the table."""

KINDS: tuple[Kind, ...] = ("threads", "entries", "columns", "writes", "blobs", "marks")
"""In the order of their codes in files: add at the end only."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a storage knows of a chunk.

    Attributes
    ----------
    number : int
        Order of append, from 0; unique in the storage, never reused.
    kind : str
    schema : str
        Digest of its Arrow schema (32 hexadecimal digits), by which `Storage.schema` gives
        the schema itself.
    rows : int
    lo, hi : int
        Least and greatest number of a thread in it; for ``blobs``, 0 and 0.
    seq_lo, seq_hi : int
        Least and greatest place of a checkpoint in its thread; -1 where there is none.
    ts : int
        When it was written, in microseconds since 1970.
    length : int
        Bytes of the payload.
    crc : int
        CRC-32 of the payload; a storage that finds another one raises.
    key : str
        For a chunk of one thread in ``threads``: 32 hexadecimal digits, a hash of its id, so
        that a storage never has to hold what people call their threads; for ``blobs``: 64
        hexadecimal digits, the digest of its one value. Else empty.
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
        An Arrow IPC record batch message without its schema, compressed as it says itself.
        Of any length: a storage that cannot hold it in one piece splits it.
    schema : bytes
        The serialised schema, which a storage keeps once for each digest.
    """

    header: Header
    payload: bytes
    schema: bytes


class Storage(Protocol):
    """Keeps chunks. Readers see every flush whole or not at all.

    The log that owns a storage calls it from one thread at a time.

    Attributes
    ----------
    place : str
        What messages call it: a folder, a URI, a table, never with a password in it.
    exclusive : bool
        Nobody else can append while this is open: what the log knows by heart stays true. If
        not, it asks `find` for news before each append.
    volatile : bool, optional
        It ends with the program, and a row is no safer in it than beside it.
    """

    place: str
    exclusive: bool

    @property
    def chunks(self) -> int:
        """The number that the next chunk gets: how many there have ever been."""
        ...

    def append(self, chunks: Sequence[Chunk], *, durable: bool = True) -> list[Header]:
        """Append a flush: all of `chunks` or, after a failure, none.

        Parameters
        ----------
        chunks : sequence of Chunk
            Without chunks, and `durable`: make what was appended before durable.
        durable : bool
            Return only when a power failure cannot undo it.

        Returns
        -------
        list of Header
            With their numbers, which are greater than all before.

        Raises
        ------
        CheckpointWriteError
            It could not be stored; the storage is as it was before.
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
        """Return headers in order of append, those of other writers' flushes included.

        Parameters
        ----------
        kinds : iterable of str
        lo, hi : int, optional
            Only chunks that may hold a thread from `lo` to `hi`, both included; both or none.
        key : str, optional
            Only chunks with this key.
        after : int
            Only chunks with a greater number.
        """
        ...

    def load(self, headers: Sequence[Header]) -> list[bytes]:
        """Return the payloads of chunks, in the order asked for.

        Raises
        ------
        DamagedCheckpointError
            One is missing, shorter than its header says, or fails its checksum. A reader that
            gets this looks whether `find` still names the chunk: it may have been replaced.
        """
        ...

    def schema(self, digest: str) -> bytes:
        """Return a serialised schema."""
        ...

    def replace(self, old: Sequence[Header], new: Sequence[Chunk]) -> list[Header]:
        """Put chunks in the place of others, at once for every reader (compaction, deletion).

        Durable when it returns. The headers returned may differ from those of `new` in
        `number` only.
        """
        ...

    def close(self) -> None:
        """Let go of files, locks and connections; what was appended is durable then."""
        ...


class SharedStorage(Storage, Protocol):
    """A storage that is not `exclusive`: others may append while it is open."""

    def writing(self) -> AbstractContextManager[None]:
        """Hold together what is found and appended: nobody else appends meanwhile.

        After an exception nothing of it was appended, and its numbers are given again.
        """
        ...

    def reading(self) -> AbstractContextManager[None]:
        """Let all that is found and loaded come from one state of the storage."""
        ...
