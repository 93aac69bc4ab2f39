"""Checkpoints in MySQL and MariaDB, for programs with coroutines."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from vecgraph.checkpoint.mysql._connect import session_of
from vecgraph.checkpoint.sql.dialect import MYSQL
from vecgraph.checkpoint.sql.saver import SqlSaver

__all__ = ["AsyncMySQLSaver"]


class AsyncMySQLSaver(SqlSaver):
    """`MySQLSaver` whose `setup` is a coroutine too; both have all others.

    Parameters
    ----------
    conn : pymysql.Connection or str
        As for `MySQLSaver`; used in threads.
    serde : object, optional
    more : optional
        As for `SqlSaver`.
    """

    def __init__(self, conn: Any, serde: Any = None, **more: Any) -> None:
        super().__init__(session_of(conn), MYSQL, serde=serde, **more)

    @classmethod
    def from_conn_string(cls, conn_string: str, **more: Any) -> Self:
        """Return the saver of a connection string; leaving its ``async with`` block closes it."""
        return cls(conn_string, **more)

    async def setup(self) -> None:
        """Make the tables, or bring them to the newest version; the first use does it too."""
        await asyncio.to_thread(self.storage.setup)
