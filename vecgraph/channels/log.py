"""A list that only grows: each version sees it up to a length, and all share one buffer."""

from __future__ import annotations

from operator import is_
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Log", "extended_all", "list_of", "lists_of"]

_new = object.__new__


class Log:
    """One version of a growing list.

    Appending extends the buffer that all versions share, so it costs what is appended and
    not what is held; an earlier version still ends where it ended. A version from which
    another one went on already is copied first, as a branch. The buffer never leaves:
    `tolist` returns a copy. One thread at a time may extend the versions of one list.

    Parameters
    ----------
    items : list
        Owned from now on.
    n : int, optional
        How much of it this version sees; all of it if left out.

    Examples
    --------
    >>> old = Log(["a"])
    >>> new, branch = old.extended(["b"]), old.extended(["c"])
    >>> old.tolist(), new.tolist(), branch.tolist()
    (['a'], ['a', 'b'], ['a', 'c'])
    """

    __slots__ = ("_items", "_n")

    def __init__(self, items: list[Any], n: int | None = None) -> None:
        self._items = items
        self._n = len(items) if n is None else n

    def extended(self, values: list[Any]) -> Log:
        """Return the version with `values` at its end; they are not kept."""
        items, n = self._items, self._n
        if len(items) == n:
            items.extend(values)
        elif len(items) != n + len(values) or not all(map(is_, items[n:], values)):
            items = items[:n]
            items.extend(values)
        # Else the same values went on from here before: a router has looked ahead.
        longer = _new(Log)
        longer._items, longer._n = items, n + len(values)
        return longer

    def appended_since(self, older: Log) -> list[Any] | None:
        """Return what came to the end of an earlier version; None if it changed otherwise."""
        if self._items is not older._items or len(older) > len(self):
            return None
        return self._items[len(older) : self._n]

    def tolist(self) -> list[Any]:
        """Return the values as a new list."""
        return self._items[: self._n]

    def __len__(self) -> int:
        return self._n

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Log):
            return self.tolist() == other.tolist()
        return self.tolist() == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Log({self.tolist()!r})"


def list_of(cell: Any) -> Any:
    """Return a log as a new list, anything else as it is."""
    return cell._items[: cell._n] if type(cell) is Log else cell


def lists_of(cells: list[Any]) -> list[Any]:
    """Return each log as a new list, anything else as it is."""
    return [cell._items[: cell._n] if type(cell) is Log else cell for cell in cells]


def extended_all(logs: list[Any], lists: Sequence[Any]) -> list[Log] | None:
    """Return each log with a list at its end; None if something is no log, or no list."""
    if set(map(type, logs)) != {Log} or set(map(type, lists)) != {list}:
        return None
    new = Log.__new__
    extended = []
    for log, values in zip(logs, lists, strict=True):
        items, n = log._items, log._n
        if len(items) != n:
            extended.append(log.extended(values))
            continue
        items += values
        longer = new(Log)
        longer._items, longer._n = items, len(items)
        extended.append(longer)
    return extended
