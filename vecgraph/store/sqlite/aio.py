"""A store in a SQLite file, for programs with coroutines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from vecgraph.checkpoint.sql.session import SqliteSession
from vecgraph.store._sql import SQLITE_STORE, SqlStore

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from vecgraph.store.base import IndexConfig, TTLConfig

__all__ = ["AsyncSqliteStore"]


class AsyncSqliteStore(SqlStore):
    """`SqliteStore` under LangGraph's name of the one with coroutines.

    Parameters
    ----------
    conn : sqlite3.Connection or path
        As for `SqliteStore`; used in threads.
    index : IndexConfig, optional
    ttl : TTLConfig, optional
    more : optional
        As for `SqlStore`.
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
        """Return the store of a path; leaving its ``async with`` block closes it."""
        return cls(conn_string, index=index, ttl=ttl, **more)

    async def setup(self) -> None:
        """Make the tables, or bring them to the newest version; the first use does it too."""
        await asyncio.to_thread(self._db.setup)

    async def sweep_ttl(self) -> int:  # type: ignore[override]
        """Delete what has expired; return how many items."""
        return await asyncio.to_thread(self._sweep)

    async def start_ttl_sweeper(
        self, sweep_interval_minutes: int | None = None
    ) -> asyncio.Future[None]:
        """Sweep expired items away in a thread; cancelling what is returned stops it."""
        return asyncio.wrap_future(self._sweeper.start(sweep_interval_minutes))

    async def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """Stop sweeping; return whether the thread has ended."""
        return await asyncio.to_thread(self._sweeper.stop, timeout)
