"""A lane: the rows that go through their supersteps together; dropping, packing and joining them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vecgraph.columns import Column, concat
from vecgraph.engine.records import TaskRecord
from vecgraph.engine.tasks import Due, Queue
from vecgraph.nodes.outcome import Packets
from vecgraph.positions import joined_apart, positions, union
from vecgraph.state import State

if TYPE_CHECKING:
    from vecgraph.engine.read import Clock
    from vecgraph.typing import Rows, Where

_NOBODY = np.empty(0, np.intp)

__all__ = ["Lane", "alive", "dense", "drop", "record_of", "same", "together"]


class Lane:
    """A working set of runs.

    Attributes
    ----------
    state : State
        L rows.
    birth : int64 ndarray of shape (L,)
        Tick of each run's step 0.
    is_uniform : bool
        They are the same for all.
    oldest : int
        The smallest of them when the lane was made.
    stops : int64 ndarray of shape (L,), or None
        Last step that each run may take, where they go on from checkpoints.
    live : Where
        Positions of the runs that have not ended.
    due : list of Due
        Tasks of the next superstep.
    emitted : bool ndarray of shape (L,), or None
        Runs that have written an output; None: all.
    shown : dict of str to Column
        Outputs as last emitted, where a channel may change without a write.
    """

    __slots__ = (
        "birth",
        "due",
        "emitted",
        "is_uniform",
        "live",
        "oldest",
        "shown",
        "state",
        "stops",
    )

    def __init__(self, state: State, birth: np.ndarray) -> None:
        self.state = state
        self.birth = birth
        self.is_uniform = birth.strides == (0,)
        self.oldest = int(birth[0] if self.is_uniform else birth.min()) if len(birth) else 0
        self.stops: np.ndarray | None = None
        self.live: Where = None
        self.due: list[Due] = []
        self.emitted: np.ndarray | None = np.zeros(len(state), np.bool_)
        self.shown: dict[str, Column] = {}

    def born(self, where: np.ndarray) -> np.ndarray:
        """Return the birth of the runs at `where`; without memory if it is the same for all."""
        return same(int(self.birth[0]), len(where)) if self.is_uniform else self.birth[where]


def alive(lane: Lane, n: int, *, exclusive: bool) -> Where:
    """Return the positions that have something to run."""
    join = joined_apart if exclusive else union
    return join([due.rows for due in lane.due], n) if lane.due else _NOBODY


def dense(lane: Lane) -> Lane:
    """Return a lane of the live rows only."""
    live = lane.live
    if live is None:
        return lane
    left = Lane(lane.state.take(live), lane.born(live))
    left.stops = None if lane.stops is None else lane.stops[live]
    left.emitted = None if lane.emitted is None else lane.emitted[live]
    left.shown = {name: column.take(live) for name, column in lane.shown.items()}
    if len(lane.due) == 1 and lane.due[0].queue is None:
        left.due = [Due(lane.due[0].spec, None)]  # whoever is live is due there
        return left
    place = np.zeros(len(lane.state), np.intp)
    place[live] = np.arange(len(live))
    left.due = [_moved(due, place, len(live)) for due in lane.due]
    return left


def same(value: int, n: int) -> np.ndarray:
    """Return an array of one value that takes no memory."""
    return np.broadcast_to(np.int64(value), n)


def _moved(due: Due, place: np.ndarray, n: int) -> Due:
    if due.queue is not None:
        packets = due.queue.packets
        where = place[packets.where]
        moved = Packets(where, packets.nodes, packets.payload)
        return Due(due.spec, where, due.queue.at(moved))
    where = None if due.where is None else place[due.where]
    return Due(due.spec, None if where is None or len(where) == n else where)


def drop(lane: Lane, ended: np.ndarray, n: int) -> None:
    """Take ended runs out of a lane's frontier."""
    left = []
    for due in lane.due:
        if due.queue is not None:
            at = np.flatnonzero(~ended[due.where])
            if len(at):
                left.append(_part(due, at))
            continue
        where = np.flatnonzero(~ended) if due.where is None else due.where[~ended[due.where]]
        if len(where):
            left.append(Due(due.spec, where))
    lane.due = left
    lane.live = union([due.rows for due in left], n)


def _part(due: Due, at: np.ndarray) -> Due:
    assert due.queue is not None
    packets = due.queue.packets.take(at)
    return Due(due.spec, packets.where, Queue(due.queue.index[at], packets))


def together(a: Lane, b: Lane) -> Lane:
    """Return a lane with the rows of both, `a`'s first; both dense."""
    n, m = len(a.state), len(b.state)
    lane = Lane(State.concat([a.state, b.state]), np.concatenate([a.birth, b.birth]))
    if a.stops is not None and b.stops is not None:
        lane.stops = np.concatenate([a.stops, b.stops])
    if a.emitted is None and b.emitted is None:
        lane.emitted = None
    else:
        lane.emitted = np.concatenate(
            [np.ones(k, np.bool_) if e is None else e for e, k in ((a.emitted, n), (b.emitted, m))]
        )
    lane.shown = {name: concat([column, b.shown[name]]) for name, column in a.shown.items()}
    lane.due = _merged_due(a.due, b.due, n, m)
    lane.live = union([due.rows for due in lane.due], n + m)
    return lane


def _merged_due(a: list[Due], b: list[Due], n: int, m: int) -> list[Due]:
    shifted = [_shifted(due, n, m) for due in b]
    queues = [due for due in a if due.queue is not None]
    queues += [due for due in shifted if due.queue is not None]
    wheres: dict[str, list[np.ndarray]] = {}
    specs = {}
    for due in a:
        if due.queue is None:
            specs[due.spec.name] = due.spec
            wheres.setdefault(due.spec.name, []).append(positions(due.where, n))
    for due in shifted:
        if due.queue is None:
            specs[due.spec.name] = due.spec
            wheres.setdefault(due.spec.name, []).append(positions(due.where, m))
    merged = []
    for name in sorted(wheres):
        where = np.concatenate(wheres[name])
        merged.append(Due(specs[name], None if len(where) == n + m else where))
    return queues + merged


def _shifted(due: Due, n: int, m: int) -> Due:
    if due.queue is None:
        return Due(due.spec, positions(due.where, m) + n)
    packets = due.queue.packets
    where = packets.where + n
    return Due(due.spec, where, due.queue.at(Packets(where, packets.nodes, packets.payload)))


def record_of(lane: Lane, clock: Clock, ids: Rows) -> tuple[Rows, np.ndarray, list[TaskRecord]]:
    """Return the runs of a superstep's record, their steps, and its tasks."""
    rows = lane.state.rows
    tasks = [
        TaskRecord(
            due.spec.name,
            ids[rows if due.where is None else rows[due.where]],
            clock.steps(due.where),
        )
        for due in lane.due
    ]
    taking = positions(lane.live, len(rows))
    return ids[rows[taking]], clock.steps(taking), tasks
