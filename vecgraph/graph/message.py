"""Lists of chat messages as a state: the reducer that merges them by id.

A message is an OpenAI-style dict (``{"role": "user", "content": "hi", "id": "1"}``), or a
LangChain message object where such objects come in: either is kept as it is.
"""

from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "REMOVE_ALL_MESSAGES",
    "AnyMessage",
    "MessagesState",
    "RemoveMessage",
    "add_messages",
    "merge_messages",
]

AnyMessage: TypeAlias = Any
"""A dict with a role, a content and an id, or an object with such attributes."""

REMOVE_ALL_MESSAGES = "__remove_all__"
"""Id of a `RemoveMessage` that removes every message before it."""

_ROLES = {"human": "user", "ai": "assistant"}


@dataclass(frozen=True, slots=True)
class RemoveMessage:
    """Written to a list of messages, removes the one with this id.

    Examples
    --------
    >>> add_messages([{"role": "user", "content": "hi", "id": "1"}], RemoveMessage("1"))
    []
    """

    id: str
    type: ClassVar[Literal["remove"]] = "remove"
    content: ClassVar[str] = ""


def add_messages(
    left: Any = None,
    right: Any = None,
    *,
    format: Literal["langchain-openai"] | None = None,  # noqa: A002 - LangGraph's name
) -> Any:
    """Merge two lists of messages: a new id is appended, a known one replaced in place.

    Parameters
    ----------
    left : list of messages, or a message
        Not modified, but for messages without an id, which get one.
    right : list of messages, or a message
        A message is also a string (from the user), a pair (role, content), or a
        `RemoveMessage`, which deletes.
    format : {'langchain-openai'}, optional
        Rewrites contents in OpenAI's format; needs LangChain's messages.

    Returns
    -------
    list of messages
        A new list; a partial of this function if both arguments are missing.

    Raises
    ------
    ValueError
        One argument is missing, a message to be removed does not exist, or `format` is unknown.
    TypeError
        An item is no message.

    Examples
    --------
    >>> log = [{"role": "user", "content": "hi", "id": "1"}]
    >>> add_messages(log, {"role": "user", "content": "hello", "id": "1"})
    [{'role': 'user', 'content': 'hello', 'id': '1'}]
    """
    if left is None and right is None:
        return partial(add_messages, format=format)
    if left is None or right is None:
        raise ValueError(
            "Must specify non-null arguments for both 'left' and 'right'. "
            f"Only received: '{'left' if left else 'right'}'."
        )
    messages = _listed(left)
    if not _all_have_ids(messages):
        messages = [_with_id(item)[0] for item in messages]
    merged = merge_messages(messages, right)
    if format == "langchain-openai":
        return _openai(merged)
    if format:
        raise ValueError(f"Unrecognized {format=}. Expected one of 'langchain-openai', None.")
    return merged


def merge_messages(left: list[AnyMessage], right: Any) -> list[AnyMessage]:
    """Merge `right` into what `add_messages` returned before.

    Parameters
    ----------
    left : list of messages
        Every one has an id; not looked at unless `right` brings ids along, not modified.
    right : list of messages, or a message
        As in `add_messages`.

    Notes
    -----
    A message without an id gets one that is new, so nothing needs to be searched: to append
    is to copy the list. This is what makes a channel of messages linear in what is written.
    """
    items = [_with_id(item) for item in _listed(right)]
    messages = [message for message, _ in items]
    cleared = [i for i, m in enumerate(messages) if _removes(m) and _id(m) == REMOVE_ALL_MESSAGES]
    if cleared:
        return messages[cleared[-1] + 1 :]
    if all(is_new for _, is_new in items):
        return left + messages
    return _merge_by_id(left, messages)


def _merge_by_id(left: list[AnyMessage], right: list[AnyMessage]) -> list[AnyMessage]:
    merged = left.copy()
    place = {_id(message): index for index, message in enumerate(merged)}
    removed: set[str] = set()
    for message in right:
        key = _id(message)
        if _removes(message):
            if key not in place:
                raise ValueError(
                    f"Attempting to delete a message with an ID that doesn't exist ('{key}')"
                )
            removed.add(key)
        elif key in place:
            removed.discard(key)
            merged[place[key]] = message
        else:
            place[key] = len(merged)
            merged.append(message)
    return [message for message in merged if _id(message) not in removed] if removed else merged


def _listed(messages: Any) -> list[Any]:
    return messages if isinstance(messages, list) else [messages]


def _all_have_ids(messages: list[Any]) -> bool:
    """Return whether all are messages with an id: what a channel's list is, told at C speed."""
    kinds = set(map(type, messages))
    get: Callable[[Any], Any]
    if kinds <= {dict}:
        get = itemgetter("id")
    elif all(map(_is_message_class, kinds)):
        get = attrgetter("id")
    else:
        return False
    try:
        return None not in map(get, messages)
    except KeyError:
        return False


def _is_message_class(kind: type) -> bool:
    langchain = sys.modules.get("langchain_core.messages")
    return (
        langchain is not None
        and issubclass(kind, langchain.BaseMessage)
        and not issubclass(kind, langchain.BaseMessageChunk)
    )


def _id(message: AnyMessage) -> Any:
    return message.get("id") if isinstance(message, dict) else message.id


def _removes(message: AnyMessage) -> bool:
    if isinstance(message, dict):
        return message.get("role", message.get("type")) == "remove"
    return getattr(message, "type", None) == "remove"


def _with_id(item: Any) -> tuple[AnyMessage, bool]:
    """Return an item as a message with an id, and whether the id is a new one."""
    message = _message(item)
    if _id(message) is not None:
        return message, False
    fresh = str(uuid.uuid4())
    if isinstance(message, dict):
        # A copy: the dict belongs to whoever wrote it.
        return {**message, "id": fresh}, not _removes(message)
    message.id = fresh
    return message, not _removes(message)


def _message(item: Any) -> AnyMessage:
    if isinstance(item, dict):
        if "role" in item or "type" in item:
            return item
    elif isinstance(item, str):
        return {"role": "user", "content": item}
    elif isinstance(item, list | tuple):
        if len(item) == 2 and isinstance(item[0], str):
            return {"role": _ROLES.get(item[0], item[0]), "content": item[1]}
    elif hasattr(item, "id") and hasattr(item, "content"):
        return _whole(item)
    raise TypeError(
        f"{item!r} is no message.\n"
        'Hint: write {"role": "user", "content": "..."}, ("user", "..."), a string, '
        "or a LangChain message."
    )


def _whole(message: AnyMessage) -> AnyMessage:
    """Return a message for a streamed chunk of one, as LangGraph does."""
    langchain = sys.modules.get("langchain_core.messages")
    if langchain is not None and isinstance(message, langchain.BaseMessageChunk):
        return langchain.message_chunk_to_message(message)
    return message


def _openai(messages: list[AnyMessage]) -> list[AnyMessage]:
    langchain = sys.modules.get("langchain_core.messages")
    if langchain is None:
        # Nobody has brought objects along, and dicts are in OpenAI's format already.
        return messages
    convert: Callable[[Any], list[AnyMessage]] = langchain.convert_to_messages
    return convert(langchain.convert_to_openai_messages(messages))


class MessagesState(TypedDict):
    """A state with a list of messages; subclass it to add keys."""

    messages: Annotated[list[AnyMessage], add_messages]
