"""Appending to a directory: bytes first, then what says that they count."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vecgraph.checkpoint.directory.framing import LARGEST, Frame, framed
from vecgraph.checkpoint.directory.manifest import sync_folder
from vecgraph.checkpoint.directory.records import (
    DROP,
    DURABLE,
    SYNC,
    Record,
    chain_of,
    pack_record,
)
from vecgraph.checkpoint.directory.segments import Schema, Segments, write_at
from vecgraph.checkpoint.storage import Header
from vecgraph.errors import CheckpointWriteError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.checkpoint.directory.index import Index
    from vecgraph.checkpoint.directory.recovery import Recovered
    from vecgraph.checkpoint.storage import Chunk

__all__ = ["Appender"]

_ROLL = 256 << 20
"""A segment that has so many bytes gets no more chunks."""

_NOTHING = Header(0, "marks", "0" * 32, 0, 0, 0, -1, -1, 0, 0, 0)


@dataclass(slots=True)
class _Plan:
    """A flush on its way: its records, and by segment its schema if it is new, and the pieces."""

    records: list[Record] = field(default_factory=list)
    created: dict[int, bytes] = field(default_factory=dict)
    begins: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    pieces: dict[int, list[bytes]] = field(default_factory=dict)


class Appender:
    """Writes flushes into a directory.

    Parameters
    ----------
    segments : Segments
    index : Index
    found : Recovered
        A torn tail is cut off first, and what no commit record names gets one.
    place : str
        What messages call the directory.
    """

    def __init__(self, segments: Segments, index: Index, found: Recovered, place: str) -> None:
        self._segments = segments
        self._index = index
        self._place = place
        self._ends: dict[int, int] = {}
        self._latest: dict[str, int] = {}
        self._dirty: set[int] = set()
        self._broken: BaseException | None = None
        path = segments.folder / segments.manifest.commits
        self._new_names = not path.exists()
        self._commits = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._size, self._chain = found.commits_size, found.chain
        self._repair(found)

    def _repair(self, found: Recovered) -> None:
        ends = dict.fromkeys(self._segments.present(), 0)
        self._next_segment = max([*ends, *self._segments.manifest.files], default=-1) + 1
        for records in found.flushes.values():
            for record in records:
                self._next_segment = max(self._next_segment, record.segment + 1)
                if record.segment in ends and not record.flags & DROP:
                    ends[record.segment] = max(ends[record.segment], record.end)
        if found.damages:
            return  # not one byte is cut of what somebody may still make something of
        os.ftruncate(self._commits, self._size)
        for segment, end in ends.items():
            self._cut(segment, end)
        if found.unwritten or any(number > found.durable for number in found.flushes):
            self._dirty |= ends.keys()
            self.write([], [], durable=True, named=found.unwritten)

    def _cut(self, segment: int, end: int) -> None:
        """Cut what does not count; go on where nothing is missing."""
        if not end:
            self._segments.remove(segment)
            return
        with contextlib.suppress(OSError):
            if self._segments.size(segment) > end:
                self._segments.truncate(segment, end)
            schema = self._segments.schema(segment)
            if schema.message and self._segments.size(segment) == end:
                self._ends[segment], self._latest[schema.digest] = end, segment

    def write(
        self,
        drops: Sequence[Record],
        chunks: Sequence[Chunk],
        *,
        durable: bool,
        named: Sequence[Record] = (),
    ) -> list[Record]:
        """Write a flush; without anything in it, make what is there durable.

        Parameters
        ----------
        drops : sequence of Record
            Chunks to take away at the same moment.
        chunks : sequence of Chunk
        durable : bool
        named : sequence of Record
            Chunks that are in their segments, and have no commit record.

        Returns
        -------
        list of Record

        Raises
        ------
        CheckpointWriteError
            Everything is as it was before.
        DamagedCheckpointError
            Something of what was durable is missing, and what it was is not known.
        """
        if self._broken is not None:
            raise CheckpointWriteError.of(self._place, self._broken)
        if not drops and not chunks and not (durable and (self._dirty or named)):
            return []
        self._index.refuse_damage()
        plan = _Plan()
        try:
            self._fill(plan, drops, chunks)
            self._store(plan, named, durable=durable or bool(drops))
        except BaseException as error:
            self._undo(plan)
            if isinstance(error, OSError):
                raise CheckpointWriteError.of(self._place, error) from error
            raise
        self._ends |= plan.ends
        return plan.records

    def _fill(self, plan: _Plan, drops: Sequence[Record], chunks: Sequence[Chunk]) -> None:
        index = self._index
        flush, count = index.next_flush, len(drops) + len(chunks)
        for at, record in enumerate(drops):
            frame = replace(record.frame, flush=flush, index=at, count=count)
            # Twice: a chunk must not come back because one record was damaged.
            plan.records += [replace(record, frame=frame, flags=DROP)] * 2
        for at, chunk in enumerate(chunks):
            header = replace(chunk.header, number=index.next_number + at)
            frame = Frame(flush, len(drops) + at, 0 if drops else count, header)
            self._plan(plan, frame, chunk, count)

    def _plan(self, plan: _Plan, frame: Frame, chunk: Chunk, count: int) -> None:
        if len(chunk.payload) > LARGEST - (1 << 16):
            raise ValueError(f"a chunk of {len(chunk.payload)} bytes is too long to be stored")
        segment = self._segment(plan, chunk)
        pieces = framed(frame, chunk.payload)
        size = sum(map(len, pieces))
        offset = plan.ends[segment]
        schema = Schema.of(chunk.schema).crc
        record = Record(replace(frame, count=count), segment, offset, size, schema)
        plan.records.append(record)
        plan.pieces.setdefault(segment, []).extend(pieces)
        plan.ends[segment] = offset + size

    def _segment(self, plan: _Plan, chunk: Chunk) -> int:
        digest = chunk.header.schema
        segment = self._latest.get(digest)
        if segment is not None and segment not in plan.ends:
            plan.begins[segment] = plan.ends[segment] = self._ends[segment]
        if segment is None or plan.ends[segment] > _ROLL:
            segment, self._next_segment = self._next_segment, self._next_segment + 1
            plan.created[segment] = chunk.schema
            plan.begins[segment] = plan.ends[segment] = len(chunk.schema)
            self._latest[digest] = segment
        return segment

    def _store(self, plan: _Plan, named: Sequence[Record], *, durable: bool) -> None:
        segments = self._segments
        for segment, schema in plan.created.items():
            segments.create(segment, schema)
        for segment, pieces in plan.pieces.items():
            segments.write(segment, plan.begins[segment], pieces)
        new_names = self._new_names or bool(plan.created)
        if durable:
            segments.sync(self._dirty | plan.pieces.keys())
            if new_names:
                sync_folder(segments.folder)
        drops = any(record.flags & DROP for record in plan.records)
        self._commit([*named, *plan.records], durable=durable, sync=drops or not plan.records)
        self._new_names = new_names and not durable
        self._dirty = set() if durable else self._dirty | plan.pieces.keys()

    def _commit(self, records: Sequence[Record], *, durable: bool, sync: bool) -> None:
        if sync and not any(record.flags & DROP for record in records):
            last = Frame(self._index.next_flush - 1, 0, 1, _NOTHING)
            if self._index.next_flush > 0:
                records = [*records, Record(last, 0, 0, 0, flags=SYNC)]
        chain, packed = self._chain, []
        for at, record in enumerate(records, 1):
            # On the last: a reader may see some of them before the others are written.
            flags = record.flags | (DURABLE if durable and at == len(records) else 0)
            packed.append(pack_record(replace(record, flags=flags), chain))
            chain = chain_of(packed[-1])
        write_at(self._commits, self._size, packed)
        if sync:
            os.fsync(self._commits)
        self._size += sum(map(len, packed))
        self._chain = chain

    def _undo(self, plan: _Plan) -> None:
        """Take away what a flush that failed has left; what it touched gets no more chunks."""
        touched = plan.ends.keys()
        self._latest = {d: segment for d, segment in self._latest.items() if segment not in touched}
        try:
            os.ftruncate(self._commits, self._size)
            for segment, begin in plan.begins.items():
                if segment in plan.created:
                    self._segments.remove(segment)
                else:
                    self._segments.truncate(segment, begin)
        except BaseException as error:
            self._broken = error
            raise

    @property
    def next_segment(self) -> int:
        """First number of a file that was never used."""
        return self._next_segment

    def close(self) -> None:
        """Close the commit records."""
        os.close(self._commits)
