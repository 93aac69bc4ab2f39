"""Checkpoints in a SQLite file, for programs with coroutines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from vecgraph.checkpoint.sql.dialect import SQLITE
from vecgraph.checkpoint.sql.saver import SqlSaver
from vecgraph.checkpoint.sql.session import SqliteSession

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

__all__ = ["AsyncSqliteSaver"]


class AsyncSqliteSaver(SqlSaver):
    """`SqliteSaver` under LangGraph's name of the one with coroutines; both have both.

    Parameters
    ----------
    conn : sqlite3.Connection or path
        As for `SqliteSaver`; a connection of aiosqlite cannot be used, for it belongs to its
        own thread: pass the path instead.
    serde : object, optional
    more : optional
        As for `SqlSaver`.
    """

    def __init__(
        self, conn: sqlite3.Connection | str | Path, *, serde: Any = None, **more: Any
    ) -> None:
        super().__init__(SqliteSession(conn), SQLITE, serde=serde, **more)

    @classmethod
    def from_conn_string(cls, conn_string: str, **more: Any) -> Self:
        """Return the saver of a path; leaving its ``async with`` block closes it."""
        return cls(conn_string, **more)

    async def setup(self) -> None:
        """Make the tables, or bring them to the newest version; the first use does it too."""
        await asyncio.to_thread(self.storage.setup)
