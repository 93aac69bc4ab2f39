"""The short way of a single run: a plain graph that nothing is kept of and nobody watches.

Where every node is triggered by its own signal alone, every channel changes only when it is
written, and no failure is to be handled, most of the general loop is known to do nothing: there
are no versions to compare, no barrier to open, nothing to tell at the end of a superstep. A run
that sends packets goes on the general way from there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vecgraph.ambient import current_task
from vecgraph.channels import BinaryOperatorAggregate, EphemeralValue
from vecgraph.constants import MISSING, START, TASKS
from vecgraph.engine.attempt import failed
from vecgraph.engine.run import Run, Task, TaskError
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.single import destinations, warn_unknown
from vecgraph.errors import EmptyInputError, GraphInterrupt, GraphRecursionError
from vecgraph.nodes.reading import narrowed
from vecgraph.nodes.writer import StateWriter, Writer
from vecgraph.types import Command

if TYPE_CHECKING:
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.nodes.action import Action
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import Branch, NodeSpec, Reads

__all__ = ["Quick", "can_be_quick"]


class Quick:
    """A program whose single runs may be short."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._nodes = {name: _Node(tables, spec) for name, spec in tables.nodes.items()}
        self._goals = {spec.triggers[0]: name for name, spec in tables.nodes.items()}
        # Of one write such a channel keeps the value, and always counts as changed.
        self._direct = frozenset(
            name for name, c in tables.channels.items() if c.replaces and c.plain and c.steady
        )

    @classmethod
    def of(cls, tables: Tables) -> Quick | None:
        """Return the short form of a program, None if it has none."""
        program = tables.program
        if not program.is_state_graph or program.managed or not tables.steady_outputs:
            return None
        signals = {name for spec in tables.nodes.values() for name in spec.triggers} | {TASKS}
        for name, channel in tables.channels.items():
            kept = channel.plain or isinstance(channel, BinaryOperatorAggregate)
            if name not in signals and not (channel.steady and kept):
                return None
        return (
            cls(tables) if all(_is_plain(tables, spec) for spec in tables.nodes.values()) else None
        )

    def run(self, run: Run, input: Any, shared: Shared) -> bool:
        """Run to the end, or to where the run must go on the general way.

        Returns
        -------
        bool
            The run has ended.

        Raises
        ------
        TaskError
            A node failed.
        GraphInterrupt
            A node asks something; the run holds what it has come to.
        GraphRecursionError
            The run still has steps to take at its limit.
        InvalidUpdateError
            The writes of a superstep break a channel's rule.
        """
        if input is None:
            raise EmptyInputError.for_channels(START)
        scope = _Scope(shared, self._tables, run)
        run.step += 1
        token = current_task.set(scope)
        try:
            due, values = [self._nodes[START]], [input]
            while due:
                going = self._superstep(run, scope, due, values)
                run.step += 1
                if TASKS in run.cells:
                    _on_the_general_way(self._tables, run, going)
                    return False
                due = [self._nodes[name] for name in going]
                values = [node.input(run) for node in due]
                if run.step > run.stop:
                    raise GraphRecursionError.at(shared.limit)
        finally:
            current_task.reset(token)
        run.ended = "done"
        return True

    def _superstep(self, run: Run, scope: _Scope, due: list[_Node], values: list[Any]) -> list[str]:
        """Run the nodes that are due and apply their writes; return those that are due next."""
        if len(due) == 1:
            return self._alone(run, scope, due[0], values[0])
        return self._side_by_side(run, scope, due, values)

    def _alone(self, run: Run, scope: _Scope, node: _Node, value: Any) -> list[str]:
        """Run the only node that is due: its writes meet no others."""
        pairs = node.run(run, scope, value)
        if run.ended or run.calls is not None:
            return self._applied(run, scope, [(node, pairs)], None)
        goals, direct = self._goals, self._direct
        news: dict[str, Any] = {}
        going: list[str] = []
        for name, written in pairs:
            if name in direct and name not in news:
                news[name] = written
            elif name in goals:
                going.append(goals[name])
            else:
                return self._applied(run, scope, [(node, pairs)], None)
        run.cells.update(news)
        if not self._tables.outputs.isdisjoint(news):
            run.emitted = True
        return sorted(set(going)) if len(going) > 1 else going

    def _side_by_side(
        self, run: Run, scope: _Scope, due: list[_Node], values: list[Any]
    ) -> list[str]:
        done: list[tuple[_Node, Pairs]] = []
        error: TaskError | None = None
        for node, value in zip(due, values, strict=True):
            try:
                done.append((node, node.run(run, scope, value)))
            except TaskError as one:  # the others run all the same
                error = error or one
        return self._applied(run, scope, done, error)

    def _applied(
        self, run: Run, scope: _Scope, done: list[tuple[_Node, Pairs]], error: TaskError | None
    ) -> list[str]:
        """Apply what nodes wrote, unless one has failed; return those that are due next."""
        writes: dict[str, list[Any]] = {}
        going: set[str] = set()
        for node, pairs in done:
            self._group(node, pairs, writes, going)
        if run.calls is not None:
            self._settle(run, failed=error is not None)
        if error is not None:
            raise error
        if run.ended and scope.shared.parent is not None:
            raise GraphInterrupt(tuple(run.interrupts))
        self._fold(run, writes)
        if run.ended:
            raise GraphInterrupt(tuple(run.interrupts))
        return sorted(going) if len(going) > 1 else [*going]

    def _settle(self, run: Run, *, failed: bool) -> None:
        """Wait for the tasks that the nodes have called."""
        run.calls.settle(cancel=failed)
        run.calls.close()
        if run.calls.asks:
            run.ended = "interrupt"
        run.calls = None

    def _group(
        self, node: _Node, pairs: Pairs, writes: dict[str, list[Any]], going: set[str]
    ) -> None:
        """Sort a node's writes into values by channel and nodes that run next."""
        channels, goals = self._tables.channels, self._goals
        for name, written in pairs:
            if name in goals:
                going.add(goals[name])
            elif name in writes:
                writes[name].append(written)
            elif name in channels:
                writes[name] = [written]
            else:
                warn_unknown(node.spec.name, name)

    def _fold(self, run: Run, writes: dict[str, list[Any]]) -> None:
        """Apply a superstep's writes, all of them or none."""
        cells, channels, outputs = run.cells, self._tables.channels, self._tables.outputs
        folded = {}
        shown = False
        for name, values in writes.items():
            folded[name], changed = channels[name].fold(cells.get(name, MISSING), values)
            shown = shown or (changed and name in outputs)
        cells.update(folded)
        if shown:
            run.emitted = True


