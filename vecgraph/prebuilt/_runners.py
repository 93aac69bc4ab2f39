"""Running one call of one tool: our tools, and LangChain's where they come in."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Protocol

from vecgraph.messages import role_of
from vecgraph.prebuilt._injection import Injected, adopt, injected_of
from vecgraph.prebuilt._messages import Form, ToolCall, in_form, tool_message
from vecgraph.prebuilt.tools import Tool, tool
from vecgraph.types import Command

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Runner", "is_answer", "runner_of"]


class Runner(Protocol):
    """Runs the calls of one tool.

    Attributes
    ----------
    tool : object
        As it was given to the node.
    name : str
    injected : Injected
    """

    tool: Any
    name: str
    injected: Injected

    def run(self, call: ToolCall, filled: dict[str, Any], config: Any, form: Form | None) -> Any:
        """Return a message, a command, or a list of those."""
        ...

    async def arun(
        self, call: ToolCall, filled: dict[str, Any], config: Any, form: Form | None
    ) -> Any:
        """Return what `run` does, on the event loop."""
        ...


def runner_of(given: Any) -> Runner:
    """Return what runs a tool: one of ours, one of LangChain's, or a function.

    Raises
    ------
    TypeError
        It is none of them.
    """
    if isinstance(given, Tool):
        return _OwnRunner(given)
    if hasattr(given, "args_schema") and hasattr(given, "invoke"):
        return _ForeignRunner(given)
    if callable(given):
        return _OwnRunner(tool(given))
    raise TypeError(f"a tool is a function, a vecgraph or a LangChain tool, got {type(given)}")


def is_answer(value: Any) -> bool:
    """Tell whether a tool's return is a message of a tool or a command, and not content."""
    if isinstance(value, Command):
        return True
    if isinstance(value, dict):
        return value.get("role") == "tool" and "tool_call_id" in value
    return hasattr(value, "tool_call_id") and role_of(value) == "tool"


def _are_answers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_answer, value))


class _OwnRunner:
    def __init__(self, own: Tool) -> None:
        self.tool = own
        self.name = own.name
        self.injected = own.injected

    def run(self, call: ToolCall, filled: dict[str, Any], config: Any, form: Form | None) -> Any:
        args = self.tool.check(call["args"])
        return self._answered(self.tool.run(args, self._filled(call, filled, config)), call, form)

    async def arun(
        self, call: ToolCall, filled: dict[str, Any], config: Any, form: Form | None
    ) -> Any:
        args = self.tool.check(call["args"])
        returned = await self.tool.arun(args, self._filled(call, filled, config))
        return self._answered(returned, call, form)

    def _filled(self, call: ToolCall, filled: dict[str, Any], config: Any) -> dict[str, Any]:
        injected = self.injected
        if injected.config:
            filled = {**filled, injected.config: config}
        return {**filled, injected.call_id: call["id"]} if injected.call_id else filled

    def _answered(self, returned: Any, call: ToolCall, form: Form | None) -> Any:
        if is_answer(returned) or _are_answers(returned):
            return returned
        return tool_message(self.tool.outcome(returned), call, form or "dict")


class _ForeignRunner:
    """Runs LangChain's tools, which check their arguments and make messages themselves."""

    def __init__(self, given: Any) -> None:
        adopt()
        self.tool = given
        self.name: str = given.name
        function = getattr(given, "func", None) or getattr(given, "coroutine", None)
        schema = getattr(given.get_input_schema(), "__annotations__", {})
        self.injected = injected_of(function or given._run, schema)
        self._check_hidden()
        self._boxing = _boxing(given)

    def _check_hidden(self) -> None:
        """Refuse a tool whose schema would show the model what the graph fills."""
        shown = getattr(self.tool, "tool_call_schema", None)
        fields = set(getattr(shown, "model_fields", ()))
        seen = sorted(fields & {*self.injected.state, self.injected.store, self.injected.runtime})
        if seen:
            raise TypeError(
                f"tool {self.name!r} shows the model its arguments {', '.join(map(str, seen))}, "
                "which the graph fills.\nHint: import langchain_core.tools before the marks of "
                "vecgraph.prebuilt, or make the tool with vecgraph.prebuilt.tool."
            )

    def run(self, call: ToolCall, filled: dict[str, Any], config: Any, form: Form | None) -> Any:
        return _unboxed(self._boxing.invoke(_whole(call, filled), config), form)

    async def arun(
        self, call: ToolCall, filled: dict[str, Any], config: Any, form: Form | None
    ) -> Any:
        return _unboxed(await self._boxing.ainvoke(_whole(call, filled), config), form)


def _whole(call: ToolCall, filled: dict[str, Any]) -> ToolCall:
    return {**call, "args": {**call["args"], **filled}, "type": "tool_call"}


def _boxing(given: Any) -> Any:
    """Return a copy of a LangChain tool whose function may return our commands.

    LangChain makes text of whatever is not its own kind of output.
    """
    functions = {
        name: wrap(function)
        for name, wrap in (("func", _boxed), ("coroutine", _aboxed))
        if (function := getattr(given, name, None)) is not None
    }
    return given.model_copy(update=functions) if functions else given


def _boxed(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return _in_box(function(*args, **kwargs))

    return call


def _aboxed(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return _in_box(await function(*args, **kwargs))

    return call


def _in_box(returned: Any) -> Any:
    listed = returned if isinstance(returned, list) else [returned]
    if not any(isinstance(item, Command) for item in listed):
        return returned
    box = _box_type()()
    box.held = returned
    return box


@functools.cache
def _box_type() -> Any:
    mixin = sys.modules["langchain_core.messages.tool"].ToolOutputMixin
    return type("_Box", (mixin,), {})


def _unboxed(response: Any, form: Form | None) -> Any:
    held = getattr(response, "held", None)
    response = response if held is None else held
    if isinstance(response, list):
        return [in_form(item, form) if is_answer(item) else item for item in response]
    answers = is_answer(response) and not isinstance(response, Command)
    return in_form(response, form) if answers else response
