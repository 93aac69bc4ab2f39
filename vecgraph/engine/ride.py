"""The stretch of a run in which one node follows another: a loop with next to nothing in it.

A run whose nodes come one at a time, each with one edge or one router, is a chain of calls of
the user's functions. Between two of them only what could show is done: a function that looks
keys up and does nothing else with its state gets the dict that the run is kept in, and what it
returns is put over it. At the first thing that is odd (an exception, a `Command`, a question, a
label that is not one node's) the run leaves the loop, and `Quick` takes it up from where it
stands: no function is called again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.ambient import current_task
from vecgraph.constants import MISSING, START, TASKS
from vecgraph.engine.quick_node import Node, Router, Scope
from vecgraph.engine.run import Run, Task
from vecgraph.nodes.reading import keys_read
from vecgraph.nodes.writer import StateWriter
from vecgraph.state import picker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.nodes.action import Action
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import NodeSpec

__all__ = ["Left", "Ride", "RideScope", "Stage"]

State = dict[str, Any]
Folds = tuple[tuple[str, Any], ...]


class Left:
    """Where a run left the loop.

    Attributes
    ----------
    node : Node
    result, label : object
        What it and its router returned; `MISSING` if they have not.
    error : Exception or None
        What the first of them that did not return raised.
    """

    __slots__ = ("error", "label", "node", "result")

    def __init__(self, node: Node, result: Any, label: Any, error: Exception | None) -> None:
        self.node = node
        self.result = result
        self.label = label
        self.error = error

    @property
    def waits(self) -> bool:
        """Whether the node has not been called."""
        return self.result is MISSING and self.error is None


class Ride:
    """A program's nodes as the loop needs them.

    Parameters
    ----------
    tables : Tables
        Of a program that has a short way.
    nodes : dict of str to Node

    Attributes
    ----------
    first : Stage or None
        Where runs begin; None: with what the loop cannot run.
    is_whole : bool
        It can run every node.
    """

    def __init__(self, tables: Tables, nodes: Mapping[str, Node]) -> None:
        self._tables = tables
        apart = {name for spec in tables.nodes.values() for name in spec.triggers}
        order = tuple(name for name in tables.channels if name not in apart | {START, TASKS})
        self._order = order
        channels = [(name, tables.channels[name]) for name in order]
        self._folds: Folds = tuple((name, c.fold_one) for name, c in channels if not c.replaces)
        # Of the run's cells these alone show that it has an output.
        self._shown = {name for name, c in channels if c.replaces} & tables.outputs
        self._stages = {name: Stage(node, order) for name, node in nodes.items()}
        by_trigger = {stage.node.spec.triggers[0]: stage for stage in self._stages.values()}
        for stage in self._stages.values():
            stage.link(by_trigger)
        start = nodes[START].spec
        keys = start.writer.keys if isinstance(start.writer, StateWriter) else ()
        self._inputs = frozenset(keys) & frozenset(order)
        alone = len(start.targets) == 1 and not start.branches
        alone = alone and not isinstance(tables.program.outputs, str)
        self.first = self._stages[START].after if alone else None
        others = [stage for name, stage in self._stages.items() if name != START]
        self.is_whole = self.first is not None and not any(stage.is_apart for stage in others)
        whole = not self._folds and bool(self._shown) and self._inputs.issuperset(order)
        self._pick = picker(order) if whole else None

    def stage(self, node: Node) -> Stage | None:
        """Return a node as the loop needs it, None if it cannot run it."""
        stage = self._stages[node.spec.name]
        return None if stage.is_apart else stage

    def begin(self, value: Any) -> State | None:
        """Return the cells of a run that gets an input; None: `Quick` has to begin it."""
        if type(value) is not dict or self.first is None:
            return None
        if self._pick is not None:
            try:
                return self._pick(value)
            except KeyError:
                pass  # it is not given all channels
        given = {name: value[name] for name in self._inputs if name in value}
        if self._shown.isdisjoint(given):
            return None  # perhaps it has no output so far
        initial = self._tables.initial()
        cells = {**initial, **given}
        try:
            _fold(self._folds, initial, given, cells)
        except Exception:  # noqa: BLE001 - it fails again where that belongs
            return None
        return {name: cells[name] for name in self._order if name in cells}

    # All in one function: another call a superstep would cost what the loop saves.
    def run(  # noqa: C901, PLR0914, PLR0915
        self, run: Run, scope: RideScope, stage: Stage
    ) -> Left | None:
        """Run supersteps while they are plain; the run holds what it has come to.

        Returns
        -------
        Left or None
            None: the run has ended.
        """
        scope.odd = 0
        order, folds, step, error = self._order, self._folds, run.step, None
        state, size = run.cells, len(run.cells)
        none: Any = MISSING
        edge: Any = _EDGE
        result: Any = none
        label: Any = none
        stage, fn, route, routed, goals = stage.parts
        try:
            for step in range(run.step, run.stop):
                scope.stage, run.step = stage, step
                result = fn(state)
                if result is None:
                    result = {}
                if type(result) is not dict or scope.odd > 0:
                    break
                fresh = {**state, **result}
                if folds:
                    label = edge  # a failure from here on is a channel's
                    _fold(folds, state, result, fresh)
                    label = none
                if len(fresh) != size:
                    fresh = {name: fresh[name] for name in order if name in fresh}
                    size = len(fresh)
                if route is not None:
                    label = route(fresh)
                else:
                    label = edge if routed is None else routed(fresh, result)
                if type(label) is not str or scope.odd > 0 or label not in goals:
                    break
                state, after, result, label = fresh, goals[label], none, none
                if after is None:
                    run.cells, run.step = state, step + 1
                    return None
                stage, fn, route, routed, goals = after
            else:
                step = run.stop
        except Exception as failure:  # noqa: BLE001 - `Quick` says what it means
            # A write that breaks a channel's rule breaks it again where the failure belongs.
            error = None if label is _EDGE else failure
        run.cells, run.step = state, step
        return Left(stage.node, result, none if label is _EDGE else label, error)


def _fold(folds: Folds, state: State, result: State, fresh: State) -> None:
    """Put in `fresh` what the writes of `result` make of the cells that they do not replace."""
    for name, fold in folds:
        if name in result:
            fresh[name] = fold(state.get(name, MISSING), result[name])


_EDGE = "\0"
"""The label of a node that has an edge instead of a router."""


class Stage:
    """A node as the loop needs it.

    Attributes
    ----------
    node : Node
    is_apart : bool
        The loop cannot run it: it has several edges, or its state is no dict.
    parts : tuple
        The stage itself; its function and its router's, of all cells, or, if that cannot be, of
        all cells and what the node returned; and where labels lead: the parts of a stage, or None
        for the end.
    """

    __slots__ = ("_goals", "_order", "is_apart", "node", "parts")

    def __init__(self, node: Node, order: tuple[str, ...]) -> None:
        spec = node.spec
        self.node = node
        self._order = order
        self.is_apart = spec.action is None or not _is_plain(spec, order)
        self._goals: dict[str, Any] = {}
        fn, route = self._called(), None
        routed = self._routed() if spec.branches else None
        if spec.branches and _is_bare(spec.branches[0].action, node.branches[0]):
            route, routed = spec.branches[0].action.fn, None
        self.parts = (self, fn, route, routed, self._goals)

    def link(self, stages: Mapping[str, Stage]) -> None:
        """Find where the node leads, by the channels that trigger nodes."""
        spec = self.node.spec
        led: dict[str, Pairs] = {_EDGE: [(channel, None) for channel in spec.targets]}
        if spec.branches:
            led = self.node.branches[0].labels(stages)
        for label, pairs in led.items():
            goals = [stages.get(channel) for channel, _ in pairs]
            if not goals:
                self._goals[label] = None
            elif len(goals) == 1 and goals[0] is not None and not goals[0].is_apart:
                self._goals[label] = goals[0].parts

    @property
    def after(self) -> Stage | None:
        """Where the only edge leads, None if there is no such stage."""
        parts = self._goals.get(_EDGE)
        return None if parts is None else parts[0]

    def _called(self) -> Any:
        """Return the node's function, of a run's cells."""
        node, action = self.node, self.node.spec.action
        fn: Any = action and action.fn
        if action is None or _is_bare(action, node):
            return fn
        whole = node.is_plain and tuple(name for name, _ in node.reads) == self._order
        values, inject = dict.copy if whole else _values_of(node), node.inject
        if not inject:
            return lambda cells: fn(values(cells))
        return lambda cells: fn(values(cells), **current_task.get().arguments(inject))

    def _routed(self) -> Any:
        """Return the router's function, of a run's cells and of what its node returned."""
        router = self.node.branches[0]
        fn: Any = self.node.spec.branches[0].action.fn
        values, inject = router.values, router.inject
        if not inject:
            return lambda cells, result: fn(values(cells, result))
        return lambda cells, result: fn(
            values(cells, result), **current_task.get().arguments(inject)
        )


def _values_of(node: Node) -> Callable[[State], State]:
    """Return what `Node.values` does, quicker where nothing that the node reads is missing."""
    names = tuple(name for name, _ in node.reads)
    rules = {name: rule.reader for name, rule in node.reads if rule is not None}
    pick, slowly = picker(names, rules), node.values

    def values(cells: State) -> State:
        try:
            return pick(cells)
        except KeyError:
            return slowly(cells)

    return values


def _is_plain(spec: NodeSpec, order: tuple[str, ...]) -> bool:
    """Return whether a node leads to one place, and neither it nor its router has a class."""
    writer = spec.writer
    if not isinstance(writer, StateWriter) or not set(writer.keys).issuperset(order):
        return False
    if spec.mapper is not None or len(spec.targets) + len(spec.branches) > 1:
        return False
    return all(b.mapper is None and not isinstance(b.reads, str) for b in spec.branches)


def _is_bare(action: Action, part: Node | Router) -> bool:
    """Return whether a function can be given all cells: it looks up some, and does no more."""
    keys = None if part.inject else keys_read(action.fn)
    # What it looks up are cells that it reads, and cells are the values themselves.
    return keys is not None and keys == {name for name, rule in part.reads if rule is None}


class RideScope(Scope):
    """The scope of a task on the short way, in the loop or beside it.

    Attributes
    ----------
    stage : Stage or None
        The node that runs now in the loop.
    odd : int
        Writes that it has made while it ran, and tasks that it has called.
    """

    __slots__ = ("_at", "odd", "stage")

    def __init__(self, shared: Shared, tables: Tables, run: Run) -> None:
        super().__init__(shared, tables, run)
        self.stage: Stage | None = None
        self.odd = 0
        self._at: tuple[int, int] | None = None

    def begin(self, spec: NodeSpec) -> None:
        """Note which node runs now, beside the loop."""
        self.stage = None
        super().begin(spec)

    @property
    def task(self) -> Task:
        """The task that runs now."""
        if self.stage is None:
            return super().task
        at = self.run.row, self.run.step
        if self._at != at or self._made is None:
            self._made, self._at = Task(self.stage.node.spec, None), at
        return self._made

    def send(self, pairs: Pairs) -> None:
        """Add writes that the task makes while it runs."""
        self.odd += 1
        super().send(pairs)

    def call(self, spec: NodeSpec, args: Any, kwargs: Any) -> Any:
        """Start a task of the functional API; return the future of its result."""
        self.odd += 1
        return super().call(spec, args, kwargs)
