"""Where the runs of a lane stand that go on from their checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import Column
from vecgraph.constants import START, TASKS
from vecgraph.engine.flush import PUSHED
from vecgraph.engine.packets import known_target
from vecgraph.engine.tasks import Due, Queue
from vecgraph.nodes.outcome import Packets
from vecgraph.state import Inputs

if TYPE_CHECKING:
    from vecgraph.engine.answers import Answers
    from vecgraph.engine.control import Barrier, Control
    from vecgraph.engine.tables import Tables
    from vecgraph.typing import Mask, Rows

__all__ = ["ANEW", "GOES_ON", "WAITS", "Past", "sending"]

GOES_ON, ANEW, WAITS = range(1, 4)
"""How runs begin: tasks are due, or none; an ended run gets a new input; START is due."""


class Past:
    """The checkpoints that N runs go on from, as columns.

    Parameters
    ----------
    tables, control : Tables, Control
    state : ColumnState
        Of N threads.
    answers : dict of int to Answers
        What each run has been told, by its place.
    kind : int
        How the runs begin: `GOES_ON`, `ANEW` or `WAITS`.

    Attributes
    ----------
    step, seq, clock, stamp : int64 ndarrays of shape (N,)
        Of each checkpoint: step, place, version, and time in microseconds since 1970.
    ids : dict of int to str
        Ids of the checkpoints that do not follow from those.
    """

    def __init__(
        self,
        tables: Tables,
        control: Control,
        state: Any,
        answers: dict[int, Answers],
        kind: int,
    ) -> None:
        self._tables = tables
        self._control = control
        self._state = state
        self.answers = answers
        self.kind = kind
        self.step: Rows = state.step
        self.seq: Rows = state.seq.astype(np.int64)
        self.clock: Rows = state.clock
        self.stamp: Rows = state.ts
        self.ids: dict[int, str] = dict(state.ids)

    def sent(self) -> Mask:
        """Return which runs have packets pending."""
        return sending(self._state)

    def columns(self, begin: int, end: int) -> dict[str, Column]:
        """Return the columns of the runs from `begin` to `end`, control included."""
        n, kept, control = end - begin, self._state.columns, self._control
        found = control.empty(n)
        for name, channel in self._tables.channels.items():
            if name in control.names or name == START:
                continue
            column = kept.get(name)
            if column is None:
                found[name] = channel.empty(n)
            else:
                found[name] = channel.fit(channel.restore_columns(column.slice(begin, end)))
        for name in control.deferred:
            if name in kept:
                found[name] = Column(kept[name].slice(begin, end).mask().copy())
        for name, barrier in control.barriers.items():
            if name in kept:
                found[name] = Column(_flags(barrier, kept[name].slice(begin, end)))
        return found

    def due(self, begin: int, end: int) -> list[Due]:
        """Return the tasks of the runs from `begin` to `end`: packets, then nodes by name."""
        codes, n = self._state.due[begin:end], end - begin
        where: dict[str, list[Any]] = {}
        for code in np.unique(codes).tolist():
            at = np.flatnonzero(codes == code)
            for name in {name.removeprefix(PUSHED) for name in self._state.nodes[code]}:
                where.setdefault(name, []).append(at)
        due = self._packets(begin, end)
        # A node that the graph has no more is passed over, as in LangGraph.
        for name in sorted(where.keys() & self._tables.nodes.keys()):
            at = np.sort(np.concatenate(where[name]))
            due.append(Due(self._tables.nodes[name], None if len(at) == n else at))
        return due

    def _packets(self, begin: int, end: int) -> list[Due]:
        column = self._state.columns.get(TASKS)
        if column is None:
            return []
        cells = column.slice(begin, end)
        by_node: dict[str, tuple[list[int], list[int], list[Any]]] = {}
        for at, sends in enumerate(_lists(cells)):
            for index, send in enumerate(sends):
                where, places, payload = by_node.setdefault(send.node, ([], [], []))
                where.append(at)
                places.append(index)
                payload.append(send.arg)
        made = []
        for name, (where, places, payload) in by_node.items():
            if known_target(self._tables, name):
                packets = Packets(np.array(where, np.intp), name, payload)
                queue = Queue(np.array(places, np.int64), packets)
                made.append(Due(self._tables.nodes[name], packets.where, queue))
        return made

    def inputs(self, begin: int, end: int) -> Inputs:
        """Return the inputs that wait for START, of runs that were stopped before it ran."""
        column = self._state.columns[START].slice(begin, end)
        return Inputs(end - begin, objects=column.tolist())


def sending(state: Any) -> Mask:
    """Return which of the runs of a ColumnState have packets pending."""
    column = state.columns.get(TASKS)
    if column is None:
        return np.zeros(len(state), np.bool_)
    return np.array([bool(sends) for sends in _lists(column)], np.bool_)


def _lists(column: Column) -> list[Any]:
    rows = zip(column.tolist(), column.mask().tolist(), strict=True)
    return [cell if there else () for cell, there in rows]


def _flags(barrier: Barrier, column: Column) -> Mask:
    """Return who has come to a barrier: a flag a source in each row."""
    if not barrier.deferred:
        flags: Mask = column.as_numpy().copy()
        flags[~column.mask()] = False
        return flags
    seen = [pair[0] if pair else () for pair in _lists(column)]
    return np.array([[s in names for s in barrier.sources] for names in seen], np.bool_)
