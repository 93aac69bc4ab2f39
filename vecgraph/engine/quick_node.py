"""Nodes and routers of runs that go the short way, with what is looked up at each of their runs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vecgraph.constants import END, MISSING, START
from vecgraph.engine.attempt import failed
from vecgraph.engine.run import Run, Task, TaskError
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.single import destinations
from vecgraph.errors import GraphInterrupt
from vecgraph.nodes.reading import narrowed
from vecgraph.nodes.writer import StateWriter, Writer, branch_channel

if TYPE_CHECKING:
    from collections.abc import Collection

    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import Branch, NodeSpec, Reads

__all__ = ["Node", "Router", "Scope"]


class Node:
    """A node with what is looked up at each of its runs."""

    __slots__ = (
        "_afn",
        "_edges",
        "_fn",
        "_keys",
        "_mapper",
        "_writer",
        "branches",
        "inject",
        "is_plain",
        "reads",
        "spec",
    )

    def __init__(self, tables: Tables, spec: NodeSpec) -> None:
        self.spec = spec
        self._fn: Any = spec.action and spec.action.fn
        self.inject = spec.action.inject if spec.action else {}
        self._mapper = spec.mapper
        self._writer = spec.writer
        self._edges: Pairs = [(target, None) for target in spec.targets]
        called = None if spec.action is None else spec.action.afn or spec.action.fn
        self.reads = _rules(tables, spec.reads, spec.mapper or called)
        self.is_plain = all(rule is None for _, rule in self.reads)
        self._keys = _keys_of(spec.writer)
        self.branches = [Router(tables, branch) for branch in spec.branches]
        self._afn: Any = spec.action and spec.action.afn

    def input(self, run: Run) -> Any:
        """Return what the node gets."""
        value = self.values(run.cells)
        if self._mapper is None:
            return value
        try:
            return self._mapper(value)
        except Exception as error:
            path = ("__pregel_pull", self.spec.name)
            error.add_note(f"Before task with name '{self.spec.name}' and path '{path}'")
            raise TaskError(self.spec.name, error) from error

    def values(self, cells: dict[str, Any]) -> dict[str, Any]:
        """Return what the node reads of a run's cells."""
        if self.is_plain:
            return {name: cells[name] for name, _ in self.reads if name in cells}
        return _values(cells, self.reads)

    def run(self, run: Run, scope: Scope, value: Any) -> Pairs:
        """Run the node and its routers; return what it wrote."""
        scope.begin(self.spec)
        pairs: Pairs = []
        try:
            result = value
            if self._fn is not None:
                extra = scope.arguments(self.inject) if self.inject else {}
                result = self._fn(value, **extra)
            pairs = self._written(scope, result)
            for branch in self.branches:
                ways = branch.run(run, scope, pairs, result)
                pairs += [*scope.taken(), *ways]
        except Exception as error:  # noqa: BLE001 - told apart below
            return self._failed(run, scope, pairs, error)
        return pairs

    def go_on(
        self, run: Run, scope: Scope, result: Any, label: Any, error: Exception | None
    ) -> Pairs:
        """Return what the node wrote, whose function, and perhaps its router, has been called.

        Parameters
        ----------
        result, label : object
            What they returned; `MISSING` if they have not.
        error : Exception or None
            What the first of them that did not return raised.
        """
        pairs: Pairs = []
        try:
            # Where the router has been called, what was sent meanwhile is its.
            routed = label is not MISSING or (error is not None and result is not MISSING)
            late = scope.taken() if routed else []
            if result is not MISSING:
                pairs = self._written(scope, result) + late
            if label is not MISSING:
                pairs += self.branches[0].sent_by(label)
            elif error is None:
                for branch in self.branches:
                    ways = branch.run(run, scope, pairs, result)
                    pairs += [*scope.taken(), *ways]
        except Exception as failure:  # noqa: BLE001 - told apart below
            error = failure
        return pairs if error is None else self._failed(run, scope, pairs, error)

    def _written(self, scope: Scope, result: Any) -> Pairs:
        if type(result) is dict and self._keys.issuperset(result):
            return [*scope.taken(), *result.items(), *self._edges]
        return scope.taken() + self._writer(result) + self._edges

    def _failed(self, run: Run, scope: Scope, pairs: Pairs, error: Exception) -> Pairs:
        """Note a question, or take a command from a graph below; anything else is a failure."""
        task = scope.task
        task.pairs = pairs
        failed(scope.tables, run, task, scope, error)
        if task.error is None:
            return task.pairs
        if not isinstance(task.error, GraphInterrupt):
            raise TaskError(self.spec.name, task.error) from task.error
        run.ended = "interrupt"
        run.interrupts += task.error.args[0] if task.error.args else ()
        return pairs


