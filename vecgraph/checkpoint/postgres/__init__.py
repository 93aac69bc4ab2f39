"""Checkpoints in PostgreSQL, with psycopg 3."""

from __future__ import annotations

from typing import Any, Self

from vecgraph.checkpoint.postgres._connect import session_of as session_of
from vecgraph.checkpoint.sql.dialect import POSTGRES
from vecgraph.checkpoint.sql.saver import SqlSaver

__all__ = ["PostgresSaver"]


class PostgresSaver(SqlSaver):
    """Keeps checkpoints in PostgreSQL. Several programs may read and write them.

    Parameters
    ----------
    conn : psycopg.Connection, psycopg_pool.ConnectionPool or str
        A connection that nobody else uses meanwhile, or a pool; they stay open in the end. A
        connection string is opened, and again if the connection is lost.
    pipe : optional
        Taken for LangGraph's sake: a flush is one transaction anyway.
    serde : object, optional
    more : optional
        As for `SqlSaver`.
    """

    def __init__(self, conn: Any, pipe: Any = None, serde: Any = None, **more: Any) -> None:
        super().__init__(session_of(conn), POSTGRES, serde=serde, **more)

    @classmethod
    def from_conn_string(cls, conn_string: str, *, pipeline: bool = False, **more: Any) -> Self:
        """Return the saver of a connection string; leaving its ``with`` block closes it.

        Parameters
        ----------
        conn_string : str
            ``postgresql://user:password@host/database`` or libpq's other form.
        pipeline : bool
            Taken for LangGraph's sake.
        more : optional
            As for `SqlSaver`.
        """
        return cls(conn_string, **more)

    def setup(self) -> None:
        """Make the tables, or bring them to the newest version; the first use does it too."""
        with self._lock:
            self.storage.setup()
