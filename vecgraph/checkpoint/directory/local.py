"""Chunks in a local folder."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from vecgraph.checkpoint.directory.appending import Appender
from vecgraph.checkpoint.directory.framing import unframed
from vecgraph.checkpoint.directory.index import Index
from vecgraph.checkpoint.directory.lock import Lock, is_held
from vecgraph.checkpoint.directory.manifest import MANIFEST, Manifest
from vecgraph.checkpoint.directory.records import RECORD, SYNC, Record, chain_of, read_records
from vecgraph.checkpoint.directory.recovery import complete, recover
from vecgraph.checkpoint.directory.rewriting import Rewriter, sweep
from vecgraph.checkpoint.directory.segments import Segments
from vecgraph.checkpoint.storage import Chunk
from vecgraph.errors import (
    CheckpointClosedError,
    CheckpointError,
    CheckpointFormatError,
    CheckpointWriteError,
    DamagedCheckpointError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vecgraph.checkpoint.directory.recovery import Recovered
    from vecgraph.checkpoint.storage import Header, Kind

__all__ = ["DirectoryStorage"]

_MOST_FILES = 32
"""Of more compacted files the next compaction makes one of each kind."""


class DirectoryStorage:
    """Chunks in the files of a folder; one process writes, others may read meanwhile.

    Parameters
    ----------
    folder : path
        Made, with its parents, if it is not there and not `read_only`.
    read_only : bool
        Take no lock, change nothing, and see what the writer appends.

    Raises
    ------
    CheckpointLockedError
        Another writer has it.
    CheckpointFormatError
        It holds no checkpoints, or those of a later version.
    CheckpointWriteError
        It cannot be written to.
    DamagedCheckpointError
        Its manifest cannot be read.

    Attributes
    ----------
    is_open : bool
    loose : int
        Chunks that are not in Arrow IPC files.
    """

    def __init__(self, folder: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.folder = Path(folder)
        self.place = str(folder)
        self.read_only = read_only
        self.exclusive = not read_only
        self._reloads = 0
        self._lock: Lock | None = None
        self._appender: Appender | None = None
        self.is_open = False
        if read_only:
            self._open()
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(self.folder / "lock", self.place)
            self._open()
        except BaseException as error:
            self._release()
            if isinstance(error, OSError) and not isinstance(error, CheckpointError):
                raise CheckpointWriteError.of(self.place, error) from error
            raise

    def _open(self) -> None:
        found = self._look()
        while self.read_only and self._stamp != self._stamped():
            # Files were put in the place of others meanwhile.
            self._segments.close()
            found = self._look()
        self._index = Index(self._segments, self._manifest, found.damages)
        records = [record for group in found.flushes.values() for record in group]
        self._index.take(sorted(records, key=lambda record: record.header.number))
        files = self._manifest.files
        self.loose = sum(record.segment not in files for record in self._index.records())
        # Where a reader goes on, and the records of a flush that is not complete yet.
        self._size, self._chain = found.commits_size, found.chain
        self._pending: list[Record] = []
        self.is_open = True
        if not self.read_only:
            sweep(self.folder, self._manifest)
            self._appender = Appender(self._segments, self._index, found, self.place)

    def _look(self) -> Recovered:
        """Find out what is there."""
        self._stamp = self._stamped()
        self._manifest = self._read_manifest()
        self._segments = Segments(self.folder, self._manifest, writable=not self.read_only)
        is_live = self.read_only and is_held(self.folder / "lock")
        return recover(self._segments, self._commits(), is_live=is_live)

    def _read_manifest(self) -> Manifest:
        manifest = Manifest.read(self.folder)
        if manifest is not None:
            return manifest
        if self.folder.is_dir() and next(self.folder.glob("log-*.arrows"), None):
            raise CheckpointFormatError(
                f"{self.place} has checkpoints and no {MANIFEST}.\n"
                "Hint: copy the whole of the folder."
            )
        if self.read_only:
            raise CheckpointFormatError(f"{self.place} holds no checkpoints.")
        manifest = Manifest()
        manifest.write(self.folder)
        return manifest

    def _commits(self, begin: int = 0) -> bytes:
        try:
            with (self.folder / self._manifest.commits).open("rb") as file:
                file.seek(begin)
                return file.read()
        except FileNotFoundError:
            return b""

    def _stamped(self) -> tuple[int, int] | None:
        try:
            found = (self.folder / MANIFEST).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    @property
    def generation(self) -> int:
        """Goes up when chunks that were known by their numbers may be gone."""
        self._poll()
        return self._reloads

    def _poll(self) -> None:
        """Look for what another process wrote."""
        if not self.is_open:
            raise CheckpointClosedError(
                f"The storage of {self.place} is closed.\nHint: open another one."
            )
        if not self.read_only:
            return
        if self._stamp != self._stamped():
            self._reload()
            return
        data = self._commits(self._size)
        if data:
            self._follow(data)
        elif (self.folder / self._manifest.commits).stat().st_size < self._size:
            self._reload()

    def _reload(self) -> None:
        self._segments.close()
        self._open()
        self._reloads += 1

    def _follow(self, data: bytes) -> None:
        """Take the records that were added; a flush counts once all of its records are there."""
        for at, record in enumerate(read_records(data, self._chain)):
            if record is None:
                return
            self._size += RECORD
            self._chain = chain_of(data[: (at + 1) * RECORD])
            if record.flags & SYNC:
                continue
            if self._pending and self._pending[0].frame.flush != record.frame.flush:
                self._pending = []
            self._pending.append(record)
            if record.frame.index + 1 == record.frame.count and complete(self._pending):
                self._index.take(self._pending)
                self._pending = []

    @property
    def chunks(self) -> int:
        """The number that the next chunk gets."""
        return self._index.next_number

    def append(self, chunks: Sequence[Chunk], *, durable: bool = True) -> list[Header]:
        """Append a flush."""
        headers = self._index.take(self._writer().write([], chunks, durable=durable))
        self.loose += len(headers)
        return headers

    def replace(self, old: Sequence[Header], new: Sequence[Chunk]) -> list[Header]:
        """Put chunks in the place of others, whose bytes stay until the storage is compacted."""
        drops = [self._index.record(header, self.place) for header in old]
        return self._index.take(self._writer().write(drops, new, durable=True))

    def rewrite(
        self, new: Iterable[tuple[str, Chunk]], old: Sequence[Header], *, labels: Mapping[str, str]
    ) -> None:
        """Put chunks in the place of others, and all of them into Arrow IPC files.

        The bytes of chunks that were taken away before are given back.

        Parameters
        ----------
        new : iterable of (str, Chunk)
            With the label of the file that each is for: lower-case letters.
        old : sequence of Header
            Chunks that they stand for.
        labels : mapping of str to str
            Labels of the files for other chunks, by kind.

        Raises
        ------
        CheckpointWriteError
            It could not be done; everything is as it was.
        DamagedCheckpointError
            A chunk cannot be read; everything is as it was.
        """
        appender, index = self._writer(), self._index
        rewriter = Rewriter(self.folder, self._manifest, index, appender.next_segment)
        gone = {header.number for header in old}
        try:
            appender.write([], [], durable=True)
            for label, chunk in new:
                rewriter.add(label, chunk)
            left = [record for record in index.records() if record.header.number not in gone]
            whole = self._untouched(left)
            rewriter.keep([record for record in left if record.segment in whole])
            for record in left:
                if record.segment not in whole:
                    header, schema = record.header, self.schema(record.header.schema)
                    chunk = Chunk(header, self._load(record), schema)
                    rewriter.add(labels[header.kind], chunk, header.number)
            rewriter.finish()
        except BaseException as error:
            if not rewriter.abandon():
                self._begin_again()
            if isinstance(error, OSError) and not isinstance(error, CheckpointError):
                raise CheckpointWriteError.of(self.place, error) from error
            raise
        self._begin_again()

    @property
    def is_scattered(self) -> bool:
        """Whether anything was appended or taken away since `rewrite`."""
        first = self._manifest.next_flush
        return self._index.next_flush > (first + 1 if self._manifest.generation else first)

    @property
    def has_dropped(self) -> bool:
        """Whether anything was taken away since `rewrite`."""
        return self._index.has_dropped

    def is_compact(self, header: Header) -> bool:
        """Return whether a chunk lies in a file, and those are not too many."""
        files = self._manifest.files
        return len(files) <= _MOST_FILES and self._index.record(header, self.place).segment in files

    def _begin_again(self) -> None:
        """Go on with the files that count now."""
        if self._appender is not None:
            self._appender.close()
        self._reload()

    def _untouched(self, left: Sequence[Record]) -> set[int]:
        """Return the files that hold nothing but chunks that are left."""
        sizes: dict[int, int] = {}
        for record in left:
            if record.segment in self._manifest.files:
                sizes[record.segment] = sizes.get(record.segment, 0) + record.size
        return {
            segment
            for segment, size in sizes.items()
            # Else there is more in it than its schema and footer.
            if self._segments.size(segment) - size < size // 4 + (1 << 16)
        }

    def _writer(self) -> Appender:
        lock, appender = self._lock, self._appender
        if self.read_only:
            raise CheckpointWriteError(
                f"{self.place} was opened to be read only.\nHint: open it without read_only=True."
            )
        if lock is None or appender is None or lock.process != os.getpid():
            raise CheckpointClosedError(
                f"The storage of {self.place} is closed, or belongs to another process.\n"
                "Hint: open another one; only one process at a time may write."
            )
        return appender

    def reserve(self, n: int) -> int:
        """Hand out numbers of threads."""
        self._writer()
        first = self._index.next_thread
        self._index.next_thread += n
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
        self._poll()
        return self._index.find(kinds, lo, hi, key, after)

    def load(self, headers: Sequence[Header]) -> list[bytes]:
        """Return payloads."""
        return [self._load(self._index.record(header, self.place)) for header in headers]

    def _load(self, record: Record) -> bytes:
        header, reason = record.header, ""
        try:
            data = self._segments.read(record.segment, record.offset, record.size)
            if len(data) == record.size:
                payload = unframed(data, header.length)
                if zlib.crc32(payload) == header.crc:
                    return payload
                reason = "it fails its checksum"
            else:
                reason = f"the file ends {record.size - len(data)} bytes too early"
        except (OSError, ValueError) as error:
            reason = f"it cannot be read ({error})"
        raise DamagedCheckpointError.found(
            reason,
            str(self._segments.path(record.segment)),
            offset=record.offset,
            chunk=header.number,
            threads=() if header.kind == "blobs" else sorted({header.lo, header.hi}),
        )

    def schema(self, digest: str) -> bytes:
        """Return a serialised schema."""
        for record in self._index.records():
            if record.header.schema == digest:
                found = self._segments.schema(record.segment)
                if digest and found.digest == digest:
                    return found.message
                raise DamagedCheckpointError.found(
                    "the schema fails its checksum",
                    str(self._segments.path(record.segment)),
                    offset=0,
                    chunk=record.header.number,
                )
        raise DamagedCheckpointError.found(f"no file has the schema {digest}", self.place)

    def close(self) -> None:
        """Make everything durable, and let others write."""
        if not self.is_open:
            return
        self.is_open = False
        try:
            if self._appender is not None and self._lock and self._lock.process == os.getpid():
                self._appender.write([], [], durable=True)
        finally:
            self._release()

    def _release(self) -> None:
        if self._appender is not None:
            self._appender.close()
            self._appender = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if hasattr(self, "_segments"):
            self._segments.close()
