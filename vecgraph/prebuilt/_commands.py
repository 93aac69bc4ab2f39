"""Commands that tools return: what they must hold, and how several become one return of a node."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Literal, TypeAlias

from vecgraph.messages import clears, message_of, role_of
from vecgraph.prebuilt._messages import ToolCall, content_of, stringified, tool_call_id_of
from vecgraph.types import Command, Send

__all__ = ["Kind", "answered", "combined"]

Kind: TypeAlias = Literal["list", "dict", "tool_calls"]
"""What a node of tools was given: messages, a state that holds them, or calls."""


def answered(response: Any, call: ToolCall, kind: Kind, key: str) -> Any:
    """Return a tool's answer as it may go into the state.

    Parameters
    ----------
    response : message, command, or list of those
    call : dict
    kind : Kind
    key : str
        Where the state has its messages.

    Raises
    ------
    TypeError
        It is something else.
    ValueError
        A command does not answer the call, or its update is not of the state's kind.
    """
    if isinstance(response, list):
        return _several(response, call, kind, key)
    return _one(response, call, kind, key, must_answer=True)


def _one(response: Any, call: ToolCall, kind: Kind, key: str, *, must_answer: bool) -> Any:
    if isinstance(response, Command):
        return _command(response, call, kind, key, must_answer=must_answer)
    if not isinstance(response, str) and role_of(response) == "tool":
        return _with_content(response)
    raise TypeError(f"Tool {call['name']} returned unexpected type: {type(response)}")


def _with_content(message: Any) -> Any:
    content = stringified(content_of(message))
    if isinstance(message, dict):
        return {**message, "content": content}
    message.content = content
    return message


def _several(response: list[Any], call: ToolCall, kind: Kind, key: str) -> list[Any]:
    if not all(isinstance(item, Command) or _is_tool(item) for item in response):
        raise TypeError(
            f"Tool {call['name']} returned a list with invalid element types: expected all "
            "Command or ToolMessage"
        )
    answers = sum(_answers(item, call, key) for item in response)
    if answers != 1:
        raise ValueError(
            f"Tool {call['name']} returned a list with {answers} messages bound to tool_call_id "
            f"{call['id']!r}; expected exactly one terminating ToolMessage."
        )
    return [_one(item, call, kind, key, must_answer=False) for item in response]


def _is_tool(item: Any) -> bool:
    return not isinstance(item, str) and role_of(item) == "tool"


def _answers(item: Any, call: ToolCall, key: str) -> int:
    """Count the messages in one item of a list that answer the call."""
    if not isinstance(item, Command):
        return int(tool_call_id_of(item) == call["id"])
    update = item.update if isinstance(item.update, dict) else {}
    messages = [message for message in _listed(update.get(key, [])) if _is_tool(message)]
    return sum(tool_call_id_of(message) == call["id"] for message in messages)


def _listed(messages: Any) -> list[Any]:
    return messages if isinstance(messages, list) else [messages]


def _command(
    command: Command[Any], call: ToolCall, kind: Kind, key: str, *, must_answer: bool
) -> Command[Any]:
    update = command.update
    if not isinstance(update, dict | list):
        return command
    _check_update(update, call, kind, key)
    copy = deepcopy(command)
    held: Any = copy.update
    messages = [message_of(each) for each in _listed(held.get(key, []) if kind != "list" else held)]
    if len(messages) == 1 and clears(messages[0]):
        return copy
    found = [message for message in messages if tool_call_id_of(message) == call["id"]]
    for message in found:
        _name(message, call["name"])
    if must_answer and copy.graph is None and not found:
        raise _unanswered(messages, call, kind)
    return copy


def _name(message: Any, name: str) -> None:
    if isinstance(message, dict):
        message["name"] = name  # in a copy of ours
    else:
        message.name = name


def _check_update(update: Any, call: ToolCall, kind: Kind, key: str) -> None:
    if isinstance(update, dict) and kind == "list":
        raise ValueError(
            f"Tools can provide a dict in Command.update only when using dict with '{key}' key as "
            f"ToolNode input, got: {update} for tool '{call['name']}'"
        )
    if isinstance(update, list) and kind != "list":
        raise ValueError(
            "Tools can provide a list of messages in Command.update only when using list of "
            f"messages as ToolNode input, got: {update} for tool '{call['name']}'"
        )


def _unanswered(messages: list[Any], call: ToolCall, kind: Kind) -> ValueError:
    inner = '[ToolMessage("Success", tool_call_id=tool_call_id), ...]'
    example = f'{{"messages": {inner}}}' if kind == "dict" else inner
    return ValueError(
        f"Expected to have a matching ToolMessage in Command.update for tool '{call['name']}', "
        f"got: {messages}. Every tool call (LLM requesting to call a tool) in the message history "
        "MUST have a corresponding ToolMessage. You can fix it by modifying the tool to return "
        f"`Command(update={example}, ...)`."
    )


def combined(outputs: list[Any], kind: Kind, key: str) -> Any:
    """Return what the calls of one node gave as what the node returns.

    Messages alone are an update; beside commands each is one of a list, and commands that send
    the graph above on are one.
    """
    flat = [item for output in outputs for item in _listed(output)]
    if not any(isinstance(item, Command) for item in flat):
        return flat if kind == "list" else {key: flat}
    returned: list[Any] = []
    above: Command[Any] | None = None
    for item in flat:
        if not isinstance(item, Command):
            returned.append([item] if kind == "list" else {key: [item]})
        elif _sends_above(item):
            sends = [*(above.goto if above is not None else ()), *item.goto]  # type: ignore[misc]
            above = Command(graph=Command.PARENT, goto=sends)
        else:
            returned.append(item)
    return returned if above is None else [*returned, above]


def _sends_above(command: Command[Any]) -> bool:
    return (
        command.graph == Command.PARENT
        and isinstance(command.goto, list)
        and all(isinstance(send, Send) for send in command.goto)
    )
