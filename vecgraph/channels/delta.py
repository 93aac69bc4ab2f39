"""DeltaChannel: one call of a reducer for all writes of a superstep."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecgraph.channels.base import Cell, Channel
from vecgraph.channels.overwriting import split_overwrite
from vecgraph.channels.reduce import concrete
from vecgraph.constants import MISSING
from vecgraph.messages import merge_delta, stamped
from vecgraph.types import get_overwrite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["DeltaChannel", "Rebuilt"]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A value that no checkpoint holds: LangGraph has kept the writes that made it.

    Attributes
    ----------
    value : object
    """

    value: Any


class DeltaChannel(Channel):
    """Hand the value and all writes of a superstep to a reducer, in task order.

    ``reducer(value, [write, ...])`` returns the new value. An `Overwrite` replaces the value
    and hides all other writes of the superstep, those before it too; two are an error.

    In LangGraph, where this channel is in beta, checkpoints keep the writes, and the value now
    and then, so its reducer must give the same whether it gets writes together or one after
    the other. Here they keep the value like that of any other channel. Threads that LangGraph
    has written are read, and it reads those written here.

    Messages that are written without an id get one.

    Parameters
    ----------
    reducer : callable
        Gets a value that it may change.
    typ : type, optional
        Annotation of the value, which starts as ``typ()`` (for an abstract collection as
        ``list()``, ``set()`` or ``dict()``). In ``Annotated[T, DeltaChannel(reducer)]`` it is T.
    snapshot_frequency : int
        After how many updates LangGraph keeps the value. Positive; taken for its sake.

    Raises
    ------
    ValueError
        `snapshot_frequency` is not positive.

    Examples
    --------
    >>> DeltaChannel(lambda value, writes: value + writes).fold([1], [2, 3])
    ([1, 2, 3], True)
    """

    def __init__(
        self,
        reducer: Callable[[Any, Sequence[Any]], Any],
        typ: Any = None,
        *,
        snapshot_frequency: int = 100,
    ) -> None:
        if snapshot_frequency <= 0:
            raise ValueError(f"snapshot_frequency must be a positive int, got {snapshot_frequency}")
        super().__init__(concrete(list if typ is None else typ))
        self.reducer = reducer
        self.snapshot_frequency = snapshot_frequency

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DeltaChannel):
            return False
        if self.snapshot_frequency != other.snapshot_frequency:
            return False
        # Lambdas cannot be told apart by name; LangGraph takes any two to be equal.
        names = (_name(self.reducer), _name(other.reducer))
        return "<lambda>" in names or self.reducer is other.reducer

    def __hash__(self) -> int:
        return hash(DeltaChannel)

    def declared(self, typ: Any) -> Channel:
        """Return the rule of a key that is annotated with this channel and a type."""
        return type(self)(self.reducer, typ, snapshot_frequency=self.snapshot_frequency)

    def initial(self) -> Cell:
        """Return a new ``typ()``."""
        return self.typ()

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Return what the reducer makes of the value and the writes, honouring one `Overwrite`."""
        if not writes:
            return cell, False
        values = [self._with_ids(write) for write in writes]
        anew, value = split_overwrite(values, self.key)
        if anew:
            return (self.initial() if value is None else copy.copy(value)), True
        base = self.initial() if cell is MISSING else copy.copy(cell)
        return self.reducer(base, values), True

    def _with_ids(self, write: Any) -> Any:
        return stamped(write, whole=self.reducer is merge_delta)

    def restore(self, value: Any) -> Cell:
        """Return the value; LangGraph keeps it in a wrapping."""
        if value is MISSING:
            return self.initial()
        return value.value if type(value).__name__ in {"_DeltaSnapshot", "Rebuilt"} else value

    def rebuilt(self, history: Any) -> Rebuilt:
        """Return the value that LangGraph has kept as writes.

        Parameters
        ----------
        history : DeltaChannelHistory
            What a saver found on the way back to the last value that was kept.
        """
        cell = self.restore(history.get("seed", MISSING))
        values = [value for _, _, value in history["writes"]]
        last = max((at for at, v in enumerate(values) if get_overwrite(v)[0]), default=-1)
        if last >= 0:
            cell, _ = self.fold(cell, [values[last]])
        rest = values[last + 1 :]
        return Rebuilt(self.reducer(copy.copy(cell), rest) if rest else cell)


def _name(reducer: Any) -> str:
    return getattr(reducer, "__name__", "")
