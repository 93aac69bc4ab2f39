"""`ToolNode`: the node that runs the tools which a model calls."""

from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from vecgraph.config import current_task
from vecgraph.prebuilt._commands import Kind, answered, combined
from vecgraph.prebuilt._handling import (
    ToolInvocationError,
    by_default,
    check_form,
    content_for,
    handles,
    is_beyond,
    of_arguments,
)
from vecgraph.prebuilt._injection import Injected, InjectedState, InjectedStore, ToolRuntime
from vecgraph.prebuilt._messages import (
    Form,
    Outcome,
    ToolCall,
    call_of,
    calls_of,
    form_of,
    last_assistant,
    tool_message,
)
from vecgraph.prebuilt._messages import stringified as msg_content_output
from vecgraph.prebuilt._runners import Runner, runner_of
from vecgraph.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "InjectedState",
    "InjectedStore",
    "ToolCallRequest",
    "ToolCallWithContext",
    "ToolCallWrapper",
    "ToolInvocationError",
    "ToolNode",
    "ToolRuntime",
    "msg_content_output",
    "tools_condition",
]

ToolCallWrapper: TypeAlias = "Callable[[ToolCallRequest, Callable[[ToolCallRequest], Any]], Any]"
"""Gets a request and what executes one, as often as it likes; returns a message or a command."""

_UNKNOWN = "Error: {name} is not a valid tool, try one of [{known}]."


@dataclass
class ToolCallRequest:
    """A call on its way to its tool, as a wrapper sees it.

    Attributes
    ----------
    tool_call : dict
        ``name``, ``args``, ``id``, ``type``.
    tool : object
        None if the node has no tool of that name.
    state : object
        Of the graph.
    runtime : ToolRuntime
    """

    tool_call: ToolCall
    tool: Any
    state: Any
    runtime: ToolRuntime[Any, Any]

    def override(self, **overrides: Any) -> ToolCallRequest:
        """Return a copy with other fields; another `state` is that of the runtime as well."""
        request = replace(self, **overrides)
        if "state" in overrides and isinstance(request.runtime, ToolRuntime):
            request.runtime = replace(request.runtime, state=request.state)
        return request


class ToolCallWithContext(TypedDict):
    """A call with the state beside it: what an agent sends to its tools."""

    tool_call: ToolCall
    __type: Literal["tool_call_with_context"]
    state: Any


@dataclass(frozen=True, slots=True)
class _Work:
    """What one run of the node has to do."""

    calls: list[ToolCall]
    kind: Kind
    form: Form | None
    state: Any
    config: Any


