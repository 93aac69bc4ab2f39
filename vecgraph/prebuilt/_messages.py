"""Messages of either kind, as agents read and write them: calls of tools and what came of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from vecgraph.messages import AnyMessage, message_of, role_of

__all__ = [
    "BLOCK_TYPES",
    "Form",
    "Outcome",
    "ToolCall",
    "assistant_message",
    "call_of",
    "calls_of",
    "content_of",
    "field_of",
    "form_of",
    "in_form",
    "last_assistant",
    "named",
    "stringified",
    "system_message",
    "tool_call_id_of",
    "tool_message",
]

ToolCall: TypeAlias = dict[str, Any]
"""A call as tools see it: ``name``, ``args`` (a dict), ``id`` and ``type``, ``"tool_call"``."""

Form: TypeAlias = Literal["dict", "object"]
"""Whether messages are dicts or LangChain's objects."""

# Content that is a list of such blocks is left as it is; LangChain's list.
BLOCK_TYPES = frozenset(
    {
        "custom_tool_call_output",
        "document",
        "file",
        "image",
        "image_url",
        "json",
        "search_result",
        "text",
    }
)


_DECODER = json.JSONDecoder(strict=False)


def field_of(message: AnyMessage, name: str, default: Any = None) -> Any:
    """Return a field of a message: an item of a dict, an attribute of an object."""
    if isinstance(message, dict):
        return message.get(name, default)
    return getattr(message, name, default)


def form_of(message: AnyMessage) -> Form:
    """Return which kind a message is."""
    return "dict" if isinstance(message, dict) else "object"


def calls_of(message: AnyMessage) -> list[ToolCall]:
    """Return the calls that an assistant's message asks for.

    OpenAI's form has the arguments as JSON; where that is broken, ``args`` is the text.
    """
    return [call_of(call) for call in field_of(message, "tool_calls") or ()]


def call_of(call: ToolCall) -> ToolCall:
    """Return a call in the form that tools see, from that or from OpenAI's."""
    if "function" not in call:
        return call
    args = call["function"].get("arguments") or "{}"
    if isinstance(args, str):
        try:
            parsed = _DECODER.decode(args)
        except json.JSONDecodeError:
            parsed = None
        args = parsed if isinstance(parsed, dict) else args
    return {
        "name": call["function"]["name"],
        "args": args,
        "id": call.get("id"),
        "type": "tool_call",
    }


def last_assistant(messages: Iterable[AnyMessage]) -> AnyMessage | None:
    """Return the last message of an assistant, None if there is none."""
    backwards = reversed(list(messages))
    return next((message for message in backwards if role_of(message) == "assistant"), None)


def tool_call_id_of(message: AnyMessage) -> Any:
    """Return which call a tool's message answers; None if it is no tool's."""
    return field_of(message, "tool_call_id") if role_of(message) == "tool" else None


def content_of(message: AnyMessage) -> Any:
    """Return a message's content."""
    return field_of(message, "content")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call, on its way into a message.

    Attributes
    ----------
    content : str or list
    failed : bool
    artifact : object
        For the program, not for the model.
    """

    content: Any
    failed: bool = False
    artifact: Any = None


def tool_message(outcome: Outcome, call: ToolCall, form: Form) -> AnyMessage:
    """Return the message that answers a call."""
    if form == "object":
        extra = {"status": "error"} if outcome.failed else {}
        return _langchain().ToolMessage(
            outcome.content,
            name=call["name"],
            tool_call_id=call["id"],
            artifact=outcome.artifact,
            **extra,
        )
    message = {
        "role": "tool",
        "content": outcome.content,
        "name": call["name"],
        "tool_call_id": call["id"],
    }
    if outcome.failed:
        message["status"] = "error"
    if outcome.artifact is not None:
        message["artifact"] = outcome.artifact
    return message


def in_form(message: AnyMessage, form: Form | None) -> AnyMessage:
    """Return a tool's message as a dict if the conversation is one of dicts."""
    if form != "dict" or isinstance(message, dict) or not hasattr(message, "tool_call_id"):
        return message
    given = {
        "role": "tool",
        "content": message.content,
        "name": message.name,
        "tool_call_id": message.tool_call_id,
        "status": None if message.status == "success" else message.status,
        "artifact": message.artifact,
        "id": message.id,
    }
    return {key: value for key, value in given.items() if value is not None}


def assistant_message(content: str, id: str | None, form: Form) -> AnyMessage:  # noqa: A002
    """Return a message of the assistant's."""
    if form == "object":
        return _langchain().AIMessage(content, id=id)
    message = {"role": "assistant", "content": content}
    return message if id is None else {**message, "id": id}


def system_message(content: str, beside: Sequence[AnyMessage]) -> AnyMessage:
    """Return a system message of the kind of those beside it."""
    if beside and not isinstance(beside[-1], dict | str | tuple):
        return _langchain().SystemMessage(content)
    return {"role": "system", "content": content}


def named(message: Any, name: str | None) -> AnyMessage:
    """Return what a model said as a message of the assistant `name`."""
    if isinstance(message, str):
        message = {"role": "assistant", "content": message}
    message = message_of(message)
    if not isinstance(message, dict):
        message.name = name
        return message
    rest = {key: value for key, value in message.items() if key != "name"}
    return rest if name is None else {**rest, "name": name}


def stringified(output: Any) -> Any:
    """Return a tool's output as the content of a message: text, or a list of content blocks."""
    if isinstance(output, str):
        return output
    if isinstance(output, Sequence) and all(map(_is_block, output)):
        return list(output)
    try:
        return json.dumps(output, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(output)


def _is_block(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") in BLOCK_TYPES


def _langchain() -> Any:
    # Whoever has brought objects along has loaded their module.
    return sys.modules["langchain_core.messages"]
