"""Shapes of the questions that agents ask humans, and of the answers."""

from __future__ import annotations

from typing import Literal, TypedDict

__all__ = ["ActionRequest", "HumanInterrupt", "HumanInterruptConfig", "HumanResponse"]


class HumanInterruptConfig(TypedDict):
    """What a human may do.

    Attributes
    ----------
    allow_ignore, allow_respond, allow_edit, allow_accept : bool
        Skip it, answer with a text, change it, let it be done.
    """

    allow_ignore: bool
    allow_respond: bool
    allow_edit: bool
    allow_accept: bool


class ActionRequest(TypedDict):
    """What is to be done: its name, and its arguments."""

    action: str
    args: dict[str, object]


class HumanInterrupt(TypedDict):
    """A question for a human, the value of an `interrupt`."""

    action_request: ActionRequest
    config: HumanInterruptConfig
    description: str | None


class HumanResponse(TypedDict):
    """A human's answer.

    Attributes
    ----------
    type : {'accept', 'ignore', 'response', 'edit'}
    args : None, str or ActionRequest
        A text for ``response``, the changed request for ``edit``.
    """

    type: Literal["accept", "ignore", "response", "edit"]
    args: str | ActionRequest | None