class Router:
    """A router with what is looked up at each of its runs."""

    __slots__ = (
        "_afn",
        "_branch",
        "_channels",
        "_fn",
        "_known",
        "_simple",
        "inject",
        "reads",
    )

    def __init__(self, tables: Tables, branch: Branch) -> None:
        self._branch = branch
        self._channels = tables.channels
        self._fn: Any = branch.action.fn
        self.inject = branch.action.inject
        called = branch.action.afn or branch.action.fn
        self.reads = _rules(tables, branch.reads, branch.mapper or called)
        # Of one write such channels keep the value.
        rules = [tables.channels[name] for name, _ in self.reads]
        simple = all(rule.replaces and rule.plain and rule.steady for rule in rules)
        self._simple = simple and not isinstance(branch.reads, str)
        self._known = _labels(branch)
        self._afn: Any = branch.action.afn

    def run(self, run: Run, scope: Scope, pairs: Pairs, result: Any) -> Pairs:
        """Return the writes that send the run on."""
        value = self.input(run, pairs, result)
        extra = scope.arguments(self.inject) if self.inject else {}
        return self.sent_by(self._fn(value, **extra))

    def input(self, run: Run, pairs: Pairs, result: Any) -> Any:
        """Return what the router gets."""
        branch = self._branch
        value = self._fresh(run, pairs)
        if branch.mapper is not None:
            value = branch.mapper(value)
        if branch.passthrough and isinstance(result, dict) and isinstance(value, dict):
            value = {**result, **value}
        return value

    def values(self, cells: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        """Return what the router reads of a run's cells, with what its node returned below."""
        value = _values(cells, self.reads)
        return {**result, **value} if self._branch.passthrough else value

    def labels(self, goals: Collection[str]) -> dict[str, Pairs]:
        """Return what labels write that lead somewhere; `goals` are the channels of nodes."""
        if self._branch.ends or self._branch.translate is not None:
            return self._known
        known: dict[str, Pairs] = {}
        for channel in goals:
            node = channel.removeprefix("branch:to:")
            if channel == branch_channel(node) and node != START:
                known[node] = [(channel, None)]
        return {**known, END: []}

    def sent_by(self, label: Any) -> Pairs:
        """Return the writes of a destination."""
        if type(label) is str and label in self._known:
            return self._known[label]
        return destinations(self._branch, label)

    def _fresh(self, run: Run, pairs: Pairs) -> Any:
        """Return the values that there are once `pairs` are written."""
        if self._simple:
            written = dict(pairs)
            if len(written) == len(pairs):
                fresh = {**run.cells, **written}
                return {name: fresh[name] for name, _ in self.reads if name in fresh}
        writes: dict[str, list[Any]] = {}
        for name, value in pairs:
            writes.setdefault(name, []).append(value)
        cells, channels = run.cells, self._channels
        values = {}
        for name, rule in self.reads:
            cell = cells.get(name, MISSING)
            if name in writes:
                cell, _ = channels[name].fold(cell, writes[name])
            if cell is not MISSING:
                values[name] = cell if rule is None else rule.read(cell)
        reads = self._branch.reads
        return values.get(reads) if isinstance(reads, str) else values


def _keys_of(writer: Writer) -> frozenset[str]:
    """Return the keys that a dict may have for its items to be the writes."""
    if isinstance(writer, StateWriter) and not writer.is_root:
        return frozenset(writer.keys)
    return frozenset()


def _labels(branch: Branch) -> dict[str, Pairs]:
    """Return what the labels of a path map, as far as they are text, write."""
    if not branch.ends or branch.translate is not None:
        return {}
    labels = [label for label in branch.ends if type(label) is str]
    known = {}
    for label in labels:
        with suppress(ValueError):  # the run that goes there fails
            known[label] = destinations(branch, label)
    return known


_Rules = list[tuple[str, Any]]
"""Channels to read, with the rule of those whose cell is not the value itself."""


def _rules(tables: Tables, reads: Reads, fn: Any) -> _Rules:
    names = (reads,) if isinstance(reads, str) else narrowed(fn, reads)
    channels = tables.channels
    return [(name, None if channels[name].plain else channels[name]) for name in names]


def _values(cells: dict[str, Any], rules: _Rules) -> dict[str, Any]:
    return {
        name: cells[name] if rule is None else rule.read(cells[name])
        for name, rule in rules
        if name in cells
    }


class Scope(RunScope):
    """The scope of a task on the short way: the task is made when somebody asks for it."""

    __slots__ = ("_made", "_spec", "sent")

    def __init__(self, shared: Shared, tables: Tables, run: Run) -> None:
        self.shared = shared
        self.tables = tables
        self.run = run
        self.pulse = None
        self.blocking = False
        self._made: Task | None = None
        self._spec: Any = None
        self.sent: Pairs = []

    def send(self, pairs: list[tuple[str, Any]]) -> None:
        """Add writes that the task makes while it runs."""
        self.sent = [*self.sent, *pairs]

    def taken(self) -> Pairs:
        """Take the writes that the task has made while it ran."""
        sent, self.sent = self.sent, []
        return sent

    def begin(self, spec: NodeSpec) -> None:
        """Note which node runs now."""
        self._spec = spec
        self._made = None
        self.sent = []

    @property
    def task(self) -> Task:
        """The task that runs now."""
        if self._made is None:
            self._made = Task(self._spec, None)
        return self._made
