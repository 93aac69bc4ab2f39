"""What LangGraph's nodes return, as writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph.pregel._write import (
    PASSTHROUGH,
    SKIP_WRITE,
    ChannelWrite,
    ChannelWriteEntry,
    ChannelWriteTupleEntry,
)
from langgraph.types import Send

from vecgraph.constants import TASKS
from vecgraph.errors import UnsupportedError
from vecgraph.interop.actions import is_runnable
from vecgraph.interop.translate import our_return, our_send
from vecgraph.nodes.writer import Pairs, StateWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Entries", "Nothing", "TheirWriter", "entries_of"]


class TheirWriter(StateWriter):
    """The rules of a StateGraph's node, for nodes that return LangGraph's commands."""

    __slots__ = ()

    def __call__(self, result: Any) -> Pairs:
        """Return the writes of `result`: state first, then control."""
        if type(result) is dict and not self.is_root:
            known = self._known
            return [pair for pair in result.items() if pair[0] in known]
        if is_runnable(result):
            raise UnsupportedError.feature("a function that returns a Runnable to be run")
        return StateWriter.__call__(self, our_return(result))


class Nothing:
    """The writer of a node that has written already."""

    def __call__(self, result: Any) -> Pairs:
        """Return no writes."""
        return []


@dataclass(frozen=True, slots=True)
class Entries:
    """The rules of a Pregel's node: LangGraph's entries, in order."""

    entries: tuple[Any, ...]

    def __call__(self, result: Any) -> Pairs:
        """Return the writes of `result`."""
        pairs: Pairs = []
        for entry in self.entries:
            if isinstance(entry, Send):
                pairs.append((TASKS, our_send(entry)))
                continue
            value = result if entry.value is PASSTHROUGH else entry.value
            if isinstance(entry, ChannelWriteTupleEntry):
                pairs += map(_pair, entry.mapper(value) or ())
                continue
            value = value if entry.mapper is None else entry.mapper(value)
            if value is not SKIP_WRITE and not (entry.skip_none and value is None):
                pairs.append((entry.channel, value))
        return pairs


def _pair(pair: tuple[str, Any]) -> tuple[str, Any]:
    return (TASKS, our_send(pair[1])) if pair[0] == TASKS else pair


def entries_of(writers: Sequence[Any]) -> Entries | None:
    """Return the entries of a node's writers; None: one of them does something else."""
    if any(type(writer) is not ChannelWrite for writer in writers):
        return None
    entries = [entry for writer in writers for entry in writer.writes]
    known = (Send, ChannelWriteEntry, ChannelWriteTupleEntry)
    return Entries(tuple(entries)) if all(isinstance(e, known) for e in entries) else None
