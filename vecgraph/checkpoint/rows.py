"""One checkpoint of a storage, in either form, and what it makes of the state before it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vecgraph.checkpoint.entries import APPEND, CLEAR, PUT, REF, SAME, UPDATES, Entry
from vecgraph.checkpoint.id import checkpoint_id
from vecgraph.checkpoint.typed import APPENDED, CLEARED
from vecgraph.constants import INTERRUPT
from vecgraph.engine.flush import PUSHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vecgraph.checkpoint._forms import ChannelVersions
    from vecgraph.checkpoint.columnform import ColumnChunk
    from vecgraph.checkpoint.storage import Header
    from vecgraph.engine.flush import GraphForm
    from vecgraph.typing import Values

__all__ = [
    "Appended",
    "ColumnCell",
    "ColumnRow",
    "EntryRow",
    "Jump",
    "Packed",
    "Place",
    "Resolved",
    "Row",
    "Signal",
    "Source",
]

Place = tuple[int, int]
"""Thread and place in it."""

_SUPERSTEPS = frozenset(("input", "loop"))
"""What makes a checkpoint that says which channels it updated."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Packed:
    """A value that an entry holds, or the digest of a blob that does; `length` of a list."""

    place: Place
    data: bytes
    is_blob: bool = False
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """A list that went on from `before`."""

    place: Place
    before: Source | None
    base: int
    items: Packed | ColumnCell


@dataclass(frozen=True, slots=True)
class ColumnCell:
    """A value in column form."""

    place: Place
    header: Header
    row: int
    channel: str


@dataclass(frozen=True, slots=True)
class Signal:
    """The None that a trigger channel holds while its node is due; `place` is where it was set."""

    place: Place


@dataclass(frozen=True, slots=True)
class Jump:
    """What the checkpoint at `place` says of a channel."""

    place: Place
    channel: str


Source: TypeAlias = Packed | Appended | ColumnCell | Signal | Jump
"""Where a channel's value is found; `place` is that of the change that made it."""


@dataclass(slots=True)
class Resolved:
    """A checkpoint without its values.

    Attributes
    ----------
    versions : dict
        Of each channel that ever changed.
    seen : dict of str to dict
    cells : dict of str to Source
        Channels that have a value.
    metadata : bytes
        Packed, without step and source.
    age : int
        Checkpoints since one that says everything.
    """

    versions: ChannelVersions = field(default_factory=dict)
    seen: dict[str, ChannelVersions] = field(default_factory=dict)
    cells: dict[str, Source] = field(default_factory=dict)
    metadata: bytes = b"\x80"
    age: int = 0

    def copy(self) -> Resolved:
        """Return a copy that can be changed; what a node has seen is replaced, not changed."""
        return Resolved(
            dict(self.versions), dict(self.seen), dict(self.cells), self.metadata, self.age
        )


