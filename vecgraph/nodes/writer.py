"""From what a node returns to writes: the one place that knows LangGraph's return values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vecgraph.constants import END, MISSING, ROOT, TASKS
from vecgraph.errors import InvalidUpdateError, ParentCommand
from vecgraph.types import Command, Send, annotated_keys, update_as_tuples

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EntryWriter", "StateWriter", "WriteEntry", "Writer", "branch_channel"]

Pairs = list[tuple[str, Any]]
"""Writes of one task: channel and value, in order."""


def branch_channel(node: str) -> str:
    """Return the name of the channel that triggers `node`."""
    return f"branch:to:{node}"


class Writer(Protocol):
    """Turns what an action returned into writes."""

    def __call__(self, result: Any) -> Pairs:
        """Return the writes of `result`, in order.

        Raises
        ------
        InvalidUpdateError
            `result` is nothing that a node may return.
        """
        ...


@dataclass(frozen=True, slots=True)
class StateWriter:
    """The rules of a StateGraph's node: a dict, a Command, an instance, or a list with a Command.

    Attributes
    ----------
    keys : tuple of str
        Keys that the node may write; others are dropped, as LangGraph does.
    """

    keys: tuple[str, ...]
    _known: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", frozenset(self.keys))

    @property
    def is_root(self) -> bool:
        """Whether the state is one bare value."""
        return self.keys == (ROOT,)

    def __call__(self, result: Any) -> Pairs:
        """Return the writes of `result`: state first, then control."""
        if type(result) is dict and not self.is_root:
            known = self._known
            return [pair for pair in result.items() if pair[0] in known]
        pairs = _root_updates(result) if self.is_root else self._updates(result)
        return pairs + control_writes(result)

    def _updates(self, result: Any) -> Pairs:
        if result is None:
            return []
        if isinstance(result, dict):
            return [pair for pair in result.items() if pair[0] in self._known]
        if isinstance(result, Command):
            return self._of_command(result)
        if _is_mixed(result):
            return [pair for item in result for pair in self._updates(item)]
        if annotated_keys(type(result)):
            return update_as_tuples(result, self.keys)
        raise InvalidUpdateError.bad_return(result)

    def _of_command(self, command: Command[Any]) -> Pairs:
        if command.graph == Command.PARENT:
            return []
        return [pair for pair in command.update_as_tuples() if pair[0] in self._known]


def _is_mixed(result: Any) -> bool:
    return isinstance(result, list | tuple) and any(isinstance(i, Command) for i in result)


def _root_updates(result: Any) -> Pairs:
    if isinstance(result, Command):
        return [] if result.graph == Command.PARENT else list(result.update_as_tuples())
    if _is_mixed(result):
        pairs: Pairs = []
        for item in result:
            pairs += _root_updates(item) if isinstance(item, Command) else [(ROOT, item)]
        return pairs
    return [] if result is None else [(ROOT, result)]


def control_writes(result: Any) -> Pairs:
    """Return what `result` says about the next nodes: goto's and Sends.

    Raises
    ------
    ParentCommand
        `result` is a command to the parent graph.
    """
    if isinstance(result, Send):
        return [(TASKS, result)]
    if isinstance(result, Command):
        return _goto(result)
    if isinstance(result, list | tuple):
        return [w for item in result if isinstance(item, Command) for w in _goto(item)]
    return []


def _goto(command: Command[Any]) -> Pairs:
    if command.graph == Command.PARENT:
        raise ParentCommand(command)
    goto = command.goto
    pairs: Pairs = []
    for target in [goto] if isinstance(goto, str | Send) else goto:
        if isinstance(target, Send):
            pairs.append((TASKS, target))
        elif isinstance(target, str) and target != END:
            pairs.append((branch_channel(target), None))
    return pairs


@dataclass(frozen=True, slots=True)
class WriteEntry:
    """One write of a Pregel node: a constant, the returned value, or a mapping of it.

    Attributes
    ----------
    channel : str
    value : object
        A constant, or `MISSING` to write what the node returned.
    skip_none : bool
        Leave the write out if its value is None.
    mapper : callable or None
        Applied to the value first.
    """

    channel: str
    value: Any = MISSING
    skip_none: bool = False
    mapper: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class EntryWriter:
    """The rules of a Pregel node: its entries, in order."""

    entries: tuple[WriteEntry, ...]

    def __call__(self, result: Any) -> Pairs:
        """Return one write an entry."""
        pairs: Pairs = []
        for entry in self.entries:
            value = result if entry.value is MISSING else entry.value
            if entry.mapper is not None:
                value = entry.mapper(value)
            if not (entry.skip_none and value is None):
                pairs.append((entry.channel, value))
        return pairs
