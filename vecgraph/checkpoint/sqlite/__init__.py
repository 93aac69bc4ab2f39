"""Checkpoints in a SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from vecgraph.checkpoint.sql.dialect import SQLITE
from vecgraph.checkpoint.sql.saver import SqlSaver
from vecgraph.checkpoint.sql.session import SqliteSession

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

__all__ = ["SqliteSaver"]


class SqliteSaver(SqlSaver):
    """Keeps checkpoints in a SQLite file that several programs may read and write.

    Parameters
    ----------
    conn : sqlite3.Connection or path
        A connection that is used by nobody else meanwhile and, for the coroutines, was opened
        with ``check_same_thread=False``; it stays open in the end. A path is opened, with a
        write-ahead log.
    serde : object, optional
    more : optional
        As for `SqlSaver`.

    Examples
    --------
    >>> from vecgraph.checkpoint.base import empty_checkpoint
    >>> checkpoint = empty_checkpoint()
    >>> checkpoint["channel_values"], checkpoint["channel_versions"] = {"x": 7}, {"x": 1}
    >>> config = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}
    >>> with SqliteSaver.from_conn_string(":memory:") as saver:
    ...     stored = saver.put(config, checkpoint, {"step": 0}, {"x": 1})
    ...     saver.get_tuple(config).checkpoint["channel_values"]
    {'x': 7}
    """

    def __init__(
        self, conn: sqlite3.Connection | str | Path, *, serde: Any = None, **more: Any
    ) -> None:
        super().__init__(SqliteSession(conn), SQLITE, serde=serde, **more)

    @classmethod
    def from_conn_string(cls, conn_string: str, **more: Any) -> Self:
        """Return the saver of a path or ``file:`` URI; leaving its ``with`` block closes it."""
        return cls(conn_string, **more)

    def setup(self) -> None:
        """Make the tables, or bring them to the newest version; the first use does it too."""
        with self._lock:
            self.storage.setup()
