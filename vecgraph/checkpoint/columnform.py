"""Checkpoints in column form: a flush as chunks, and a chunk as arrays."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vecgraph.checkpoint.arrays import (
    coded,
    constant,
    decoded,
    from_bytes,
    from_numpy,
    from_texts,
    plain,
    runs,
    to_numpy,
)
from vecgraph.checkpoint.cells import FIXED, Cells, Field, channel_fields, channels_of
from vecgraph.checkpoint.chunks import FORMAT, Compression, Span, damaged, encode
from vecgraph.engine.flush import ColumnChange, Flush, GraphForm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vecgraph.checkpoint.storage import Chunk, Header
    from vecgraph.checkpoint.typed import Pack
    from vecgraph.typing import Values, Where

__all__ = ["CHUNK_ROWS", "OPTIONAL", "ColumnChunk", "flush_chunks"]

CHUNK_ROWS = 1 << 16
"""Most rows of a chunk."""

OPTIONAL = ("parent", "parent_thread", "stamps", "stories")
"""Arrays of a flush that may be missing."""

SEPARATOR = "|"
"""Between the names of a set of nodes; no node of a graph has it in its name."""

_OWN = FIXED - {"thread_id", "ns"}
"""Columns that readers of ours need; the other two are for those that lack vecgraph."""
_TIME = pa.timestamp("us", tz="UTC")


def flush_chunks(
    flush: Flush, ts: int, metadata: bytes, snapshot_every: int, pack: Pack, how: Compression
) -> Iterator[Chunk]:
    """Return the chunks of a flush.

    Parameters
    ----------
    ts : int
        Microseconds since 1970.
    metadata : bytes
        Packed.
    snapshot_every : int
        A place divisible by it gets all channels; 0: none does.
    """
    for begin in range(0, len(flush), CHUNK_ROWS):
        part = _slice(flush, begin, min(begin + CHUNK_ROWS, len(flush)))
        yield _chunk(part, begin, ts, metadata, snapshot_every, pack, how)


def _slice(flush: Flush, begin: int, end: int) -> Flush:
    if end - begin == len(flush):
        return flush
    cut = slice(begin, end)
    names = ("threads", "seq", "step", "clock", "ran", "due", *OPTIONAL)
    arrays: dict[str, Any] = {
        name: None if (array := getattr(flush, name)) is None else array[cut] for name in names
    }
    changes = {
        name: [part for whole in parts if (part := _within(whole, begin, end)) is not None]
        for name, parts in flush.changes.items()
    }
    return replace(flush, changes={k: v for k, v in changes.items() if v}, **arrays)


def _within(change: ColumnChange, begin: int, end: int) -> ColumnChange | None:
    """Return the part of a change from row `begin` to `end`, None if there is none."""
    if change.where is None:
        base = None if change.base is None else change.base[begin:end]
        return ColumnChange(None, change.values.slice(begin, end), base)
    at = np.flatnonzero((change.where >= begin) & (change.where < end))
    if not len(at):
        return None
    base = None if change.base is None else change.base[at]
    return ColumnChange(change.where[at] - begin, change.values.take(at), base)


def _chunk(
    flush: Flush,
    begin: int,
    ts: int,
    metadata: bytes,
    snapshot_every: int,
    pack: Pack,
    how: Compression,
) -> Chunk:
    n = len(flush)
    snapped = _snapped(flush, snapshot_every)
    fields = list(_fixed(flush, ts, metadata, snapped))
    copies = {} if snapped is None else _copies(flush, begin, snapped)
    for name in dict.fromkeys([*flush.changes, *copies]):
        fields += channel_fields(name, n, flush.changes.get(name, ()), copies.get(name), pack)
    schema = pa.schema([field for field, _ in fields], {"vecgraph": _about(flush.graph)})
    batch = pa.RecordBatch.from_arrays([array for _, array in fields], schema=schema)
    threads, seq = flush.threads, flush.seq
    span = Span(int(threads.min()), int(threads.max()), int(seq.min()), int(seq.max()), ts)
    return encode("columns", batch, span, how)


def _about(graph: GraphForm | None) -> str:
    said: dict[str, Any] = {"format": FORMAT}
    if graph is not None:
        said["graph"] = {
            "digest": graph.digest,
            "triggers": {name: list(found) for name, found in graph.triggers.items()},
            "signals": dict(graph.signals),
            "barriers": {name: list(found) for name, found in graph.barriers.items()},
            "deferred": list(graph.deferred),
            "topics": list(graph.topics),
            "untracked": list(graph.untracked),
        }
    return json.dumps(said, sort_keys=True)


def _snapped(flush: Flush, every: int) -> Where:
    """Return the positions that get all channels; None: there are none."""
    if not every or flush.whole is None:
        return None
    at = np.flatnonzero((flush.seq % every == 0) & (flush.seq > 0))
    return at if len(at) else None


def _copies(flush: Flush, begin: int, snapped: Values) -> dict[str, ColumnChange]:
    """Return what a snapshot repeats: cells that the flush does not change, but no lists."""
    assert flush.whole is not None
    copies = {}
    for name in flush.channels:
        parts = flush.changes.get(name, ())
        if any(part.base is not None for part in parts):
            continue
        fresh = np.zeros(len(flush), np.bool_)
        for part in parts:
            fresh[slice(None) if part.where is None else part.where] = True
        at = snapped[~fresh[snapped]]
        if len(at):
            values = flush.whole(name).take(begin + at)
            if not _is_list(values):
                copies[name] = ColumnChange(None if len(at) == len(flush) else at, values)
    return copies


def _is_list(column: Any) -> bool:
    """Return whether a column holds lists, which are never repeated: they may be long."""
    if column.kind != "object":
        return False
    present = column.mask()
    return any(isinstance(cell, list) for cell in column.values[present][:1])


def _fixed(flush: Flush, ts: int, metadata: bytes, snapped: Where) -> Iterator[Field]:
    n = len(flush)
    yield from _threads(flush.threads)
    yield _integers("seq", flush.seq, pa.int32())
    if flush.parent is not None or flush.parent_thread is not None:
        yield from _parents(flush)
    yield _integers("step", flush.step, pa.int64())
    if flush.stamps is None:
        yield _field("ts", constant(from_numpy(np.array([ts]), _TIME), n))
    else:
        yield _field("ts", from_numpy(flush.stamps, _TIME))
    yield _field("source", constant(from_texts([flush.source]), n))
    yield _integers("clock", flush.clock, pa.int64())
    names = [_joined(nodes) for nodes in flush.nodes]
    yield _field("ran", coded(flush.ran, names))
    yield _field("next", coded(flush.due, names))
    if flush.stories is not None:
        for i, name in enumerate(("versions", "seen")):
            yield _field(name, coded(flush.stories, [story[i] for story in flush.told]))
    if snapped is not None:
        full = np.zeros(n, np.uint8)
        full[snapped] = 1
        yield _integers("full", full, pa.uint8())
    yield _field("metadata", constant(from_bytes([metadata]), n))


def _joined(nodes: Sequence[str]) -> str:
    for name in nodes:
        if SEPARATOR in name:
            raise ValueError(
                f"node {name!r} has {SEPARATOR!r} in its name, which separates nodes in "
                "checkpoints.\nHint: rename it."
            )
    return SEPARATOR.join(nodes)


def _field(name: str, array: Any) -> Field:
    return pa.field(name, array.type), array


def _integers(name: str, values: Values, kind: pa.DataType) -> Field:
    return _field(name, runs(values, kind))


def _threads(threads: Values) -> Iterator[Field]:
    """Return the numbers of threads or, where they count up, the first of them."""
    n = len(threads)
    if int(threads[-1]) - int(threads[0]) == n - 1 and (np.diff(threads) == 1).all():
        yield _field("first", constant(from_numpy(threads[:1], pa.int64()), n))
    else:
        yield _field("thread", from_numpy(threads, pa.int64()))


def _parents(flush: Flush) -> Iterator[Field]:
    parent = flush.seq - 1 if flush.parent is None else flush.parent
    yield _integers("parent", parent, pa.int32())
    if flush.parent_thread is not None:
        yield _integers("parent_thread", flush.parent_thread, pa.int64())


class ColumnChunk:
    """A chunk of checkpoints in column form; columns are decoded when they are asked for.

    Parameters
    ----------
    header : Header
    schema : bytes
    load : callable
        Gets positions of columns; returns the record batch of those.
    place : str
        Of the storage, for messages.
    """

    def __init__(
        self,
        header: Header,
        schema: bytes,
        load: Callable[[Sequence[int]], pa.RecordBatch],
        place: str,
    ) -> None:
        self.header = header
        self.place = place
        self._load = load
        try:
            self.schema: pa.Schema = pa.ipc.read_schema(pa.py_buffer(schema))
            self._parts = channels_of(self.schema)
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            raise damaged(header, f"its schema cannot be read ({error})", place) from error
        self._names = {name: i for i, name in enumerate(self.schema.names)}
        self._columns: dict[int, Any] = {}
        self._cells: dict[str, Cells] = {}

    def __len__(self) -> int:
        return self.header.rows

    def has(self, name: str) -> bool:
        """Return whether the chunk has a column that is no channel's."""
        return name in FIXED and name in self._names

    def column(self, position: int) -> Any:
        """Return the column at a position of the schema; those that are no channel's together."""
        if position not in self._columns:
            wanted = [position]
            if self.schema.names[position] in _OWN:
                wanted = sorted(i for name, i in self._names.items() if name in _OWN)
            batch = self._load(wanted)
            self._columns.update(zip(wanted, batch.columns, strict=True))
        return self._columns[position]

    def whole(self) -> Sequence[Any]:
        """Return all columns, in the order of the schema."""
        everything = range(len(self.schema))
        if any(at not in self._columns for at in everything):
            self._columns.update(zip(everything, self._load(everything).columns, strict=True))
        return [self._columns[at] for at in everything]

    def fixed(self, name: str) -> Any:
        """Return a column that is no channel's, without its runs."""
        if name not in self._names:
            raise damaged(self.header, f"it has no column {name!r}", self.place)
        return plain(self.column(self._names[name]))

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that the chunk says something of."""
        return tuple(self._parts)

    def cells(self, channel: str) -> Cells:
        """Return one channel's part."""
        if channel not in self._cells:
            parts = self._parts[channel]
            try:
                self._cells[channel] = Cells.of(len(self), parts, self.column)
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                raise damaged(self.header, f"channel {channel!r} ({error})", self.place) from error
        return self._cells[channel]

    def digests(self) -> Iterator[tuple[Values, list[bytes]]]:
        """Return, channel by channel, the rows that refer to blobs, and the digests of those."""
        for parts in self._parts.values():
            if "packed" not in parts:
                continue
            wanted = {part: at for part, at in parts.items() if part in {"packed", "marker"}}
            rows, digests = Cells.of(len(self), wanted, self.column).digests()
            if len(rows):
                yield rows, digests

    @cached_property
    def threads(self) -> Values:
        """Thread of each row, int64."""
        if "first" in self._names:
            return to_numpy(self.fixed("first")) + np.arange(len(self))
        return to_numpy(self.fixed("thread"))

    @cached_property
    def seq(self) -> Values:
        """Place in its thread, int32."""
        return to_numpy(self.fixed("seq"))

    @cached_property
    def parent(self) -> Values:
        """Place of the parent, int32; -1: there is none."""
        return to_numpy(self.fixed("parent")) if self.has("parent") else self.seq - np.int32(1)

    @cached_property
    def parent_thread(self) -> Values:
        """Thread of the parent, int64."""
        return to_numpy(self.fixed("parent_thread")) if self.has("parent_thread") else self.threads

    @property
    def is_linear(self) -> bool:
        """Whether each row's parent is the place before in the same thread."""
        return not self.has("parent")

    @cached_property
    def step(self) -> Values:
        """Step, int64."""
        return to_numpy(self.fixed("step"))

    @cached_property
    def ts(self) -> Values:
        """Microseconds since 1970, int64."""
        return to_numpy(self.fixed("ts"))

    @cached_property
    def clock(self) -> Values:
        """Version of what changed, int64."""
        return to_numpy(self.fixed("clock"))

    @cached_property
    def ran(self) -> tuple[Values, list[tuple[str, ...]]]:
        """Nodes that ran: codes, and the sets of nodes that they stand for."""
        return self._nodes("ran")

    @cached_property
    def due(self) -> tuple[Values, list[tuple[str, ...]]]:
        """Nodes that run next: codes, and the sets of nodes that they stand for."""
        return self._nodes("next")

    def _nodes(self, name: str) -> tuple[Values, list[tuple[str, ...]]]:
        codes, texts = self.named(name)
        return codes, [tuple(text.split(SEPARATOR)) if text else () for text in texts]

    @cached_property
    def full(self) -> Values:
        """Which rows say something of every channel but lists."""
        if not self.has("full"):
            return np.zeros(len(self), np.bool_)
        return to_numpy(self.fixed("full")).astype(np.bool_)

    def named(self, name: str) -> tuple[Values, list[str]]:
        """Return a column of texts as codes, and the texts that they stand for."""
        return decoded(self.column(self._names[name]))

    def text(self, name: str, row: int) -> Any:
        """Return one value of a column that is no channel's, None if there is none."""
        if not self.has(name):
            return None
        return self.column(self._names[name])[row].as_py()

    @cached_property
    def graph(self) -> GraphForm | None:
        """The graph that the chunk was written by, None if it did not say."""
        said = json.loads((self.schema.metadata or {}).get(b"vecgraph", b"{}"))
        found = said.get("graph")
        if found is None:
            return None
        return GraphForm(
            triggers={name: tuple(names) for name, names in found["triggers"].items()},
            signals=found["signals"],
            barriers={name: tuple(names) for name, names in found["barriers"].items()},
            deferred=tuple(found["deferred"]),
            topics=tuple(found["topics"]),
            untracked=tuple(found["untracked"]),
            digest=found["digest"],
        )
