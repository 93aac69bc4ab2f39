"""Checkpoints in MySQL and MariaDB, with PyMySQL."""

from __future__ import annotations

from typing import Any, Self

from vecgraph.checkpoint.mysql._connect import session_of
from vecgraph.checkpoint.sql.dialect import MYSQL
from vecgraph.checkpoint.sql.saver import SqlSaver

__all__ = ["MySQLSaver", "PyMySQLSaver"]


class MySQLSaver(SqlSaver):
    """Keeps checkpoints in MySQL or MariaDB. Several programs may read and write them.

    Parameters
    ----------
    conn : pymysql.Connection or str
        A connection that nobody else uses meanwhile; it stays open in the end. A connection
        string, ``mysql://user:password@host/database``, is opened, and again if the
        connection is lost.
    serde : object, optional
    more : optional
        As for `SqlSaver`.

    Notes
    -----
    Payloads are split into rows of 4 MiB, so that no statement is larger than the 16 MiB that
    servers take by default.
    """

    def __init__(self, conn: Any, serde: Any = None, **more: Any) -> None:
        super().__init__(session_of(conn), MYSQL, serde=serde, **more)

    @classmethod
    def from_conn_string(cls, conn_string: str, **more: Any) -> Self:
        """Return the saver of a connection string; leaving its ``with`` block closes it."""
        return cls(conn_string, **more)

    def setup(self) -> None:
        """Make the tables, or bring them to the newest version; the first use does it too."""
        with self._lock:
            self.storage.setup()


PyMySQLSaver = MySQLSaver
"""The name that it has in the package ``langgraph-checkpoint-mysql``."""
