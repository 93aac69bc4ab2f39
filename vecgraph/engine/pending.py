"""What is kept beside the checkpoints of runs that stop in a superstep: what their tasks came to.

A run that fails or asks something keeps the checkpoint it stood on. Its tasks that ended are
not run again when it goes on, and those that asked find the answers they have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.constants import CONTROL, ERROR, INTERRUPT, NO_WRITES
from vecgraph.errors import EmptyInputError, GraphBubbleUp, GraphInterrupt
from vecgraph.nodes.outcome import unpacked_at
from vecgraph.positions import positions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vecgraph.engine.tasks import Executed
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import NodeSpec
    from vecgraph.typing import Mask

__all__ = ["Beside", "Left", "left_by"]


@dataclass(frozen=True, slots=True)
class Left:
    """What one task of a run that stops has left.

    Attributes
    ----------
    position : int
        Of the run in its lane.
    spec : NodeSpec
    push : int or None
        Index of its Send.
    pairs : list of (str, object)
    """

    position: int
    spec: NodeSpec
    push: int | None
    pairs: Pairs


def left_by(stuck: Sequence[Executed], stopped: Mask) -> Iterator[Left]:
    """Yield what the tasks of the runs that stop have left, in the order in which they ran.

    Parameters
    ----------
    stuck : sequence of Executed
        Tasks that may have run on such runs.
    stopped : bool ndarray of shape (L,)
        Those runs.
    """
    for executed in stuck:
        due, outcome = executed.due, executed.outcome
        outer = positions(due.where, outcome.m)
        at = np.flatnonzero(stopped[outer])
        if not len(at):
            continue
        errors = dict(outcome.failures)
        for place, pairs in zip(at.tolist(), unpacked_at(outcome, at), strict=True):
            error = errors.get(place)
            if isinstance(error, EmptyInputError) and due.spec.action is None:
                continue  # it has never begun
            push = None if due.queue is None else int(due.queue.index[place])
            if kept := _kept(due.spec, pairs, error):
                yield Left(int(outer[place]), due.spec, push, kept)


def _kept(spec: NodeSpec, pairs: Pairs, error: BaseException | None) -> Pairs:
    if error is None:
        pairs = pairs + [(join, spec.name) for join in spec.joins]
        if all(channel in CONTROL for channel, _ in pairs):
            pairs.append((NO_WRITES, None))
        return pairs
    if isinstance(error, GraphInterrupt):
        asked: Any = error.args[0] if error.args else ()
        return [(INTERRUPT, asked)] if asked else []
    return [] if isinstance(error, GraphBubbleUp) else [*pairs, (ERROR, error)]


class Beside:
    """Writes on their way to a place beside checkpoints."""

    def __init__(self) -> None:
        self._threads: list[int] = []
        self._places: list[int] = []
        self._tasks: list[str] = []
        self._paths: list[str] = []
        self._channels: list[str] = []
        self._values: list[Any] = []

    def add(self, where: tuple[int, int], task: str, path: str, pairs: Pairs) -> None:
        """Add what a task wrote; `where` are its thread and the place of the checkpoint there."""
        for channel, value in pairs:
            self._threads.append(where[0])
            self._places.append(where[1])
            self._tasks.append(task)
            self._paths.append(path)
            self._channels.append(channel)
            self._values.append(value)

    def put(self, saver: Any) -> None:
        """Hand all of it to a saver."""
        if self._threads:
            saver.put_writes_many(
                np.array(self._threads, np.int64),
                np.array(self._places, np.int32),
                self._tasks,
                self._paths,
                self._channels,
                self._values,
            )
