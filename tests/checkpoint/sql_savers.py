"""Savers of SQL databases for tests, and empty tables for each."""

from __future__ import annotations

from pathlib import Path

from tests import services
from vecgraph.checkpoint.mysql import MySQLSaver
from vecgraph.checkpoint.postgres import PostgresSaver
from vecgraph.checkpoint.sqlite import SqliteSaver

TABLES = ("log", "chunks", "parts", "schemas")


def empty(saver, prefix="vecgraph"):
    """Take everything out of a saver's tables, as if they had just been made."""
    storage = saver.storage
    storage.setup()
    with storage.writing():
        for table in ("chunks", "parts", "schemas"):
            storage._db.session.rows(f"DELETE FROM {prefix}_{table}")
        storage._next = [0, 0, storage._next[2] + 1]
        storage._memo.forget()
        storage._memo.sees(0, storage._next[2])
        storage._schemas.clear()
    return saver


def _fresh(folder: Path, saver):
    """Empty the tables the first time that a folder is seen."""
    mark = folder / "seen"
    if not mark.exists():
        mark.touch()
        empty(saver)
    return saver


def sqlite(folder: Path, **more):
    return SqliteSaver(folder / "checkpoints.sqlite", **more)


def postgres(folder: Path, **more):
    return _fresh(folder, PostgresSaver.from_conn_string(services.postgres(), **more))


def mysql(folder: Path, **more):
    return _fresh(folder, MySQLSaver.from_conn_string(services.mysql(), **more))


SAVERS = {"sqlite": sqlite, "postgres": postgres, "mysql": mysql}
