"""What SQL databases say differently, as data.

Statements are written once, with ``?`` for parameters, ``{p}`` for the prefix of the tables and
names in braces for what a dialect says in its own way. Values never become text of a statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vecgraph.errors import CheckpointFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["MYSQL", "POSTGRES", "SQLITE", "Dialect", "Statements", "identifier"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one kind of database says in its own way.

    Attributes
    ----------
    name : str
    mark : str
        Stands for a parameter in a statement.
    words : mapping of str to str
        Types and clauses, by the names that statements use for them.
    after_create : tuple of str
        More statements once the tables are there.
    begin_read, begin_write : tuple of str
        Begin a transaction that sees one state of the database, or that may change it.
    part : int
        Bytes of a payload that one parameter may hold.
    lock, unlock : str
        Held while tables are made, so that programs which start together do not disturb
        each other; empty: the transaction does.
    """

    name: str
    mark: str
    words: Mapping[str, str]
    begin_read: tuple[str, ...]
    begin_write: tuple[str, ...]
    part: int
    after_create: tuple[str, ...] = ()
    lock: str = ""
    unlock: str = ""


SQLITE = Dialect(
    name="sqlite",
    mark="?",
    words={
        "text": "TEXT",
        "big": "INTEGER",
        "small": "INTEGER",
        "blob": "BLOB",
        "engine": "",
        "ignore": "",
        "unless": "ON CONFLICT DO NOTHING",
        "locked": "",
    },
    begin_read=("BEGIN",),
    begin_write=("BEGIN IMMEDIATE",),
    part=1 << 28,
)

POSTGRES = Dialect(
    name="postgresql",
    mark="%s",
    words={
        "text": "VARCHAR(64)",
        "big": "BIGINT",
        "small": "INTEGER",
        "blob": "BYTEA",
        "engine": "",
        "ignore": "",
        "unless": "ON CONFLICT DO NOTHING",
        "locked": "FOR UPDATE",
    },
    begin_read=("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",),
    begin_write=("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE",),
    part=1 << 26,
    after_create=(
        # Payloads are compressed already.
        "ALTER TABLE {p}_chunks ALTER COLUMN payload SET STORAGE EXTERNAL",
        "ALTER TABLE {p}_parts ALTER COLUMN payload SET STORAGE EXTERNAL",
    ),
    lock="SELECT pg_advisory_xact_lock(7310589)",
)

MYSQL = Dialect(
    name="mysql",
    mark="%s",
    words={
        "text": "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin",
        "big": "BIGINT",
        "small": "INT",
        "blob": "LONGBLOB",
        "engine": "ENGINE=InnoDB",
        "ignore": "IGNORE",
        "unless": "",
        "locked": "FOR UPDATE",
    },
    begin_read=(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ),
    begin_write=("START TRANSACTION READ WRITE",),
    # A server takes packets of 16 MiB unless it is told otherwise, and a byte may need two.
    part=1 << 22,
    lock="SELECT GET_LOCK('vecgraph.tables', 60)",
    unlock="SELECT RELEASE_LOCK('vecgraph.tables')",
)


def identifier(name: str) -> str:
    """Return a name that may stand in a statement.

    Raises
    ------
    ValueError
        It is no plain word of at most 40 ASCII letters, digits and underscores.

    Examples
    --------
    >>> identifier("vecgraph")
    'vecgraph'
    >>> identifier("a; DROP TABLE b")
    Traceback (most recent call last):
        ...
    ValueError: 'a; DROP TABLE b' cannot be part of a table's name: ...
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be part of a table's name: it must be at most 40 ASCII letters, "
            "digits and underscores, and not begin with a digit."
        )
    return name


@dataclass(slots=True)
class Statements:
    """Statements in a dialect, made once each.

    Parameters
    ----------
    dialect : Dialect
    prefix : str
        Of the names of the tables.
    """

    dialect: Dialect
    prefix: str
    _made: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        identifier(self.prefix)

    def __getitem__(self, template: str) -> str:
        """Return a statement in the dialect."""
        made = self._made.get(template)
        if made is None:
            filled = template.format(p=self.prefix, **self.dialect.words)
            made = self._made[template] = filled.replace("?", self.dialect.mark)
        return made

    def migrations(self, known: tuple[tuple[str, ...], ...], version: int) -> Iterator[str]:
        """Return the statements that lead from a version of the tables to the newest.

        Raises
        ------
        CheckpointFormatError
            The tables are newer than what is known here.
        """
        if version > len(known):
            raise CheckpointFormatError(
                f"Tables {self.prefix}_* have version {version}; this vecgraph knows versions up "
                f"to {len(known)}.\nHint: update vecgraph, or choose another prefix."
            )
        for step in range(version, len(known)):
            yield from (self[statement] for statement in known[step])
            if step == 0:
                yield from (self[statement] for statement in self.dialect.after_create)