@dataclass(frozen=True)
class EntryRow:
    """A checkpoint in row form."""

    header: Header
    thread: int
    seq: int
    entry: Entry

    @property
    def place(self) -> Place:
        """Thread and place in it."""
        return self.thread, self.seq

    @cached_property
    def id(self) -> str:
        """Its id."""
        entry = self.entry
        if entry.id is not None:
            return entry.id
        return checkpoint_id(entry.ts, entry.step or 0, self.thread, self.seq)

    @property
    def parent(self) -> Place | None:
        """Place of its parent, None if it has none in the storage."""
        entry = self.entry
        if not isinstance(entry.parent, int):
            return None
        return (
            self.thread if entry.parent_thread is None else entry.parent_thread,
            entry.parent,
        )

    @property
    def parent_id(self) -> str | None:
        """Id of a parent that is not in the storage."""
        return self.entry.parent if isinstance(self.entry.parent, str) else None

    @property
    def step(self) -> int | None:
        """Its step."""
        return self.entry.step

    @property
    def source(self) -> str | None:
        """What made it."""
        return self.entry.source

    @property
    def ts(self) -> int:
        """Microseconds since 1970."""
        return self.entry.ts

    def updated(self, state: Resolved, value: Callable[[Source], Any]) -> list[str] | None:
        """Return the checkpoint's ``updated_channels``; `value` returns what a source leads to."""
        said = self.entry.updated
        if isinstance(said, list) or said is None:
            return said
        return sorted(c for c, op in self.entry.changes.items() if op[0] in UPDATES)

    @property
    def is_base(self) -> bool:
        """Whether it says everything, whatever its parent was."""
        return self.entry.full or self.parent is None

    def apply(self, state: Resolved) -> None:
        """Make the state of the checkpoint out of its parent's."""
        entry = self.entry
        if entry.full:
            state.versions, state.seen, before = {}, {}, state.cells
            state.cells = {}
        else:
            before = state.cells
        state.age = 0 if self.is_base else state.age + 1
        state.versions.update(entry.versions)
        for node, versions in entry.seen.items():
            state.seen[node] = {**state.seen.get(node, {}), **versions}
        for channel, op in entry.changes.items():
            source = self._source(channel, op, before.get(channel))
            if source is None:
                state.cells.pop(channel, None)
            else:
                state.cells[channel] = source
        self._drop(state)
        if entry.metadata is not None:
            state.metadata = entry.metadata

    def source_of(self, channel: str) -> Source | None:
        """Return where the value is that this checkpoint alone says a channel has."""
        op = self.entry.changes.get(channel)
        return None if op is None else self._source(channel, op, None)

    def _source(self, channel: str, op: list[Any], before: Source | None) -> Source | None:
        kind = op[0] if op[0] >= 0 else -1 - op[0]
        if kind == PUT:
            return Packed(self._since(op, before), op[1], length=op[2])
        if kind == REF:
            return Packed(self._since(op, before), op[1], is_blob=True, length=op[2])
        if kind == APPEND:
            if before is None and op[1]:
                before = Jump(self._named(op[4], op[5]), channel)
            return Appended(self.place, before, op[1], Packed(self.place, op[2], bool(op[3])))
        if kind == SAME:
            return Jump(self._named(op[1], op[2]), channel)
        if kind == CLEAR:
            return None
        raise ValueError(f"a channel has the unknown operation {op[0]!r}")

    def _since(self, op: list[Any], before: Source | None) -> Place:
        return self.place if op[0] >= 0 or before is None else before.place

    def _named(self, thread: int | None, seq: int) -> Place:
        return (self.thread if thread is None else thread, seq)

    def _drop(self, state: Resolved) -> None:
        for name in self.entry.dropped:
            if isinstance(name, str):
                state.versions.pop(name, None)
                state.cells.pop(name, None)
                continue
            node, channel = name
            if channel is None:
                state.seen.pop(node, None)
            else:
                left = {k: v for k, v in state.seen.get(node, {}).items() if k != channel}
                state.seen[node] = left


