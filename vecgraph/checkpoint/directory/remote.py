"""Chunks in an object store, or wherever `pyarrow.fs` leads: a flush is one object."""

from __future__ import annotations

import contextlib
import re
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyarrow import fs as filesystems

from vecgraph.checkpoint.directory.framing import unframed
from vecgraph.checkpoint.directory.index import Index
from vecgraph.checkpoint.directory.lease import Lease
from vecgraph.checkpoint.directory.manifest import Manifest
from vecgraph.checkpoint.directory.objects import (
    TRAILER,
    Content,
    TornError,
    index_size,
    pack_flush,
    pack_index,
    read_index,
)
from vecgraph.checkpoint.directory.recovery import Damage
from vecgraph.checkpoint.directory.sections import Files, Sections
from vecgraph.checkpoint.storage import Chunk
from vecgraph.errors import (
    CheckpointClosedError,
    CheckpointConnectionError,
    CheckpointError,
    CheckpointFormatError,
    CheckpointWriteError,
    DamagedCheckpointError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pyarrow.fs import FileSystem

    from vecgraph.checkpoint.directory.records import Record
    from vecgraph.checkpoint.storage import Header, Kind

__all__ = ["ObjectStorage"]

_FLUSH = re.compile(r"flush-([0-9]{12})\.arrows")
_MOST_FILES = 32


class ObjectStorage:
    """Chunks in objects; the commit of a flush is that its object is listed.

    Parameters
    ----------
    fs : FileSystem
        Of `pyarrow.fs`.
    path : str
        Folder, or bucket and prefix, in it.
    place : str, optional
        What messages call it.
    read_only : bool
        Take no lease, and see what the writer adds.

    Raises
    ------
    CheckpointLockedError
        Another writer has it.
    CheckpointFormatError
        It is `read_only` and there is nothing.
    CheckpointWriteError
        It cannot be reached.
    """

    def __init__(
        self, fs: FileSystem, path: str, *, place: str | None = None, read_only: bool = False
    ) -> None:
        self._fs = fs
        self._path = path.rstrip("/")
        self.place = place or path
        self.read_only = read_only
        self.exclusive = not read_only
        self.is_open = False
        self._reloads = 0
        self._lease: Lease | None = None
        try:
            if not read_only:
                fs.create_dir(self._path, recursive=True)
                self._lease = Lease(fs, f"{self._path}/lock", self.place)
            self._open()
        except CheckpointError:
            self._release()
            raise
        except OSError as error:
            self._release()
            raise CheckpointWriteError.of(self.place, error) from error

    def _listed(self) -> dict[int, Any]:
        """Return what there is of each flush."""
        selector = filesystems.FileSelector(self._path, allow_not_found=True)
        found = {}
        for info in self._fs.get_file_info(selector):
            match = _FLUSH.fullmatch(info.base_name)
            if match:
                found[int(match[1])] = info
        return dict(sorted(found.items()))

    def _open(self) -> None:
        listed = self._listed()
        if self.read_only and not listed:
            raise CheckpointFormatError(f"{self.place} holds no checkpoints.")
        contents, damages = self._contents(listed)
        self._segments = Sections(self._fs, self._path)
        self._index = Index(self._segments, Manifest(), damages)
        self._seen: set[int] = set()
        self._index.next_flush = min(contents, default=0)
        self._base = min(contents, default=0)
        for number in sorted(contents):
            self._take(number, contents[number])
        missing = set(range(self._base, max(contents, default=-1) + 1)) - contents.keys()
        if missing and not damages:
            name = f"{self._path}/{_name(min(missing))}"
            self._index.damages = [Damage(name, None, "it is missing")]
        files = self._segments
        self.loose = sum(not files.is_file(record.segment) for record in self._index.records())
        self.is_open = True

    def _contents(self, listed: Mapping[int, Any]) -> tuple[dict[int, Content], list[Damage]]:
        """Return what counts of each flush, and what cannot be read.

        Raises
        ------
        CheckpointConnectionError
            Something could not be reached.
        """
        contents: dict[int, Content] = {}
        damages: list[Damage] = []
        for number in sorted(listed, reverse=True):
            try:
                contents[number] = self._content(listed[number])
            except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
                # A torn one is the last, and nobody was told of it.
                if contents or number != max(listed) or not isinstance(error, TornError):
                    damages.append(Damage(listed[number].path, None, str(error)))
                continue
            except OSError as error:
                # It may well be there: to take it for torn would be to write over it.
                raise CheckpointConnectionError.of(self.place, error) from error
            if contents[number].base:
                break
        return contents, damages

    def _content(self, info: Any) -> Content:
        with self._fs.open_input_file(info.path) as opened:
            file: Any = opened
            size = file.size()
            trailer = file.read_at(min(TRAILER, size), max(0, size - TRAILER))
            length = index_size(trailer, size)
            return read_index(file.read_at(length, size - TRAILER - length), trailer)

    def _take(self, number: int, content: Content) -> list[Header]:
        self._seen.add(number)
        first = self._segments.add(_name(number), content.sections)
        index = self._index
        index.next_flush = max(index.next_flush, number + 1)
        index.next_thread = max(index.next_thread, content.next_thread)
        records = [replace(record, segment=first + record.segment) for record in content.records]
        return index.take(sorted(records, key=lambda record: record.header.number))

    @property
    def generation(self) -> int:
        """Goes up when chunks that were known by their numbers may be gone; asks for news."""
        self._check()
        if self.read_only:
            listed = self._listed()
            if any(number not in listed for number in self._seen):
                self._open()
                self._reloads += 1
            for number in sorted(listed.keys() - self._seen):
                try:
                    content = self._content(listed[number])
                except (OSError, ValueError, KeyError, TypeError):
                    break  # it is on its way
                if content.base:
                    self._open()
                    self._reloads += 1
                    break
                self._take(number, content)
        return self._reloads

    def _check(self) -> None:
        if not self.is_open:
            raise CheckpointClosedError(
                f"The storage of {self.place} is closed.\nHint: open another one."
            )

    def _begin(self) -> None:
        """Make sure that this is the only writer."""
        self._check()
        if self._lease is None:
            raise CheckpointWriteError(
                f"{self.place} was opened to be read only.\nHint: open it without read_only=True."
            )
        try:
            self._lease.renew()
        except CheckpointError:
            raise
        except OSError as error:
            raise CheckpointWriteError.of(self.place, error) from error

    @property
    def chunks(self) -> int:
        """The number that the next chunk gets."""
        return self._index.next_number

    def append(self, chunks: Sequence[Chunk], *, durable: bool = True) -> list[Header]:
        """Append a flush; it is always durable."""
        return self._put([], chunks) if chunks else []

    def replace(self, old: Sequence[Header], new: Sequence[Chunk]) -> list[Header]:
        """Put chunks in the place of others, whose bytes stay until the storage is compacted."""
        return self._put([self._index.record(header, self.place) for header in old], new)

    def _put(self, drops: Sequence[Record], chunks: Sequence[Chunk]) -> list[Header]:
        self._begin()
        index = self._index
        index.refuse_damage()
        number = index.next_flush
        pieces, content = pack_flush(number, index.next_number, drops, chunks, index.next_thread)
        try:
            self._upload(_name(number), pieces)
        except OSError as error:
            # If it got there all the same, the next flush is put in its place.
            with contextlib.suppress(OSError):
                self._fs.delete_file(f"{self._path}/{_name(number)}")
            raise CheckpointWriteError.of(self.place, error) from error
        self.loose += len(chunks)
        return self._take(number, content)

    def _upload(self, name: str, pieces: Iterable[bytes]) -> None:
        with self._fs.open_output_stream(f"{self._path}/{name}") as stream:
            for piece in pieces:
                stream.write(piece)

    def rewrite(
        self, new: Iterable[tuple[str, Chunk]], old: Sequence[Header], *, labels: Mapping[str, str]
    ) -> None:
        """Put chunks in the place of others, and all of them into Arrow IPC files.

        See `DirectoryStorage.rewrite`.
        """
        self._begin()
        gone = {header.number for header in old}
        left = [r for r in self._index.records() if r.header.number not in gone]
        files = Files(self._fs, self._path, self._index)
        try:
            for label, chunk in new:
                files.add(label, chunk)
            for record in left:
                header, schema = record.header, self.schema(record.header.schema)
                chunk = Chunk(header, self._load(record), schema)
                files.add(labels[header.kind], chunk, header.number)
            content = files.finish()
            self._upload(_name(self._index.next_flush), [pack_index(content, 0)])
        except BaseException as error:
            files.abandon()
            if isinstance(error, OSError) and not isinstance(error, CheckpointError):
                raise CheckpointWriteError.of(self.place, error) from error
            raise
        self._sweep(files.names)
        self._open()
        self._reloads += 1

    def _sweep(self, names: Sequence[str]) -> None:
        """Remove what does not count any more."""
        base = self._index.next_flush
        selector = filesystems.FileSelector(self._path)
        for info in self._fs.get_file_info(selector):
            match = _FLUSH.fullmatch(info.base_name)
            is_old = match and int(match[1]) < base
            if is_old or (info.base_name.endswith(".arrow") and info.base_name not in names):
                with contextlib.suppress(OSError):
                    self._fs.delete_file(info.path)

    @property
    def is_scattered(self) -> bool:
        """Whether anything was appended or taken away since `rewrite`."""
        held = self._held()
        return len(self._seen) > 1 or not all(map(self._segments.is_file, held))

    def _held(self) -> set[int]:
        return {record.segment for record in self._index.records()}

    @property
    def has_dropped(self) -> bool:
        """Whether anything was taken away since `rewrite`."""
        return self._index.has_dropped

    def is_compact(self, header: Header) -> bool:
        """Return whether a chunk lies in a file, and those are not too many."""
        if len({s for s in self._held() if self._segments.is_file(s)}) > _MOST_FILES:
            return False
        return self._segments.is_file(self._index.record(header, self.place).segment)

    def reserve(self, n: int) -> int:
        """Hand out numbers of threads."""
        self._begin()
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
        """Return headers in order of append; `generation` asks whether there are more."""
        self._check()
        return self._index.find(kinds, lo, hi, key, after)

    def load(self, headers: Sequence[Header]) -> list[bytes]:
        """Return payloads."""
        return [self._load(self._index.record(header, self.place)) for header in headers]

    def _load(self, record: Record) -> bytes:
        header = record.header
        try:
            data = self._segments.read(record.segment, record.offset, record.size)
            payload = unframed(data, header.length) if len(data) == record.size else b""
            if payload and zlib.crc32(payload) == header.crc:
                return payload
            reason = "it fails its checksum" if payload else "the object ends too early"
        except FileNotFoundError:
            reason = "the object is missing"
        except ValueError as error:
            reason = f"it cannot be read ({error})"
        except OSError as error:
            raise CheckpointConnectionError.of(self.place, error) from error
        raise DamagedCheckpointError.found(
            reason,
            self._segments.name(record.segment),
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
                    self._segments.name(record.segment),
                    chunk=record.header.number,
                )
        raise DamagedCheckpointError.found(f"no object has the schema {digest}", self.place)

    def close(self) -> None:
        """Let others write."""
        self.is_open = False
        self._release()

    def _release(self) -> None:
        if self._lease is not None:
            with contextlib.suppress(OSError):
                self._lease.release()
            self._lease = None


def _name(flush: int) -> str:
    return f"flush-{flush:012}.arrows"
