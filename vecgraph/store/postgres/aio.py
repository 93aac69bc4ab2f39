"""A store in PostgreSQL, for programs with coroutines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self, TypedDict

from vecgraph.checkpoint.postgres import session_of
from vecgraph.store._sql import POSTGRES_STORE, SqlStore

if TYPE_CHECKING:
    from vecgraph.store.base import IndexConfig, TTLConfig

__all__ = ["AsyncPostgresStore", "PoolConfig"]


class PoolConfig(TypedDict, total=False):
    """LangGraph's settings of a pool; one connection is used, so that none of them matters."""

    min_size: int
    max_size: int | None
    kwargs: dict[str, Any]


class AsyncPostgresStore(SqlStore):
    """`PostgresStore` under LangGraph's name of the one with coroutines.

    Parameters
    ----------
    conn : psycopg.AsyncConnection, psycopg_pool.AsyncConnectionPool or str
        Where to connect to: a connection of its own is opened and used in threads. What
        `PostgresStore` takes is taken too.
    pipe : optional
        Taken for LangGraph's sake.
    index : IndexConfig, optional
    ttl : TTLConfig, optional
    more : optional
        As for `SqlStore`.
    """

    def __init__(
        self,
        conn: Any,
        *,
        pipe: Any = None,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        **more: Any,
    ) -> None:
        super().__init__(session_of(conn), POSTGRES_STORE, index=index, ttl=ttl, **more)

    @classmethod
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        pipeline: bool = False,
        pool_config: PoolConfig | None = None,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        **more: Any,
    ) -> Self:
        """Return the store of a connection string; leaving its ``async with`` block closes it."""
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
