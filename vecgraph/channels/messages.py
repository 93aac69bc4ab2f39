"""Messages: a list of chat messages that grows by what is written, whatever its length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from vecgraph.channels.log import Log
from vecgraph.channels.reduce import BinaryOperatorAggregate
from vecgraph.constants import MISSING
from vecgraph.messages import (
    add_messages,
    coerced,
    id_of,
    removes,
    since_cleared,
    unknown_id,
    with_ids,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.channels.base import Cell
    from vecgraph.messages import AnyMessage, Coerce

__all__ = ["MessageLog", "Messages"]


_MOST = 100
"""Longest write that is remembered: to merge a longer one again is the smaller cost."""


class _Buffer(list[Any]):
    """The messages that all versions of a log share, with what is known about them.

    Attributes
    ----------
    ids : dict of str to int
        Last place of each id among the first `known` messages.
    known : int
    last : _Merge or None
        The last merge that went on from some version in this buffer.
    before : weak reference to a _Buffer, or None
        The buffer that this one replaced, until something is merged here.
    """

    __slots__ = ("__weakref__", "before", "ids", "known", "last")

    def __init__(self, messages: list[AnyMessage]) -> None:
        super().__init__(messages)
        self.ids: dict[Any, int] = {}
        self.known = 0
        self.last: _Merge | None = None
        self.before: ref[_Buffer] | None = None

    def places(self) -> dict[Any, int]:
        """Return the last place of each id; of use to a version up to its own length."""
        for place in range(self.known, len(self)):
            self.ids[id_of(self[place])] = place
        self.known = len(self)
        return self.ids

    def remember(self, merge: _Merge) -> None:
        """Note a merge, and let go of the one that led here."""
        self.last = merge
        before = None if self.before is None else self.before()
        if before is not None:
            before.last = None
        self.before = None


class _Merge:
    """A write as it was merged into a version, to be known again when it comes again.

    A router looks ahead at its node's writes, which the superstep then applies: the ids that
    the messages got are to be the same, and the work is done once.

    Attributes
    ----------
    n, length : int
        Length of the version before and after.
    items : _Buffer or None
        Where the version after is, if not in the buffer of the one before.
    """

    __slots__ = ("_items", "_written", "items", "length", "n")

    def __init__(
        self, n: int, written: Any, messages: list[AnyMessage], items: _Buffer | None, length: int
    ) -> None:
        self.n, self.items, self.length = n, items, length
        self._written = written
        given = written if isinstance(written, list) else [written]
        # A dict may change until it comes again; a chunk that became a message, without a trace.
        # A constant text is the same object whoever writes it.
        given = given if len(given) <= _MOST and not isinstance(written, str | tuple) else []
        copies = [dict(item) if type(item) is dict else None for item in given]
        stays = bool(given) and all(
            type(item) is dict or item is message or isinstance(item, str | tuple)
            for item, message in zip(given, messages, strict=False)
        )
        self._items = list(zip(given, copies, strict=True)) if stays else None

    def repeats(self, n: int, written: Any) -> bool:
        """Tell whether a write to a version of `n` messages is this one."""
        if n != self.n or written is not self._written or self._items is None:
            return False
        items = written if isinstance(written, list) else [written]
        return len(items) == len(self._items) and all(
            item is known and (copy is None or item == copy)
            for item, (known, copy) in zip(items, self._items, strict=True)
        )


class MessageLog(Log):
    """One version of a list of messages, each with an id.

    Appending extends the buffer that all versions share and looks at what is appended only.
    To find an id costs one look-up, in an index that is kept beside the buffer from the first
    time that a message brings its id along. Replacing copies the list but not the index;
    removing copies both.

    Examples
    --------
    >>> old = MessageLog([{"role": "user", "content": "a", "id": "1"}])
    >>> new = old.merged({"role": "user", "content": "b", "id": "2"})
    >>> [m["id"] for m in new.tolist()], len(old)
    (['1', '2'], 1)
    """

    __slots__ = ()

    _items: _Buffer

    def __init__(self, messages: list[AnyMessage], n: int | None = None) -> None:
        buffer = messages if isinstance(messages, _Buffer) else _Buffer(messages)
        super().__init__(buffer, n)

    def merged(self, written: Any, coerce: Coerce | None = None) -> MessageLog:
        """Return the version after a write: `add_messages` of this list and `written`.

        Parameters
        ----------
        written : list of messages, or a message
            Message objects without an id get one.
        coerce : callable, optional
            Makes messages of what is written; ours keeps dicts as they are.

        Raises
        ------
        ValueError, NotImplementedError
            As `add_messages`.
        """
        last = self._items.last
        if last is not None and last.repeats(self._n, written):
            return MessageLog(self._items if last.items is None else last.items, last.length)
        messages, fresh = coerced(written, coerce)
        cleared = since_cleared(messages)
        if cleared is not None:
            result = MessageLog(cleared)
        else:
            result = self._appended(messages) if fresh else self._merge(messages)
        elsewhere = None if result._items is self._items else result._items
        self._items.remember(_Merge(self._n, written, messages, elsewhere, len(result)))
        if elsewhere is not None:
            elsewhere.before = ref(self._items)
        return result

    def _merge(self, messages: list[AnyMessage]) -> MessageLog:
        changes = _Changes(self._items.places(), self._n)
        for message in messages:
            changes.take(message)
        if changes.removed:
            kept = [m for m in self._changed(changes) if id_of(m) not in changes.removed]
            return MessageLog(kept)
        if not changes.replaced:
            return self._appended(changes.fresh)
        buffer = _Buffer(self._changed(changes))
        if len(self._items) == self._n:
            # Nothing has moved, and nobody else goes on here: the index goes along.
            old = self._items
            buffer.ids, buffer.known = old.ids, old.known
            old.ids, old.known = {}, 0
        return MessageLog(buffer)

    def _appended(self, messages: list[AnyMessage]) -> MessageLog:
        items, n = self._items, self._n
        if len(items) != n:  # another version went on from here: a branch
            items = _Buffer(items[:n])
        items.extend(messages)
        return MessageLog(items, n + len(messages))

    def _changed(self, changes: _Changes) -> list[AnyMessage]:
        messages = self.tolist()
        for place, message in changes.replaced.items():
            messages[place] = message
        return messages + changes.fresh


class _Changes:
    """What some messages do to a list, without touching it."""

    __slots__ = ("_fresh_places", "_n", "_places", "fresh", "removed", "replaced")

    def __init__(self, places: dict[Any, int], n: int) -> None:
        self._places, self._n = places, n
        self._fresh_places: dict[Any, int] = {}
        self.fresh: list[AnyMessage] = []
        self.replaced: dict[int, AnyMessage] = {}
        self.removed: set[Any] = set()

    def take(self, message: AnyMessage) -> None:
        """Append a message, replace one by it, or remove one."""
        key = id_of(message)
        fresh = self._fresh_places.get(key)
        place = self._places.get(key, self._n) if fresh is None else self._n
        if fresh is None and place >= self._n:
            if removes(message):
                raise unknown_id(key)
            self._fresh_places[key] = len(self.fresh)
            self.fresh.append(message)
        elif removes(message):
            self.removed.add(key)
        else:
            self.removed.discard(key)
            if fresh is None:
                self.replaced[place] = message
            else:
                self.fresh[fresh] = message


class Messages(BinaryOperatorAggregate):
    """Merge the messages written into a list, by id: the channel of `add_messages`.

    A cell is a `MessageLog`; after an `Overwrite`, or where the type has no first value, it
    is what was written, as it is.

    Parameters
    ----------
    typ : type
        Annotation of the value.
    operator : callable
        `add_messages`, or what merges equally.
    coerce : callable, optional
        Makes messages of what is written.

    Examples
    --------
    >>> channel = Messages(list)
    >>> cell, _ = channel.fold(channel.initial(), [("user", "hi"), [("ai", "hello")]])
    >>> [(m["role"], m["content"]) for m in channel.read(cell)]
    [('user', 'hi'), ('assistant', 'hello')]
    """

    def __init__(
        self,
        typ: Any,
        operator: Callable[[Any, Any], Any] = add_messages,
        coerce: Coerce | None = None,
    ) -> None:
        self.coerce = coerce
        super().__init__(typ, operator)

    def _derive(self) -> None:
        super()._derive()
        self._form = None
        self._appends = False
        # Rows are folded with the same function as a run of its own.
        self._logs = self.grows = True
        self.plain = False

    def initial(self) -> Cell:
        """Return an empty log, or `MISSING` where the type cannot be called."""
        first = MISSING if self._make is None else self._make()
        return MessageLog([]) if type(first) is list and not first else first

    def read(self, cell: Cell) -> Any:
        """Return the messages as a list of its own."""
        return cell.tolist() if type(cell) is MessageLog else cell

    def checkpoint(self, cell: Cell) -> Any:
        """Return the list of messages."""
        return self.read(cell)

    def restore(self, value: Any) -> Cell:
        """Return the cell of a list: it gets its ids looked at when it is written to."""
        return self.initial() if value is MISSING else value

    def _apply(self, cell: Cell, value: Any, fresh: int) -> tuple[Cell, int]:
        if value is None or cell is None:  # the operator says what is wrong with that
            return self.operator(self.read(cell), value), 0
        if type(cell) is not MessageLog:
            cell = MessageLog(with_ids(cell, self.coerce))
        return cell.merged(value, self.coerce), 0
