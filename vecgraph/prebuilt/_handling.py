"""Which errors of a tool become an answer to the model, and which end the run."""

from __future__ import annotations

import inspect
import sys
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from vecgraph.errors import GraphBubbleUp
from vecgraph.prebuilt.tools import ToolArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from vecgraph.prebuilt._messages import ToolCall

__all__ = [
    "ToolInvocationError",
    "by_default",
    "check_form",
    "content_for",
    "handles",
    "is_beyond",
    "of_arguments",
]

_INVALID = (
    "Error invoking tool '{name}' with kwargs {kwargs} with error:\n"
    " {error}\n"
    " Please fix the error and try again."
)
_FAILED = "Error: {error}\n Please fix your mistakes."


class ToolInvocationError(Exception):
    """A call whose arguments a tool does not take; `ToolNode` raises it.

    Attributes
    ----------
    message : str
        For the model.
    tool_name : str
    tool_kwargs : dict
        As the model gave them.
    source : Exception
        What the check raised.
    filtered_errors : list, or None
        What is wrong with the arguments that the model gives, others left out.
    """

    def __init__(
        self,
        tool_name: str,
        source: Exception,
        tool_kwargs: Any,
        filtered_errors: list[tuple[str, str]] | None = None,
    ) -> None:
        listed = str(source)
        if filtered_errors is not None:
            listed = "\n".join(f"{place}: {text}" for place, text in filtered_errors)
        self.message = _INVALID.format(name=tool_name, kwargs=tool_kwargs, error=listed)
        self.tool_name = tool_name
        self.tool_kwargs = tool_kwargs
        self.source = source
        self.filtered_errors = filtered_errors
        super().__init__(self.message)


def check_form(call: ToolCall) -> None:
    """Refuse arguments that a model has not written as a JSON object."""
    if not isinstance(call["args"], dict):
        raise ToolArgumentError(call["name"], [("arguments", "Input should be a JSON object")])


def of_arguments(error: Exception, call: ToolCall, hidden: Container[str]) -> Exception:
    """Return a tool's error as one of its arguments, if that is what it is.

    Parameters
    ----------
    error : Exception
    call : dict
    hidden : container of str
        Arguments that the model does not give: it cannot mend them.
    """
    if isinstance(error, ToolArgumentError):
        return ToolInvocationError(call["name"], error, call["args"], error.faults)
    kind = getattr(sys.modules.get("pydantic"), "ValidationError", None)
    if kind is None or not isinstance(error, kind):
        return error
    details: Any = error
    faults = [
        (".".join(map(str, each["loc"])), each["msg"])
        for each in details.errors()
        if each["loc"] and each["loc"][0] not in hidden
    ]
    return ToolInvocationError(call["name"], error, call["args"], faults)


def by_default(error: Exception) -> str:
    """Answer wrong arguments; let everything else end the run."""
    if isinstance(error, ToolInvocationError):
        return error.message
    raise error


def is_beyond(error: BaseException) -> bool:
    """Tell whether no setting handles an error: it is control flow, or a wrong answer of a human."""
    foreign = any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__)
    invalid = any(getattr(error, mark, False) for mark in _INVALID_RESUME)
    return isinstance(error, GraphBubbleUp) or foreign or invalid


# What `interrupt` leaves on the error of an answer that does not fit: ours, and LangGraph's.
_INVALID_RESUME = ("_vecgraph_invalid_resume", "_langgraph_invalid_resume")


def handles(flag: Any, error: Exception) -> bool:
    """Tell whether ``handle_tool_errors=flag`` answers an error of a tool."""
    return bool(flag) and isinstance(error, _kinds(flag))


def content_for(flag: Any, error: Exception) -> str:
    """Return the answer.

    Raises
    ------
    ValueError
        `flag` is nothing that says how to answer.
    """
    if isinstance(flag, bool | tuple) or (isinstance(flag, type) and issubclass(flag, Exception)):
        return _FAILED.format(error=repr(error))
    if isinstance(flag, str):
        return flag
    if callable(flag):
        content: str = flag(error)
        return content
    raise ValueError(
        "Got unexpected type of `handle_tool_error`. Expected bool, str or callable. "
        f"Received: {flag}"
    )


def _kinds(flag: Any) -> tuple[type[Exception], ...]:
    if isinstance(flag, type) and issubclass(flag, Exception):
        return (flag,)
    if isinstance(flag, tuple):
        return flag
    return _annotated(flag) if callable(flag) else (Exception,)


def _annotated(handler: Callable[..., Any]) -> tuple[type[Exception], ...]:
    """Return the errors that a handler takes, by the annotation of its first parameter."""
    parameters = list(inspect.signature(handler).parameters.values())
    if not parameters:
        return (Exception,)
    bound = parameters[0].name in {"self", "cls"} and len(parameters) == 2
    name = parameters[1 if bound else 0].name
    hints = get_type_hints(handler)
    if name not in hints:
        return (Exception,)
    hint = hints[name]
    kinds = get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)
    if all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        return kinds
    if len(kinds) > 1:
        raise ValueError(
            "All types in the error handler error annotation must be Exception types. For "
            "example, `def custom_handler(e: Union[ValueError, TypeError])`. "
            f"Got '{hint}' instead."
        )
    raise ValueError(
        "Arbitrary types are not supported in the error handler signature. Please annotate the "
        "error with either a specific Exception type or a union of Exception types. For example, "
        "`def custom_handler(e: ValueError)` or "
        f"`def custom_handler(e: Union[ValueError, TypeError])`. Got '{hint}' instead."
    )
