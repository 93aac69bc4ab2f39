"""Which node leads to which: found by a run that takes every way once, without calling anything.

The tables of a program say what a node signals: its edges, the ends that its routers declare,
where its commands may go. A run of these signals through the rules of the control channels
shows who follows whom, also across barriers and deferred nodes.

Source of the rules: LangGraph's ``draw_graph``, measured by running it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from vecgraph.channels import LastValueAfterFinish
from vecgraph.constants import END, MISSING, ROOT
from vecgraph.nodes.writer import EntryWriter, branch_channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vecgraph.program import NodeSpec, Program

__all__ = ["Found", "Way", "ways_of"]

_LIMIT = 250
"""Supersteps of the run: more than any graph that has an end needs."""


class Way(NamedTuple):
    """From one node to another.

    Attributes
    ----------
    source, target : str
    conditional : bool
        A router or a command decides.
    label : str or None
        What the router says for it.
    """

    source: str
    target: str
    conditional: bool
    label: str | None


class _Signal(NamedTuple):
    """A write to a channel that triggers nodes."""

    channel: str
    conditional: bool
    label: str | None


@dataclass(slots=True)
class Found:
    """What the run has shown.

    Attributes
    ----------
    ways : list of Way
        Sorted; of several between two nodes the first counts.
    deferred : frozenset of str
    first : list of str
        Nodes that the input triggers.
    last : list of str
        Nodes of the last superstep.
    """

    ways: list[Way] = field(default_factory=list)
    deferred: frozenset[str] = frozenset()
    first: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)


def ways_of(program: Program, ends: Mapping[str, Any]) -> Found:
    """Return who leads to whom in a program.

    Parameters
    ----------
    program : Program
    ends : mapping of str to (mapping or sequence of str)
        Where the commands of a node may go; a mapping has labels.
    """
    run = _Run(program)
    search = _Search(program, ends)
    tasks = run.begin()
    first = tasks
    last: list[str] = []
    for _ in range(_LIMIT + 1):
        if not tasks:
            break
        writes = {name: search.writes(name) for name in tasks}
        last = list(tasks)
        search.note(tasks, writes)
        tasks = run.step(tasks, writes)
        search.follow(tasks)
    ways = sorted(search.ways, key=_order)
    deferred = frozenset(
        name.removeprefix("branch:to:")
        for name, channel in program.channels.items()
        if isinstance(channel, LastValueAfterFinish)
    )
    return Found(ways, deferred, first, last)


def _order(way: Way | tuple[Any, ...]) -> tuple[Any, ...]:
    *rest, label = way
    return (*rest, label is not None, label or "")


class _Search:
    """Collects ways while the run goes on."""

    def __init__(self, program: Program, ends: Mapping[str, Any]) -> None:
        self._program = program
        self._ends = ends
        self._declared: dict[str, set[_Signal]] = {}
        self._sources: dict[str, set[_Signal]] = {}
        self._step: dict[str, set[_Signal]] = {}
        self._fresh: dict[tuple[str, str], str | None] = {}
        self.ways: set[Way] = set()

    def writes(self, name: str) -> list[tuple[str, Any]]:
        """Return what a node writes when it runs; its declared ends only the first time."""
        spec = self._program.nodes[name]
        pairs = _plain_writes(spec, rooted=ROOT in self._program.channels)
        if name in self._declared:
            return pairs
        self._declared[name] = set()
        for end, label in _declared(spec, self._ends.get(name)):
            if end == END:
                self.ways.add(Way(name, END, True, label))
                continue
            channel = branch_channel(end)
            self._fresh[name, channel] = label
            self._declared[name].add(_Signal(channel, True, label))
            pairs.append((channel, None))
        return pairs

    def note(self, tasks: Sequence[str], writes: Mapping[str, list[tuple[str, Any]]]) -> None:
        """Take note of what the nodes of a superstep signal."""
        self._step = {}
        for name in tasks:
            signals = {
                _Signal(channel, (name, channel) in self._fresh, self._fresh.get((name, channel)))
                if not value
                else _Signal(channel, False, None)
                for channel, value in writes[name]
            }
            self._step[name] = signals | self._declared[name]
        self._sources.update(self._step)
        self._fresh = {}

    def follow(self, tasks: Sequence[str]) -> None:
        """Find out what has led to the nodes that run next."""
        triggered: dict[str, set[_Signal]] = {}
        for source, signals in self._sources.items():
            for channel, conditional, label in signals:
                triggered.setdefault(channel, set()).add(_Signal(source, conditional, label))
        for name in tasks:
            led = [self._lead(name, c, triggered) for c in self._program.nodes[name].triggers]
            if not any(led):
                self.ways |= {Way(source, name, True, None) for source in self._step}

    def _lead(self, name: str, channel: str, triggered: Mapping[str, set[_Signal]]) -> bool:
        """Note what led to a node by a channel; return whether any of it is of this superstep."""
        recent = False
        for source, conditional, label in triggered.get(channel, ()):
            self.ways.add(Way(source, name, conditional, label))
            recent |= _Signal(channel, conditional, label) in self._step.get(source, ())
        return recent


def _plain_writes(spec: NodeSpec, *, rooted: bool) -> list[tuple[str, Any]]:
    if isinstance(spec.writer, EntryWriter):
        return [(entry.channel, None) for entry in spec.writer.entries]
    pairs: list[tuple[str, Any]] = [(ROOT, None)] if rooted else []
    pairs += [(channel, None) for channel in spec.targets]
    return pairs + [(channel, spec.name) for channel in spec.joins]


def _declared(spec: NodeSpec, ends: Any) -> Iterable[tuple[str, str | None]]:
    """Return where a node's commands and routers may go, with labels."""
    if isinstance(ends, dict):
        yield from ends.items()
    elif ends:
        yield from ((end, None) for end in ends)
    for branch in spec.branches:
        for label, end in (branch.ends or {}).items():
            yield end, str(label)


