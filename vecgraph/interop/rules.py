"""LangGraph's channels as ours: by name where we have the same rule, else each run its object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langgraph import channels as theirs
from langgraph._internal._typing import MISSING as THEIR_MISSING
from langgraph.types import Overwrite as TheirOverwrite

from vecgraph import channels as ours
from vecgraph.channels.base import Cell, Channel, Folded, Write
from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.managed import IsLastStepManager, ManagedValue, RemainingStepsManager
from vecgraph.types import Overwrite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.channels.delta import Rebuilt

__all__ = ["ForeignChannel", "managed_of", "rule_of"]


def rule_of(channel: Any, name: str) -> Channel | None:
    """Return our rule for a channel of LangGraph's; None: there is none.

    A class of somebody else's is run as it is, one object a run. That cannot be done with one
    made of `DeltaChannel`, which leaves it to LangGraph's loop to keep its writes.
    """
    make = _RULES.get(type(channel))
    if make is None and isinstance(channel, _DELTAS):
        return None
    rule: Channel = ForeignChannel(channel) if make is None else make(channel)
    rule.key = name
    return rule


class Aggregate(ours.BinaryOperatorAggregate):
    """LangGraph's reducer: it also knows LangGraph's `Overwrite`."""

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Apply one superstep's writes, in task order."""
        if any(type(value) is TheirOverwrite for value in writes):
            writes = [_overwrite(value) for value in writes]
        return super().fold(cell, writes)

    def fold_columns(self, column: Column, writes: Sequence[Write]) -> Folded:
        """Apply one superstep's writes to many runs."""
        return super().fold_columns(column, [_overwrites(write) for write in writes])


def _overwrite(value: Any) -> Any:
    return Overwrite(value.value) if type(value) is TheirOverwrite else value


def _overwrites(write: Write) -> Write:
    if write.values.kind != "object":
        return write
    listed = write.values.tolist()
    if TheirOverwrite not in set(map(type, listed)):
        return write
    return Write(write.where, Column.of(list(map(_overwrite, listed))), write.repeats)


class Delta(ours.DeltaChannel):
    """LangGraph's channel with one call of a reducer: messages become objects of LangChain's.

    Parameters
    ----------
    channel : langgraph.channels.DeltaChannel
    """

    def __init__(self, channel: Any) -> None:
        frequency = channel.snapshot_frequency
        super().__init__(channel.reducer, channel.typ, snapshot_frequency=frequency)
        self._theirs = channel

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Apply one superstep's writes, in task order."""
        pairs = [(self.key, write) for write in writes]
        ensure_message_ids({self.key: self._theirs}, pairs)
        return super().fold(cell, [_overwrite(write) for _, write in pairs])

    def rebuilt(self, history: Any) -> Rebuilt:
        """Return the value that LangGraph has kept as writes."""
        writes = [(task, name, _overwrite(value)) for task, name, value in history["writes"]]
        return super().rebuilt({**history, "writes": writes})

    def _with_ids(self, write: Any) -> Any:
        return write


class ForeignChannel(Channel):
    """A channel of somebody else's class: a run's cell is an object of that class.

    It is asked by LangGraph's methods; a change goes to a copy, so that nobody who holds the
    cell of an earlier superstep sees it.

    Parameters
    ----------
    channel : langgraph.channels.base.BaseChannel
        Never changed.
    """

    steady = False

    def __init__(self, channel: Any) -> None:
        super().__init__(channel.ValueType)
        self.plain = False
        self._first = channel

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ForeignChannel) and bool(self._first == other._first)

    def __hash__(self) -> int:
        return hash(type(self._first))

    @property
    def UpdateType(self) -> Any:
        """Type of what a node writes."""
        return self._first.UpdateType

    def initial(self) -> Cell:
        """Return a fresh object."""
        return self._first.from_checkpoint(THEIR_MISSING)

    def _changed(self, cell: Cell, change: Callable[[Any], bool]) -> tuple[Cell, bool]:
        after = self.initial() if cell is MISSING else cell.copy()
        return after, bool(change(after))

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Ask the class to ``update`` a copy."""
        return self._changed(cell, lambda after: after.update(list(writes)))

    def tick(self, cell: Cell) -> tuple[Cell, bool]:
        """Ask the class to ``update`` a copy with nothing."""
        return self._changed(cell, lambda after: after.update([]))

    def consume(self, cell: Cell) -> tuple[Cell, bool]:
        """Tell a copy that it was consumed."""
        return self._changed(cell, lambda after: after.consume())

    def finish(self, cell: Cell) -> tuple[Cell, bool]:
        """Tell a copy that the run is about to end."""
        return self._changed(cell, lambda after: after.finish())

    def available(self, cell: Cell) -> bool:
        """Return what the class says."""
        return cell is not MISSING and bool(cell.is_available())

    def read(self, cell: Cell) -> Any:
        """Return what the class says."""
        return cell.get()

    def checkpoint(self, cell: Cell) -> Any:
        """Return what the class wants to be kept."""
        kept = THEIR_MISSING if cell is MISSING else cell.checkpoint()
        return MISSING if kept is THEIR_MISSING else kept

    def restore(self, value: Any) -> Cell:
        """Return the object that the class makes of what was kept."""
        return self._first.from_checkpoint(THEIR_MISSING if value is MISSING else value)


_RULES: dict[type, Callable[[Any], Channel]] = {
    theirs.LastValue: lambda c: ours.LastValue(c.typ),
    theirs.AnyValue: lambda c: ours.AnyValue(c.typ),
    theirs.EphemeralValue: lambda c: ours.EphemeralValue(c.typ, guard=c.guard),
    theirs.UntrackedValue: lambda c: ours.UntrackedValue(c.typ, guard=c.guard),
    theirs.Topic: lambda c: ours.Topic(c.typ, accumulate=c.accumulate),
    theirs.BinaryOperatorAggregate: lambda c: Aggregate(c.typ, c.operator),
    theirs.NamedBarrierValue: lambda c: ours.NamedBarrierValue(c.typ, c.names),
    theirs.LastValueAfterFinish: lambda c: ours.LastValueAfterFinish(c.typ),
    theirs.NamedBarrierValueAfterFinish: lambda c: ours.NamedBarrierValueAfterFinish(
        c.typ, c.names
    ),
}

_DELTAS: tuple[type, ...] = ()

if hasattr(theirs, "DeltaChannel"):  # not in each version that is supported
    _DELTAS = (theirs.DeltaChannel,)
    from langgraph.pregel._messages import ensure_message_ids

    _RULES[theirs.DeltaChannel] = Delta


def managed_of(spec: Any) -> Any:
    """Return our rule for a managed value of LangGraph's."""
    known = {"IsLastStepManager": IsLastStepManager, "RemainingStepsManager": RemainingStepsManager}
    if spec.__module__.startswith("langgraph.") and spec.__name__ in known:
        return known[spec.__name__]
    return type(spec.__name__, (ManagedValue,), {"get": staticmethod(spec.get)})
