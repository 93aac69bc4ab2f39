"""A store in a SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from vecgraph.checkpoint.sql.session import SqliteSession
from vecgraph.store._sql import SQLITE_STORE, SqlStore
from vecgraph.store.sqlite.aio import AsyncSqliteStore as AsyncSqliteStore

if TYPE_CHECKING:
    import sqlite3
    from concurrent.futures import Future
    from pathlib import Path

    from vecgraph.store.base import IndexConfig, TTLConfig

__all__ = ["AsyncSqliteStore", "SqliteStore"]


class SqliteStore(SqlStore):
    """Keeps items in a SQLite file that several programs may use.

    Parameters
    ----------
    conn : sqlite3.Connection or path
        A connection that was opened with ``check_same_thread=False`` and is used by nobody else
        meanwhile; it stays open in the end. A path is opened.
    index : IndexConfig, optional
    ttl : TTLConfig, optional
    more : optional
        As for `SqlStore`.

    Examples
    --------
    >>> with SqliteStore.from_conn_string(":memory:") as store:
    ...     store.put(("users", "ann"), "likes", {"what": "tea"})
    ...     store.get(("users", "ann"), "likes").value
    {'what': 'tea'}
    """

    def __init__(
        self,
        conn: sqlite3.Connection | str | Path,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        **more: Any,
    ) -> None:
        super().__init__(SqliteSession(conn), SQLITE_STORE, index=index, ttl=ttl, **more)

    @classmethod
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        **more: Any,
    ) -> Self:
        """Return the store of a path; leaving its ``with`` block closes it."""
        return cls(conn_string, index=index, ttl=ttl, **more)

    def setup(self) -> None:
        """Make the tables, or bring them to the newest version; the first use does it too."""
        with self._lock:
            self._db.setup()

    def start_ttl_sweeper(self, sweep_interval_minutes: int | None = None) -> Future[None]:
        """Sweep expired items away in a thread; cancelling what is returned stops it."""
        return self._sweeper.start(sweep_interval_minutes)

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop sweeping; return whether the thread has ended."""
        return self._sweeper.stop(timeout)