class ToolNode:
    """Run the tools that the last message of an assistant calls.

    The calls of one message run side by side, in threads or on the event loop; their answers
    keep the order of the calls.

    Parameters
    ----------
    tools : sequence of callable, Tool or LangChain tool
    name : str
    tags : list of str, optional
        Taken for LangGraph's sake: they belong to its traces.
    handle_tool_errors : bool, str, callable, exception type, or tuple of those
        Which errors of a tool are answered to the model. True: all, with their text; a str: all,
        with that; types: those; a callable: those that its annotation takes, with what it
        returns; False: none. Default: wrong arguments only.
    messages_key : str
        Where the state has its messages.
    wrap_tool_call, awrap_tool_call : callable, optional
        Runs in the place of each call; gets a `ToolCallRequest` and what executes one.

    Examples
    --------
    >>> def add(a: int, b: int) -> int:
    ...     '''Add.'''
    ...     return a + b
    >>> function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    >>> call = {"id": "1", "type": "function", "function": function}
    >>> node = ToolNode([add])
    >>> node.invoke([{"role": "assistant", "content": None, "tool_calls": [call]}])
    [{'role': 'tool', 'content': '3', 'name': 'add', 'tool_call_id': '1'}]
    """

    def __init__(
        self,
        tools: Sequence[Any],
        *,
        name: str = "tools",
        tags: list[str] | None = None,
        handle_tool_errors: Any = by_default,
        messages_key: str = "messages",
        wrap_tool_call: ToolCallWrapper | None = None,
        awrap_tool_call: Callable[..., Any] | None = None,
    ) -> None:
        self.name = name
        self.tags = tags
        self._runners: dict[str, Runner] = {}
        for each in tools:
            runner = runner_of(each)
            self._runners[runner.name] = runner
        self._flag = handle_tool_errors
        self._key = messages_key
        self._wrap = wrap_tool_call
        self._awrap = awrap_tool_call

    @property
    def tools_by_name(self) -> dict[str, Any]:
        """The tools, by their names."""
        return {name: runner.tool for name, runner in self._runners.items()}

    def get_name(self) -> str:
        """Return the node's name."""
        return self.name

    def invoke(self, input: Any, config: Any = None) -> Any:
        """Run the calls.

        Parameters
        ----------
        input : state, list of messages, or list of calls
        config : RunnableConfig, optional

        Returns
        -------
        dict, list of messages, or list of commands and updates
            A list for a list of messages, else an update of the state.

        Raises
        ------
        ValueError
            There is no message of an assistant.
        """
        work = self._work(input, config)
        if len(work.calls) > 1 and work.config.get("max_concurrency") != 1:
            outputs = self._side_by_side(work)
        else:
            outputs = [self._run_one(call, work) for call in work.calls]
        return combined(outputs, work.kind, self._key)

    async def ainvoke(self, input: Any, config: Any = None) -> Any:
        """Run the calls on the event loop; see `invoke`."""
        import asyncio

        work = self._work(input, config)
        outputs = await asyncio.gather(*(self._arun_one(call, work) for call in work.calls))
        return combined(list(outputs), work.kind, self._key)

    def _side_by_side(self, work: _Work) -> list[Any]:
        most = work.config.get("max_concurrency")
        with ThreadPoolExecutor(min(len(work.calls), most or len(work.calls))) as pool:
            futures = [
                pool.submit(contextvars.copy_context().run, self._run_one, call, work)
                for call in work.calls
            ]
            return [future.result() for future in futures]

    def _work(self, input: Any, config: Any) -> _Work:
        config = config or {}
        if isinstance(input, dict) and input.get("__type") == "tool_call_with_context":
            form = self._form(input["state"])
            return _Work([call_of(input["tool_call"])], "tool_calls", form, input["state"], config)
        if isinstance(input, list) and _is_call(input[-1]):
            read = config.get("configurable", {}).get("__pregel_read_state")
            state = {} if read is None else read()
            calls = [call_of(call) for call in input]
            return _Work(calls, "tool_calls", self._form(state), state, config)
        messages = self._messages(input)
        if not messages:
            raise ValueError("No message found in input")
        latest = last_assistant(messages)
        if latest is None:
            raise ValueError("No AIMessage found in input")
        kind: Kind = "list" if isinstance(input, list) else "dict"
        return _Work(calls_of(latest), kind, form_of(latest), input, config)

    def _messages(self, state: Any) -> Any:
        if isinstance(state, list):
            return state
        if isinstance(state, dict):
            return state.get(self._key, [])
        return getattr(state, self._key, [])

    def _form(self, state: Any) -> Form | None:
        latest = last_assistant(self._messages(state))
        return None if latest is None else form_of(latest)

    def _run_one(self, call: ToolCall, work: _Work) -> Any:
        if self._wrap is None:
            return self._execute(self._request(call, work), work)
        request = self._request(call, work)
        try:
            return self._wrap(request, lambda changed: self._execute(changed, work))
        except Exception as error:  # noqa: BLE001 - raised again, or answered
            return self._wrapper_failed(error, call, work)

    async def _arun_one(self, call: ToolCall, work: _Work) -> Any:
        request = self._request(call, work)
        if self._awrap is None and self._wrap is None:
            return await self._aexecute(request, work)
        try:
            if self._awrap is not None:
                return await self._awrap(request, lambda changed: self._aexecute(changed, work))
            assert self._wrap is not None
            return self._wrap(request, lambda changed: self._execute(changed, work))
        except Exception as error:  # noqa: BLE001 - raised again, or answered
            return self._wrapper_failed(error, call, work)

    def _request(self, call: ToolCall, work: _Work) -> ToolCallRequest:
        runner = self._runners.get(call["name"])
        wrapped = self._wrap is not None or self._awrap is not None
        runtime: Any = None
        if wrapped or (runner is not None and runner.injected):
            runtime = self._runtime(call, work)
        return ToolCallRequest(call, None if runner is None else runner.tool, work.state, runtime)

    def _runtime(self, call: ToolCall, work: _Work) -> ToolRuntime[Any, Any]:
        task = current_task.get()
        runtime: Runtime[Any] = Runtime() if task is None else task.runtime
        return ToolRuntime(
            state=work.state,
            tool_call_id=call["id"],
            config=work.config,
            context=runtime.context,
            store=runtime.store,
            stream_writer=runtime.stream_writer,
            tools=list(self.tools_by_name.values()),
            execution_info=runtime.execution_info,
            server_info=runtime.server_info,
        )

    def _execute(self, request: ToolCallRequest, work: _Work) -> Any:
        runner, call = self._runner(request), request.tool_call
        if runner is None:
            return self._unknown(call, work)
        call, filled = self._prepared(call, request, runner)
        try:
            check_form(call)
            response = runner.run(call, filled, work.config, work.form)
            return answered(response, request.tool_call, work.kind, self._key)
        except Exception as error:  # noqa: BLE001 - raised again, or answered
            return self._failed(error, request.tool_call, runner, work)

    async def _aexecute(self, request: ToolCallRequest, work: _Work) -> Any:
        runner, call = self._runner(request), request.tool_call
        if runner is None:
            return self._unknown(call, work)
        call, filled = self._prepared(call, request, runner)
        try:
            check_form(call)
            response = await runner.arun(call, filled, work.config, work.form)
            return answered(response, request.tool_call, work.kind, self._key)
        except Exception as error:  # noqa: BLE001 - raised again, or answered
            return self._failed(error, request.tool_call, runner, work)

    def _runner(self, request: ToolCallRequest) -> Runner | None:
        """Return what runs a request; a wrapper may have given it a tool that the node has not."""
        if request.tool is None:
            return None
        known = self._runners.get(request.tool_call["name"])
        if known is not None and known.tool is request.tool:
            return known
        return runner_of(request.tool)

    def _unknown(self, call: ToolCall, work: _Work) -> Any:
        if call["name"] in self._runners:
            raise TypeError(f"Tool {call['name']} is not registered with ToolNode")
        content = _UNKNOWN.format(name=call["name"], known=", ".join(self._runners))
        return tool_message(Outcome(content, failed=True), call, work.form or "dict")

    def _prepared(
        self, call: ToolCall, request: ToolCallRequest, runner: Runner
    ) -> tuple[ToolCall, dict[str, Any]]:
        """Return a call without what the model must not give, and what the graph gives."""
        injected = runner.injected
        if not injected or isinstance(call["args"], str):
            return call, {}
        filled = _state_arguments(call, injected, request.runtime.state, self._key)
        if injected.store:
            if request.runtime.store is None:
                raise ValueError(
                    "Cannot inject store into tools with InjectedStore annotations - please "
                    "compile your graph with a store."
                )
            filled[injected.store] = request.runtime.store
        if injected.runtime:
            filled[injected.runtime] = _of_type(request.runtime, injected.runtime_type)
        kept = {name: v for name, v in call["args"].items() if name not in injected.hidden}
        return {**call, "args": kept}, filled

    def _failed(self, error: Exception, call: ToolCall, runner: Runner, work: _Work) -> Any:
        if is_beyond(error):
            raise error
        known = of_arguments(error, call, runner.injected.hidden)
        if not handles(self._flag, known):
            if known is error:
                raise error
            raise known from error
        content = content_for(self._flag, known)
        return tool_message(Outcome(content, failed=True), call, _form_for(runner, work))

    def _wrapper_failed(self, error: Exception, call: ToolCall, work: _Work) -> Any:
        if is_beyond(error) or not self._flag:
            raise error
        content = content_for(self._flag, error)
        return tool_message(Outcome(content, failed=True), call, work.form or "dict")


