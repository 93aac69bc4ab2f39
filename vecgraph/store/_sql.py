"""A store in a SQL database: one implementation, what databases say differently as data."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint.sql.database import Database, Tables
from vecgraph.checkpoint.sql.dialect import POSTGRES, SQLITE
from vecgraph.store._json import dumped, loaded
from vecgraph.store._match import is_wanted, listed
from vecgraph.store._sweep import Sweeper
from vecgraph.store._vectors import Index, ranked
from vecgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    PutOp,
    SearchItem,
    SearchOp,
    validate_op_namespace,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from vecgraph.checkpoint.sql.dialect import Dialect
    from vecgraph.checkpoint.sql.session import Session
    from vecgraph.store._vectors import Vectors
    from vecgraph.store.base import IndexConfig, Op, Result, TTLConfig

__all__ = ["POSTGRES_STORE", "SQLITE_STORE", "SqlStore"]

_MINUTE = 60_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SQLITE_STORE = replace(SQLITE, words={**SQLITE.words, "name": "TEXT", "real": "REAL"})
POSTGRES_STORE = replace(
    POSTGRES,
    # Names sort by their bytes, so that an index finds what begins with something.
    words={**POSTGRES.words, "name": 'TEXT COLLATE "C"', "real": "DOUBLE PRECISION"},
    after_create=(),
)

_LOG = (
    "CREATE TABLE IF NOT EXISTS {p}_store_version "
    "(id {small} NOT NULL PRIMARY KEY, version {small} NOT NULL)"
)
_FIRST = "INSERT INTO {p}_store_version (id, version) VALUES (1, 0) {unless}"

_ITEMS = """
CREATE TABLE {p}_store (
    namespace {name} NOT NULL,
    name {name} NOT NULL,
    value {name} NOT NULL,
    created {big} NOT NULL,
    updated {big} NOT NULL,
    minutes {real},
    expires {big},
    PRIMARY KEY (namespace, name)
)
"""

_VECTORS = """
CREATE TABLE {p}_vectors (
    namespace {name} NOT NULL,
    name {name} NOT NULL,
    path {name} NOT NULL,
    vector {blob} NOT NULL,
    PRIMARY KEY (namespace, name, path)
)
"""

_TABLES = Tables(
    "store_version",
    _LOG,
    _FIRST,
    ((_ITEMS, _VECTORS, "CREATE INDEX {p}_store_expires ON {p}_store (expires)"),),
)
_COLUMNS = "namespace, name, value, created, updated, minutes, expires"
_PUT = (
    f"INSERT INTO {{p}}_store ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (namespace, name) DO UPDATE SET value = excluded.value, "
    "updated = excluded.updated, minutes = excluded.minutes, expires = excluded.expires"
)
_PUT_VECTOR = "INSERT INTO {p}_vectors (namespace, name, path, vector) VALUES (?, ?, ?, ?)"
_REFRESH = (
    "UPDATE {p}_store SET expires = ? + CAST(minutes * 60000000 AS {big}) "
    "WHERE namespace = ? AND name = ? AND minutes IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the table of items."""

    namespace: str
    name: str
    value: str
    created: int
    updated: int
    minutes: float | None
    expires: int | None

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    def item(self) -> Item:
        return Item(
            value=loaded(self.value),
            key=self.name,
            namespace=tuple(self.namespace.split(".")),
            created_at=_EPOCH + timedelta(microseconds=self.created),
            updated_at=_EPOCH + timedelta(microseconds=self.updated),
        )

    def found(self, value: dict[str, Any], score: float | None) -> SearchItem:
        item = self.item()
        return SearchItem(item.namespace, self.name, value, item.created_at, item.updated_at, score)


