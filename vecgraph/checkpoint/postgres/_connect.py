"""Connections to PostgreSQL from whatever a saver or a store is given."""

from __future__ import annotations

from typing import Any

from vecgraph.checkpoint.sql.saver import driver
from vecgraph.checkpoint.sql.session import PostgresSession

__all__ = ["session_of"]


def session_of(conn: Any) -> PostgresSession:
    """Return the session of a connection string, a connection or a pool.

    Connections of the asynchronous kinds say where to connect to: work is done in threads.
    """
    psycopg = driver("psycopg", "postgres")
    if isinstance(conn, str):
        return _opened(psycopg, conn, {})
    if isinstance(conn, psycopg.AsyncConnection):
        return _opened(psycopg, conn.info.dsn, {"password": conn.info.password or None})
    if hasattr(conn, "getconn") and _is_async(psycopg, conn):
        kwargs = {**(conn.kwargs or {}), "autocommit": True}
        return _opened(psycopg, conn.conninfo, kwargs)
    return PostgresSession(conn, place=_place(psycopg, conn))


def _is_async(psycopg: Any, pool: Any) -> bool:
    return issubclass(getattr(pool, "connection_class", object), psycopg.AsyncConnection)


def _opened(psycopg: Any, conninfo: str, kwargs: dict[str, Any]) -> PostgresSession:
    said = psycopg.conninfo.conninfo_to_dict(conninfo)

    def connect() -> Any:
        return psycopg.connect(conninfo, **{**kwargs, "autocommit": True})

    return PostgresSession(connect=connect, place=_named(said))


def _place(psycopg: Any, conn: Any) -> str:
    if hasattr(conn, "getconn"):
        return _named(psycopg.conninfo.conninfo_to_dict(conn.conninfo))
    return _named(conn.info.get_parameters())


def _named(said: dict[str, Any]) -> str:
    """Return what messages call a database: no user, no password."""
    host, database = said.get("host") or "localhost", said.get("dbname") or ""
    port = f":{said['port']}" if said.get("port") else ""
    return f"postgresql://{host}{port}/{database}"
