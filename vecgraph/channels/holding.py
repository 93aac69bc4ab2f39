"""`BaseChannel`: a channel that holds its value, as LangGraph's do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from vecgraph.constants import MISSING
from vecgraph.errors import EmptyChannelError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BaseChannel"]

Value = TypeVar("Value")
Update = TypeVar("Update")
Kept = TypeVar("Kept")


class BaseChannel(ABC, Generic[Value, Update, Kept]):
    """A channel that holds its value, as LangGraph's do; subclass it for a rule of your own.

    A run has an object of its own. Where speed counts, subclass `Channel` instead: a rule that
    holds nothing serves many runs at once.

    Parameters
    ----------
    typ : type
    key : str
        Name of the channel.
    """

    def __init__(self, typ: Any, key: str = "") -> None:
        self.typ = typ
        self.key = key

    @property
    @abstractmethod
    def ValueType(self) -> Any:
        """Type of what is read."""

    @property
    @abstractmethod
    def UpdateType(self) -> Any:
        """Type of what is written."""

    def copy(self) -> Self:
        """Return a channel of the same value."""
        return self.from_checkpoint(self.checkpoint())

    def checkpoint(self) -> Kept | Any:
        """Return what a checkpoint keeps; `MISSING`: nothing."""
        try:
            return self.get()
        except EmptyChannelError:
            return MISSING

    @abstractmethod
    def from_checkpoint(self, checkpoint: Kept | Any) -> Self:
        """Return a channel with what a checkpoint has kept; with `MISSING` a fresh one."""

    @abstractmethod
    def get(self) -> Value:
        """Return the value.

        Raises
        ------
        EmptyChannelError
            There is none.
        """

    def is_available(self) -> bool:
        """Return whether there is a value."""
        try:
            self.get()
        except EmptyChannelError:
            return False
        return True

    @abstractmethod
    def update(self, values: Sequence[Update]) -> bool:
        """Take a superstep's writes, none of which may be; return whether something has changed."""

    def consume(self) -> bool:
        """Note that a node has run on the value; return whether something has changed."""
        return False

    def finish(self) -> bool:
        """Note that the run is about to end; return whether something has changed."""
        return False
