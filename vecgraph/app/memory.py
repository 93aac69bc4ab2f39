"""What a graph's batches keep in memory while they run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vecgraph.engine.lanes import FLYING
from vecgraph.footprint import footprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vecgraph.columns import Column
    from vecgraph.engine.tables import Tables

__all__ = ["Memory", "in_flight"]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes in memory, measured from buffers.

    Attributes
    ----------
    channels : dict of str to int
        Columns of the runs that are on their way, by channel.
    results : int
        Outputs of the runs of unfinished batches that have ended.
    checkpoints : int or None
        What the saver keeps in memory; None: it does not say.
    """

    channels: dict[str, int] = field(default_factory=dict)
    results: int = 0
    checkpoints: int | None = None

    @property
    def total(self) -> int:
        """Sum of all."""
        return sum(self.channels.values()) + self.results + (self.checkpoints or 0)


def in_flight(tables: Tables, saver: Any) -> Memory:
    """Return what the lanes of a program and its saver keep in memory now."""
    channels = dict.fromkeys(tables.channels, 0)
    results = 0
    for lanes in [one for one in list(FLYING) if one.tables is tables]:
        lane = lanes.now
        for name, column in [] if lane is None else list(lane.state.columns.items()):
            channels[name] = channels.get(name, 0) + footprint(column.values, column.present)
        results += sum(map(_size, list(lanes.archive.columns.values())))
    kept = getattr(saver, "nbytes", None)
    return Memory(channels, results, kept if isinstance(kept, int) else None)


def _size(parts: Iterable[Column]) -> int:
    return sum(footprint(column.values, column.present) for column in list(parts))
