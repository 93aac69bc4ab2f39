"""Messages of a run on their way to its ``messages`` stream, each shown once.

Source of the rules: what LangGraph's callback handler shows, measured by running it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from vecgraph.constants import CONTROL, NO_WRITES, PUSH, TASKS
from vecgraph.messages import id_of, role_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from vecgraph.engine.scope import TaskScope
    from vecgraph.nodes.writer import Pairs

__all__ = ["Mail", "namespace_of"]

_APART = CONTROL | {NO_WRITES, PUSH, TASKS}


def namespace_of(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the namespace of the graph that a task is in, by the task's metadata."""
    parts = tuple(str(metadata["langgraph_checkpoint_ns"]).split("|"))
    path, own = metadata.get("langgraph_path", ()), 1
    while len(path) == 4 and path[0] == PUSH and path[-1] is True:  # a call, inside its caller
        path, own = path[1], own + 1
    return parts[:-own]


class Mail:
    """The messages that a stream has shown, and those that it never will: what nodes were given.

    Parameters
    ----------
    put : callable
        Takes ``(namespace, (message, metadata))``.
    subgraphs : bool
        Messages of graphs in the run are shown, too.
    as_events : bool
        What a model says is shown as events of its message, and what tools say is not.
    """

    def __init__(
        self,
        put: Callable[[tuple[str, ...], Any], None],
        *,
        subgraphs: bool,
        as_events: bool = False,
    ) -> None:
        self._put = put
        self._subgraphs = subgraphs
        self.as_events = as_events
        self._seen: set[Any] = set()

    def shows(self, namespace: tuple[str, ...]) -> bool:
        """Return whether messages of a graph are shown."""
        return self._subgraphs or not namespace

    def note(self, given: Any) -> None:
        """Note the messages that a node gets: it may return them, but they are not new."""
        for message in _messages(_values(given)):
            if (ident := id_of(message)) is not None:
                self._seen.add(ident)

    def know(self, ident: Any) -> None:
        """Note a message that is shown otherwise."""
        self._seen.add(ident)

    def tell(self, event: Any, metadata: Any, namespace: tuple[str, ...]) -> None:
        """Show an event of a message."""
        self._put(namespace, (event, metadata))

    def post(
        self, message: Any, metadata: Any, namespace: tuple[str, ...], *, once: bool = False
    ) -> None:
        """Show a message; with `once` not if one of its id was shown."""
        ident = id_of(message)
        if once and ident is not None and ident in self._seen:
            return
        if ident is None:
            ident = str(uuid4())
            if isinstance(message, dict):
                message["id"] = ident
            else:
                message.id = ident
        self._seen.add(ident)
        self._put(namespace, (message, metadata))

    def written(self, pairs: Pairs, scope: TaskScope) -> None:
        """Show the messages in what a node wrote."""
        metadata: Any = None
        values = [value for channel, value in pairs if channel not in _APART]
        for message in _messages(inner for value in values for inner in (value, *_values(value))):
            if self.as_events and role_of(message) == "tool":
                continue
            if metadata is None:
                metadata = {**scope.config["metadata"], "ls_integration": "langgraph"}
            self.post(message, metadata, namespace_of(metadata), once=True)

    def push(self, message: Any, scope: TaskScope) -> None:
        """Show a message that a node has pushed."""
        metadata = scope.config["metadata"]
        namespace = namespace_of(metadata)
        if self.shows(namespace):
            self.post(message, metadata, namespace)


def _values(state: Any) -> Iterable[Any]:
    """Return the values of a state's keys: a dict, a dataclass or a pydantic model."""
    if isinstance(state, dict):
        return list(state.values())
    if dataclasses.is_dataclass(state) and not isinstance(state, type):
        return [getattr(state, field.name) for field in dataclasses.fields(state)]
    names = getattr(type(state), "model_fields", ())
    return () if _is_message(state) else [getattr(state, name) for name in names]


def _messages(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the messages among values, and in lists among them."""
    for value in values:
        if _is_message(value):
            yield value
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            yield from filter(_is_message, value)


def _is_message(value: Any) -> bool:
    if isinstance(value, dict):
        return "role" in value and ("content" in value or "tool_calls" in value)
    kinds = type(value).__mro__
    return any(kind.__name__ == "BaseMessage" for kind in kinds)
