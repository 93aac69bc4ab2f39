"""Parts of objects, and Arrow IPC files on their way into an object store."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint._messages import FILE_START, file_end
from vecgraph.checkpoint.directory.framing import Frame, framed
from vecgraph.checkpoint.directory.objects import Content, Section
from vecgraph.checkpoint.directory.records import Record
from vecgraph.checkpoint.directory.segments import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyarrow.fs import FileSystem

    from vecgraph.checkpoint.directory.index import Index
    from vecgraph.checkpoint.storage import Chunk

__all__ = ["Files", "Sections"]


class Sections:
    """The parts of objects that have one schema each, numbered."""

    def __init__(self, fs: FileSystem, path: str) -> None:
        self._fs = fs
        self._path = path
        self._sections: list[Section] = []
        self._schemas: dict[int, Schema] = {}

    def add(self, name: str, sections: Sequence[Section]) -> int:
        """Give numbers to the sections of an object; return the first."""
        first = len(self._sections)
        self._sections += [replace(s, file=s.file or name) for s in sections]
        return first

    def name(self, segment: int) -> str:
        """Return the name of a section's object."""
        return f"{self._path}/{self._sections[segment].file}"

    def is_file(self, segment: int) -> bool:
        """Return whether a section is an Arrow IPC file by itself."""
        return self._sections[segment].file.endswith(".arrow")

    def read(self, segment: int, offset: int, size: int) -> bytes:
        """Return bytes of a section's object, fewer where it ends before."""
        with self._fs.open_input_file(self.name(segment)) as opened:
            file: Any = opened  # the stubs know too little of it
            data: bytes = file.read_at(max(0, min(size, file.size() - offset)), offset)
            return data

    def schema(self, segment: int) -> Schema:
        """Return a section's schema."""
        found = self._schemas.get(segment)
        if found is None:
            section = self._sections[segment]
            try:
                message = self.read(segment, section.offset, section.size)
            except OSError:
                return Schema(b"", "", 0, 0)
            found = self._schemas[segment] = Schema.of(message, section.offset)
        return found


class Files:
    """Arrow IPC files on their way into an object store."""

    def __init__(self, fs: FileSystem, path: str, index: Index) -> None:
        self._fs = fs
        self._path = path
        self._flush = index.next_flush
        self._number = index.next_number
        self._content = Content(base=True, next_thread=index.next_thread)
        self._open: dict[tuple[str, str], tuple[int, Any, bytes]] = {}
        self._ends: list[int] = []
        self._sizes: list[list[tuple[int, int]]] = []
        self.names: list[str] = []

    def add(self, label: str, chunk: Chunk, number: int | None = None) -> None:
        """Add a chunk to the file with a label and the chunk's schema."""
        key = label, chunk.header.schema
        if key not in self._open:
            name = f"{label}-{self._flush:05}-{len(self.names):02}.arrow"
            stream = self._fs.open_output_stream(f"{self._path}/{name}")
            self._open[key] = len(self.names), stream, chunk.schema
            self.names.append(name)
            stream.write(FILE_START + chunk.schema)
            section = Section(name, len(FILE_START), len(chunk.schema))
            self._content.sections.append(section)
            self._ends.append(len(FILE_START) + len(chunk.schema))
            self._sizes.append([])
        at, stream, _ = self._open[key]
        if number is None:
            number, self._number = self._number, self._number + 1
        frame = Frame(self._flush, 0, 0, replace(chunk.header, number=number))
        pieces = framed(frame, chunk.payload)
        for piece in pieces:
            stream.write(piece)
        size = sum(map(len, pieces))
        crc = Schema.of(chunk.schema).crc
        self._content.records.append(Record(frame, at, self._ends[at], size, crc))
        self._sizes[at].append((8 + struct.unpack_from("<i", pieces[0], 4)[0], size))
        self._ends[at] += size

    def finish(self) -> Content:
        """Close the files; return the index that makes them count."""
        for at, stream, schema in self._open.values():
            stream.write(file_end(schema, self._sizes[at]))
            stream.close()
        content, n = self._content, len(self._content.records)
        content.records.sort(key=lambda record: record.header.number)
        content.records = [
            replace(record, frame=replace(record.frame, index=i, count=n))
            for i, record in enumerate(content.records)
        ]
        return content

    def abandon(self) -> None:
        """Take away what was written."""
        for name in self.names:
            with contextlib.suppress(OSError):
                self._fs.delete_file(f"{self._path}/{name}")
