"""What of a directory counts: commit records, and streams where those do not say it.

A chunk is described twice, in its commit record and in its own frame, so that damage to one of
the two loses nothing. Flushes are numbered without gaps. Those up to the last durable one must
be there: what is missing of them is damage. What comes after it counts up to the first flush that
is not whole: the rest is a torn tail, of which nothing was acknowledged as durable.
"""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vecgraph.checkpoint.directory.framing import header_of, unframed
from vecgraph.checkpoint.directory.records import (
    DROP,
    DURABLE,
    RECORD,
    SYNC,
    Record,
    chain_of,
    read_records,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vecgraph.checkpoint.directory.segments import Segments

__all__ = ["Damage", "Recovered", "complete", "recover"]

_ENOUGH = 1024
"""Bytes in which a frame's own description lies."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that neither a record nor a frame explains."""

    file: str
    offset: int | None
    reason: str


@dataclass(slots=True)
class Recovered:
    """What counts.

    Attributes
    ----------
    flushes : dict
        By number, the records of each flush.
    damages : list of Damage
    unwritten : list of Record
        Those that no commit record names.
    durable : int
        The last durable flush, -1 if there is none.
    commits_size, chain : int
        Where the next commit record goes, and what it is chained to.
    """

    flushes: dict[int, list[Record]] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    unwritten: list[Record] = field(default_factory=list)
    durable: int = -1
    commits_size: int = 0
    chain: int = 0


def recover(segments: Segments, commits: bytes, *, is_live: bool) -> Recovered:
    """Find out what counts.

    Parameters
    ----------
    segments : Segments
    commits : bytes
        All commit records.
    is_live : bool
        Somebody is writing: what no commit record names is in the making.
    """
    records = list(read_records(commits))
    known = [record for record in records if record is not None]
    durable = [record.frame.flush for record in known if record.flags & DURABLE]
    manifest = segments.manifest
    found = Recovered(durable=max(durable, default=-1))
    if manifest.files:  # what was put together is durable, and has its records
        found.durable = max(found.durable, manifest.next_flush)
    scanned, holes = _scanned(segments, known, is_live=is_live)
    groups = _groups(found, known, scanned)
    _accept(found, segments, groups, holes, is_live=is_live)
    found.unwritten = [r for r in found.unwritten if r.frame.flush in found.flushes]
    for at, record in enumerate(records):
        if record is not None and (record.flags & SYNC or record.frame.flush in found.flushes):
            found.commits_size = (at + 1) * RECORD
    found.chain = chain_of(commits[: found.commits_size])
    return found


def _groups(
    found: Recovered, known: Sequence[Record], scanned: Sequence[Record]
) -> dict[int, list[Record]]:
    """Return the records of each flush; those that were scanned where others are missing."""
    groups: dict[int, list[Record]] = {}
    for record in known:
        if not record.flags & SYNC:
            groups.setdefault(record.frame.flush, []).append(record)
    whole = {number for number, group in groups.items() if complete(group)}
    for record in scanned:
        flush = record.frame.flush
        # A frame with a count of 0 takes part in a replacement, which only a commit makes valid.
        if flush not in whole and (record.frame.count > 0 or flush <= found.durable):
            found.unwritten.append(record)
            groups.setdefault(flush, []).append(record)
    return groups


def _accept(
    found: Recovered,
    segments: Segments,
    groups: dict[int, list[Record]],
    holes: list[Damage],
    *,
    is_live: bool,
) -> None:
    first = segments.manifest.next_flush
    for number in range(first, found.durable + 1):
        group = groups.get(number, [])
        if not complete(group):
            found.damages += holes or [_lost(segments, number)]
        if group:
            found.flushes[number] = group
    number = max(first, found.durable + 1)
    while (group := groups.get(number, [])) and complete(group):
        if not is_live and not all(_is_whole(segments, record) for record in group):
            break
        found.flushes[number] = group
        number += 1


def _lost(segments: Segments, number: int) -> Damage:
    commits = str(segments.folder / segments.manifest.commits)
    return Damage(commits, None, f"flush {number} is not all there")


def complete(group: list[Record]) -> bool:
    """Return whether records are all of a flush."""
    count = max((record.frame.count for record in group), default=0)
    return 0 < count == len({record.frame.index for record in group})


def _is_whole(segments: Segments, record: Record) -> bool:
    """Return whether a chunk's bytes are what its record says."""
    if record.flags & DROP:
        return True
    try:
        data = segments.read(record.segment, record.offset, record.size)
        payload = unframed(data, record.header.length) if len(data) == record.size else b""
    except (OSError, ValueError):
        return False
    return bool(payload) and zlib.crc32(payload) == record.header.crc


def _scanned(
    segments: Segments, known: Sequence[Record], *, is_live: bool
) -> tuple[list[Record], list[Damage]]:
    """Return the chunks that no record names, and where bytes begin that are none."""
    taken: dict[int, list[tuple[int, int]]] = {segment: [] for segment in segments.present()}
    for record in known:
        if record.segment in taken and not record.flags & (DROP | SYNC):
            taken[record.segment].append((record.offset, record.end))
    found: list[Record] = []
    holes = []
    for segment, regions in taken.items():
        for begin, end in _gaps(segments, segment, regions, is_live=is_live):
            frames = list(_frames(segments, segment, begin, end))
            found += frames
            if (at := frames[-1].end if frames else begin) < end:
                reason = "no valid chunk begins here"
                holes.append(Damage(str(segments.path(segment)), at, reason))
    return found, holes


def _gaps(
    segments: Segments, segment: int, regions: list[tuple[int, int]], *, is_live: bool
) -> Iterator[tuple[int, int]]:
    """Return the parts of a segment that no record names."""
    at = segments.schema(segment).begin
    for begin, end in sorted(regions):
        if begin > at:
            yield at, begin
        at = max(at, end)
    if not is_live:
        with contextlib.suppress(FileNotFoundError):  # another process has put it together
            if (size := segments.size(segment)) > at:
                yield at, size


def _frames(segments: Segments, segment: int, at: int, end: int) -> Iterator[Record]:
    """Return the chunks from one byte to another, up to the first that is none."""
    schema = segments.schema(segment)
    while at < end and schema.message:
        found = header_of(segments.read(segment, at, min(_ENOUGH, end - at)), schema.digest)
        if found is None or at + found[1] > end:
            return
        record = Record(found[0], segment, at, found[1], schema.crc)
        at = record.end
        yield record
