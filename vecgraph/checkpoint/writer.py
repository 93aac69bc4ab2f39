"""Writing one checkpoint at a time: what changed since the parent, and nothing else."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint._forms import WRITES_IDX_MAP, get_checkpoint_metadata
from vecgraph.checkpoint.chunks import pack_body
from vecgraph.checkpoint.entries import UPDATES, Entry
from vecgraph.checkpoint.marks import gone_rows
from vecgraph.checkpoint.ops import Ops
from vecgraph.checkpoint.rows import EntryRow, Jump, Packed, Place, Resolved, time_of
from vecgraph.checkpoint.storage import Header
from vecgraph.checkpoint.typed import BLOB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vecgraph.checkpoint._forms import ChannelVersions
    from vecgraph.checkpoint.codec import Codec
    from vecgraph.checkpoint.entries import Op
    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Chunk, Kind
    from vecgraph.checkpoint.threads import Threads
    from vecgraph.checkpoint.views import Views
    from vecgraph.config import RunnableConfig
    from vecgraph.engine.told import Told

__all__ = ["Writer", "dropped", "newer", "news"]

_MOST_THREADS = 1 << 16
_LIGHT = 256
"""A value of so many bytes is kept with the state; larger ones are read again."""
_UNWRITTEN = Header(-1, "entries", "", 1, 0, 0, 0, 0, 0, 0, 0)
_STANDARD = frozenset(
    ["id", "ts", "v", "channel_values", "channel_versions", "versions_seen", "updated_channels"]
)
_NONE: Any = object()


@dataclass(slots=True)
class _Tail:
    """Where a thread ends.

    Next place, greatest id and its place, up to which chunk that is known, and the ids of
    checkpoints that writes are there for, but not yet they themselves.
    """

    next: int
    top_id: str
    top: int
    upto: int
    early: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Said:
    """What an entry is to say: the fields of `Entry`, before what only the place decides."""

    ops: dict[str, Op]
    metadata: dict[str, Any]
    versions: ChannelVersions
    seen: Mapping[str, ChannelVersions]
    dropped: list[Any] = field(default_factory=list)
    ts: int | None = None
    id: str | None = None
    updated: list[str] | None = None
    v: int = 4
    extra: bytes | None = None
    sends: bool = False


@dataclass(slots=True, eq=False)
class _Draft:
    """Where a checkpoint goes, and what it comes from."""

    number: int
    tail: _Tail
    chunks: list[Chunk]
    parent: Place | None
    parent_id: str | None
    base: Resolved


class Writer:
    """Writes checkpoints and pending writes in row form. Called by one thread at a time.

    Parameters
    ----------
    shelf, threads, marks, views, codec
        Of the log.
    snapshot_every : int
        After so many checkpoints one says everything; 0: none does.
    """

    def __init__(
        self,
        shelf: Shelf,
        threads: Threads,
        marks: Marks,
        views: Views,
        codec: Codec,
        snapshot_every: int,
    ) -> None:
        self._shelf = shelf
        self._threads = threads
        self._marks = marks
        self._views = views
        self._codec = codec
        self._every = snapshot_every
        self._ops = Ops(codec, views)
        self._tails: OrderedDict[int, _Tail] = OrderedDict()

    def forget(self) -> None:
        """Forget how threads end."""
        self._tails.clear()
        self._ops.forget()

    def forget_thread(self, number: int) -> None:
        """Forget how a thread ends."""
        self._tails.pop(number, None)

    def forget_threads(self, lo: int, hi: int) -> None:
        """Forget how threads end: somebody else has written to them."""
        for number in [number for number in self._tails if lo <= number <= hi]:
            del self._tails[number]

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Mapping[str, Any],
        metadata: Any,
        new_versions: ChannelVersions,
    ) -> str:
        """Store a checkpoint that is given whole; return its id."""
        draft = self._draft(config)
        base = draft.base
        versions: ChannelVersions = checkpoint.get("channel_versions") or {}
        changed = newer(base.versions, versions)
        changed |= {c: versions[c] for c in new_versions if c in versions}
        seen, ts = checkpoint.get("versions_seen") or {}, time_of(checkpoint.get("ts"))
        said = _Said(
            ops=self._given(base, changed, checkpoint),
            metadata=dict(get_checkpoint_metadata(config, metadata)),
            versions=changed,
            seen=news(base.seen, seen),
            dropped=dropped(base, versions, seen),
            ts=ts,
            id=checkpoint["id"],
            updated=checkpoint.get("updated_channels"),
            v=checkpoint.get("v", 4),
            extra=self._extra(checkpoint, ts),
            sends=_is_empty(checkpoint),
        )
        return self._store(draft, said)

    def _given(
        self, base: Resolved, changed: ChannelVersions, checkpoint: Mapping[str, Any]
    ) -> dict[str, Op]:
        values = checkpoint.get("channel_values") or {}
        return {channel: self._ops.given(base, channel, values) for channel in changed}

    def put_told(self, config: RunnableConfig, told: Told) -> str:
        """Store a checkpoint that is given as changes; return its id."""
        draft = self._draft(config)
        ts = time_of(told.ts) if isinstance(told.ts, str) else told.ts
        metadata: Any = told.metadata
        said = _Said(
            ops={c: self._ops.told(draft.base, c, change) for c, change in told.changes.items()},
            metadata=dict(get_checkpoint_metadata(config, metadata)),
            versions=dict(told.versions),
            seen=told.seen,
            # An id that is made from the time must be the greatest of its thread.
            ts=self._shelf.now(ts or 0) if told.id is None else ts,
            id=told.id,
            updated=told.updated,
        )
        return self._store(draft, said)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task: tuple[str, str]
    ) -> None:
        """Store what a task wrote; `task` is its id and path."""
        if not writes:
            return
        conf = config["configurable"]
        number, chunks = self._number(conf)
        checkpoint_id = str(conf["checkpoint_id"])
        place = self._find(number, checkpoint_id)
        # Writes may come before their checkpoint: then they are known by its id.
        name, seq = (checkpoint_id, -1) if place is None else (None, place[1])
        if place is None:
            self.tail(number).early.add(checkpoint_id)
        rows = [(number, seq, self._write(name, task, i, *w)) for i, w in enumerate(writes)]
        chunks += self._codec.taken()
        if place is None:
            chunk = self._shelf.rows_chunk("writes", rows, self._shelf.now())
            self._append([*chunks, chunk])
        else:
            self._shelf.add_rows("writes", rows, self._shelf.now(), chunks)

    def _write(
        self, name: str | None, task: tuple[str, str], idx: int, channel: str, value: Any
    ) -> bytes:
        kind, data = self._codec.pack(value)
        index = WRITES_IDX_MAP.get(channel, idx)
        return pack_body([name, *task, index, channel, kind == BLOB, data])

    def _number(self, conf: Mapping[str, Any]) -> tuple[int, list[Chunk]]:
        """Return a thread's number and the chunk that makes it known if it is new."""
        thread_id, ns = str(conf["thread_id"]), str(conf.get("checkpoint_ns", ""))
        number = self._threads.number(thread_id, ns)
        if number is not None:
            return number, []
        number, chunk = self._threads.created(thread_id, ns, self._shelf.now())
        self._tails[number] = _Tail(0, "", -1, -1)
        return number, [chunk]

    def _draft(self, config: RunnableConfig) -> _Draft:
        conf = config["configurable"]
        number, chunks = self._number(conf)
        parent_id = conf.get("checkpoint_id") or None
        tail = self.tail(number)
        place = None if parent_id is None else self._find(number, str(parent_id))
        base = Resolved() if place is None else self._views.state(place)
        return _Draft(number, tail, chunks, place, parent_id, base)

    def tail(self, number: int) -> _Tail:
        """Return how a thread ends."""
        tail = self._tails.get(number)
        if tail is None:
            tail = self._tails[number] = self._read_tail(number)
        if not self._shelf.storage.exclusive:
            tail = self._caught_up(number, tail)
        self._tails.move_to_end(number)
        while len(self._tails) > _MOST_THREADS:
            self._tails.popitem(last=False)
        return tail

    def _caught_up(self, number: int, tail: _Tail) -> _Tail:
        """Return how a thread ends that others may have written to."""
        kinds: list[Kind] = ["entries", "columns", "writes"]
        news = self._shelf.find(kinds, number, number, after=tail.upto)
        if not all(map(self._shelf.is_own, news)):
            # The same object: whoever is about to write has it already.
            self._views.forget_thread(number)
            now = self._read_tail(number)
            tail.next, tail.top_id, tail.top = now.next, now.top_id, now.top
            tail.upto, tail.early = now.upto, now.early
        if news:
            tail.upto = max(tail.upto, news[-1].number)
        return tail

    def _read_tail(self, number: int) -> _Tail:
        view = self._views.view(number)
        seqs = view.seqs
        latest = view.latest(set())
        # What was deleted may be stored no more: its place stays hidden all the same.
        end = max([*seqs[-1:], *self._marks.gone(number)], default=-1) + 1
        if latest is None:
            return _Tail(end, "", -1, view.upto, {name for name, _ in self._early(number)})
        self._shelf.passed(latest.ts)
        early = {name for name, _ in self._early(number)}
        return _Tail(end, latest.id, latest.seq, view.upto, early)

    def _early(self, number: int) -> Iterator[tuple[str, bytes]]:
        """Return the writes that wait for their checkpoint: its id, and what a row says."""
        headers = self._shelf.find(["writes"], number, number)
        view = self._views.view(number)
        for chunk in self._shelf.rows([h for h in headers if h.seq_lo < 0]):
            for at in np.flatnonzero(chunk.seqs < 0).tolist():
                name = chunk.said(at)[0]
                before = view.row(seq) if (seq := view.seq_of(name)) is not None else None
                # A checkpoint that came later has taken them.
                if before is None or before.header.number < chunk.header.number:
                    yield name, chunk.body(at)

    def _find(self, number: int, checkpoint_id: str) -> Place | None:
        """Return the place of a checkpoint, None if it is not there or was deleted."""
        tail = self.tail(number)
        if tail.top_id == checkpoint_id:
            seq: int | None = tail.top
        elif tail.next == 0:
            return None
        else:
            seq = self._views.view(number).seq_of(checkpoint_id)
        if seq is None or seq in self._marks.gone(number):
            return None
        return number, seq

    def _entry(self, draft: _Draft, said: _Said) -> Entry:
        metadata = said.metadata
        step, source = _taken(metadata, "step", int), _taken(metadata, "source", str)
        packed = self._codec.packer.pack(metadata)
        base, parent = draft.base, draft.parent
        full = bool(self._every) and parent is not None and base.age + 1 >= self._every
        updates = sorted(c for c, op in said.ops.items() if op[0] in UPDATES)
        return Entry(
            v=said.v,
            id=said.id,
            parent=draft.parent_id if parent is None else parent[1],
            parent_thread=None,
            step=step,
            ts=self._shelf.now() if said.ts is None else said.ts,
            source=source,
            changes=said.ops | (self._repeated(base, said) if full else {}),
            versions=_whole_versions(base, said) if full else said.versions,
            seen=_whole_seen(base, said) if full else said.seen,
            dropped=[] if full else said.dropped,
            metadata=None
            if not full and parent is not None and packed == base.metadata
            else packed,
            updated=True if said.updated is not None and said.updated == updates else said.updated,
            extra=said.extra,
            sends=said.sends,
            full=full,
        )

    def _repeated(self, base: Resolved, said: _Said) -> dict[str, Op]:
        return self._ops.repeated(base, said.ops, [d for d in said.dropped if isinstance(d, str)])

    def _extra(self, checkpoint: Mapping[str, Any], ts: int | None) -> bytes | None:
        """Return what a checkpoint holds beside what all hold, packed."""
        more = {k: v for k, v in checkpoint.items() if k not in _STANDARD}
        if _is_empty(checkpoint):
            more.pop("pending_sends", None)
        if ts is None and "ts" in checkpoint:
            more["ts"] = checkpoint["ts"]
        return self._codec.packer.pack(more) if more else None

    def _store(self, draft: _Draft, said: _Said) -> str:
        tail, number = draft.tail, draft.number
        entry = self._entry(draft, said)
        row = EntryRow(_UNWRITTEN, number, tail.next, entry)
        chunks = [*draft.chunks, *self._codec.taken()]
        others: list[Chunk] = []
        if row.id in tail.early:
            others += self._claimed(row)
            tail.early.discard(row.id)
        if row.id <= tail.top_id:
            others += self._replacing(row)
            if row.id < tail.top_id:
                entry = replace(entry, top=tail.top)
        state = Resolved() if draft.parent is None else draft.base.copy()
        row.apply(state)
        body = [(number, tail.next, entry.body())]
        if others:
            body_chunk = self._shelf.rows_chunk("entries", body, entry.ts)
            self._append([*chunks, *others, body_chunk])
        else:
            self._shelf.add_rows("entries", body, entry.ts, chunks)
        self._ops.made(row.place)
        if entry.top is None:
            tail.top_id, tail.top = row.id, tail.next
        tail.next += 1
        self._keep(row.place, state)
        return row.id

    def _claimed(self, row: EntryRow) -> list[Chunk]:
        """Return the writes that came before their checkpoint, as its own."""
        rows = [
            (row.thread, row.seq, body) for name, body in self._early(row.thread) if name == row.id
        ]
        return [self._shelf.rows_chunk("writes", rows, self._shelf.now())] if rows else []

    def _replacing(self, row: EntryRow) -> list[Chunk]:
        """Return what hides an earlier checkpoint of the same id, and takes over its writes."""
        number = row.thread
        before = self._views.view(number).seq_of(row.id)
        if before is None or before in self._marks.gone(number):
            return []
        now = self._shelf.now()
        writes = [
            (number, row.seq, chunk.body(at))
            for chunk in self._shelf.rows(self._shelf.find(["writes"], number, number))
            for at in chunk.of(number)
            if int(chunk.seqs[at]) == before
        ]
        marks = self._shelf.rows_chunk("marks", gone_rows([(number, before)]), now)
        return [marks, self._shelf.rows_chunk("writes", writes, now)] if writes else [marks]

    def _append(self, chunks: list[Chunk]) -> None:
        self._shelf.append(chunks)
        if any(chunk.header.kind == "marks" for chunk in chunks):
            self._marks.refresh()

    def _keep(self, place: Place, state: Resolved) -> None:
        """Keep a state that weighs little: where its values are, and the small ones."""
        for channel, source in state.cells.items():
            light = isinstance(source, Packed) and len(source.data) <= _LIGHT
            if not light and not isinstance(source, Jump):
                state.cells[channel] = Jump(source.place, channel)
        self._views.know(place, state)


