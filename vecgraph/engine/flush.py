"""What a superstep of many runs leaves for those who keep it: a flush."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from vecgraph.columns import Column
    from vecgraph.typing import Rows, Where

__all__ = ["PUSHED", "ColumnChange", "Flush", "GraphForm"]

PUSHED = ":"
"""Stands before the name of a node that ran or is due without its own signal: it ran because of a
Send, or is due because a barrier opened. No node's name has it."""


@dataclass(frozen=True, slots=True)
class GraphForm:
    """What of a program a reader needs to say a column's checkpoint in LangGraph's words.

    Attributes
    ----------
    triggers : mapping of str to tuple of str
        Channels that trigger each node.
    signals : mapping of str to str
        Trigger channels that hold None while their node is due, and the node; of START the
        channel of the input.
    barriers : mapping of str to tuple of str
        Channels that wait for several nodes, and those: a flag each in a row of the channel's
        bool tensor.
    deferred : tuple of str
        Trigger channels that open only when the run is about to end; they hold pairs of a value
        and whether they are open.
    topics : tuple of str
        Channels that nobody can read while they hold an empty list.
    untracked : tuple of str
        Channels whose values nobody keeps; a change of one says that it is empty.
    digest : str
        Changes when the graph does.
    """

    triggers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    signals: Mapping[str, str] = field(default_factory=dict)
    barriers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deferred: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """What a superstep did to one channel of some rows of a flush.

    Attributes
    ----------
    where : intp ndarray of shape (M,), or None
        Positions among the K rows of the flush, unique; None: all K, in order.
    values : Column of M rows
        The cells after the superstep; absent: the channel is empty again. With `base`, lists
        of the items that were appended.
    base : int64 ndarray of shape (M,), or None
        Length of each list before.
    """

    where: Where
    values: Column
    base: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """One checkpoint of each of K runs.

    Attributes
    ----------
    threads : int64 ndarray of shape (K,)
        Numbers that the saver gave; each occurs once.
    seq : int32 ndarray of shape (K,)
        Place of the checkpoint in its thread, from 0.
    parent : int32 ndarray of shape (K,), or None
        Place of the parent, -1: it has none. None: the place before, for all.
    parent_thread : int64 ndarray of shape (K,), or None
        Thread of the parent where it is another one; None: the same for all.
    step : int64 ndarray of shape (K,)
        -1 is the input, 0 the superstep of START.
    clock : int64 ndarray of shape (K,)
        Version that this superstep gave to the channels that it changed.
    ran, due : integer ndarrays of shape (K,)
        Nodes that ran in the superstep and nodes that a channel has made due, as positions in
        `nodes`; `PUSHED` stands before a name where the node's own signal was not the reason.
    nodes : sequence of tuple of str
        Sets of nodes, each sorted.
    changes : mapping of str to sequence of ColumnChange
        By channel; positions do not overlap. Pending `Send` packets are the channel
        ``__pregel_tasks``, as lists.
    config : mapping
        Of the call; the saver takes of it what belongs to the metadata.
    metadata : mapping
        Of all K checkpoints, beside source and step.
    source : str
        ``"input"``, ``"loop"``, ``"update"`` or ``"fork"``.
    ts : int or None
        Microseconds since 1970; None: now. The saver moves it on where needed, so that ids
        sort by age.
    whole : callable or None
        Returns the full column of a channel for all K rows, changed or not; asked when the
        saver writes a snapshot.
    channels : tuple of str
        All channels that `whole` knows.
    graph : GraphForm or None
    stamps : int64 ndarray of shape (K,), or None
        Time of each checkpoint, instead of `ts`; kept as it is.
    stories : integer ndarray of shape (K,), or None
        Positions in `told`, of checkpoints without parents that are made of several supersteps.
    told : sequence of (str, str)
        All versions of a checkpoint, and what nodes have seen: JSON. What changed in the last
        superstep has the version `clock`.
    """

    threads: Rows
    seq: npt.NDArray[np.int32]
    step: npt.NDArray[np.int64]
    clock: npt.NDArray[np.int64]
    ran: npt.NDArray[np.integer[Any]]
    due: npt.NDArray[np.integer[Any]]
    nodes: Sequence[tuple[str, ...]]
    changes: Mapping[str, Sequence[ColumnChange]]
    parent: npt.NDArray[np.int32] | None = None
    parent_thread: Rows | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str = "loop"
    ts: int | None = None
    whole: Callable[[str], Column] | None = None
    channels: tuple[str, ...] = ()
    graph: GraphForm | None = None
    stamps: npt.NDArray[np.int64] | None = None
    stories: npt.NDArray[np.integer[Any]] | None = None
    told: Sequence[tuple[str, str]] = ()

    def __len__(self) -> int:
        return len(self.threads)
