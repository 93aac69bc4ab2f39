"""A store in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from vecgraph.checkpoint.postgres import session_of
from vecgraph.store._sql import POSTGRES_STORE, SqlStore
from vecgraph.store.postgres.aio import AsyncPostgresStore as AsyncPostgresStore
from vecgraph.store.postgres.aio import PoolConfig as PoolConfig

if TYPE_CHECKING:
    from concurrent.futures import Future

    from vecgraph.store.base import IndexConfig, TTLConfig

__all__ = ["AsyncPostgresStore", "PoolConfig", "PostgresStore"]


class PostgresStore(SqlStore):
    """Keeps items in PostgreSQL, for several programs. No extension is needed for vectors.

    Parameters
    ----------
    conn : psycopg.Connection, psycopg_pool.ConnectionPool or str
        A connection that nobody else uses meanwhile, or a pool; they stay open in the end. A
        connection string is opened, and again if the connection is lost.
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
        """Return the store of a connection string; leaving its ``with`` block closes it."""
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