class SqlStore(BaseStore):
    """Keeps items in a SQL database. Several programs may use it, and several threads.

    Items are found in the order of their last change, newest first; with a query, nearest first.

    Parameters
    ----------
    session : Session
    dialect : Dialect
    index : IndexConfig, optional
        How items are found by a query; vectors are kept in a table and compared by NumPy.
    ttl : TTLConfig, optional
        How long items live.
    table_prefix : str
        Of the names of the tables.
    """

    supports_ttl = True

    def __init__(
        self,
        session: Session,
        dialect: Dialect,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        table_prefix: str = "vecgraph",
    ) -> None:
        self.index_config = None if index is None else index.copy()
        self.ttl_config = ttl
        self._index = Index(index) if index else None
        self._db = Database(session, dialect, table_prefix, _TABLES)
        self._lock = threading.RLock()
        self._last = 0
        self._sweeper = Sweeper(self._sweep, ttl)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do operations in one transaction; the reads see the store as it was before the writes."""
        given = _checked(ops)
        texts, queries = self._texts(given)
        vectors, asked = self._index.embed(texts, queries) if self._index else ({}, {})
        return self._done(given, vectors, asked)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do `batch` without blocking."""
        given = _checked(ops)
        texts, queries = self._texts(given)
        vectors, asked = await self._index.aembed(texts, queries) if self._index else ({}, {})
        return await asyncio.to_thread(self._done, given, vectors, asked)

    def _texts(self, ops: Sequence[Op]) -> tuple[list[str], list[str]]:
        """Return the texts and the queries that need vectors."""
        if self._index is None:
            return [], []
        texts = [t for op in ops if isinstance(op, PutOp) for t in self._index.texts(op).values()]
        queries = [op.query for op in ops if isinstance(op, SearchOp) and op.query]
        return list(dict.fromkeys(texts)), list(dict.fromkeys(queries))

    def _done(self, ops: Sequence[Op], vectors: Vectors, asked: Vectors) -> list[Result]:
        puts = {(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}
        read: list[_Row] = []
        with self._lock:
            with self._db.transaction(writes=bool(puts)):
                results = [self._read(op, asked, read) for op in ops]
                times = {key: self._now() for key in puts}
                # In one order for all, so that two writers do not wait for each other.
                for key, op in sorted(puts.items()):
                    self._put(op, vectors, times[key])
            self._refresh([row for row in read if row.minutes is not None])
        return results

    def _now(self) -> int:
        """Return microseconds since 1970, later than any time that was returned before."""
        self._last = max(_now(), self._last + 1)
        return self._last

    def _read(self, op: Op, asked: Vectors, read: list[_Row]) -> Result:
        """Return what an operation reads; `read` gets the rows whose time begins again."""
        match op:
            case GetOp():
                return self._get(op, read)
            case SearchOp():
                return self._search(op, asked, read)
            case ListNamespacesOp():
                found = self._db.rows(
                    f"SELECT DISTINCT namespace FROM {{p}}_store WHERE {self._living}",
                    [self._since],
                )
                return listed([tuple(namespace.split(".")) for (namespace,) in found], op)
        return None

    @property
    def _living(self) -> str:
        return "(expires IS NULL OR expires >= ?)"

    @property
    def _since(self) -> int:
        """Return the time before which what has expired is not found."""
        return _now() if (self.ttl_config or {}).get("omit_expired", False) else 0

    def _get(self, op: GetOp, read: list[_Row]) -> Item | None:
        found = self._db.rows(
            f"SELECT {_COLUMNS} FROM {{p}}_store WHERE namespace = ? AND name = ? "
            f"AND {self._living}",
            [".".join(op.namespace), op.key, self._since],
        )
        if not found:
            return None
        row = _Row(*found[0])
        if op.refresh_ttl:
            read.append(row)
        return row.item()

    def _refresh(self, rows: Sequence[_Row]) -> None:
        if rows:
            now = _now()
            with self._db.transaction(writes=True):
                self._db.many(_REFRESH, [(now, *key) for key in sorted(row.key for row in rows)])

    def _search(self, op: SearchOp, asked: Vectors, read: list[_Row]) -> list[SearchItem]:
        if op.query and self._index is not None:
            found = self._nearest(op, self._index, asked[op.query])
        else:
            wanted = islice(self._rows(op), op.offset, op.offset + op.limit)
            found = [(row, value, None) for row, value in wanted]
        if op.refresh_ttl:
            read += [row for row, _, _ in found]
        return [row.found(value, score) for row, value, score in found]

    def _rows(self, op: SearchOp) -> Iterator[tuple[_Row, dict[str, Any]]]:
        """Return what a search's filter lets through, newest first."""
        where, values = _below(op.namespace_prefix)
        select = f"SELECT {_COLUMNS} FROM {{p}}_store WHERE {where} AND {self._living}"
        order, more = "ORDER BY updated DESC, namespace, name", [*values, self._since]
        if not op.filter and not (op.query and self._index):
            order, more = f"{order} LIMIT ?", [*more, op.limit + op.offset]
        for found in self._db.rows(f"{select} {order}", more):
            row = _Row(*found)
            value = loaded(row.value)
            if is_wanted(value, op.filter, as_sql=True):
                yield row, value

    def _nearest(
        self, op: SearchOp, index: Index, query: Sequence[float]
    ) -> list[tuple[_Row, dict[str, Any], float | None]]:
        rows = list(self._rows(op))
        vectors: dict[tuple[str, str], dict[str, Any]] = {row.key: {} for row, _ in rows}
        where, values = _below(op.namespace_prefix)
        select = f"SELECT namespace, name, path, vector FROM {{p}}_vectors WHERE {where}"
        for namespace, name, path, vector in self._db.rows(select, values):
            if (namespace, name) in vectors:
                vectors[namespace, name][path] = np.frombuffer(vector, "<f4")
        order = ranked(index, query, [vectors[row.key] for row, _ in rows])
        return [(*rows[i], score) for i, score in order[op.offset : op.offset + op.limit]]

    def _put(self, op: PutOp, vectors: Vectors, now: int) -> None:
        key = [".".join(op.namespace), op.key]
        self._db.rows("DELETE FROM {p}_vectors WHERE namespace = ? AND name = ?", key)
        if op.value is None:
            self._db.rows("DELETE FROM {p}_store WHERE namespace = ? AND name = ?", key)
            return
        expires = None if op.ttl is None else now + round(op.ttl * _MINUTE)
        self._db.rows(_PUT, [*key, dumped(op.value), now, now, op.ttl, expires])
        texts = {} if self._index is None else self._index.texts(op)
        rows = [
            (*key, path, np.asarray(vectors[text], "<f4").tobytes()) for path, text in texts.items()
        ]
        self._db.many(_PUT_VECTOR, rows)

    def sweep_ttl(self) -> int:
        """Delete what has expired; return how many items."""
        return self._sweep()

    def _sweep(self) -> int:
        with self._lock, self._db.transaction(writes=True):
            gone = self._db.rows(
                "SELECT namespace, name FROM {p}_store WHERE expires < ?", [_now()]
            )
            for table in ("vectors", "store"):
                where = "WHERE namespace = ? AND name = ?"
                self._db.many(f"DELETE FROM {{p}}_{table} {where}", gone)
        return len(gone)

    def close(self) -> None:
        """Stop the sweeper, and close the connection if it was opened here."""
        self._sweeper.stop(None)
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        await asyncio.to_thread(self.close)


def _checked(ops: Iterable[Op]) -> list[Op]:
    given = list(ops)
    for op in given:
        if not isinstance(op, GetOp | SearchOp | PutOp | ListNamespacesOp):
            raise ValueError(f"Unknown operation type: {type(op)}")  # noqa: TRY004 - LangGraph's
        validate_op_namespace(op)
    return given


def _below(prefix: tuple[str, ...]) -> tuple[str, list[Any]]:
    """Return the condition of namespaces that begin with labels, as an index finds them."""
    if not prefix:
        return "1 = 1", []
    whole = ".".join(prefix)
    # A slash comes right after a period.
    return "(namespace = ? OR (namespace >= ? AND namespace < ?))", [
        whole,
        f"{whole}.",
        f"{whole}/",
    ]


def _now() -> int:
    return time.time_ns() // 1000
