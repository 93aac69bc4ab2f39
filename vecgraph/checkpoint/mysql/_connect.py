"""Connections to MySQL and MariaDB from whatever a saver is given."""

from __future__ import annotations

from typing import Any

from vecgraph.checkpoint.sql.saver import driver, parts_of
from vecgraph.checkpoint.sql.session import MySQLSession

__all__ = ["session_of"]


def session_of(conn: Any) -> MySQLSession:
    """Return the session of a connection string or a connection."""
    pymysql = driver("pymysql", "mysql")
    if not isinstance(conn, str):
        return MySQLSession(conn, place=_named(conn.host, conn.port, _text(conn.db)))
    said = parts_of(conn, "mysql", 3306)

    def connect() -> Any:
        return pymysql.connect(**said, charset="utf8mb4", autocommit=True)

    return MySQLSession(connect=connect, place=_named(said["host"], said["port"], said["database"]))


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name or "")


def _named(host: str, port: int, database: str) -> str:
    return f"mysql://{host}:{port}/{database}"