def _is_plain(tables: Tables, spec: NodeSpec) -> bool:
    """Return whether nothing but its own signal triggers a node, and its functions are scalar."""
    if spec.retry_policy or spec.error_handler or spec.cache_policy or spec.timeout or spec.joins:
        return False
    routers = all(_is_scalar(branch.action) for branch in spec.branches)
    if spec.name == START:
        return routers
    if len(spec.triggers) != 1 or isinstance(spec.reads, str):
        return False
    signal = tables.channels[spec.triggers[0]]
    return isinstance(signal, EphemeralValue) and routers and _is_scalar(spec.action)


def _is_scalar(action: Action | None) -> bool:
    return action is not None and action.tier == "rowwise" and action.fn is not None


class _Node:
    """A node with what is looked up at each of its runs."""

    __slots__ = (
        "_branches",
        "_edges",
        "_fn",
        "_inject",
        "_keys",
        "_mapper",
        "_plain",
        "_reads",
        "_writer",
        "spec",
    )

    def __init__(self, tables: Tables, spec: NodeSpec) -> None:
        self.spec = spec
        self._fn: Any = spec.action and spec.action.fn
        self._inject = spec.action.inject if spec.action else {}
        self._mapper = spec.mapper
        self._writer = spec.writer
        self._edges: Pairs = [(target, None) for target in spec.targets]
        self._reads = _rules(tables, spec.reads, spec.mapper or self._fn)
        self._plain = all(rule is None for _, rule in self._reads)
        self._keys = _keys_of(spec.writer)
        self._branches = [_Branch(tables, branch) for branch in spec.branches]

    def input(self, run: Run) -> Any:
        """Return what the node gets."""
        cells = run.cells
        if self._plain:
            value = {name: cells[name] for name, _ in self._reads if name in cells}
        else:
            value = _values(run, self._reads)
        if self._mapper is None:
            return value
        try:
            return self._mapper(value)
        except Exception as error:
            path = ("__pregel_pull", self.spec.name)
            error.add_note(f"Before task with name '{self.spec.name}' and path '{path}'")
            raise TaskError(self.spec.name, error) from error

    def run(self, run: Run, scope: _Scope, value: Any) -> Pairs:
        """Run the node and its routers; return what it wrote."""
        scope.begin(self.spec)
        pairs: Pairs = []
        try:
            result = value
            if self._fn is not None:
                extra = scope.arguments(self._inject) if self._inject else {}
                result = self._fn(value, **extra)
            if type(result) is dict and self._keys.issuperset(result):
                pairs = [*scope.sent, *result.items(), *self._edges]
            else:
                pairs = scope.sent + self._writer(result) + self._edges
            for branch in self._branches:
                pairs += branch.run(run, scope, pairs, result)
        except Exception as error:  # noqa: BLE001 - told apart below
            return self._failed(run, scope, pairs, error)
        return pairs

    def _failed(self, run: Run, scope: _Scope, pairs: Pairs, error: Exception) -> Pairs:
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


