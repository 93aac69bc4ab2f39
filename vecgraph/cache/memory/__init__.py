"""A cache in memory."""

from __future__ import annotations

import copy
import threading
import time
from typing import TYPE_CHECKING, Any

from vecgraph.cache.base import BaseCache, FullKey, Namespace, ValueT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vecgraph.checkpoint.serde.base import SerializerProtocol

__all__ = ["InMemoryCache"]

_SECONDS = 60
"""Between two looks for what has expired."""


class InMemoryCache(BaseCache[ValueT]):
    """Keeps values in memory. Safe to use from several threads.

    Parameters
    ----------
    serde : object, optional
        Keeps values as bytes. Without it they are copied, whatever their classes are, when
        they are kept and when they are returned.

    Examples
    --------
    >>> cache = InMemoryCache()
    >>> cache.set({(("node",), "key"): ([("x", 1)], None)})
    >>> cache.get([(("node",), "key"), (("node",), "other")])
    {(('node',), 'key'): [('x', 1)]}
    """

    def __init__(self, *, serde: SerializerProtocol | None = None) -> None:
        super().__init__(serde=serde)
        self._copies = serde is None
        self._held: dict[Namespace, dict[str, tuple[Any, float | None]]] = {}
        self._lock = threading.Lock()
        self._swept = time.time()

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Return the values that there are of some keys."""
        with self._lock:
            now = time.time()
            found = {(tuple(ns), key): self._taken(tuple(ns), key, now) for ns, key in keys}
        held = {key: value[0] for key, value in found.items() if value is not None}
        return copy.deepcopy(held) if self._copies else self._loaded(held)

    def _taken(self, ns: Namespace, key: str, now: float) -> tuple[Any, float | None] | None:
        """Return an entry; one that has expired is forgotten."""
        entry = self._held.get(ns, {}).get(key)
        if entry is not None and entry[1] is not None and now >= entry[1]:
            del self._held[ns][key]
            return None
        return entry

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Keep values, each for some seconds; None: for ever."""
        now = time.time()
        made = {
            key: (self._kept(value), None if ttl is None else now + ttl)
            for key, (value, ttl) in pairs.items()
        }
        with self._lock:
            self._sweep(now)
            for (ns, key), entry in made.items():
                self._held.setdefault(tuple(ns), {})[key] = entry

    def _sweep(self, now: float) -> None:
        """Forget what has expired, now and then."""
        if now < self._swept + _SECONDS:
            return
        self._swept = now
        for ns, held in list(self._held.items()):
            left = {k: entry for k, entry in held.items() if entry[1] is None or now < entry[1]}
            self._held[ns] = left
            if not left:
                del self._held[ns]

    def _kept(self, value: ValueT) -> Any:
        return copy.deepcopy(value) if self._copies else self.serde.dumps_typed(value)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what some namespaces hold; None: everything."""
        with self._lock:
            for ns in list(self._held) if namespaces is None else map(tuple, namespaces):
                self._held.pop(ns, None)

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Do `get`, which does not block."""
        return self.get(keys)

    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Do `set`, which does not block."""
        self.set(pairs)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Do `clear`, which does not block."""
        self.clear(namespaces)
