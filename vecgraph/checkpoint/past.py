"""Everything that a log has of some threads or of all: for data frames, and for branching."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint.columnform import ColumnChunk
from vecgraph.checkpoint.timecells import ChannelCells
from vecgraph.checkpoint.timeline import Entries, Timeline
from vecgraph.constants import START, TASKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vecgraph.checkpoint.arrays import Array
    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.threads import Threads
    from vecgraph.checkpoint.timeline import Part, Texts
    from vecgraph.checkpoint.views import Views
    from vecgraph.typing import Rows

__all__ = ["Past", "read_past"]

_BRANCH, _JOIN = "branch:to:", "join:"


@dataclass(frozen=True)
class Past:
    """Checkpoints of many threads, and their names.

    Attributes
    ----------
    timeline : Timeline
    rows : int64 ndarray of shape (K,)
        Rows of the timeline that were asked for and are not deleted, sorted by thread and place.
        The others are there because values of these come from them.
    """

    timeline: Timeline
    rows: Rows
    _threads: Threads
    _views: Views
    _load: Callable[[int, bytes], Any]
    _place: str

    @property
    def is_whole(self) -> bool:
        """Whether all rows of the timeline were asked for."""
        return len(self.rows) == len(self.timeline)

    def cells(self, channel: str) -> ChannelCells:
        """Return where a channel's values are."""
        return ChannelCells(self.timeline, channel, self._load, self._place)

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Channels of the state; those that only say where runs go are not among them."""
        names = dict.fromkeys(c for part in self.timeline.parts for c in part.channels)
        hidden = ("__", _BRANCH, _JOIN)
        return tuple(name for name in names if not name.startswith(hidden))

    def names(self, numbers: Rows) -> tuple[Array, Array]:
        """Return the ids and the namespaces of threads, as texts."""
        return self._threads.texts(numbers)

    def distinct(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the threads that some rows are of, sorted, and which of them each row has."""
        threads = self.timeline.threads[rows]
        if (np.diff(threads) < 0).any():
            known, at = np.unique(threads, return_inverse=True)
            return known, at
        fresh = np.ones(len(threads), np.bool_)
        fresh[1:] = threads[1:] != threads[:-1]
        return threads[fresh], np.cumsum(fresh) - 1

    @cached_property
    def named(self) -> tuple[Rows, tuple[Array, Array]]:
        """Which thread each of `rows` has, and the ids and namespaces of those."""
        known, at = self.distinct(self.rows)
        return at, self.names(known)

    def due(self) -> Texts:
        """Return the nodes that run after each row of the timeline."""
        return self.timeline.due(self._more())

    def _more(self) -> dict[int, set[str]]:
        """Return what no column says: where Sends go, and what checkpoints in row form lead to."""
        more: dict[int, set[str]] = {}
        channels = {c for part in self.timeline.parts for c in part.channels}
        graphs = [p.graph for p in self.timeline.parts if isinstance(p, ColumnChunk)]
        known = {node for graph in graphs if graph is not None for node in graph.triggers}
        if TASKS in channels:
            for row, packets in enumerate(self.cells(TASKS).column().tolist()):
                if packets:
                    to = {packet.node for packet in packets}
                    more[row] = to & known if known else to
        wanted = np.zeros(len(self.timeline), np.bool_)
        wanted[self.rows] = True
        for part, at in self.timeline.spread():
            if isinstance(part, Entries):
                for row in at[wanted[at]].tolist():
                    more.setdefault(row, set()).update(self._open(row))
        return more

    def _open(self, row: int) -> Iterator[str]:
        """Return the nodes that the control channels of a checkpoint in row form make due."""
        place = int(self.timeline.threads[row]), int(self.timeline.seq[row])
        for channel, source in self._views.state(place).cells.items():
            if channel == START or channel.startswith((_BRANCH, _JOIN)):
                node = _leads_to(channel, self._views.value(source))
                if node is not None:
                    yield node


def _leads_to(channel: str, value: Any) -> str | None:
    """Return the node that a control channel with this value makes due."""
    finished = True
    if isinstance(value, tuple | list) and len(value) == 2:
        value, finished = value
    if not finished:
        return None
    if channel == START:
        return START
    if channel.startswith(_BRANCH):
        return channel.removeprefix(_BRANCH)
    sources, _, node = channel.removeprefix(_JOIN).rpartition(":")
    return node if len(value) == len(sources.split("+")) else None


def read_past(
    shelf: Shelf,
    threads: Threads,
    marks: Marks,
    views: Views,
    load: Callable[[int, bytes], Any],
    numbers: Rows | None,
) -> Past:
    """Return all checkpoints of some threads or, without `numbers`, of all that there are."""
    ranges: list[tuple[int, int]] | list[tuple[None, None]] = [(None, None)]
    if numbers is not None:
        ranges = marks.lineage(int(numbers.min()), int(numbers.max())) if len(numbers) else []
    found = {
        header.number: header
        for lo, hi in ranges
        for header in shelf.find(["entries", "columns"], lo, hi)
    }
    headers = [found[number] for number in sorted(found)]
    parts: list[Part] = list(shelf.columns([h for h in headers if h.kind == "columns"]))
    in_rows = shelf.rows([h for h in headers if h.kind == "entries"])
    if in_rows:
        parts.append(Entries(in_rows))
    timeline = Timeline(parts)
    visible = marks.visible(timeline.threads, timeline.seq)
    if numbers is not None:
        visible &= np.isin(timeline.threads, numbers)
    return Past(timeline, np.flatnonzero(visible), threads, views, load, shelf.place)
