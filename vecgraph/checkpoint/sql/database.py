"""Transactions on tables that are brought to their newest version first."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint.sql.dialect import Statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vecgraph.checkpoint.sql.dialect import Dialect
    from vecgraph.checkpoint.sql.session import Session

__all__ = ["Database", "Tables"]


@dataclass(frozen=True, slots=True)
class Tables:
    """A set of tables, and how it came to be.

    Attributes
    ----------
    log : str
        Name, after the prefix, of the table whose one row (``id = 1``) has the ``version``.
    create, first : str
        Statements that make that table and its row unless they are there.
    migrations : tuple of tuple of str
        Statements that lead from each version to the next.
    """

    log: str
    create: str
    first: str
    migrations: tuple[tuple[str, ...], ...]


class Database:
    """A session whose tables are there.

    Parameters
    ----------
    session : Session
    dialect : Dialect
    prefix : str
        Of the names of the tables.
    tables : Tables
    """

    def __init__(self, session: Session, dialect: Dialect, prefix: str, tables: Tables) -> None:
        self.session = session
        self.dialect = dialect
        self.place = f"{session.place} (tables {prefix}_*)"
        self._say = Statements(dialect, prefix)
        self._tables = tables
        self._is_ready = False
        self._depth = 0
        self._writes = False

    def rows(self, template: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; return what it finds."""
        return self.session.rows(self._say[template], values)

    def many(self, template: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each of many rows of values."""
        if rows:
            self.session.many(self._say[template], rows)

    def setup(self) -> None:
        """Make the tables, or bring them to the newest version; nothing if they are."""
        if self._is_ready:
            return
        if self._version() != len(self._tables.migrations):
            self._migrate()
        self._is_ready = True

    @property
    def _select(self) -> str:
        return f"SELECT version FROM {{p}}_{self._tables.log} WHERE id = 1"

    def _version(self) -> int:
        """Return the version of the tables, 0 if there are none."""
        self.session.begin(self.dialect.begin_read)
        try:
            found = self.rows(self._select)
        except self.session.errors as error:
            self.session.rollback()
            if self.session.is_damage(error):
                raise
            return 0
        self.session.commit()
        return int(found[0][0]) if found else 0

    def _migrate(self) -> None:
        session, dialect, tables = self.session, self.dialect, self._tables
        session.begin(dialect.begin_write)
        try:
            if dialect.lock:
                session.rows(dialect.lock)
            self.rows(tables.create)
            self.rows(tables.first)
            version = int(self.rows(self._select)[0][0])
            for statement in self._say.migrations(tables.migrations, version):
                session.rows(statement)
            done = f"UPDATE {{p}}_{tables.log} SET version = ? WHERE id = 1"
            self.rows(done, [len(tables.migrations)])
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            if dialect.unlock:
                session.rows(dialect.unlock)

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[bool]:
        """Begin a transaction, or take part in the one that has begun.

        Yields
        ------
        bool
            Whether it began here: then it ends here, and is undone after an exception.
        """
        if self._depth:
            if writes and not self._writes:
                raise RuntimeError("a transaction that reads cannot begin to write")
            yield False
            return
        self.setup()
        self.session.begin(self.dialect.begin_write if writes else self.dialect.begin_read)
        self._depth, self._writes = 1, writes
        try:
            yield True
            self.session.commit()
        except BaseException:
            self.session.rollback()
            raise
        finally:
            self._depth = 0

    def close(self) -> None:
        """Close the connection, if it was opened here."""
        self.session.close()
