"""A cache in a SQLite file."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vecgraph.cache.base import BaseCache, FullKey, Namespace, ValueT
from vecgraph.checkpoint.sql.dialect import SQLITE
from vecgraph.checkpoint.sql.session import SqliteSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vecgraph.checkpoint.serde.base import SerializerProtocol

__all__ = ["SqliteCache"]

_TABLE = (
    "CREATE TABLE IF NOT EXISTS vecgraph_cache (ns TEXT NOT NULL, name TEXT NOT NULL, "
    "expires REAL, kind TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (ns, name))"
)
_GET = "SELECT expires, kind, value FROM vecgraph_cache WHERE ns = ? AND name = ?"
_SET = "INSERT OR REPLACE INTO vecgraph_cache VALUES (?, ?, ?, ?, ?)"


class SqliteCache(BaseCache[ValueT]):
    """Keeps values in a SQLite file that several programs may use at once.

    Parameters
    ----------
    path : str
        Of the file; ``":memory:"``: none.
    serde : object, optional
        See `BaseCache`.
    """

    def __init__(self, *, path: str, serde: SerializerProtocol | None = None) -> None:
        super().__init__(serde=serde)
        self._session = SqliteSession(path)
        self._lock = threading.Lock()
        with self._transaction(writes=True):
            self._session.rows(_TABLE)

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[None]:
        with self._lock:
            self._session.begin(SQLITE.begin_write if writes else SQLITE.begin_read)
            try:
                yield
                self._session.commit()
            except BaseException:
                self._session.rollback()
                raise

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """Return the values that there are of some keys."""
        now = time.time()
        with self._transaction(writes=False):
            rows = {
                (tuple(ns), key): self._session.rows(_GET, [_text(ns), key]) for ns, key in keys
            }
        return self._loaded(
            {
                key: (kind, value)
                for key, found in rows.items()
                for expires, kind, value in found
                if expires is None or now < expires
            }
        )

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Keep values, each for some seconds; None: for ever. What has expired is deleted."""
        now = time.time()
        rows = [
            (_text(ns), key, None if ttl is None else now + ttl, *self.serde.dumps_typed(value))
            for (ns, key), (value, ttl) in pairs.items()
        ]
        with self._transaction(writes=True):
            self._session.rows("DELETE FROM vecgraph_cache WHERE expires <= ?", [now])
            self._session.many(_SET, rows)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what some namespaces hold; None: everything."""
        with self._transaction(writes=True):
            if namespaces is None:
                self._session.rows("DELETE FROM vecgraph_cache")
            else:
                rows = [(_text(ns),) for ns in namespaces]
                self._session.many("DELETE FROM vecgraph_cache WHERE ns = ?", rows)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._session.close()


def _text(ns: Namespace) -> str:
    """Return a namespace as text; no two are the same."""
    return json.dumps(list(ns))
