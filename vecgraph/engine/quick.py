"""The short way of a single run: a plain graph that nothing is kept of and nobody watches.

Where every node is triggered by its own signal alone, every channel changes only when it is
written, and no failure is to be handled, most of the general loop is known to do nothing: there
are no versions to compare, no barrier to open, nothing to tell at the end of a superstep. A run
that sends packets goes on the general way from there.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from vecgraph.ambient import current_task
from vecgraph.channels import BinaryOperatorAggregate, EphemeralValue
from vecgraph.constants import MISSING, START, TASKS
from vecgraph.engine.quick_node import Node, Scope
from vecgraph.engine.ride import Ride, RideScope
from vecgraph.engine.run import Run, TaskError
from vecgraph.engine.single import warn_unknown
from vecgraph.errors import EmptyInputError, GraphInterrupt, GraphRecursionError
from vecgraph.types import Command

if TYPE_CHECKING:
    from vecgraph.engine.ride import Left
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.nodes.action import Action
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import NodeSpec

__all__ = ["Quick", "can_be_quick", "on_the_general_way"]


class Quick:
    """A program whose single runs may be short.

    Attributes
    ----------
    tiers : frozenset of str
        Of the functions that it can call.
    rides : bool
        Whether runs may go through the loop of `ride`.
    """

    tiers: ClassVar[frozenset[str]] = frozenset({"rowwise"})

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._nodes = {name: self.node(tables, spec) for name, spec in tables.nodes.items()}
        self._goals = {spec.triggers[0]: name for name, spec in tables.nodes.items()}
        # Of one write such a channel keeps the value, and always counts as changed.
        self._direct = frozenset(
            name for name, c in tables.channels.items() if c.replaces and c.plain and c.steady
        )
        self.rides = True

    @cached_property
    def ride(self) -> Ride:
        """The loop of runs whose nodes come one at a time."""
        return Ride(self._tables, self._nodes)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the loop behind: it is made of closures."""
        return {name: value for name, value in vars(self).items() if name != "ride"}

    @staticmethod
    def node(tables: Tables, spec: NodeSpec) -> Any:
        """Return what runs a node."""
        return Node(tables, spec)

    @classmethod
    def of(cls, tables: Tables) -> Self | None:
        """Return the short form of a program, None if it has none."""
        program = tables.program
        if not program.is_state_graph or program.managed or not tables.steady_outputs:
            return None
        signals = {name for spec in tables.nodes.values() for name in spec.triggers} | {TASKS}
        for name, channel in tables.channels.items():
            kept = channel.plain or isinstance(channel, BinaryOperatorAggregate)
            if name not in signals and not (channel.steady and kept):
                return None
        plain = all(_is_plain(tables, spec, cls.tiers) for spec in tables.nodes.values())
        return cls(tables) if plain else None

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
        scope = RideScope(shared, self._tables, run)
        token = current_task.set(scope)
        try:
            return self._moved(run, scope, input)
        finally:
            current_task.reset(token)

    def _moved(self, run: Run, scope: RideScope, input: Any) -> bool:
        cells = self.ride.begin(input) if self.rides else None
        if cells is not None:
            assert self.ride.first is not None
            run.cells, run.step, run.emitted = cells, 1, True
            return self.to_the_end(run, scope, self.ride.run(run, scope, self.ride.first))
        if input is None:
            raise EmptyInputError.for_channels(START)
        run.step += 1
        going = self._superstep(run, scope, [self._nodes[START]], [input])
        return self.to_the_end(run, scope, self._ahead(run, scope, going))

    def to_the_end(self, run: Run, scope: RideScope, left: Left | None) -> bool:
        """Go on where a run has left the loop; return whether it has ended."""
        while left is not None:
            node = left.node
            if left.waits:
                going = self._superstep(run, scope, [node], [node.input(run)])
            else:
                pairs = node.go_on(run, scope, left.result, left.label, left.error)
                going = self._written(run, scope, node, pairs)
            left = self._ahead(run, scope, going)
        if TASKS in run.cells:
            return False
        run.ended = "done"
        return True

    def _ahead(self, run: Run, scope: RideScope, going: list[str]) -> Left | None:
        """Go on after a superstep, to where the run leaves the loop or the short way.

        Returns
        -------
        Left or None
            None: it has ended, or has packets and must go on on the general way.
        """
        while True:
            run.step += 1
            if TASKS in run.cells:
                on_the_general_way(self._tables, run, going)
                return None
            due = [self._nodes[name] for name in going]
            values = [node.input(run) for node in due]
            if run.step > run.stop:
                raise GraphRecursionError.at(scope.shared.limit)
            if not due:
                return None
            if len(due) == 1 and self.rides and run.emitted is not MISSING:
                stage = self.ride.stage(due[0])
                if stage is not None:
                    return self.ride.run(run, scope, stage)
            going = self._superstep(run, scope, due, values)

    def _superstep(self, run: Run, scope: Scope, due: list[Node], values: list[Any]) -> list[str]:
        """Run the nodes that are due and apply their writes; return those that are due next."""
        if len(due) == 1:
            return self._alone(run, scope, due[0], values[0])
        return self._side_by_side(run, scope, due, values)

    def _alone(self, run: Run, scope: Scope, node: Node, value: Any) -> list[str]:
        """Run the only node that is due: its writes meet no others."""
        return self._written(run, scope, node, node.run(run, scope, value))

    def _written(self, run: Run, scope: Scope, node: Node, pairs: Pairs) -> list[str]:
        """Apply what the only node that ran has written."""
        if run.ended or run.calls is not None:
            return self._applied(run, scope, [(node, pairs)], None)
        return self._put(run, scope, node, pairs)

    def _put(self, run: Run, scope: Scope, node: Node, pairs: Pairs) -> list[str]:
        """Apply the writes of the only node that ran."""
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
        self, run: Run, scope: Scope, due: list[Node], values: list[Any]
    ) -> list[str]:
        done: list[tuple[Node, Pairs]] = []
        error: TaskError | None = None
        for node, value in zip(due, values, strict=True):
            try:
                done.append((node, node.run(run, scope, value)))
            except TaskError as one:  # the others run all the same
                error = error or one
        return self._applied(run, scope, done, error)

    def _applied(
        self, run: Run, scope: Scope, done: list[tuple[Node, Pairs]], error: TaskError | None
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
        self, node: Node, pairs: Pairs, writes: dict[str, list[Any]], going: set[str]
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


def _is_plain(tables: Tables, spec: NodeSpec, tiers: frozenset[str]) -> bool:
    """Return whether nothing but its own signal triggers a node, and its functions are scalar."""
    if spec.retry_policy or spec.error_handler or spec.cache_policy or spec.timeout or spec.joins:
        return False
    routers = all(_is_scalar(branch.action, tiers) for branch in spec.branches)
    if spec.name == START:
        return routers
    if len(spec.triggers) != 1 or isinstance(spec.reads, str):
        return False
    signal = tables.channels[spec.triggers[0]]
    return isinstance(signal, EphemeralValue) and routers and _is_scalar(spec.action, tiers)


def _is_scalar(action: Action | None, tiers: frozenset[str]) -> bool:
    return action is not None and action.tier in tiers


def on_the_general_way(tables: Tables, run: Run, due: list[str]) -> None:
    """Note what the general way needs to know: nodes that are due have something unseen."""
    run.clock = 2
    run.versions = dict.fromkeys(run.cells, 1)
    run.updated = {TASKS} & run.cells.keys()
    for name, spec in tables.nodes.items():
        signal = spec.triggers[0]
        run.versions[signal] = 1
        run.seen[name] = {signal: 1}
        if name in due:
            run.cells[signal] = None
            run.versions[signal] = 2
            run.updated.add(signal)


def can_be_quick(
    tables: Tables, run: Run, input: Any, shared: Shared, quick: Quick | None = None
) -> bool:
    """Return whether nothing that a call asks for needs the general way."""
    return (
        (quick or tables.quick) is not None
        and run.thread is None
        and not (shared.before or shared.after)
        and shared.timeout is None
        and shared.control is None
        and shared.mail is None
        and not shared.debug
        and not isinstance(input, Command)
    )
