"""The next generation of a directory: Arrow IPC files in the place of streams."""

from __future__ import annotations

import contextlib
import os
import re
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from vecgraph.checkpoint._messages import FILE_START, file_end
from vecgraph.checkpoint.directory.framing import Frame, framed
from vecgraph.checkpoint.directory.manifest import Manifest, sync_folder
from vecgraph.checkpoint.directory.records import DURABLE, Record, chain_of, pack_record
from vecgraph.checkpoint.directory.segments import Schema, write_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vecgraph.checkpoint.directory.index import Index
    from vecgraph.checkpoint.storage import Chunk

__all__ = ["Rewriter", "sweep"]

_OURS = re.compile(
    r"(?:[a-z]+-[0-9]{5,}\.arrow|log-[0-9]{5,}\.arrows|commits-[0-9]{5,}"
    r"|manifest\.json\.tmp)"
)


class Rewriter:
    """Writes files beside those that count, and makes them count at once.

    Parameters
    ----------
    folder : path
    manifest : Manifest
        The one that counts.
    index : Index
    segment : int
        First number of a file that was never used.
    """

    def __init__(self, folder: Path, manifest: Manifest, index: Index, segment: int) -> None:
        self._folder = folder
        self._next_segment = segment
        self._number = index.next_number
        self._flush = index.next_flush
        self._records: list[Record] = []
        self._files: dict[tuple[str, str], _File] = {}
        self._before = manifest
        self._manifest = Manifest(
            generation=manifest.generation + 1,
            next_thread=index.next_thread,
            next_flush=index.next_flush,
        )

    def keep(self, records: Sequence[Record]) -> None:
        """Keep chunks where they are, in files of an earlier generation."""
        for record in records:
            self._manifest.files[record.segment] = self._before.files[record.segment]
            self._records.append(record)

    def add(self, label: str, chunk: Chunk, number: int | None = None) -> None:
        """Add a chunk to the file with a label and the chunk's schema.

        Parameters
        ----------
        number : int, optional
            That it had; left out: it is new.
        """
        key = label, chunk.header.schema
        file = self._files.get(key)
        if file is None:
            name = f"{label}-{self._next_segment:05}.arrow"
            file = self._files[key] = _File(self._folder / name, chunk.schema, self._next_segment)
            self._manifest.files[self._next_segment] = name
            self._next_segment += 1
        if number is None:
            number, self._number = self._number, self._number + 1
        header = replace(chunk.header, number=number)
        self._records.append(file.add(Frame(self._flush, 0, 0, header), chunk.payload))

    def finish(self) -> None:
        """Make all of it durable, and let it count."""
        for file in self._files.values():
            file.finish()
        manifest = self._manifest
        manifest.first_segment, manifest.next_number = self._next_segment, self._number
        path = self._folder / manifest.commits
        commits = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            write_at(commits, 0, [self._committed()])
            os.fsync(commits)
        finally:
            os.close(commits)
        sync_folder(self._folder)
        manifest.write(self._folder)

    def _committed(self) -> bytes:
        records = sorted(self._records, key=lambda record: record.header.number)
        packed, chain, n = [], 0, len(records)
        for at, record in enumerate(records):
            frame = replace(record.frame, flush=self._flush, index=at, count=n)
            flags = DURABLE if at == n - 1 else 0
            packed.append(pack_record(replace(record, frame=frame, flags=flags), chain))
            chain = chain_of(packed[-1])
        return b"".join(packed)

    def abandon(self) -> bool:
        """Take away what was written; return False if it counts already."""
        now = Manifest.read(self._folder)
        if now is not None and now.generation == self._manifest.generation:
            return False
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.abandon()
        with contextlib.suppress(OSError):
            (self._folder / self._manifest.commits).unlink(missing_ok=True)
        return True


class _File:
    """An Arrow IPC file on its way."""

    def __init__(self, path: Path, schema: bytes, segment: int) -> None:
        self._path = path
        self._schema = schema
        self._segment = segment
        self._crc = Schema.of(schema).crc
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o666)
        self._end = len(FILE_START) + len(schema)
        self._sizes: list[tuple[int, int]] = []
        try:
            write_at(self._file, 0, [FILE_START, schema])
        except BaseException:
            self.abandon()
            raise

    def add(self, frame: Frame, payload: bytes) -> Record:
        pieces = framed(frame, payload)
        size = sum(map(len, pieces))
        write_at(self._file, self._end, pieces)
        record = Record(frame, self._segment, self._end, size, self._crc)
        self._sizes.append((8 + struct.unpack_from("<i", pieces[0], 4)[0], size))
        self._end += size
        return record

    def finish(self) -> None:
        write_at(self._file, self._end, [file_end(self._schema, self._sizes)])
        os.fsync(self._file)
        os.close(self._file)
        self._file = -1

    def abandon(self) -> None:
        self._path.unlink(missing_ok=True)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def sweep(folder: Path, manifest: Manifest) -> None:
    """Remove files of other generations: a process may have died before it did."""
    used = {manifest.commits, *manifest.files.values()}
    for path in folder.iterdir():
        name = path.name
        stream = name.removeprefix("log-").removesuffix(".arrows")
        is_stream = stream.isdecimal() and int(stream) >= manifest.first_segment
        if _OURS.fullmatch(name) and name not in used and not is_stream:
            with contextlib.suppress(OSError):
                path.unlink()
