"""What a chat message is, and how lists of messages are merged by id.

A message is an OpenAI-style dict (``{"role": "user", "content": "hi", "id": "1"}``), or a
LangChain message object where such objects come in: either is kept as it is.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, ClassVar, Literal, TypeAlias

from vecgraph.types import Overwrite, get_overwrite

__all__ = [
    "REMOVE_ALL_MESSAGES",
    "AnyMessage",
    "Coerce",
    "RemoveMessage",
    "add_messages",
    "clears",
    "coerced",
    "id_of",
    "merge_by_id",
    "merge_delta",
    "message_of",
    "removes",
    "role_of",
    "since_cleared",
    "stamped",
    "unknown_id",
    "with_ids",
]

AnyMessage: TypeAlias = Any
"""A dict with a role, a content and an id, or an object with such attributes."""

Coerce: TypeAlias = Callable[[list[Any]], list[AnyMessage]]
"""Turns what was written into messages, of which some may have no id yet."""

REMOVE_ALL_MESSAGES = "__remove_all__"
"""Id of a `RemoveMessage` that removes every message before it."""

_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}
_STAMPED = frozenset(["ai", "assistant", "function", "human", "system", "tool", "user"])
"""Roles by which a `DeltaChannel` knows a dict to be a message; and the type ``remove``."""
_KNOWN = frozenset(
    ["ai", "assistant", "developer", "function", "human", "remove", "system", "tool", "user"]
)


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
        Not modified, but for message objects without an id, which get one.
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
        One argument is missing, a message to be removed does not exist, a dict is no
        message, or `format` is unknown.
    NotImplementedError
        An item is nothing that a message can be made of.

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
    messages = with_ids(left)
    written, _ = coerced(right)
    cleared = since_cleared(written)
    if cleared is not None:
        return cleared
    merged = merge_by_id(messages, written)
    if format == "langchain-openai":
        return _openai(merged)
    if format:
        raise ValueError(f"Unrecognized {format=}. Expected one of 'langchain-openai', None.")
    return merged


def coerced(written: Any, coerce: Coerce | None = None) -> tuple[list[AnyMessage], bool]:
    """Return what was written as messages, each with an id, and whether all ids are new ones."""
    items = written if isinstance(written, list) else [written]
    messages = [message_of(item) for item in items] if coerce is None else coerce(items)
    fresh = all(id_of(message) is None and not removes(message) for message in messages)
    # Of an object that stands here twice the second has an id by now.
    named = [_named(message) if id_of(message) is None else message for message in messages]
    return named, fresh


def with_ids(left: Any, coerce: Coerce | None = None) -> list[AnyMessage]:
    """Return a list of messages, each with an id; the list itself if they have one."""
    if isinstance(left, list) and coerce is None and _all_have_ids(left):
        return left
    return coerced(left, coerce)[0]


def merge_by_id(left: list[AnyMessage], right: list[AnyMessage]) -> list[AnyMessage]:
    """Merge messages into a list by their ids.

    Raises
    ------
    ValueError
        A message to be removed does not exist.
    """
    merged = left.copy()
    place = {id_of(message): index for index, message in enumerate(merged)}
    removed: set[str] = set()
    for message in right:
        key = id_of(message)
        if removes(message):
            if key not in place:
                raise unknown_id(key)
            removed.add(key)
        elif key in place:
            removed.discard(key)
            merged[place[key]] = message
        else:
            place[key] = len(merged)
            merged.append(message)
    return [message for message in merged if id_of(message) not in removed] if removed else merged


def unknown_id(key: Any) -> ValueError:
    """Return the error of a removal that removes nothing."""
    return ValueError(f"Attempting to delete a message with an ID that doesn't exist ('{key}')")


def id_of(message: AnyMessage) -> Any:
    """Return a message's id, or None."""
    return message.get("id") if isinstance(message, dict) else message.id


def role_of(message: AnyMessage) -> str:
    """Return a message's role in OpenAI's words: ``user``, ``assistant``, ``tool``, ..."""
    if isinstance(message, dict):
        role = message.get("role", message.get("type"))
    else:
        role = getattr(message, "type", None)
    return _ROLES.get(str(role), str(role))


def removes(message: AnyMessage) -> bool:
    """Tell whether a message is there to remove another one."""
    if isinstance(message, dict):
        return message.get("role", message.get("type")) == "remove"
    return getattr(message, "type", None) == "remove"


def clears(message: AnyMessage) -> bool:
    """Tell whether a message is there to remove all before it."""
    return id_of(message) == REMOVE_ALL_MESSAGES and removes(message)


def since_cleared(messages: list[AnyMessage]) -> list[AnyMessage] | None:
    """Return the messages after the last one that removes all, None if there is none."""
    cleared = [place for place, message in enumerate(messages) if clears(message)]
    return messages[cleared[-1] + 1 :] if cleared else None


def message_of(item: Any) -> AnyMessage:
    """Return a message for what may stand for one: a string, a pair, a dict, an object.

    Raises
    ------
    ValueError, NotImplementedError
        See `add_messages`.
    """
    if isinstance(item, dict):
        return _checked(item)
    if isinstance(item, str):
        return {"role": "user", "content": item}
    if isinstance(item, Sequence):
        return _pair(item)
    if hasattr(item, "id") and hasattr(item, "content"):
        return _whole(item)
    raise NotImplementedError(f"Unsupported message type: {type(item)}{_HINT}")


_HINT = (
    '\nHint: write {"role": "user", "content": "..."}, ("user", "..."), a string, '
    "or a LangChain message."
)


