"""Where runs go next: signals, barriers and deferred nodes, for many runs at once.

The control channels of a state graph hold no values. ``branch:to:x`` is a *signal*: the
positions that set it are due at x in the next superstep, so it lives only in the
frontier. A barrier is a bool tensor (N, K), one flag a source; a deferred signal a bool a
row. Both stand in the State beside the other channels, so that they are gathered and
compacted with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vecgraph.channels import (
    EphemeralValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
)
from vecgraph.columns import Column
from vecgraph.constants import START, TASKS
from vecgraph.nodes.inside import acts_while_it_runs
from vecgraph.positions import compose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.engine.tasks import Due
    from vecgraph.program import NodeSpec, Program
    from vecgraph.state import State
    from vecgraph.typing import Where

__all__ = ["Barrier", "Control", "refusal"]


@dataclass(frozen=True, slots=True)
class Barrier:
    """A channel that waits for several nodes.

    Attributes
    ----------
    channel : str
    sources : tuple of str
        Column order of its flags.
    deferred : bool
        It opens only when the run is about to end.
    """

    channel: str
    sources: tuple[str, ...]
    deferred: bool


class Control:
    """The control channels of a state graph, sorted by what they do.

    Attributes
    ----------
    signals : dict of str to str
        Trigger channels that set their node due at once.
    deferred : dict of str to str
        Trigger channels that set their node due when the run is about to end.
    barriers : dict of str to Barrier
    target : dict of str to str
        Node that each of those channels triggers.
    unsteady : tuple of str
        State channels that may change without a write.
    consumed : dict of str to tuple of str
        Barriers and deferred signals that each node closes when it runs.
    """

    def __init__(self, program: Program) -> None:
        self.target = {c: names[0] for c, names in program.triggered.items()}
        self.signals: dict[str, str] = {}
        self.deferred: dict[str, str] = {}
        self.barriers: dict[str, Barrier] = {}
        for name, node in self.target.items():
            channel = program.channels[name]
            if isinstance(channel, LastValueAfterFinish):
                self.deferred[name] = node
            elif isinstance(channel, NamedBarrierValue | NamedBarrierValueAfterFinish):
                sources = tuple(sorted(channel.names))
                late = isinstance(channel, NamedBarrierValueAfterFinish)
                self.barriers[name] = Barrier(name, sources, late)
            else:
                self.signals[name] = node
        self.finishing = bool(self.deferred) or any(b.deferred for b in self.barriers.values())
        self.names = frozenset(self.target) | {TASKS}
        apart = self.names | {START}
        self.unsteady = tuple(
            n for n, c in program.channels.items() if not c.steady and n not in apart
        )
        kept = self.deferred.keys() | self.barriers.keys()
        self.consumed = {
            node.name: found
            for node in program.nodes.values()
            if (found := tuple(name for name in node.triggers if name in kept))
        }

    def empty(self, n: int) -> dict[str, Column]:
        """Return the control columns of `n` fresh runs."""
        columns = {c: Column(np.zeros(n, np.bool_)) for c in self.deferred}
        for barrier in self.barriers.values():
            columns[barrier.channel] = Column(np.zeros((n, len(barrier.sources)), np.bool_))
        return columns

    def consume(self, state: State, due: Sequence[Due]) -> None:
        """Close the barriers and deferred signals of the nodes that ran."""
        for task in due:
            if task.queue is None:
                for name in self.consumed.get(task.spec.name, ()):
                    self._close(state, name, task.where)

    def _close(self, state: State, name: str, where: Where) -> None:
        m = len(state) if where is None else len(where)
        if name in self.deferred:
            closed = np.flatnonzero(state.gather(name, where).as_numpy())
            state.change(name, where, Column(np.zeros(m, np.bool_)), compose(where, closed))
            return
        flags = state.gather(name, where).as_numpy()
        full = np.all(flags, axis=1)
        changed = compose(where, np.flatnonzero(full))
        state.change(name, where, Column(flags & ~full[:, None]), changed)

    def arrive(self, state: State, name: str, source: str, where: Where) -> np.ndarray | None:
        """Note that `source` has reached a barrier; return the positions that it opens."""
        barrier = self.barriers[name]
        flags = state.gather(name, where).as_numpy()
        index = barrier.sources.index(source)
        news = ~flags[:, index]
        flags = flags.copy()
        flags[:, index] = True
        state.change(name, where, Column(flags), compose(where, np.flatnonzero(news)))
        if barrier.deferred:
            return None
        opened = np.flatnonzero(flags.all(axis=1) & news)
        return opened if where is None else where[opened]

    def set_deferred(self, state: State, name: str, where: Where) -> None:
        """Note that a deferred node has been reached."""
        m = len(state) if where is None else len(where)
        state.change(name, where, Column(np.ones(m, np.bool_)), where)

    def finish(self, state: State, where: np.ndarray) -> dict[str, list[Where]]:
        """Return the channels that open for runs that are about to end, with their positions."""
        opened: dict[str, list[Where]] = {}
        for name in self.deferred:
            at = where[state.columns[name].as_numpy()[where]]
            if len(at):
                opened[name] = [at]
                state.open(name, at)
        for barrier in self.barriers.values():
            if barrier.deferred:
                at = where[state.columns[barrier.channel].as_numpy()[where].all(axis=1)]
                if len(at):
                    opened[barrier.channel] = [at]
                    state.open(barrier.channel, at)
        return opened


def refusal(program: Program) -> str | None:
    """Return why a program cannot run in lanes, None if it can.

    Lanes know the control structure of a state graph. A node that subscribes to channels
    of its own (`NodeBuilder.subscribe_to`) is run row by row, by the same rules.
    """
    if not program.is_state_graph:
        return "its input does not enter through START"
    for node in program.nodes.values():
        if node.retry_policy and node.action is not None and node.action.tier != "vector":
            return f"node {node.name!r} has a retry policy: a run waits for its own next attempt"
        if node.error_handler is not None:
            return f"node {node.name!r} has an error handler"
        acts = _acts(node)
        if acts is not None:
            return f"node {node.name!r} {acts}"
    for name, nodes in program.triggered.items():
        channel = program.channels[name]
        control = name == START or name.startswith(("branch:to:", "join:"))
        kinds = (
            EphemeralValue,
            LastValueAfterFinish,
            NamedBarrierValue,
            NamedBarrierValueAfterFinish,
        )
        if not control or len(nodes) != 1 or not isinstance(channel, kinds):
            return f"node {nodes[0]!r} subscribes to channel {name!r}"
    return None


def _acts(node: NodeSpec) -> str | None:
    """Return what a node or one of its routers may do before it returns, None if nothing is seen."""
    actions = [node.action, *(branch.action for branch in node.branches)]
    found = (acts_while_it_runs(action) for action in actions if action is not None)
    return next((acts for acts in found if acts is not None), None)
