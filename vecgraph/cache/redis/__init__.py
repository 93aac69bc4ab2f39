"""A cache in Redis."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any

from vecgraph.cache.base import BaseCache, FullKey, Namespace, ValueT
from vecgraph.checkpoint.sql.saver import driver

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vecgraph.checkpoint.serde.base import SerializerProtocol

__all__ = ["RedisCache"]

_log = logging.getLogger(__name__)
_MANY = 1000
_SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in "*?[]^-\\"})


class RedisCache(BaseCache[ValueT]):
    """Keeps values in Redis, for all programs that use the same prefix.

    A server that does not answer stops no run: nothing is found, nothing is kept, and the log
    says so.

    Parameters
    ----------
    redis : redis.Redis
        A client without ``decode_responses``.
    serde : object, optional
        See `BaseCache`.
    prefix : str
        What the keys begin with.
    """

    def __init__(
        self,
        redis: Any,
        *,
        serde: SerializerProtocol | None = None,
        prefix: str = "vecgraph:cache:",
    ) -> None:
        super().__init__(serde=serde)
        self.redis = redis
        self.prefix = prefix
        errors = driver("redis.exceptions", "redis")
        self._silence = (errors.ConnectionError, errors.TimeoutError)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Go on where the server does not answer."""
        try:
            yield
        except self._silence as error:
            _log.warning("Redis does not answer, and nothing is cached: %s", error)

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Return the values that there are of some keys."""
        found: dict[FullKey, tuple[str, bytes]] = {}
        if not keys:
            return {}
        with self._asking():
            values = self.redis.mget([self._key(ns, key) for ns, key in keys])
            for (ns, key), value in zip(keys, values, strict=True):
                if value is not None:
                    kind, _, data = value.partition(b":")
                    found[tuple(ns), key] = (kind.decode(errors="replace"), data)
        return self._loaded(found)

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Keep values, each for some seconds; None: for ever."""
        pipe = self.redis.pipeline()
        for (ns, key), (value, ttl) in pairs.items():
            kind, data = self.serde.dumps_typed(value)
            name, stored = self._key(ns, key), kind.encode() + b":" + data
            if ttl is None:
                pipe.set(name, stored)
            elif ttl > 0:
                pipe.set(name, stored, px=max(1, round(1000 * ttl)))
            else:
                pipe.delete(name)
        with self._asking():
            pipe.execute()

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what some namespaces hold; None: everything."""
        beginnings = [self.prefix] if namespaces is None else map(self._beginning, namespaces)
        with self._asking():
            for beginning in beginnings:
                pattern = f"{beginning.translate(_SPECIAL)}*"
                names = self.redis.scan_iter(pattern, count=_MANY)
                while some := list(islice(names, _MANY)):
                    self.redis.delete(*some)

    def _beginning(self, ns: Namespace) -> str:
        """Return what all keys of a namespace begin with, and no others."""
        digest = blake2b(json.dumps(list(ns)).encode(), digest_size=12).hexdigest()
        return f"{self.prefix}{digest}:"

    def _key(self, ns: Namespace, key: str) -> str:
        return f"{self._beginning(ns)}{key}"