class _Run:
    """Cells of the channels, of which only those that trigger nodes have to be right."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._cells = {name: channel.initial() for name, channel in program.channels.items()}
        self._versions: dict[str, int] = {}
        self._ran: dict[str, int] = {}
        self._clock = 0

    def begin(self) -> list[str]:
        """Write the input; return the nodes that it triggers."""
        inputs = self._program.inputs
        updated = self._write({inputs: [{}]}) if isinstance(inputs, str) else set()
        self._clock += 1
        return self._due(updated)

    def step(self, tasks: Sequence[str], writes: Mapping[str, list[tuple[str, Any]]]) -> list[str]:
        """Apply the writes of a superstep; return the nodes that are due next."""
        channels = self._program.channels
        for name in tasks:
            self._ran[name] = self._clock
        for channel in {c for name in tasks for c in self._program.nodes[name].triggers}:
            self._move(channel, channels[channel].consume(self._cells[channel]), None)
        grouped: dict[str, list[Any]] = {}
        for channel, value in (pair for name in sorted(tasks) for pair in writes[name]):
            if channel in channels:
                grouped.setdefault(channel, []).append(value)
        updated = self._write(grouped)
        self._pass(updated)
        self._clock += 1
        return self._due(updated)

    def _pass(self, updated: set[str]) -> None:
        """Let the channels that were not written see the superstep, and its end."""
        for name, channel in self._program.channels.items():
            if name not in updated and channel.available(self._cells[name]):
                self._move(name, channel.tick(self._cells[name]), updated)
        if updated.isdisjoint(self._program.triggered):
            for name, channel in self._program.channels.items():
                self._move(name, channel.finish(self._cells[name]), updated)

    def _write(self, grouped: Mapping[str, list[Any]]) -> set[str]:
        updated: set[str] = set()
        for name, values in grouped.items():
            channel = self._program.channels[name]
            try:
                folded = channel.fold(self._cells[name], values)
            except Exception:  # noqa: BLE001 - a value's rule cannot be run without values
                folded = None, True
            self._move(name, folded, updated)
        return updated

    def _move(self, name: str, moved: tuple[Any, bool], updated: set[str] | None) -> None:
        cell, changed = moved
        self._cells[name] = cell
        if changed:
            self._versions[name] = self._clock + 1
            if updated is not None and self._program.channels[name].available(cell):
                updated.add(name)

    def _due(self, updated: set[str]) -> list[str]:
        table = self._program.triggered
        candidates = {node for channel in updated for node in table.get(channel, ())}
        if not updated and self._versions:
            candidates = set(self._program.nodes)
        return [name for name in sorted(candidates) if self._is_due(self._program.nodes[name])]

    def _is_due(self, spec: NodeSpec) -> bool:
        ran = self._ran.get(spec.name)
        due = any(
            self._program.channels[name].available(self._cells.get(name, MISSING))
            and (ran is None or self._versions.get(name, 0) > ran)
            for name in spec.triggers
        )
        return due and self._has_input(spec)

    def _has_input(self, spec: NodeSpec) -> bool:
        if not isinstance(spec.reads, str):
            return True
        channel = self._program.channels[spec.reads]
        return channel.available(self._cells[spec.reads])
