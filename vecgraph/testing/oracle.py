"""The scalar reference executor: one run, one task at a time, nothing clever.

It follows LangGraph's superstep algorithm to the letter (versions, versions seen, path-ordered
writes, consume, idle, finish, the test of the recursion limit before the test for tasks) over
the channel semantics of `vecgraph.testing.cells`. It shares no code with the engine, so that
engine and oracle agree only where both are right. Checked against LangGraph itself in
``tests/differential``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vecgraph.constants import MISSING, TASKS
from vecgraph.errors import EmptyInputError, GraphRecursionError
from vecgraph.testing.cells import DOCS, Rule
from vecgraph.testing.records import RunRecord, StepRecord

__all__ = ["Graph", "Node", "Pairs", "Run", "run"]

Pairs = list[tuple[str, Any]]
"""Writes of one task: channel and value, in order."""

Select = str | Sequence[str]
"""One channel (its bare value is read) or several (a dict is read)."""

Fresh = Callable[[Pairs, Select], Any]
"""Reads channels as they will be after one task's own writes."""


@dataclass(frozen=True)
class Node:
    """A node for the oracle.

    Attributes
    ----------
    triggers : sequence of str
        Channels whose change makes it run.
    reads : str or sequence of str
        What it gets.
    act : callable
        From the input and a way to read fresh state to the writes.
    hidden : bool
        Left out of the record: the start node.
    """

    triggers: Sequence[str]
    reads: Select
    act: Callable[[Any, Fresh], Pairs]
    hidden: bool = False


@dataclass(frozen=True)
class Graph:
    """A graph for the oracle: rules, nodes, and where input and output are."""

    rules: Mapping[str, Rule]
    nodes: Mapping[str, Node]
    inputs: Select
    outputs: Select
    streams: Select


@dataclass
class Task:
    """A node about to run, and what it wrote."""

    path: tuple[Any, ...]
    name: str
    input: Any
    triggers: Sequence[str]
    writes: Pairs = field(default_factory=list)


