"""Values and changes as the operations of an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint.entries import APPEND, CLEAR, PUT, REF, SAME, Op
from vecgraph.checkpoint.lists import ListTail, ListTails
from vecgraph.checkpoint.rows import Appended, Packed
from vecgraph.checkpoint.typed import BLOB
from vecgraph.engine.told import Append, Change, Clear, Put

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from vecgraph.checkpoint.codec import Codec
    from vecgraph.checkpoint.rows import Place, Resolved, Source
    from vecgraph.checkpoint.views import Views

__all__ = ["Ops"]


class Ops:
    """Makes operations, and remembers the lists that they make.

    Parameters
    ----------
    codec : Codec
    views : Views
    """

    def __init__(self, codec: Codec, views: Views) -> None:
        self._codec = codec
        self._views = views
        self._lists = ListTails(codec.packer)
        self._new: dict[str, ListTail] = {}

    def forget(self) -> None:
        """Forget the lists."""
        self._lists.forget()
        self._new.clear()

    def given(self, base: Resolved, channel: str, values: Mapping[str, Any]) -> Op:
        """Return the operation of a channel that changed, from whole values."""
        if channel not in values:
            return [CLEAR]
        value = values[channel]
        if type(value) is not list:
            return self._put(value, None)
        before = base.cells.get(channel)
        known = None if before is None else self._known(before, channel)
        grown = None if known is None or not known.length else self._lists.grown(known, value)
        if before is None or known is None or grown is None:
            self._new[channel] = self._lists.whole(value)
            return self._put(value, len(value))
        self._new[channel] = grown
        return self._append(before, known.length, value[known.length :])

    def told(self, base: Resolved, channel: str, change: Change) -> Op:
        """Return the operation of a change.

        Raises
        ------
        ValueError
            It appends to a list of another length.
        """
        match change:
            case Clear():
                return [CLEAR]
            case Put(value) if type(value) is list:
                return self.given(base, channel, {channel: value})
            case Put(value):
                return self._put(value, None)
            case Append(items=items):
                return self._told_append(base, channel, change, list(items))

    def _told_append(self, base: Resolved, channel: str, change: Append, items: list[Any]) -> Op:
        before = base.cells.get(channel)
        known = ListTail(0, None) if before is None else self._tail(before, channel)
        if known is None or known.length != change.base:
            length = "no list" if known is None else f"{known.length} items"
            raise ValueError(
                f"channel {channel!r} cannot go on from {change.base} items: it has {length}."
            )
        if before is None or not change.base:
            self._new[channel] = self._lists.whole(items)
            return self._put(items, len(items))
        self._new[channel] = self._lists.longer(known, items)
        return self._append(before, change.base, items)

    def _put(self, value: Any, length: int | None) -> Op:
        kind, data = self._codec.pack(value)
        return [REF if kind == BLOB else PUT, data, length]

    def _append(self, before: Source, base: int, items: list[Any]) -> Op:
        kind, data = self._codec.pack(items)
        return [APPEND, base, data, kind == BLOB, *before.place]

    def _known(self, source: Source, channel: str) -> ListTail | None:
        """Return the tail of the list that a channel has, None if it has another value."""
        known = self._lists.get(source.place, channel)
        if known is None or known.hasher is None:
            value = self._views.value(source)
            if type(value) is not list:
                return None
            known = self._lists.whole(value)
            self._lists.know(source.place, channel, known)
        return known

    def _tail(self, source: Source, channel: str) -> ListTail | None:
        """Do the same where the length is enough."""
        known = self._lists.get(source.place, channel)
        if known is not None:
            return known
        length = self._views.length(source)
        return None if length is None else ListTail(length, None)

    def made(self, place: Place) -> None:
        """Remember the lists that were made since, as those of a checkpoint."""
        for channel, tail in self._new.items():
            self._lists.know(place, channel, tail)
        self._new.clear()

    def repeated(
        self, base: Resolved, changed: Collection[str], dropped: Collection[Any]
    ) -> dict[str, Op]:
        """Return the operations of channels that did not change, for an entry that says all."""
        return {
            channel: self._same(channel, source)
            for channel, source in base.cells.items()
            if channel not in changed and channel not in dropped
        }

    def _same(self, channel: str, source: Source) -> Op:
        """Repeat a value; of a list, which may be long, say where it is."""
        found = self._views.grounded(source)
        if isinstance(found, Appended):
            return [SAME, *source.place]
        if isinstance(found, Packed):
            if found.length is not None:
                return [SAME, *source.place]
            return [-1 - (REF if found.is_blob else PUT), found.data, None]
        value = self._views.value(found)
        if type(value) is list:
            return [SAME, *source.place]
        kind, data = self._codec.pack(value)
        return [-1 - (REF if kind == BLOB else PUT), data, None]