def _differs(before: Any, version: Any) -> bool:
    return type(before) is not type(version) or bool(before != version)


def newer(before: ChannelVersions, versions: ChannelVersions) -> ChannelVersions:
    """Return the versions that are not the same as before; 1 is not 1.0."""
    return {c: v for c, v in versions.items() if _differs(before.get(c, _NONE), v)}


def news(
    before: Mapping[str, ChannelVersions], seen: Mapping[str, ChannelVersions]
) -> dict[str, ChannelVersions]:
    """Return what was seen since, by node."""
    found = {}
    for node, versions in seen.items():
        more = newer(before.get(node, {}), versions)
        if more or node not in before:
            found[node] = more
    return found


def dropped(
    base: Resolved, versions: ChannelVersions, seen: Mapping[str, ChannelVersions]
) -> list[Any]:
    """Return what is not there any more, as `Entry.dropped` says it."""
    gone: list[Any] = [channel for channel in base.versions if channel not in versions]
    for node, known in base.seen.items():
        if node not in seen:
            gone.append([node, None])
        else:
            gone += [[node, channel] for channel in known if channel not in seen[node]]
    return gone


def _whole_versions(base: Resolved, said: _Said) -> ChannelVersions:
    left = {c: v for c, v in base.versions.items() if c not in said.dropped}
    return {**left, **said.versions}


def _whole_seen(base: Resolved, said: _Said) -> dict[str, ChannelVersions]:
    gone = [tuple(pair) for pair in said.dropped if not isinstance(pair, str)]
    whole = {
        node: {c: v for c, v in versions.items() if (node, c) not in gone}
        for node, versions in base.seen.items()
        if (node, None) not in gone
    }
    for node, versions in said.seen.items():
        whole[node] = {**whole.get(node, {}), **versions}
    return whole


def _taken(metadata: dict[str, Any], key: str, kind: type) -> Any:
    """Take a value out of the metadata if it has the type that it has a place for."""
    value = metadata.get(key)
    if type(value) is not kind or (type(value) is int and not -(2**63) <= value < 2**63):
        return None
    return metadata.pop(key)


def _is_empty(checkpoint: Mapping[str, Any]) -> bool:
    sends = checkpoint.get("pending_sends")
    return type(sends) is list and not sends