class Failed(Exception):
    """A run ended with errors, one of each task that raised in its last superstep."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__(*errors)
        self.errors = errors


def run(graph: Graph, value: Any, limit: int = 10007) -> RunRecord:
    """Run `graph` once on the input `value`.

    Parameters
    ----------
    graph : Graph
    value : object
        As for `invoke`.
    limit : int
        The recursion limit, in supersteps.

    Returns
    -------
    RunRecord
    """
    work = Run(graph, limit)
    try:
        work.start(value)
        while work.step_once():
            pass
    except Failed as failed:
        named = tuple((type(error).__name__, str(error)) for error in failed.errors)
        return RunRecord(None, named, tuple(work.records), failed.errors[0])
    return RunRecord(work.latest, (), tuple(work.records))


class Run:
    """The state of one run, and the three moves of a superstep: plan, execute, apply."""

    def __init__(self, graph: Graph, limit: int) -> None:
        self.graph = graph
        self.limit = limit
        self.step = -1
        self.cells = {name: rule.start() for name, rule in graph.rules.items()}
        self.versions: dict[str, int] = {}
        self.seen: dict[str, dict[str, int]] = {}
        self.updated: set[str] = set()
        self.latest: Any = None
        self.records: list[StepRecord] = []
        self.triggers = {chan for node in graph.nodes.values() for chan in node.triggers}

    def start(self, value: Any) -> None:
        """Apply the input; it is no task, so nothing is consumed and no channel idles."""
        inputs = self.graph.inputs
        if value is None:
            writes: Pairs = []
        elif isinstance(inputs, str):
            writes = [(inputs, value)]
        else:
            writes = [(key, item) for key, item in value.items() if key in inputs]
        if not writes:
            raise Failed(EmptyInputError(f"Received no input for {inputs}"))
        self.updated = self.apply([Task((), "__input__", None, (), writes)])
        self.step = 0

    def step_once(self) -> bool:
        """Do one superstep; return whether there may be another."""
        if self.step > self.limit:
            text = (
                f"Recursion limit of {self.limit} reached without hitting a stop condition. You "
                "can increase the limit by setting the `recursion_limit` config key."
            )
            raise Failed(GraphRecursionError(f"{text}{DOCS}GRAPH_RECURSION_LIMIT"))
        tasks = self.plan()
        if not tasks:
            return False
        try:
            self.execute(tasks)
            self.updated = self.apply(tasks)
        except Failed:
            self.keep(StepRecord(self.step, self.visible(tasks), pushed=pushes(tasks)))
            raise
        self.record(tasks)
        self.step += 1
        return True

    def plan(self) -> list[Task]:
        """Return this superstep's tasks: pending Sends by index, then triggered nodes by name."""
        tasks = []
        rule = self.graph.rules.get(TASKS)
        packets = rule.read(self.cells[TASKS]) if rule and rule.ready(self.cells[TASKS]) else []
        for index, packet in enumerate(packets):
            if packet.node in self.graph.nodes:
                path: tuple[Any, ...] = ("__pregel_push", index, False)
                tasks.append(Task(path, packet.node, packet.arg, ("__pregel_push",)))
        for name in self.candidates():
            node = self.graph.nodes[name]
            if self.is_triggered(name, node):
                value = self.read(node.reads)
                if value is not MISSING:
                    path = ("__pregel_pull", name)
                    tasks.append(Task(path, name, value, node.triggers))
        return tasks

    def candidates(self) -> list[str]:
        """Return the nodes to look at: those of changed channels, or all if none changed."""
        nodes = self.graph.nodes
        if self.updated:
            return sorted(n for n in nodes if self.updated & set(nodes[n].triggers))
        return list(nodes) if self.versions else []

    def is_triggered(self, name: str, node: Node) -> bool:
        """Return whether a trigger is ready and newer than when the node last ran."""
        ready = [c for c in node.triggers if self.graph.rules[c].ready(self.cells[c])]
        if name not in self.seen:
            return bool(ready)
        seen = self.seen[name]
        return any(self.versions.get(c, 0) > seen.get(c, 0) for c in ready)

    def read(self, select: Select) -> Any:
        """Return a node's input; MISSING for a bare channel that is not ready."""
        rules = self.graph.rules
        if isinstance(select, str):
            cell = self.cells[select]
            return rules[select].read(cell) if rules[select].ready(cell) else MISSING
        return {c: rules[c].read(self.cells[c]) for c in select if rules[c].ready(self.cells[c])}

    def execute(self, tasks: list[Task]) -> None:
        """Run every task; if any fails the superstep ends the run."""
        errors = []
        for task in tasks:
            try:
                node = self.graph.nodes[task.name]
                task.writes = node.act(task.input, self.fresh)
            except Exception as error:  # noqa: BLE001  whatever a node raises
                errors.append(error)
        if errors:
            raise Failed(*errors)

    def fresh(self, writes: Pairs, select: Select) -> Any:
        """Read channels with one task's own writes applied, others as they were."""
        names = [select] if isinstance(select, str) else select
        values = {}
        for name in names:
            rule, cell = self.graph.rules[name], self.cells[name]
            own = [value for chan, value in writes if chan == name]
            cell, _ = rule.write(cell, own) if own else rule.idle(cell)
            if rule.ready(cell):
                values[name] = rule.read(cell)
        return values.get(select) if isinstance(select, str) else values

    def apply(self, tasks: list[Task]) -> set[str]:
        """Apply a superstep's writes; return the ready channels that changed."""
        tasks = sorted(tasks, key=lambda task: path_key(task.path))
        stepping = any(task.triggers for task in tasks)
        for task in tasks:
            known = {c: self.versions[c] for c in task.triggers if c in self.versions}
            self.seen.setdefault(task.name, {}).update(known)
        version = max(self.versions.values(), default=0) + 1
        for chan in {c for task in tasks for c in task.triggers if c in self.cells}:
            self.change(chan, *self.graph.rules[chan].consume(self.cells[chan]), version)
        updated = self.write(tasks, version)
        if stepping:
            updated |= self.idle(updated, version)
            if not updated & self.triggers:
                updated |= self.finish(version)
        return updated

    def write(self, tasks: list[Task], version: int) -> set[str]:
        """Fold the writes into each channel, in task order."""
        grouped: dict[str, list[Any]] = {}
        for task in tasks:
            for chan, value in task.writes:
                if chan in self.cells:
                    grouped.setdefault(chan, []).append(value)
        updated = set()
        for chan, values in grouped.items():
            try:
                after = self.graph.rules[chan].write(self.cells[chan], values)
            except Exception as error:
                raise Failed(error) from error
            if self.change(chan, *after, version):
                updated.add(chan)
        return updated

    def idle(self, updated: set[str], version: int) -> set[str]:
        """Tell every other ready channel that a superstep passed."""
        rules = self.graph.rules
        rest = [c for c in rules if c not in updated and rules[c].ready(self.cells[c])]
        return {c for c in rest if self.change(c, *rules[c].idle(self.cells[c]), version)}

    def finish(self, version: int) -> set[str]:
        """Tell every channel that nothing else would run."""
        rules = self.graph.rules
        return {c for c in rules if self.change(c, *rules[c].finish(self.cells[c]), version)}

    def change(self, chan: str, cell: Any, changed: bool, version: int) -> bool:
        """Store a cell; return whether the channel changed and is ready."""
        self.cells[chan] = cell
        if changed:
            self.versions[chan] = version
        return changed and self.graph.rules[chan].ready(cell)

    def record(self, tasks: list[Task]) -> None:
        """Keep what the superstep's streams would show, and the result so far."""
        writes = [pair for task in tasks for pair in task.writes]
        if self.touches(self.graph.outputs, writes):
            value = self.read(self.graph.outputs)
            self.latest = None if value is MISSING else value
        values: Any = MISSING
        if self.touches(self.graph.streams, writes):
            values = self.read(self.graph.streams)
        updates: dict[str, list[Any]] = {}
        for task in tasks:
            if not self.graph.nodes[task.name].hidden:
                chunk = update_chunk(task.writes, self.graph.streams)
                updates.setdefault(task.name, []).append(chunk)
        self.keep(StepRecord(self.step, self.visible(tasks), updates, values, pushes(tasks)))

    def keep(self, record: StepRecord) -> None:
        """Keep a superstep's record if streams show anything of it."""
        if record.tasks or record.values is not MISSING:
            self.records.append(record)

    def touches(self, select: Select, writes: Pairs) -> bool:
        """Return whether a ``values`` chunk is due for these channels."""
        names = {select} if isinstance(select, str) else set(select)
        return bool(self.updated & names) and any(chan in names for chan, _ in writes)

    def visible(self, tasks: list[Task]) -> tuple[tuple[str, Any], ...]:
        """Return node and input of the tasks that streams show."""
        return tuple((t.name, t.input) for t in tasks if not self.graph.nodes[t.name].hidden)


def path_key(path: tuple[Any, ...]) -> str:
    """Return the text that tasks are sorted by: PULL by name, then PUSH by padded index."""
    parts = [f"{part:010d}" if isinstance(part, int) else str(part) for part in path]
    return "~" + ", ".join(parts)


def pushes(tasks: list[Task]) -> int:
    """Return how many tasks come from Sends."""
    return sum(task.path[0] == "__pregel_push" for task in tasks)


def update_chunk(writes: Pairs, streams: Select) -> Any:
    """Return what ``stream_mode="updates"`` shows for one task's writes."""
    if isinstance(streams, str):
        chunk = [value for chan, value in writes if chan == streams]
        return (chunk or [None])[0] if len(chunk) < 2 else chunk
    shown = [(chan, value) for chan, value in writes if chan in streams]
    if not shown:
        return None
    if len(dict(shown)) == len(shown):
        return dict(shown)
    return [{chan: value} for chan, value in shown]
