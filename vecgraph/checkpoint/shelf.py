"""The chunks of a storage, decoded: found, loaded once, and kept for a while."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from vecgraph.checkpoint.chunks import (
    Compression,
    Row,
    RowsChunk,
    decode,
    digest_of,
    encode_rows,
    is_rows,
)
from vecgraph.checkpoint.columnform import ColumnChunk
from vecgraph.checkpoint.columnwrites import WritesChunk
from vecgraph.checkpoint.pipeline import Durability, Pipeline
from vecgraph.errors import CheckpointClosedError, DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa

    from vecgraph.checkpoint.storage import Chunk, Header, Kind, SharedStorage, Storage

__all__ = ["Shelf"]

_CACHED = 128 << 20
"""Bytes of decoded chunks that are kept."""
_OF_ROWS = frozenset(("entries", "writes"))
"""Kinds of chunks whose rows may come one by one."""


class Shelf:
    """What the log asks of a storage, in decoded form. Safe to use from several threads.

    Parameters
    ----------
    storage : Storage
    durability : str
    compression : str or None
    on_failure : callable
        Called when a flush is lost.
    """

    def __init__(
        self,
        storage: Storage,
        durability: Durability,
        compression: Compression,
        on_failure: Callable[[], None],
    ) -> None:
        self.storage = storage
        self.compression = compression
        self.guard = threading.RLock()
        self._pipeline = Pipeline(storage, durability, self.rows_chunk, self.guard, on_failure)
        self._cache: OrderedDict[int, tuple[Any, int]] = OrderedDict()
        self._cached = 0
        self._schemas: dict[str, bytes] = {}
        self._forms: dict[str, tuple[tuple[str, ...], bool]] = {}
        self._parsed: dict[str, pa.Schema] = {}
        self._last_ts = 0
        self._closed = False

    @property
    def place(self) -> str:
        """What messages call the storage."""
        return self.storage.place

    def now(self, at_least: int = 0) -> int:
        """Return microseconds since 1970, later than any time that was returned before."""
        self._last_ts = max(time.time_ns() // 1000, self._last_ts + 1, at_least)
        return self._last_ts

    def passed(self, ts: int) -> None:
        """Note that there is a checkpoint of this time: those to come are later."""
        self._last_ts = max(self._last_ts, ts)

    def rows_chunk(
        self, kind: Kind, rows: Sequence[Row], ts: int, key: str = "", hi: int | None = None
    ) -> Chunk:
        """Return the chunk of some rows; `hi` is the greatest thread if no row has it."""
        return encode_rows(kind, rows, ts, key=key, hi=hi, compression=self.compression)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let nobody else write to a shared storage between what is found and what is added."""
        self.check()
        with self._together(writes=True):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of a shared storage, whatever others write meanwhile."""
        self.check()
        with self._together(writes=False):
            yield

    @contextmanager
    def _together(self, *, writes: bool) -> Iterator[None]:
        storage = self.storage
        if storage.exclusive or not hasattr(storage, "reading"):
            # Without the guard: what waits in the background could not get in.
            yield
            return
        shared = cast("SharedStorage", storage)
        with self.guard, shared.writing() if writes else shared.reading():
            yield

    def forget(self) -> None:
        """Forget what was found by number: numbers of a lost flush are given again."""
        with self.guard:
            self._cache.clear()
            self._cached = 0
            self._pipeline.numbers.clear()

    def append(self, chunks: Sequence[Chunk]) -> list[Header] | None:
        """Append a flush; return its headers where they are known already."""
        self.check()
        self._pipeline.settle()
        return self._pipeline.append(chunks)

    def add_rows(
        self, kind: Kind, rows: Sequence[Row], ts: int, before: Sequence[Chunk] = ()
    ) -> None:
        """Append a flush of a thread's rows, and of chunks that they refer to.

        Parameters
        ----------
        kind : {'entries', 'writes'}
        rows : sequence of Row
            They may be held until somebody looks for them.
        ts : int
        before : sequence of Chunk
        """
        self.check()
        self._pipeline.add(kind, rows, ts, before)

    def replace(self, old: Sequence[Header], new: Sequence[Chunk]) -> list[Header]:
        """Put chunks in the place of others."""
        self.check()
        self._pipeline.drain()
        with self.guard:
            headers = self.storage.replace(old, new)
            for header in old:
                self._forget(header.number)
        self._pipeline.numbers.update(header.number for header in headers)
        return headers

    def is_own(self, header: Header) -> bool:
        """Return whether this log wrote a chunk."""
        return header.number in self._pipeline.numbers

    def drain(self) -> None:
        """Wait until everything is in the storage."""
        self._pipeline.drain()

    def sync(self) -> None:
        """Wait until everything is durable."""
        self.check()
        self._pipeline.sync()

    def close(self) -> None:
        """Wait until everything is durable, and close the storage."""
        if self._closed:
            return
        self._closed = True
        try:
            self._pipeline.close()
        finally:
            with self.guard:
                self.storage.close()
                self._cache.clear()

    def check(self) -> None:
        """Raise an error if the log is closed."""
        if self._closed:
            raise CheckpointClosedError(
                f"The saver of {self.place} is closed.\nHint: open another one."
            )

    def reserve(self, n: int) -> int:
        """Hand out numbers of threads."""
        self.check()
        with self.guard:
            return self.storage.reserve(n)

    def find(
        self,
        kinds: Iterable[Kind],
        lo: int | None = None,
        hi: int | None = None,
        *,
        key: str | None = None,
        after: int = -1,
        settled: bool = True,
    ) -> list[Header]:
        """Return headers; if `settled` those of what was appended so far are among them."""
        self.check()
        if settled and not self._pipeline.holds:
            self._pipeline.drain()
        elif settled and not _OF_ROWS.isdisjoint(kinds):
            self._pipeline.settle(lo, hi)
        with self.guard:
            return self.storage.find(kinds, lo, hi, key=key, after=after)

    def rows(self, headers: Sequence[Header]) -> list[RowsChunk]:
        """Return chunks in the schema `ROWS`, and those of writes in column form as if they were."""
        found = self._loaded(headers, self._rows_of)
        return [found[header.number] for header in headers]

    def column(self, header: Header) -> ColumnChunk:
        """Return a chunk in column form."""
        return self.columns([header])[0]

    def columns(self, headers: Sequence[Header]) -> list[ColumnChunk]:
        """Return chunks in column form."""
        found = self._loaded(headers, self._columns_of)
        return [found[header.number] for header in headers]

    def channels(self, header: Header) -> tuple[str, ...]:
        """Return the channels that a chunk in column form says something of, without loading it."""
        return self._form(header)[0]

    def schema_of(self, header: Header) -> pa.Schema:
        """Return the schema of a chunk in column form, without loading it."""
        found = self._parsed.get(header.schema)
        if found is None:  # one for all: a parsed schema takes more than a small chunk
            chunk = ColumnChunk(header, self._schema(header), _nothing, self.place)
            found = self._parsed[header.schema] = chunk.schema
        return found

    def is_linear(self, header: Header) -> bool:
        """Return whether each checkpoint of such a chunk goes on from the place before."""
        return self._form(header)[1]

    def _form(self, header: Header) -> tuple[tuple[str, ...], bool]:
        found = self._forms.get(header.schema)
        if found is None:
            chunk = ColumnChunk(header, self._schema(header), _nothing, self.place)
            found = self._forms[header.schema] = chunk.channels, chunk.is_linear
        return found

    def _rows_of(self, header: Header, payload: bytes) -> tuple[Any, int]:
        in_columns = header.kind == "writes" and not is_rows(header)
        # A chunk that was put together says it once more, for others than vecgraph.
        fields = None if in_columns or is_rows(header) else range(3)
        batch = decode(header, payload, self._schema(header), self.place, fields)
        made = (WritesChunk if in_columns else RowsChunk)(header, batch, self.place)
        return made, len(payload) + batch.nbytes + 1024

    def _columns_of(self, header: Header, payload: bytes) -> tuple[Any, int]:
        schema = self._schema(header)

        def load(fields: Sequence[int]) -> pa.RecordBatch:
            return decode(header, payload, schema, self.place, fields)

        chunk = ColumnChunk(header, schema, load, self.place)
        # What is decompressed from it counts too, and the objects that each column is: seldom
        # more than this.
        return chunk, 4 * len(payload) + 1200 * len(chunk.schema) + 4096

    def _schema(self, header: Header) -> bytes:
        found = self._schemas.get(header.schema)
        if found is None:
            with self.guard:
                found = self.storage.schema(header.schema)
            if digest_of(found) != header.schema:
                raise DamagedCheckpointError.found(
                    "a schema fails its checksum", self.place, chunk=header.number
                )
            self._schemas[header.schema] = found
        return found

    def _loaded(
        self, headers: Sequence[Header], make: Callable[[Header, bytes], tuple[Any, int]]
    ) -> dict[int, Any]:
        """Return what `make` makes of each chunk, by number."""
        self.check()
        found: dict[int, Any] = {}
        missing = []
        with self.guard:
            for header in headers:
                if header.number in self._cache:
                    self._cache.move_to_end(header.number)
                    found[header.number] = self._cache[header.number][0]
                elif header.number not in found:
                    missing.append(header)
            payloads = self.storage.load(missing) if missing else []
        for header, payload in zip(missing, payloads, strict=True):
            made, size = make(header, payload)
            found[header.number] = made
            self._keep(header.number, made, size)
        return found

    def _keep(self, number: int, made: Any, size: int) -> None:
        with self.guard:
            self._forget(number)
            self._cache[number] = (made, size)
            self._cached += size
            while self._cached > _CACHED and len(self._cache) > 1:
                self._cached -= self._cache.popitem(last=False)[1][1]

    def release(self, header: Header) -> None:
        """Do not keep a chunk that nobody will soon ask for again."""
        with self.guard:
            self._forget(header.number)

    def _forget(self, number: int) -> None:
        if number in self._cache:
            self._cached -= self._cache.pop(number)[1]


def _nothing(fields: Sequence[int]) -> pa.RecordBatch:
    raise AssertionError("only the schema was asked for")
