"""The rule of a channel that holds its value: a run's cell is an object of the channel's class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.channels.base import Cell, Channel
from vecgraph.channels.holding import BaseChannel
from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ObjectChannel", "rule_for"]


class ObjectChannel(Channel):
    """The rule of a `BaseChannel`: a run's cell is an object of its class.

    A change goes to a copy, so that nobody who holds an earlier superstep's cell sees it.

    Parameters
    ----------
    channel : BaseChannel
        Never changed.
    """

    steady = False

    def __init__(self, channel: Any) -> None:
        super().__init__(channel.ValueType)
        self.plain = False
        self._first = channel

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectChannel) and bool(self._first == other._first)

    def __hash__(self) -> int:
        return hash(type(self._first))

    @property
    def UpdateType(self) -> Any:
        """Type of what a node writes."""
        return self._first.UpdateType

    def initial(self) -> Cell:
        """Return a fresh object."""
        fresh = self._first.from_checkpoint(MISSING)
        fresh.key = self.key
        return fresh

    def _changed(self, cell: Cell, change: Callable[[Any], bool]) -> tuple[Cell, bool]:
        after = self.initial() if cell is MISSING else cell.copy()
        return after, bool(change(after))

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Ask a copy to take the writes."""
        return self._changed(cell, lambda after: after.update(list(writes)))

    def tick(self, cell: Cell) -> tuple[Cell, bool]:
        """Tell a copy that nobody has written."""
        return self._changed(cell, lambda after: after.update([]))

    def consume(self, cell: Cell) -> tuple[Cell, bool]:
        """Tell a copy that a node has run on it."""
        return self._changed(cell, lambda after: after.consume())

    def finish(self, cell: Cell) -> tuple[Cell, bool]:
        """Tell a copy that the run is about to end."""
        return self._changed(cell, lambda after: after.finish())

    def available(self, cell: Cell) -> bool:
        """Return whether there is a value."""
        return cell is not MISSING and bool(cell.is_available())

    def read(self, cell: Cell) -> Any:
        """Return the value."""
        return cell.get()

    def checkpoint(self, cell: Cell) -> Any:
        """Return what the object wants to be kept."""
        return MISSING if cell is MISSING else cell.checkpoint()

    def restore(self, value: Any) -> Cell:
        """Return the object that the class makes of what was kept."""
        return self._first.from_checkpoint(value)


def rule_for(channel: Any) -> Any:
    """Return the rule of a channel: the one of its class if it holds its value, else itself."""
    return ObjectChannel(channel) if isinstance(channel, BaseChannel) else channel