@dataclass(frozen=True)
class ColumnRow:
    """A checkpoint in column form."""

    chunk: ColumnChunk
    row: int
    thread: int
    seq: int
    fetch: Callable[[Header], ColumnChunk]

    @property
    def place(self) -> Place:
        """Thread and place in it."""
        return self.thread, self.seq

    @property
    def header(self) -> Header:
        """Header of its chunk."""
        return self.chunk.header

    @cached_property
    def id(self) -> str:
        """Its id."""
        said = self.chunk.text("id", self.row)
        return said or checkpoint_id(self.ts, self.step, self.thread, self.seq)

    @property
    def parent(self) -> Place | None:
        """Place of its parent, None if it has none in the storage."""
        seq = int(self.chunk.parent[self.row])
        return (int(self.chunk.parent_thread[self.row]), seq) if seq >= 0 else None

    @property
    def parent_id(self) -> str | None:
        """Id of a parent that is not in the storage: never, in column form."""
        return None

    @property
    def step(self) -> int:
        """Its step."""
        return int(self.chunk.step[self.row])

    @property
    def source(self) -> str:
        """What made it."""
        found: str = self.chunk.text("source", self.row)
        return found

    @property
    def ts(self) -> int:
        """Microseconds since 1970."""
        return int(self.chunk.ts[self.row])

    @property
    def clock(self) -> int:
        """Version of the channels that it changed."""
        return int(self.chunk.clock[self.row])

    @property
    def is_base(self) -> bool:
        """Whether it says everything, whatever its parent was."""
        return self.parent is None

    def nodes(self, which: str) -> tuple[str, ...]:
        """Return the nodes that ran (``"ran"``) or run next (``"due"``)."""
        codes, sets = self.chunk.ran if which == "ran" else self.chunk.due
        return sets[int(codes[self.row])]

    def changed(self) -> Iterator[tuple[str, int, bool]]:
        """Return (channel, marker, whether it is a change) of what the row speaks of."""
        for channel in self.chunk.channels:
            cells = self.chunk.cells(channel)
            at = np.array([self.row])
            if marker := int(cells.said(at)[0]):
                yield channel, marker, bool(cells.is_change(at)[0])

    def updated(self, state: Resolved, value: Callable[[Source], Any]) -> list[str] | None:
        """Return the checkpoint's ``updated_channels``: those that can be read now.

        None where no superstep made it: what is due then does not depend on what changed.
        """
        if self.source not in _SUPERSTEPS:
            return None
        found = {
            channel
            for channel, source in state.cells.items()
            if source.place == self.place
            and state.versions.get(channel) == self.clock
            and self._is_readable(channel, source, value)
        }
        if self.chunk.graph is not None:
            untracked = self.chunk.graph.untracked
            found.update(c for c in untracked if state.versions.get(c) == self.clock)
        return sorted(found)

    def _is_readable(self, channel: str, source: Source, value: Callable[[Source], Any]) -> bool:
        graph = self.chunk.graph
        if graph is None or not isinstance(source, ColumnCell):
            return True
        if channel in graph.barriers:
            return bool(self._flags(source).all())
        if channel not in graph.deferred and channel not in graph.topics:
            return True
        found = value(source)
        return bool(found[1]) if channel in graph.deferred else bool(found)

    def apply(self, state: Resolved) -> None:
        """Make the state of the checkpoint out of its parent's."""
        clock, graph = self.clock, self.chunk.graph
        state.age += 1
        state.metadata = self.chunk.text("metadata", self.row)
        if self.chunk.has("versions"):
            self._tell_all(state)
            return
        if graph is not None:
            self._all_ran(state, graph, clock)
        for channel, marker, is_change in self.changed():
            if is_change:
                state.versions[channel] = clock
            before = state.cells.pop(channel, None)
            if marker == CLEARED:
                continue
            place = self.place if is_change or before is None else before.place
            cell = ColumnCell(place, self.header, self.row, channel)
            if marker == APPENDED:
                base = self._base(channel)
                state.cells[channel] = Appended(self.place, before, base, cell)
            else:
                state.cells[channel] = cell
        if graph is not None:
            self._due(state, graph, clock)

    def _tell_all(self, state: Resolved) -> None:
        """Make the state of a checkpoint that several supersteps have made."""
        state.versions = json.loads(self.chunk.text("versions", self.row))
        state.seen = json.loads(self.chunk.text("seen", self.row))
        state.cells = {
            channel: ColumnCell(self.place, self.header, self.row, channel)
            for channel, marker, _ in self.changed()
            if marker != CLEARED
        }
        due = set(self.nodes("due"))
        for channel, node in {} if self.chunk.graph is None else self.chunk.graph.signals.items():
            if node in due:
                state.cells.setdefault(channel, Signal(self.place))

    def _all_ran(self, state: Resolved, graph: GraphForm, clock: int) -> None:
        ran = self.nodes("ran")
        if INTERRUPT in ran:  # the run was gone on with: that has seen all that there was
            state.seen[INTERRUPT] = dict(state.versions)
        for node in ran:
            if node != INTERRUPT:
                self._ran(state, graph, node, clock)

    def _base(self, channel: str) -> int:
        base = self.chunk.cells(channel).base
        if base is None:
            raise ValueError(f"channel {channel!r} was appended to, but it is not said to what")
        return int(base[self.row])

    def _ran(self, state: Resolved, graph: GraphForm, node: str, clock: int) -> None:
        """Note what a node has seen, and clear the signal that it answered."""
        if node.startswith(PUSHED):
            state.seen.setdefault(node.removeprefix(PUSHED), {})
            return
        triggers = graph.triggers.get(node, ())
        seen = state.seen.get(node, {})
        if any(channel in state.cells for channel in triggers):
            seen = {**seen, **{c: state.versions[c] for c in triggers if c in state.versions}}
        state.seen[node] = seen
        for channel in triggers:
            if channel in graph.signals and channel in state.cells:
                del state.cells[channel]
                state.versions[channel] = clock

    def _due(self, state: Resolved, graph: GraphForm, clock: int) -> None:
        due = set(self.nodes("due"))
        for channel, node in graph.signals.items():
            if node in due and channel not in state.cells:
                state.cells[channel] = Signal(self.place)
                state.versions[channel] = clock

    def _flags(self, cell: ColumnCell) -> Values:
        cells = self.fetch(cell.header).cells(cell.channel)
        return cells.column(np.array([cell.row]), _no).as_numpy()


def _no(kind: int, data: bytes) -> Any:
    raise ValueError("flags are never packed")


Row: TypeAlias = EntryRow | ColumnRow


def time_text(ts: int) -> str:
    """Return a time as checkpoints have it: ISO 8601 in UTC."""
    return (_EPOCH + timedelta(microseconds=ts)).isoformat()


def time_of(text: Any) -> int | None:
    """Return the microseconds of a time in just that form, None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    # Two texts of one moment must not become one: it is in the form of `time_text`, or not taken.
    if found.tzinfo is not UTC or found.isoformat() != text:
        return None
    passed = found - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