class _Branch:
    """A router with what is looked up at each of its runs."""

    __slots__ = ("_branch", "_channels", "_fn", "_inject", "_known", "_reads")

    def __init__(self, tables: Tables, branch: Branch) -> None:
        self._branch = branch
        self._channels = tables.channels
        self._fn: Any = branch.action.fn
        self._inject = branch.action.inject
        self._reads = _rules(tables, branch.reads, branch.mapper or self._fn)
        self._known = _labels(branch)

    def run(self, run: Run, scope: _Scope, pairs: Pairs, result: Any) -> Pairs:
        """Return the writes that send the run on."""
        branch = self._branch
        value = self._fresh(run, pairs)
        if branch.mapper is not None:
            value = branch.mapper(value)
        if branch.passthrough and isinstance(result, dict) and isinstance(value, dict):
            value = {**result, **value}
        extra = scope.arguments(self._inject) if self._inject else {}
        label = self._fn(value, **extra)
        if type(label) is str and label in self._known:
            return self._known[label]
        return destinations(branch, label)

    def _fresh(self, run: Run, pairs: Pairs) -> Any:
        """Return the values that there are once `pairs` are written."""
        writes: dict[str, list[Any]] = {}
        for name, value in pairs:
            writes.setdefault(name, []).append(value)
        cells, channels = run.cells, self._channels
        values = {}
        for name, rule in self._reads:
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


def _values(run: Run, rules: _Rules) -> dict[str, Any]:
    cells = run.cells
    return {
        name: cells[name] if rule is None else rule.read(cells[name])
        for name, rule in rules
        if name in cells
    }


def _on_the_general_way(tables: Tables, run: Run, due: list[str]) -> None:
    """Note what the general way needs to know: nodes that are due have something unseen."""
    run.clock = 2
    run.versions = dict.fromkeys(run.cells, 1)
    run.updated = {TASKS}
    for name, spec in tables.nodes.items():
        signal = spec.triggers[0]
        run.versions[signal] = 1
        run.seen[name] = {signal: 1}
        if name in due:
            run.cells[signal] = None
            run.versions[signal] = 2
            run.updated.add(signal)


class _Scope(RunScope):
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


def can_be_quick(tables: Tables, run: Run, input: Any, shared: Shared) -> bool:
    """Return whether nothing that a call asks for needs the general way."""
    return (
        tables.quick is not None
        and run.thread is None
        and not (shared.before or shared.after)
        and shared.timeout is None
        and shared.control is None
        and shared.mail is None
        and not shared.debug
        and not isinstance(input, Command)
    )
