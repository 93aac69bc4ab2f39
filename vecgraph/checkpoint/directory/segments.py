"""The files that chunks are in: read anywhere, written at the end."""

from __future__ import annotations

import os
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vecgraph.checkpoint._messages import FILE_START, schema_size
from vecgraph.checkpoint.chunks import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from vecgraph.checkpoint.directory.manifest import Manifest

__all__ = ["Schema", "Segments", "write_at"]

_MOST_OPEN = 64
_LARGEST_SCHEMA = 64 << 20
_JOINED = 1 << 20
"""Pieces of together so many bytes are joined before they are written."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema that a segment begins with.

    Attributes
    ----------
    message : bytes
        Empty if it cannot be read.
    digest : str
    crc : int
    begin : int
        First byte after it.
    """

    message: bytes
    digest: str
    crc: int
    begin: int

    @classmethod
    def of(cls, message: bytes, begin: int = 0) -> Schema:
        """Describe a schema message that begins at byte `begin` of its file."""
        return cls(message, digest_of(message), zlib.crc32(message), begin + len(message))


class Segments:
    """The segments of a directory, some of them open.

    Parameters
    ----------
    folder : path
    manifest : Manifest
    writable : bool
    """

    def __init__(self, folder: Path, manifest: Manifest, *, writable: bool) -> None:
        self.folder = folder
        self.manifest = manifest
        self._mode = os.O_RDWR if writable else os.O_RDONLY
        self._open: OrderedDict[int, int] = OrderedDict()
        self._schemas: dict[int, Schema] = {}

    def path(self, segment: int) -> Path:
        """Return the path of a segment."""
        return self.folder / self.manifest.name_of(segment)

    def present(self) -> list[int]:
        """Return the numbers of this generation's streams that are there."""
        found = []
        for path in self.folder.glob("log-*.arrows"):
            digits = path.stem.removeprefix("log-")
            if digits.isdecimal() and digits.isascii() and int(digits) < 1 << 32:
                found.append(int(digits))
        return sorted(n for n in found if n >= self.manifest.first_segment)

    def create(self, segment: int, schema: bytes) -> int:
        """Make a stream of a schema; return its first free byte."""
        flags = self._mode | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._keep(segment, os.open(self.path(segment), flags, 0o666))
        self._schemas[segment] = Schema.of(schema)
        write_at(self._open[segment], 0, [schema])
        return len(schema)

    def size(self, segment: int) -> int:
        """Return the bytes of a segment."""
        return os.fstat(self._file(segment)).st_size

    def read(self, segment: int, offset: int, size: int) -> bytes:
        """Return bytes of a segment, fewer where it ends before.

        Raises
        ------
        OSError
            It cannot be read, or is not there.
        """
        file = self._file(segment)
        # Ask for no more than there is: a size that is wrong must not be allocated.
        size = min(size, max(0, os.fstat(file).st_size - offset))
        data = os.pread(file, size, offset)
        while len(data) < size and (more := os.pread(file, size - len(data), offset + len(data))):
            data += more
        return data

    def schema(self, segment: int) -> Schema:
        """Return a segment's schema."""
        found = self._schemas.get(segment)
        if found is None:
            found = self._schemas[segment] = self._read_schema(segment)
        return found

    def _read_schema(self, segment: int) -> Schema:
        try:
            begin = len(FILE_START) if segment in self.manifest.files else 0
            start = self.read(segment, begin, 8)
            size = 8 + int.from_bytes(start[4:8], "little")
            data = self.read(segment, begin, min(size, _LARGEST_SCHEMA))
            return Schema.of(data[: schema_size(data)], begin)
        except (OSError, ValueError):
            return Schema(b"", "", 0, 0)

    def write(self, segment: int, offset: int, pieces: Sequence[bytes]) -> None:
        """Write pieces one after the other."""
        write_at(self._file(segment), offset, pieces)

    def sync(self, segments: Iterable[int]) -> None:
        """Make the bytes of segments durable."""
        for segment in segments:
            os.fsync(self._file(segment))

    def truncate(self, segment: int, size: int) -> None:
        """Cut a segment."""
        os.ftruncate(self._file(segment), size)

    def remove(self, segment: int) -> None:
        """Remove a segment's file."""
        self._shut(segment)
        self._schemas.pop(segment, None)
        self.path(segment).unlink(missing_ok=True)

    def close(self) -> None:
        """Close all files."""
        for segment in list(self._open):
            self._shut(segment)

    def _file(self, segment: int) -> int:
        file = self._open.get(segment)
        if file is None:
            file = os.open(self.path(segment), self._mode | os.O_CLOEXEC)
            self._keep(segment, file)
        else:
            self._open.move_to_end(segment)
        return file

    def _keep(self, segment: int, file: int) -> None:
        self._shut(segment)
        self._open[segment] = file
        while len(self._open) > _MOST_OPEN:
            os.close(self._open.popitem(last=False)[1])

    def _shut(self, segment: int) -> None:
        file = self._open.pop(segment, None)
        if file is not None:
            os.close(file)


def write_at(file: int, offset: int, pieces: Sequence[bytes]) -> None:
    """Write pieces one after the other, all of them or an error."""
    if sum(map(len, pieces)) <= _JOINED:
        pieces = [b"".join(pieces)]
    for piece in pieces:
        view = memoryview(piece)
        while view:
            n = os.pwrite(file, view, offset)
            offset, view = offset + n, view[n:]
