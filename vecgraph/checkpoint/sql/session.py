"""Connections of the three drivers, all used alike: a transaction, statements in it, its end."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


__all__ = ["MySQLSession", "PostgresSession", "Session", "SqliteSession"]

_PATIENCE = 60.0
"""Seconds to wait for another writer of the same database file."""


class Session(Protocol):
    """A connection to a database.

    Attributes
    ----------
    place : str
        What messages call the database; never with a password in it.
    errors : type of exception
        What the driver raises.
    """

    place: str
    errors: Any

    def begin(self, statements: Sequence[str]) -> None:
        """Begin a transaction; one that was lost while nothing was going on is opened again."""
        ...

    def commit(self) -> None:
        """End a transaction."""
        ...

    def rollback(self) -> None:
        """Undo a transaction; raises nothing, for it follows an error."""
        ...

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; return what it finds."""
        ...

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each of many rows of values."""
        ...

    def is_damage(self, error: BaseException) -> bool:
        """Return whether an error says that the database itself is broken."""
        ...

    def close(self) -> None:
        """Close the connection, if it was opened here."""
        ...


class SqliteSession:
    """A connection of the standard library's `sqlite3`.

    Parameters
    ----------
    of : sqlite3.Connection or path
        A path is opened when it is first needed, and closed in the end; ``":memory:"`` is a
        database of its own.

    Raises
    ------
    TypeError
        It is neither.
    """

    errors = sqlite3.Error

    def __init__(self, of: Any) -> None:
        if not isinstance(of, sqlite3.Connection | str | os.PathLike):
            raise TypeError(
                f"SQLite is reached by a path or a sqlite3.Connection, not by {type(of)!r}.\n"
                "Hint: pass the path; a connection of aiosqlite belongs to its own thread."
            )
        self._conn: sqlite3.Connection | None = of if isinstance(of, sqlite3.Connection) else None
        self._own = self._conn is None
        self._path = of
        self.place = str(of) if self._own else "a SQLite connection"

    def _connected(self) -> sqlite3.Connection:
        if self._conn is None:
            path = str(self._path)
            self._conn = sqlite3.connect(
                path,
                timeout=_PATIENCE,
                isolation_level=None,
                check_same_thread=False,
                uri=path.startswith("file:"),
            )
            self._log_ahead(self._conn)
        return self._conn

    @staticmethod
    def _log_ahead(conn: sqlite3.Connection) -> None:
        """Let readers go on while one writes; what is committed survives a power failure."""
        deadline = time.monotonic() + _PATIENCE
        while conn.execute("PRAGMA journal_mode").fetchone()[0] not in {"wal", "memory"}:
            try:
                conn.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError:
                # SQLite does not wait by itself for others who do the same.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        conn.execute("PRAGMA synchronous=FULL")

    def begin(self, statements: Sequence[str]) -> None:
        """Begin a transaction."""
        for statement in statements:
            self._connected().execute(statement)

    def commit(self) -> None:
        """End a transaction."""
        self._connected().execute("COMMIT")

    def rollback(self) -> None:
        """Undo a transaction."""
        if self._conn is not None and self._conn.in_transaction:
            self._conn.execute("ROLLBACK")

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; return what it finds."""
        cursor = self._connected().cursor()
        cursor.row_factory = None
        return cursor.execute(statement, values).fetchall()

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each of many rows of values."""
        self._connected().executemany(statement, rows)

    def is_damage(self, error: BaseException) -> bool:
        """Return whether an error says that the database itself is broken."""
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

    def close(self) -> None:
        """Close the connection, if it was opened here."""
        if self._own and self._conn is not None:
            self._conn.close()
            self._conn = None


class _ServerSession:
    """A connection to a server, opened when it is first needed and again if it was lost."""

    errors: Any

    def __init__(self, conn: Any, connect: Callable[[], Any] | None, place: str) -> None:
        self._conn = conn
        self._connect = connect
        self.place = place

    def begin(self, statements: Sequence[str]) -> None:
        """Begin a transaction."""
        if self._conn is None and self._connect is not None:
            self._conn = self._connect()
        try:
            self._begin(statements)
        except self.errors:
            if self._connect is None:
                raise
            # Nothing was going on: servers end connections that were silent for long.
            self._drop()
            self._conn = self._connect()
            self._begin(statements)

    def _begin(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._run(statement)

    def _run(self, statement: str) -> None:
        raise NotImplementedError

    def _drop(self) -> None:
        with contextlib.suppress(self.errors):
            self._conn.close()
        self._conn = None

    def is_damage(self, error: BaseException) -> bool:
        """Return False: a server looks after its own files."""
        return False

    def close(self) -> None:
        """Close the connection, if it was opened here."""
        if self._connect is not None and self._conn is not None:
            self._drop()


class PostgresSession(_ServerSession):
    """A connection of psycopg 3, or a pool of them.

    Parameters
    ----------
    of : psycopg.Connection, psycopg_pool.ConnectionPool or None
    connect : callable, optional
        Opens a connection; then it is closed in the end.
    place : str, optional
    """

    def __init__(
        self, of: Any = None, connect: Callable[[], Any] | None = None, place: str = ""
    ) -> None:
        import psycopg

        self.errors = psycopg.Error
        self._idle = psycopg.pq.TransactionStatus.IDLE
        self._in_transaction = psycopg.pq.TransactionStatus.INTRANS
        self._pool = of if hasattr(of, "getconn") else None
        super().__init__(None if self._pool is not None else of, connect, place or "PostgreSQL")
        self._autocommit = True

    def _begin(self, statements: Sequence[str]) -> None:
        if self._pool is not None:
            self._conn = self._pool.getconn()
        self._autocommit = self._conn.autocommit
        try:
            self._take(self._conn)
            super()._begin(statements)
        except BaseException:
            self._give_back()
            raise

    def _take(self, conn: Any) -> None:
        if conn.info.transaction_status == self._in_transaction:
            raise ValueError(
                "the connection given to the saver is in the middle of a transaction.\n"
                "Hint: commit it, or give the saver a connection of its own."
            )
        if not self._autocommit:
            # Otherwise psycopg begins a transaction of its own before ours.
            conn.autocommit = True

    def _give_back(self) -> None:
        conn = self._conn
        if not self._autocommit and conn.info.transaction_status == self._idle:
            conn.autocommit = False
        if self._pool is not None:
            self._pool.putconn(conn)
            self._conn = None

    def _run(self, statement: str) -> None:
        self._conn.execute(statement)

    def _end(self, statement: str) -> None:
        try:
            self._conn.execute(statement)
        finally:
            self._give_back()

    def commit(self) -> None:
        """End a transaction."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """Undo a transaction."""
        if self._conn is None:
            return
        with contextlib.suppress(self.errors):
            self._end("ROLLBACK")

    def _cursor(self) -> Any:
        from psycopg.rows import tuple_row

        return self._conn.cursor(binary=True, row_factory=tuple_row)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; return what it finds."""
        with self._cursor() as cursor:
            cursor.execute(statement, values)
            found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
            return found

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each of many rows of values."""
        with self._cursor() as cursor:
            cursor.executemany(statement, rows)


class MySQLSession(_ServerSession):
    """A connection of PyMySQL.

    Parameters
    ----------
    of : pymysql.Connection or None
    connect : callable, optional
        Opens a connection; then it is closed in the end.
    place : str, optional
    """

    def __init__(
        self, of: Any = None, connect: Callable[[], Any] | None = None, place: str = ""
    ) -> None:
        import pymysql

        self.errors = pymysql.Error
        super().__init__(of, connect, place or "MySQL")

    def _run(self, statement: str) -> None:
        with self._conn.cursor() as cursor:
            cursor.execute(statement)

    def commit(self) -> None:
        """End a transaction."""
        self._conn.commit()

    def rollback(self) -> None:
        """Undo a transaction."""
        if self._conn is None:
            return
        with contextlib.suppress(self.errors):
            self._conn.rollback()

    def _cursor(self) -> Any:
        from pymysql.cursors import Cursor

        return self._conn.cursor(Cursor)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; return what it finds."""
        with self._cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each of many rows of values."""
        with self._cursor() as cursor:
            cursor.executemany(statement, rows)
