"""Lists of chat messages as a state."""

from __future__ import annotations

from typing import Annotated, TypedDict

from vecgraph.config import current_task
from vecgraph.messages import (
    REMOVE_ALL_MESSAGES,
    AnyMessage,
    RemoveMessage,
    add_messages,
    id_of,
    merge_delta,
    message_of,
)

__all__ = [
    "REMOVE_ALL_MESSAGES",
    "AnyMessage",
    "MessagesState",
    "RemoveMessage",
    "add_messages",
    "push_message",
]

_messages_delta_reducer = merge_delta
"""LangGraph's name of the reducer of messages for `DeltaChannel`; experimental there."""


class MessagesState(TypedDict):
    """A state with a list of messages; subclass it to add keys."""

    messages: Annotated[list[AnyMessage], add_messages]


def push_message(message: AnyMessage, *, state_key: str | None = "messages") -> AnyMessage:
    """Write a message to the ``messages`` stream at once, and to the state.

    Parameters
    ----------
    message : message
        With an id, by which what follows can replace it.
    state_key : str or None
        Channel that it is written to; None: none.

    Returns
    -------
    message

    Raises
    ------
    ValueError
        The message has no id.
    RuntimeError
        No node calls this.
    """
    pushed = message_of(message)
    if id_of(pushed) is None:
        raise ValueError("Message ID is required")
    task = current_task.get()
    if task is None:
        raise RuntimeError("Called get_config outside of a runnable context")
    task.emit_message(pushed)
    if state_key:
        task.send([(state_key, pushed)])
    return pushed
