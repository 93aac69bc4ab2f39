"""Where runs go next: signals, barriers and deferred nodes, for many runs at once.

The control channels of a state graph hold no values. ``branch:to:x`` is a *signal*: the
positions that set it are due at x in the next superstep, so it lives only in the
frontier. A barrier is a bool tensor (N, K), one flag a source; a deferred signal a bool a
row. Both stand in the State beside the other channels, so that they are gathered and
compacted with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vecgraph.channels import (
    EphemeralValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
)
from vecgraph.columns import Column
from vecgraph.constants import START, TASKS
from vecgraph.nodes.outcome import Packets
from vecgraph.program import NodeSpec, Program
from vecgraph.state import State
from vecgraph.typing import Where

__all__ = ["Barrier", "Control", "Due", "Queue", "refusal"]


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


@dataclass(frozen=True, slots=True)
class Queue:
    """Packets that one node runs on in this superstep.

    Attributes
    ----------
    index : int64 ndarray of shape (S,)
        Place of each packet among those of its run.
    packets : Packets
        With positions in the State.
    """

    index: np.ndarray
    packets: Packets


@dataclass(frozen=True, slots=True)
class Due:
    """One task of the next superstep: a node and the positions it runs on.

    Attributes
    ----------
    spec : NodeSpec
    where : intp ndarray of shape (M,), or None
        Sorted; unique unless `queue` is set. None: every row of the State.
    queue : Queue or None
        The packets, if it runs on Sends.
    """

    spec: NodeSpec
    where: Where
    queue: Queue | None = None


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

    def empty(self, n: int) -> dict[str, Column]:
        """Return the control columns of `n` fresh runs."""
        columns = {c: Column(np.zeros(n, np.bool_)) for c in self.deferred}
        for barrier in self.barriers.values():
            columns[barrier.channel] = Column(np.zeros((n, len(barrier.sources)), np.bool_))
        return columns

    def consume(self, state: State, due: Sequence[Due]) -> None:
        """Close the barriers and deferred signals of the nodes that ran."""
        for task in due:
            if task.queue is not None:
                continue
            for name in task.spec.triggers:
                if name in self.deferred:
                    m = len(state) if task.where is None else len(task.where)
                    state.put(name, task.where, Column(np.zeros(m, np.bool_)))
                elif name in self.barriers:
                    flags = state.gather(name, task.where).values
                    left = flags & ~flags.all(axis=1, keepdims=True)
                    state.put(name, task.where, Column(left))

    def arrive(self, state: State, name: str, source: str, where: Where) -> np.ndarray | None:
        """Note that `source` has reached a barrier; return the positions that it opens."""
        barrier = self.barriers[name]
        flags = state.gather(name, where).values
        index = barrier.sources.index(source)
        news = ~flags[:, index]
        flags = flags.copy()
        flags[:, index] = True
        state.put(name, where, Column(flags))
        if barrier.deferred:
            return None
        opened = np.flatnonzero(flags.all(axis=1) & news)
        return opened if where is None else where[opened]

    def set_deferred(self, state: State, name: str, where: Where) -> None:
        """Note that a deferred node has been reached."""
        m = len(state) if where is None else len(where)
        state.put(name, where, Column(np.ones(m, np.bool_)))

    def finish(self, state: State, where: np.ndarray) -> dict[str, list[Where]]:
        """Return the channels that open for runs that are about to end, with their positions."""
        opened: dict[str, list[Where]] = {}
        for name in self.deferred:
            at = where[state.columns[name].values[where]]
            if len(at):
                opened[name] = [at]
        for barrier in self.barriers.values():
            if barrier.deferred:
                at = where[state.columns[barrier.channel].values[where].all(axis=1)]
                if len(at):
                    opened[barrier.channel] = [at]
        return opened


def refusal(program: Program) -> str | None:
    """Return why a program cannot run in lanes, None if it can.

    Lanes know the control structure of a state graph. A node that subscribes to channels
    of its own (`NodeBuilder.subscribe_to`) is run row by row, by the same rules.
    """
    if program.inputs != START:
        return "its input does not enter through START"
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


def targets(table: Mapping[str, NodeSpec]) -> tuple[str, ...]:
    """Return the nodes that a run can be sent to."""
    return tuple(name for name in table if name != START)
