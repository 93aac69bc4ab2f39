"""Marks: rows that change what earlier chunks mean. What they hide is still there for others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint.chunks import pack_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vecgraph.checkpoint.chunks import Row
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.typing import Mask, Values

__all__ = ["Branch", "Marks", "branch_row", "gone_rows"]


@dataclass(frozen=True, slots=True)
class Branch:
    """Threads from `lo` to `hi` have ancestors in threads from `of_lo` to `of_hi`."""

    lo: int
    hi: int
    of_lo: int
    of_hi: int


@dataclass(slots=True)
class _Known:
    upto: int = -1
    ranges: list[tuple[int, int]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    rows: dict[int, set[int]] = field(default_factory=dict)
    branches: list[Branch] = field(default_factory=list)


class Marks:
    """What the marks of a storage say, read as far as they go.

    Parameters
    ----------
    shelf : Shelf
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._known = _Known()

    def forget(self) -> None:
        """Read everything again when it is next needed."""
        self._known = _Known()

    def refresh(self) -> None:
        """Read what was added."""
        known = self._known
        headers = self._shelf.find(["marks"], after=known.upto)
        for chunk in self._shelf.rows(headers):
            for thread, seq, said in chunk:
                self._take(thread, seq, said)
            known.upto = chunk.header.number

    def _take(self, thread: int, seq: int, said: Any) -> None:
        match said:
            case ["gone", int(hi)]:
                self._known.ranges.append((thread, hi))
            case ["gone"] if seq < 0:
                self._known.threads.add(thread)
            case ["gone"]:
                self._known.rows.setdefault(thread, set()).add(seq)
            case ["branch", int(hi), int(of_lo), int(of_hi)]:
                self._known.branches.append(Branch(thread, hi, of_lo, of_hi))

    def is_gone(self, thread: int) -> bool:
        """Return whether a thread was deleted."""
        known = self._known
        if thread in known.threads:
            return True
        return bool(known.ranges) and any(lo <= thread <= hi for lo, hi in known.ranges)

    def which_gone(self, threads: Values) -> Mask:
        """Return which of some threads were deleted."""
        known = self._known
        gone: Mask = np.isin(threads, list(known.threads))
        for lo, hi in known.ranges:
            gone |= (threads >= lo) & (threads <= hi)
        return gone

    def lost(self, threads: Values) -> Mask:
        """Return which of some threads were deleted, and have no living heirs."""
        gone = self.which_gone(threads)
        for thread in np.unique(threads[gone]).tolist():
            if self.heirs(thread, thread):
                gone &= threads != thread
        return gone

    def gone(self, thread: int) -> set[int]:
        """Return the places of a thread's checkpoints that were deleted one by one."""
        return self._known.rows.get(thread, set())

    def visible(self, threads: Values, seq: Values) -> Mask:
        """Return which of many checkpoints were not deleted, neither alone nor with their thread.

        Parameters
        ----------
        threads, seq : integer ndarrays of shape (N,)
        """
        known = self._known
        there: Mask = np.ones(len(threads), np.bool_)
        if known.threads:
            there &= ~np.isin(threads, list(known.threads))
        for lo, hi in known.ranges:
            there &= (threads < lo) | (threads > hi)
        for thread, gone in known.rows.items():
            at = np.flatnonzero(threads == thread)
            there[at] &= ~np.isin(seq[at], list(gone))
        return there

    def heirs(self, lo: int, hi: int) -> bool:
        """Return whether a living thread may have ancestors among those from `lo` to `hi`."""
        return any(
            branch.of_lo <= hi and branch.of_hi >= lo and not self._all_gone(branch)
            for branch in self._known.branches
        )

    def with_gone_rows(self) -> Iterable[int]:
        """Return the threads some of whose checkpoints were deleted one by one."""
        return self._known.rows.keys()

    def lineage(self, lo: int, hi: int) -> list[tuple[int, int]]:
        """Return the threads from `lo` to `hi` and all that they have ancestors in, as ranges."""
        found = {(lo, hi)}
        found.update(
            (branch.of_lo, branch.of_hi)
            for branch in self._known.branches
            if branch.lo <= hi and branch.hi >= lo
        )
        return sorted(found)

    def _all_gone(self, branch: Branch) -> bool:
        if any(lo <= branch.lo and branch.hi <= hi for lo, hi in self._known.ranges):
            return True
        if branch.hi - branch.lo > len(self._known.threads):
            return False
        return all(self.is_gone(thread) for thread in range(branch.lo, branch.hi + 1))


def gone_rows(places: Iterable[tuple[int, int]]) -> list[Row]:
    """Return the marks that hide threads (place -1) and single checkpoints."""
    body = pack_body(["gone"])
    return [(thread, seq, body) for thread, seq in places]


def branch_row(branch: Branch) -> Row:
    """Return the mark that says where threads have their ancestors."""
    return (branch.lo, -1, pack_body(["branch", branch.hi, branch.of_lo, branch.of_hi]))