def _checked(message: dict[str, Any]) -> dict[str, Any]:
    role = message.get("role", message.get("type"))
    if role not in _KNOWN:
        if role is None:
            raise ValueError(
                f"Message dict must contain 'role' and 'content' keys, got {message}{_HINT}"
            )
        raise _unknown_role(role)
    if "content" not in message and role != "remove" and not message.get("tool_calls"):
        raise ValueError(
            f"Message dict must contain 'role' and 'content' keys, got {message}{_HINT}"
        )
    return message


def _unknown_role(role: Any) -> ValueError:
    return ValueError(
        f"Unexpected message type: '{role}'. Use one of 'human', 'user', 'ai', 'assistant', "
        "'function', 'tool', 'system', or 'developer'."
    )


def _pair(item: Sequence[Any]) -> dict[str, Any]:
    if len(item) != 2:
        raise NotImplementedError(
            f"Message as a sequence must be (role string, template), got {item!r}{_HINT}"
        )
    role, content = item
    if role not in _KNOWN:
        raise _unknown_role(role)
    return {"role": _ROLES.get(role, role), "content": content}


def _whole(message: AnyMessage) -> AnyMessage:
    """Return a message for a streamed chunk of one, as LangGraph does."""
    langchain = sys.modules.get("langchain_core.messages")
    if langchain is not None and isinstance(message, langchain.BaseMessageChunk):
        return langchain.message_chunk_to_message(message)
    return message


def _named(message: AnyMessage) -> AnyMessage:
    """Return a message with a new id: the object itself, but of a dict a copy."""
    fresh = str(uuid.uuid4())
    if isinstance(message, dict):
        # The dict belongs to whoever wrote it.
        return {**message, "id": fresh}
    message.id = fresh
    return message


def stamped(written: Any, *, whole: bool = False) -> Any:
    """Return a write whose messages have ids; dicts get theirs in copies, objects in place.

    Parameters
    ----------
    written : object
        What one task wrote: a message, a list of them, an `Overwrite`, or something else.
    whole : bool
        All of it are messages: strings and pairs become some, too.
    """
    anew, value = get_overwrite(written)
    if not anew:
        if isinstance(written, list):
            return [_stamped(item, whole=whole) for item in written]
        return _stamped(written, whole=whole)
    if not isinstance(value, list | tuple):
        return written
    if not whole:
        for item in value:
            if not isinstance(item, dict):
                _stamped(item, whole=False)
        return written
    return Overwrite(type(value)([_stamped(item, whole=True) for item in value]))


def _stamped(item: Any, *, whole: bool) -> Any:
    if isinstance(item, dict):
        # Others than messages may have such keys: only known roles count.
        known = item.get("role") in _STAMPED or item.get("type") in _STAMPED | {"remove"}
        return _named(item) if known and not item.get("id") else item
    if _is_object(item):
        return item if item.id is not None else _named(item)
    if not whole:
        return item
    try:
        message = message_of(item)
    except (ValueError, NotImplementedError):
        return item  # the reducer refuses it
    return message if id_of(message) else _named(message)


def _is_object(item: Any) -> bool:
    langchain = sys.modules.get("langchain_core.messages")
    return isinstance(item, RemoveMessage) or (
        langchain is not None and isinstance(item, langchain.BaseMessage)
    )


def merge_delta(state: Any, writes: Sequence[Any]) -> list[AnyMessage]:
    """Merge the writes of a superstep into a list of messages, for `DeltaChannel`.

    As `add_messages`, but a message to be removed that does not exist is no error, and nothing
    gets an id here.

    Parameters
    ----------
    state : list of messages
    writes : sequence
        Each a message or a list of them.

    Examples
    --------
    >>> hello = {"role": "user", "content": "hello", "id": "1"}
    >>> merge_delta([hello], [[RemoveMessage(id="1")], {**hello, "content": "hi"}])
    [{'role': 'user', 'content': 'hi', 'id': '1'}]
    """
    flat = [item for write in writes for item in (write if isinstance(write, list) else [write])]
    messages = [item if _is_object(item) else message_of(item) for item in flat]
    cleared = since_cleared(messages)
    before: Sequence[Any] = state if cleared is None else ()
    merged = [item if _is_object(item) else message_of(item) for item in before]
    place = {id_of(m): at for at, m in enumerate(merged) if id_of(m) is not None}
    gone: set[int] = set()
    for message in messages if cleared is None else cleared:
        key = id_of(message)
        if key is not None and removes(message):
            gone.update({place.pop(key)} if key in place else ())
        elif key in place:
            merged[place[key]] = message
        else:
            if key is not None:
                place[key] = len(merged)
            merged.append(message)
    return [message for at, message in enumerate(merged) if at not in gone]


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


def _openai(messages: list[AnyMessage]) -> list[AnyMessage]:
    langchain = sys.modules.get("langchain_core.messages")
    if langchain is not None:
        convert: Callable[[Any], list[AnyMessage]] = langchain.convert_to_messages
        return convert(langchain.convert_to_openai_messages(messages))
    if all(_is_openai(message) for message in messages):
        return messages
    raise ImportError(
        "add_messages(format='langchain-openai') found content in another format, which "
        "langchain-core converts.\n"
        "Hint: pip install langchain-core, and import langchain_core.messages in your program."
    )


def _is_openai(message: AnyMessage) -> bool:
    content = message.get("content") if isinstance(message, dict) else ""
    blocks = content if isinstance(content, list) else []
    return all(isinstance(block, str) or block.get("type") in _BLOCKS for block in blocks)


_BLOCKS = frozenset({"file", "image_url", "input_audio", "refusal", "text"})
