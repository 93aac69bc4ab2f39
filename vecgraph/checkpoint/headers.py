"""Headers in memory, for storages that have no index of their own."""

from __future__ import annotations

from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vecgraph.checkpoint.storage import Header, Kind

__all__ = ["HeaderTable"]

_Group = dict[int, "Header"]
_number = attrgetter("number")


class HeaderTable:
    """The headers of a storage, found by thread, by key and by kind.

    Headers are added in the order of their numbers; each group keeps that order.
    """

    def __init__(self) -> None:
        self._all: dict[Kind, _Group] = {}
        self._narrow: dict[int, _Group] = {}
        self._wide: _Group = {}
        self._keyed: dict[str, _Group] = {}
        self._keyless: dict[Kind, _Group] = {}

    def add(self, header: Header) -> None:
        """Add a header with a number greater than all before."""
        for group in self._groups(header):
            group[header.number] = header

    def drop(self, header: Header) -> None:
        """Take a header out."""
        for group in self._groups(header):
            group.pop(header.number, None)
        if header.lo == header.hi and not self._narrow.get(header.lo, True):
            del self._narrow[header.lo]
        if header.key and not self._keyed.get(header.key, True):
            del self._keyed[header.key]

    def _groups(self, header: Header) -> Iterator[_Group]:
        yield self._all.setdefault(header.kind, {})
        if header.kind != "blobs":
            narrow = header.lo == header.hi
            yield self._narrow.setdefault(header.lo, {}) if narrow else self._wide
        if header.key:
            yield self._keyed.setdefault(header.key, {})
        else:
            yield self._keyless.setdefault(header.kind, {})

    def __len__(self) -> int:
        return sum(map(len, self._all.values()))

    def __iter__(self) -> Iterator[Header]:
        """Return all headers in order of append."""
        return merge(*(group.values() for group in self._all.values()), key=_number)

    def find(
        self,
        kinds: Iterable[Kind],
        lo: int | None = None,
        hi: int | None = None,
        *,
        key: str | None = None,
        after: int = -1,
    ) -> list[Header]:
        """Do `Storage.find`."""
        wanted = set(kinds)
        groups = self._candidates(wanted, lo, hi, key)
        found = [header for group in groups for header in _since(group, after)]
        return sorted(
            (
                header
                for header in found
                if header.kind in wanted
                and (key is None or header.key == key)
                and (lo is None or hi is None or (header.hi >= lo and header.lo <= hi))
            ),
            key=_number,
        )

    def _candidates(
        self, kinds: set[Kind], lo: int | None, hi: int | None, key: str | None
    ) -> list[_Group]:
        if key:
            return [self._keyed.get(key, {})]
        if key is not None:
            return [self._keyless.get(kind, {}) for kind in kinds]
        if lo is not None and lo == hi:
            return [self._narrow.get(lo, {}), self._wide]
        return [self._all.get(kind, {}) for kind in kinds]


def _since(group: _Group, after: int) -> list[Header]:
    if after < 0:
        return list(group.values())
    found = []
    for number in reversed(group):
        if number <= after:
            break
        found.append(group[number])
    return found
