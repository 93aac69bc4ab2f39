"""Tasks of a lane: a node and the rows that it runs on, before and after it has run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from vecgraph.channels.base import Folded
    from vecgraph.nodes.outcome import Outcome, Packets
    from vecgraph.program import NodeSpec
    from vecgraph.typing import Where

__all__ = ["Due", "Executed", "Queue"]


@dataclass(slots=True, eq=False)
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


@dataclass(slots=True, eq=False)
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


@dataclass(slots=True, eq=False)
class Executed:
    """A task that has run.

    Attributes
    ----------
    due : Due
    outcome : Outcome
        In the task's positions.
    folded : dict of str to Folded
        What its routers saw its writes make of some channels.
    """

    due: Due
    outcome: Outcome
    folded: dict[str, Folded] = field(default_factory=dict)
