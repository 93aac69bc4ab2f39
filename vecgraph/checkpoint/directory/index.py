"""The chunks of a directory in memory: their headers, and where they lie."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from vecgraph.checkpoint.directory.records import DROP, Record
from vecgraph.checkpoint.headers import HeaderTable
from vecgraph.errors import DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vecgraph.checkpoint.directory.manifest import Manifest
    from vecgraph.checkpoint.directory.recovery import Damage
    from vecgraph.checkpoint.directory.segments import Schema
    from vecgraph.checkpoint.storage import Header, Kind

__all__ = ["HasSchemas", "Index"]


class HasSchemas(Protocol):
    """Parts of files or objects, each with one schema."""

    def schema(self, segment: int) -> Schema:
        """Return a part's schema."""
        ...


class Index:
    """What a storage knows by heart.

    Parameters
    ----------
    segments : HasSchemas
    manifest : Manifest
    damages : sequence of Damage
        While there is any, nobody knows what else there would be: `find` raises.

    Attributes
    ----------
    next_flush, next_number, next_thread : int
    has_dropped : bool
        Whether a record took a chunk away.
    """

    def __init__(
        self, segments: HasSchemas, manifest: Manifest, damages: Sequence[Damage] = ()
    ) -> None:
        self._segments = segments
        self._headers = HeaderTable()
        self._records: dict[int, Record] = {}
        self.damages = damages
        self.has_dropped = False
        self.next_flush = manifest.next_flush
        self.next_number = manifest.next_number
        self.next_thread = manifest.next_thread

    def take(self, records: Sequence[Record]) -> list[Header]:
        """Make the chunks of whole flushes known, and forget those that they drop.

        Parameters
        ----------
        records : sequence of Record
            Chunks in the order of their numbers, which are greater than all before.

        Returns
        -------
        list of Header
            Of the chunks that are there now and were not before.
        """
        dropped = {record.header.number for record in records if record.flags & DROP}
        self.has_dropped |= bool(dropped)
        for number in dropped & self._records.keys():
            self._headers.drop(self._records.pop(number).header)
        added = []
        for record in records:
            header = record.header
            self.next_flush = max(self.next_flush, record.frame.flush + 1)
            self.next_number = max(self.next_number, header.number + 1)
            if header.kind != "blobs":
                self.next_thread = max(self.next_thread, header.hi + 1)
            if header.number not in dropped and header.number not in self._records:
                added.append(self._add(record))
        return added

    def _add(self, record: Record) -> Header:
        schema = self._segments.schema(record.segment)
        digest = schema.digest if schema.crc == record.schema_crc else ""
        header = replace(record.header, schema=digest)
        self._headers.add(header)
        self._records[header.number] = replace(record, frame=replace(record.frame, header=header))
        return header

    def record(self, header: Header, place: str) -> Record:
        """Return where a chunk lies.

        Raises
        ------
        DamagedCheckpointError
            It is not there any more.
        """
        found = self._records.get(header.number)
        if found is None:
            raise DamagedCheckpointError.found(
                "it is gone", place, chunk=header.number, threads=[header.lo, header.hi]
            )
        return found

    def records(self) -> Iterable[Record]:
        """Return all chunks in the order of their numbers."""
        return self._records.values()

    def refuse_damage(self) -> None:
        """Raise if something is missing, and what it was is not known.

        Raises
        ------
        DamagedCheckpointError
        """
        for damage in self.damages:
            raise DamagedCheckpointError.found(damage.reason, damage.file, offset=damage.offset)

    def find(
        self, kinds: Iterable[Kind], lo: int | None, hi: int | None, key: str | None, after: int
    ) -> list[Header]:
        """Do `Storage.find`.

        Raises
        ------
        DamagedCheckpointError
            Something is missing, and what it was is not known.
        """
        self.refuse_damage()
        return self._headers.find(kinds, lo, hi, key=key, after=after)
