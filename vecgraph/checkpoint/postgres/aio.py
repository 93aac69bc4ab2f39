"""Checkpoints in PostgreSQL, for programs with coroutines."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from vecgraph.checkpoint.postgres._connect import session_of
from vecgraph.checkpoint.sql.dialect import POSTGRES
from vecgraph.checkpoint.sql.saver import SqlSaver

__all__ = ["AsyncPostgresSaver"]


class AsyncPostgresSaver(SqlSaver):
    """`PostgresSaver` under LangGraph's name of the one with coroutines; both have both.

    Parameters
    ----------
    conn : psycopg.AsyncConnection, psycopg_pool.AsyncConnectionPool or str
        Where to connect to: a connection of its own is opened and used in threads. What
        `PostgresSaver` takes is taken too.
    pipe : optional
        Taken for LangGraph's sake: a flush is one transaction anyway.
    serde : object, optional
    more : optional
        As for `SqlSaver`.
    """

    def __init__(self, conn: Any, pipe: Any = None, serde: Any = None, **more: Any) -> None:
        super().__init__(session_of(conn), POSTGRES, serde=serde, **more)

    @classmethod
    def from_conn_string(
        cls, conn_string: str, *, pipeline: bool = False, serde: Any = None, **more: Any
    ) -> Self:
        """Return the saver of a connection string; leaving its ``async with`` block closes it.

        Parameters
        ----------
        conn_string : str
            ``postgresql://user:password@host/database`` or libpq's other form.
        pipeline : bool
            Taken for LangGraph's sake.
        serde : object, optional
        more : optional
            As for `SqlSaver`.
        """
        return cls(conn_string, serde=serde, **more)

    async def setup(self) -> None:
        """Make the tables, or bring them to the newest version; the first use does it too."""
        await asyncio.to_thread(self.storage.setup)
