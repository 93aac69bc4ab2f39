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

__all__ = ["Left", "left_by"]


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
