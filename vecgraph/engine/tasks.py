"""Tasks of a lane: a node and the rows that it runs on, before and after it has run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from vecgraph.channels.base import Folded
    from vecgraph.nodes.outcome import Outcome, Packets
    from vecgraph.program import NodeSpec
    from vecgraph.typing import Where

__all__ = ["Due", "Executed", "Queue"]


class Queue:
    """Packets that one node runs on in this superstep.

    Parameters
    ----------
    index : int64 ndarray of shape (S,), or callable
        Place of each packet among those of its run, or what computes it when it is asked for.
    packets : Packets
        With positions in the State.
    """

    __slots__ = ("_index", "packets")

    def __init__(self, index: np.ndarray | Callable[[], np.ndarray], packets: Packets) -> None:
        self._index = index
        self.packets = packets

    @property
    def index(self) -> np.ndarray:
        """Place of each packet among those of its run; int64, shape (S,)."""
        if callable(self._index):
            self._index = self._index()
        return self._index

    def at(self, packets: Packets) -> Queue:
        """Return the queue of the same packets, seen from elsewhere."""
        return Queue(self._index, packets)


class Due:
    """One task of the next superstep: a node and the positions it runs on.

    Parameters
    ----------
    spec : NodeSpec
    where : intp ndarray of shape (M,), or None
        Sorted; unique unless `queue` is set. None: every row of the State.
    queue : Queue, optional
        The packets, if it runs on Sends; then `where` is theirs.
    """

    __slots__ = ("_where", "queue", "spec")

    def __init__(self, spec: NodeSpec, where: Where, queue: Queue | None = None) -> None:
        self.spec = spec
        self._where = where
        self.queue = queue

    @property
    def where(self) -> Where:
        """The positions it runs on."""
        if self.queue is not None:
            where: Where = self.queue.packets.where
            return where
        return self._where

    @property
    def rows(self) -> Where:
        """The positions it runs on, each once; of packets in any order."""
        if self.queue is None:
            return self._where
        packets = self.queue.packets
        if packets.turns is not None:
            return packets.turns.heads
        spans = packets.spans()
        return self.where if spans is None else spans.heads


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