def _form_for(runner: Runner, work: _Work) -> Form:
    """Return the kind of a message where no other says it: that of the tool."""
    return work.form or ("object" if hasattr(runner.tool, "tool_call_schema") else "dict")


def _is_call(item: Any) -> bool:
    return isinstance(item, dict) and (item.get("type") == "tool_call" or "function" in item)


def _of_type(runtime: ToolRuntime[Any, Any], kind: Any) -> Any:
    """Return a runtime as the class that a tool expects: ours, or LangGraph's."""
    return runtime if isinstance(runtime, kind) else kind(**vars(runtime))


def _state_arguments(call: ToolCall, injected: Injected, state: Any, key: str) -> dict[str, Any]:
    if not injected.state:
        return {}
    if isinstance(state, list):
        state = _as_dict(call, list(injected.state.values()), state, key)
    filled = {}
    for parameter, field in injected.state.items():
        if not field:
            filled[parameter] = state
        elif field in state if isinstance(state, dict) else hasattr(state, field):
            filled[parameter] = state[field] if isinstance(state, dict) else getattr(state, field)
        elif parameter not in injected.optional:
            raise KeyError(field) if isinstance(state, dict) else AttributeError(field)
    return filled


def _as_dict(call: ToolCall, fields: list[str | None], state: list[Any], key: str) -> Any:
    if fields[0] is None or fields == [key]:
        return {key: state}
    wanted = ", ".join(field for field in fields if field)
    said = f" State should contain fields {wanted}." if wanted else ""
    raise ValueError(
        f"Invalid input to ToolNode. Tool {call['name']} requires graph state dict as input.{said}"
    )


def tools_condition(state: Any, messages_key: str = "messages") -> Literal["tools", "__end__"]:
    """Route to ``tools`` if the last message calls any, to the end otherwise.

    Parameters
    ----------
    state : dict, list of messages, or object with that attribute
    messages_key : str

    Raises
    ------
    ValueError
        There are no messages.

    Examples
    --------
    >>> tools_condition([{"role": "assistant", "content": "done"}])
    '__end__'
    """
    if isinstance(state, list):
        messages = state
    else:
        messages = state.get(messages_key, []) if isinstance(state, dict) else []
        messages = messages or getattr(state, messages_key, [])
        if not messages:
            raise ValueError(f"No messages found in input state to tool_edge: {state}")
    return "tools" if calls_of(messages[-1]) else "__end__"
