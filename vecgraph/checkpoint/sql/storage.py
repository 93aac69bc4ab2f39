"""Chunks in the tables of a SQL database."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint.sql.database import Database
from vecgraph.checkpoint.sql.memo import Memo, Question
from vecgraph.checkpoint.sql.tables import TABLES
from vecgraph.checkpoint.storage import KINDS, Chunk, Header, Kind
from vecgraph.errors import (
    CheckpointConnectionError,
    CheckpointError,
    CheckpointWriteError,
    DamagedCheckpointError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vecgraph.checkpoint.sql.dialect import Dialect
    from vecgraph.checkpoint.sql.session import Session

__all__ = ["SqlStorage"]

_HEADER = "number, kind, digest, n_rows, lo, hi, seq_lo, seq_hi, ts, n_bytes, crc, name"
_INSERT = (
    f"INSERT INTO {{p}}_chunks ({_HEADER}, wide, payload) "
    f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ADVANCE = "UPDATE {p}_log SET chunks = ?, threads = ?, replaced = ? WHERE id = 1"
_MOST = 500
"""Numbers in one question."""


class SqlStorage:
    """Chunks in a database; several programs may write to it at once.

    Whoever writes holds the one row of the table ``<prefix>_log`` until its flush is in: so
    chunks become visible in the order of their numbers.

    Parameters
    ----------
    session : Session
    dialect : Dialect
    prefix : str
        Of the names of the tables.
    part : int, optional
        Bytes of a payload that go into one row of a table; None: as the dialect says.
    """

    exclusive = False

    def __init__(
        self, session: Session, dialect: Dialect, prefix: str, part: int | None = None
    ) -> None:
        self._db = Database(session, dialect, prefix, TABLES)
        self._part = dialect.part if part is None else part
        self.place = self._db.place
        self._next = [0, 0, 0]
        self._memo = Memo()
        self._schemas: set[str] = set()

    def setup(self) -> None:
        """Make the tables, or bring them to the newest version; nothing if they are."""
        with self._failing(CheckpointWriteError):
            self._db.setup()

    @contextmanager
    def _failing(self, kind: type[CheckpointError]) -> Iterator[None]:
        """Raise what the driver raises as an error that says which database it was."""
        session = self._db.session
        try:
            yield
        except CheckpointError:
            raise
        except session.errors as error:
            if session.is_damage(error):
                raise DamagedCheckpointError.found(str(error), self.place) from error
            if kind is CheckpointWriteError:
                raise CheckpointWriteError.of(self.place, error) from error
            raise CheckpointConnectionError.of(self.place, error) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold everything together that is read and written: nobody else writes meanwhile."""
        try:
            with self._failing(CheckpointWriteError), self._db.transaction(writes=True) as began:
                before = self._look(" {locked}") if began else self._next
                yield
                if began and self._next != before:
                    self._db.rows(_ADVANCE, self._next)
        except BaseException:
            self._schemas.clear()
            self._memo.forget()
            raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the database, whatever others write meanwhile."""
        with (
            self._failing(CheckpointConnectionError),
            self._db.transaction(writes=False) as began,
        ):
            if began:
                self._look("")
            yield

    def _look(self, lock: str) -> list[int]:
        """Return the row of the log; with a lock others are kept from writing."""
        select = "SELECT chunks, threads, replaced FROM {p}_log WHERE id = 1"
        found = self._db.rows(select + lock)
        if not found:
            raise DamagedCheckpointError.found("the row of the log is missing", self.place)
        before = [int(n) for n in found[0]]
        self._next = list(before)
        self._memo.sees(before[0], before[2])
        return before

    @property
    def generation(self) -> int:
        """How often chunks were replaced, by whomever: what is known of them may be gone."""
        return self._next[2]

    @property
    def chunks(self) -> int:
        """The number that the next chunk gets, as the last transaction saw it."""
        return self._next[0]

    def append(self, chunks: Sequence[Chunk], *, durable: bool = True) -> list[Header]:
        """Append a flush, durable always."""
        if not chunks:
            return []
        with self.writing():
            return self._append(chunks)

    def _append(self, chunks: Sequence[Chunk]) -> list[Header]:
        headers = []
        for chunk in chunks:
            headers.append(replace(chunk.header, number=self._next[0]))
            self._next[0] += 1
        self._add_schemas(chunks)
        pairs = list(zip(headers, chunks, strict=True))
        self._db.many(
            _INSERT,
            [(*_values(header), chunk.payload[: self._part]) for header, chunk in pairs],
        )
        parts = [part for header, chunk in pairs for part in self._rest(header, chunk.payload)]
        self._memo.add(headers)
        for part in parts:  # one at a time: each is as large as a statement may be
            self._db.rows("INSERT INTO {p}_parts (number, part, payload) VALUES (?, ?, ?)", part)
        return headers

    def _rest(self, header: Header, payload: bytes) -> Iterator[tuple[int, int, bytes]]:
        for at in range(self._part, len(payload), self._part):
            yield header.number, at // self._part, payload[at : at + self._part]

    def _add_schemas(self, chunks: Sequence[Chunk]) -> None:
        new = {c.header.schema: c.schema for c in chunks if c.header.schema not in self._schemas}
        if new:
            statement = "INSERT {ignore} INTO {p}_schemas (digest, body) VALUES (?, ?) {unless}"
            self._db.many(statement, list(new.items()))
            self._schemas.update(new)

    def reserve(self, n: int) -> int:
        """Hand out numbers of threads."""
        with self.writing():
            first = self._next[1]
            self._next[1] += n
            return first

    def find(
        self,
        kinds: Iterable[Kind],
        lo: int | None = None,
        hi: int | None = None,
        *,
        key: str | None = None,
        after: int = -1,
    ) -> list[Header]:
        """Return headers in order of append."""
        with self.reading():
            return self._memo.answer(Question(tuple(kinds), lo, hi, key, after), self._find)

    def _find(self, question: Question) -> list[Header]:
        lo, hi = question.lo, question.hi
        if lo is None or hi is None:
            statement, values = _select("", [], question)
        else:
            # The first finds by index what lies in the range, the second what reaches into it.
            inside, values = _select("wide = 0 AND lo BETWEEN ? AND ?", [lo, hi], question)
            across, more = _select("wide = 1 AND lo <= ? AND hi >= ?", [hi, lo], question)
            statement, values = f"{inside} UNION ALL {across}", values + more
        return [_header(row) for row in sorted(self._db.rows(statement, values))]

    def load(self, headers: Sequence[Header]) -> list[bytes]:
        """Return payloads."""
        found: dict[int, bytes] = {}
        with self.reading():
            for begin in range(0, len(headers), _MOST):
                found.update(self._loaded(headers[begin : begin + _MOST]))
        for header in headers:
            self._check(header, found.get(header.number))
        return [found[header.number] for header in headers]

    def _loaded(self, headers: Sequence[Header]) -> dict[int, bytes]:
        rows = self._by_number("SELECT number, payload FROM {p}_chunks", headers)
        found = {number: _bytes(payload) for number, payload in rows}
        split = [h for h in headers if h.length > len(found.get(h.number, b"")) > 0]
        rest: dict[int, list[bytes]] = {header.number: [] for header in split}
        columns = "SELECT number, part, payload FROM {p}_parts"
        for number, _, payload in sorted(self._by_number(columns, split) if split else ()):
            rest[number].append(_bytes(payload))
        return found | {number: found[number] + b"".join(more) for number, more in rest.items()}

    def _by_number(self, select: str, headers: Sequence[Header]) -> list[tuple[Any, ...]]:
        marks = ", ".join("?" * len(headers))
        numbers = [header.number for header in headers]
        return self._db.rows(f"{select} WHERE number IN ({marks})", numbers)

    def _check(self, header: Header, payload: bytes | None) -> None:
        reason = None
        if payload is None:
            reason = "it is gone"
        elif len(payload) != header.length:
            reason = f"it has {len(payload)} bytes instead of {header.length}"
        elif zlib.crc32(payload) != header.crc:
            reason = "it fails its checksum"
        if reason is not None:
            raise DamagedCheckpointError.found(
                reason, self.place, chunk=header.number, threads=[header.lo, header.hi]
            )

    def schema(self, digest: str) -> bytes:
        """Return a serialised schema."""
        with self.reading():
            found = self._db.rows("SELECT body FROM {p}_schemas WHERE digest = ?", [digest])
        if not found:
            raise DamagedCheckpointError.found(f"the schema {digest} is missing", self.place)
        return _bytes(found[0][0])

    def replace(self, old: Sequence[Header], new: Sequence[Chunk]) -> list[Header]:
        """Put chunks in the place of others."""
        with self.writing():
            for begin in range(0, len(old), _MOST):
                part = old[begin : begin + _MOST]
                self._by_number("DELETE FROM {p}_parts", part)
                self._by_number("DELETE FROM {p}_chunks", part)
            self._next[2] += 1
            self._memo.forget()
            self._memo.sees(self._next[0], self._next[2])
            return self._append(new) if new else []

    def close(self) -> None:
        """Close the connection, if it was opened here."""
        self._db.close()


def _bytes(found: Any) -> bytes:
    """Return what a column of bytes holds; SQLite gives text where somebody has put text."""
    return bytes(found) if isinstance(found, bytes | bytearray | memoryview) else b""


def _select(where: str, values: list[Any], question: Question) -> tuple[str, list[Any]]:
    """Return the statement that finds headers, and its values."""
    codes = [KINDS.index(kind) for kind in question.kinds]
    marks = ", ".join("?" * len(codes))
    parts = [part for part in (where, f"kind IN ({marks})", "number > ?") if part]
    values = [*values, *codes, question.after]
    if question.key is not None:
        parts.append("name = ?")
        values.append(question.key)
    return f"SELECT {_HEADER} FROM {{p}}_chunks WHERE {' AND '.join(parts)}", values


def _values(header: Header) -> tuple[Any, ...]:
    return (
        header.number,
        KINDS.index(header.kind),
        header.schema,
        header.rows,
        header.lo,
        header.hi,
        header.seq_lo,
        header.seq_hi,
        header.ts,
        header.length,
        header.crc,
        header.key,
        int(header.lo != header.hi),
    )


def _header(row: Sequence[Any]) -> Header:
    number, kind, *rest = row
    return Header(number, KINDS[kind], *rest)
