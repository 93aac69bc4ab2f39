"""Lists that grow: told apart from lists that changed, whatever the caller did to their items."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.checkpoint.codec import PacksValues
    from vecgraph.checkpoint.rows import Place

__all__ = ["ListTail", "ListTails"]

_MOST = 1 << 16


@dataclass(frozen=True, slots=True)
class ListTail:
    """What a list was when it was stored.

    Attributes
    ----------
    length : int
    hasher : hash object or None
        Has taken in its packed items; None: they are not known.
    """

    length: int
    hasher: Any


class ListTails:
    """Remembers stored lists by the checkpoint that made them and the channel.

    A list is known by the hash of its packed items, so an item that was changed in place is
    noticed, and the list itself need not be kept.

    Parameters
    ----------
    packer : PacksValues
    """

    def __init__(self, packer: PacksValues) -> None:
        self._packer = packer
        self._tails: OrderedDict[tuple[Place, str], ListTail] = OrderedDict()

    def forget(self) -> None:
        """Forget all."""
        self._tails.clear()

    def get(self, place: Place, channel: str) -> ListTail | None:
        """Return what is known of a list."""
        return self._tails.get((place, channel))

    def know(self, place: Place, channel: str, tail: ListTail) -> None:
        """Remember a list."""
        self._tails[place, channel] = tail
        self._tails.move_to_end((place, channel))
        if len(self._tails) > _MOST:
            self._tails.popitem(last=False)

    def whole(self, items: Sequence[Any]) -> ListTail:
        """Return the tail of a whole list."""
        return self.longer(ListTail(0, blake2b(digest_size=16)), items)

    def longer(self, tail: ListTail, items: Sequence[Any]) -> ListTail:
        """Return the tail of a list with more items at its end."""
        if tail.hasher is None:
            return ListTail(tail.length + len(items), None)
        hasher = tail.hasher.copy()
        pack = self._packer.pack
        parts: list[bytes] = []
        for item in items:
            data = pack(item)
            # The length keeps ["ab"] and ["a", "b"] apart.
            parts += (len(data).to_bytes(8, "little"), data)
        hasher.update(b"".join(parts))
        return ListTail(tail.length + len(items), hasher)

    def grown(self, before: ListTail, value: list[Any]) -> ListTail | None:
        """Return the tail of a list that `before` grew to, None if it is another list."""
        if before.hasher is None or len(value) < before.length:
            return None
        start = self.whole(value[: before.length])
        if start.hasher.digest() != before.hasher.digest():
            return None
        return self.longer(start, value[before.length :])
