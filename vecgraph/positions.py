"""Sets of positions: sorted ``intp`` arrays, with None for "all of them"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.typing import Mask, Where

__all__ = [
    "Spans",
    "Turns",
    "compose",
    "count",
    "is_sorted_unique",
    "joined_apart",
    "mask_of",
    "positions",
    "spans_of",
    "union",
    "without",
]

_SPARSE = 16
"""Below one position in this many rows, sorting beats marking a mask."""


def count(where: Where, n: int) -> int:
    """Return how many of `n` rows `where` names."""
    return n if where is None else len(where)


def positions(where: Where, n: int) -> npt.NDArray[np.intp]:
    """Return `where` spelled out."""
    return np.arange(n, dtype=np.intp) if where is None else where


def mask_of(where: Where, n: int) -> Mask:
    """Return a mask of `n` rows that is true at `where`."""
    if where is None:
        return np.ones(n, np.bool_)
    mask = np.zeros(n, np.bool_)
    mask[where] = True
    return mask


def compose(outer: Where, inner: Where) -> Where:
    """Return the positions that `inner` names among the rows at `outer`."""
    if outer is None:
        return inner
    return outer if inner is None else outer[inner]


def union(parts: Sequence[Where], n: int) -> Where:
    """Return every position named by one of `parts`, sorted and unique; None if all `n` are.

    Examples
    --------
    >>> union([np.array([3, 1]), np.array([1])], 9).tolist()
    [1, 3]
    """
    if any(part is None for part in parts):
        return None
    if not parts:
        return np.empty(0, np.intp)
    known = [part for part in parts if part is not None]
    if sum(map(len, known)) * _SPARSE < n:
        return np.unique(np.concatenate(known))
    mask = np.zeros(n, np.bool_)
    for part in known:
        mask[part] = True
    found = np.flatnonzero(mask)
    return None if len(found) == n else found


def joined_apart(parts: Sequence[Where], n: int) -> Where:
    """Return the union of parts that are sorted, unique and share no position."""
    if len(parts) == 1:
        return parts[0] if parts[0] is None or len(parts[0]) < n else None
    if sum(count(part, n) for part in parts) == n:
        return None
    return union(parts, n)


def without(where: Where, gone: Mask) -> npt.NDArray[np.intp]:
    """Return the positions of `where` that `gone` does not mark."""
    if where is None:
        return np.flatnonzero(~gone)
    return where[~gone[where]]


def is_sorted_unique(where: npt.NDArray[Any]) -> bool:
    """Return whether each position is greater than the one before."""
    return bool((where[1:] > where[:-1]).all())


@dataclass(slots=True, eq=False)
class Spans:
    """Where each position of a sorted array starts, and how often it stands there.

    Attributes
    ----------
    heads : intp ndarray of shape (K,)
        The positions, each once; sorted.
    starts : intp ndarray of shape (K,)
        Place of the first of each.
    n : int
        Length of the array.
    each : int
        How often every position stands there; 0: not all as often.
    """

    heads: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    n: int
    each: int = 0

    def lengths(self) -> npt.NDArray[np.intp]:
        """Return how often each position stands there."""
        return np.diff(self.starts, append=self.n)

    def at(self, outer: Where) -> Spans:
        """Return the spans of the positions that these are in `outer`, which is sorted."""
        if outer is None:
            return self
        return Spans(outer[self.heads], self.starts, self.n, self.each)


@dataclass(slots=True, eq=False)
class Turns:
    """An array in which all of some positions stand as often as one another, again and again.

    Attributes
    ----------
    heads : intp ndarray of shape (K,), or None
        The positions; sorted, unique. None: all.
    m : int
        How many they are: K.
    each : int
        How often all of them stand there.
    """

    heads: Where
    m: int
    each: int

    @property
    def n(self) -> int:
        """Length of the array."""
        return self.m * self.each

    def at(self, outer: Where) -> Turns:
        """Return the turns of the positions that these are in `outer`, which is sorted."""
        return Turns(compose(outer, self.heads), self.m, self.each)


def spans_of(where: npt.NDArray[np.intp]) -> Spans | None:
    """Return the spans of equal positions; None if the array is empty or not sorted.

    Examples
    --------
    >>> spans_of(np.array([2, 2, 5, 5])).each
    2
    """
    n = len(where)
    if not n or (where[1:] < where[:-1]).any():
        return None
    each = int(np.searchsorted(where, where[0], "right"))
    if n % each == 0:
        heads = where[::each]
        # Sorted: what lies between two equal positions is equal to them.
        if (heads == where[each - 1 :: each]).all() and is_sorted_unique(heads):
            return Spans(heads, np.arange(0, n, each), n, each)
    starts = np.flatnonzero(np.append(True, where[1:] != where[:-1]))
    return Spans(where[starts], starts, n)
