"""`create_react_agent`: a model and tools in a loop, as a graph."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypedDict,
    get_type_hints,
)

from vecgraph.constants import END
from vecgraph.errors import ErrorCode, create_error_message
from vecgraph.graph import StateGraph
from vecgraph.managed import RemainingSteps
from vecgraph.messages import AnyMessage, add_messages, role_of
from vecgraph.nodes.coerce import no_sync_function
from vecgraph.prebuilt._messages import (
    ToolCall,
    assistant_message,
    calls_of,
    field_of,
    form_of,
    last_assistant,
    named,
    system_message,
    tool_call_id_of,
)
from vecgraph.prebuilt._models import Bound, Structured, binds, is_dynamic, is_model, prompted
from vecgraph.prebuilt.tool_node import ToolNode
from vecgraph.prebuilt.tools import Tool
from vecgraph.runtime import get_runtime
from vecgraph.types import Send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.app import App

__all__ = [
    "AgentState",
    "AgentStateWithStructuredResponse",
    "create_react_agent",
    "create_tool_calling_executor",
]

_MORE_STEPS = "Sorry, need more steps to process this request."


class AgentState(TypedDict):
    """The state of an agent: its messages, and how many steps it has left."""

    messages: Annotated[list[AnyMessage], add_messages]
    remaining_steps: NotRequired[RemainingSteps]


class AgentStateWithStructuredResponse(AgentState):
    """The state of an agent that ends with an answer of a schema."""

    structured_response: Any


def create_react_agent(
    model: Any,
    tools: Sequence[Any] | ToolNode,
    *,
    prompt: Any = None,
    response_format: Any = None,
    pre_model_hook: Any = None,
    post_model_hook: Any = None,
    state_schema: Any = None,
    context_schema: Any = None,
    checkpointer: Any = None,
    store: Any = None,
    interrupt_before: list[str] | None = None,
    interrupt_after: list[str] | None = None,
    debug: bool = False,
    version: Literal["v1", "v2"] = "v2",
    name: str | None = None,
) -> App:
    """Build the graph of an agent: the model answers, its calls run, until it calls no more.

    Parameters
    ----------
    model : callable or chat model
        A function of messages that returns a message (it may ask for ``tools``, their
        schemas, ``config`` and ``response_format`` by name); an object with ``invoke`` and
        ``bind_tools``; or a function of state and runtime that returns one of these for a
        step.
    tools : sequence, or ToolNode
        Functions, tools, LangChain tools; dicts are tools that the model's provider runs.
    prompt : str, message, callable or Runnable, optional
        Put before the messages; a callable makes the model's input of the state.
    response_format : pydantic model, JSON schema, or pair (prompt, schema), optional
        In the end the model is asked for this, as ``structured_response``.
    pre_model_hook, post_model_hook : node, optional
        Run before and after the model. The first may write ``llm_input_messages``, which
        the model then gets instead of ``messages``.
    state_schema : type, optional
        With ``messages``, ``remaining_steps`` and, with `response_format`,
        ``structured_response``.
    context_schema, checkpointer, store, interrupt_before, interrupt_after, debug : optional
        As for `StateGraph`.
    version : {'v1', 'v2'}
        Whether one task runs all calls of a message, or each has its own.
    name : str, optional
        Of the agent, and of what it says.

    Raises
    ------
    ValueError
        `state_schema` lacks a key, the model was given other tools, or `version` is unknown.
    TypeError
        `model` is neither a function nor a chat model.

    Examples
    --------
    >>> def model(messages):
    ...     return {"role": "assistant", "content": f"{len(messages)} so far"}
    >>> agent = create_react_agent(model, [])
    >>> result = agent.invoke({"messages": [("user", "hi")]})
    >>> result["messages"][-1]["content"]
    '1 so far'
    """
    if version not in {"v1", "v2"}:
        raise ValueError(f"Invalid version {version}. Supported versions are 'v1' and 'v2'.")
    schema = _schema(state_schema, structured=response_format is not None)
    builtin = [] if isinstance(tools, ToolNode) else [t for t in tools if isinstance(t, dict)]
    node = tools if isinstance(tools, ToolNode) else ToolNode(_own(tools))
    agent = _Agent(
        model=_bound(model, node, builtin),
        dynamic=is_dynamic(model),
        prompt=prompt,
        response_format=response_format,
        hooked=pre_model_hook is not None,
        direct=frozenset(
            each
            for each, tool in node.tools_by_name.items()
            if getattr(tool, "return_direct", False)
        ),
        name=name,
    )
    builder = StateGraph(schema, context_schema=context_schema)
    plan = _Plan(agent, node, schema, pre_model_hook, post_model_hook, version)
    plan.draw(builder)
    return builder.compile(
        checkpointer=checkpointer,
        store=store,
        interrupt_before=interrupt_before,
        interrupt_after=interrupt_after,
        debug=debug,
        name=name,
    )


create_tool_calling_executor = create_react_agent
"""LangGraph's former name of `create_react_agent`."""


def _own(tools: Sequence[Any]) -> list[Any]:
    return [tool for tool in tools if not isinstance(tool, dict)]


def _schema(schema: Any, *, structured: bool) -> Any:
    if schema is None:
        return AgentStateWithStructuredResponse if structured else AgentState
    required = {"messages", "remaining_steps"}
    if structured:
        required.add("structured_response")
    if missing := required - set(get_type_hints(schema)):
        raise ValueError(f"Missing required key(s) {missing} in state_schema")
    return schema


def _bound(model: Any, node: ToolNode, builtin: list[Any]) -> Bound:
    """Return the model with its tools; a function that chooses models binds them itself."""
    if isinstance(model, str):
        raise TypeError(
            f"a model by name ({model!r}) needs LangChain.\n"
            "Hint: pass langchain.chat_models.init_chat_model(...), or a function of messages."
        )
    if not is_model(model) and not callable(model):
        raise TypeError(f"a model is a function of messages or a chat model, got {type(model)}")
    tools = list(node.tools_by_name.values())
    schemas = [*(tool.schema() if isinstance(tool, Tool) else tool for tool in tools), *builtin]
    if is_model(model) and not binds(model, set(node.tools_by_name), len(builtin)) and schemas:
        model = model.bind_tools(schemas)
    return Bound(model, schemas)


def _value(state: Any, key: str, default: Any = None) -> Any:
    return state.get(key, default) if isinstance(state, dict) else getattr(state, key, default)


class _Both:
    """A node with a form for each kind of run."""

    def __init__(self, name: str, call: Any, acall: Any) -> None:
        self.name = name
        self.invoke = call
        self.ainvoke = acall

    def get_name(self) -> str:
        return self.name


@dataclass(frozen=True)
class _Agent:
    """The functions of an agent's nodes.

    Attributes
    ----------
    model : Bound
    dynamic : bool
        The model is a function that chooses one.
    prompt, response_format : object
    hooked : bool
        A node before the model may have chosen what it gets.
    direct : frozenset of str
        Tools whose answer ends the run.
    name : str or None
    """

    model: Bound
    dynamic: bool
    prompt: Any
    response_format: Any
    hooked: bool
    direct: frozenset[str]
    name: str | None

    def call(self, state: Any, config: Any = None) -> dict[str, Any]:
        """Ask the model."""
        messages = _sync(prompted(self.prompt, *self._input(state)), "Prompt")
        model = self._bound(_sync(self._chosen(state), "agent"))
        answer = model.call(messages, config)
        return self._said(state, _sync(answer, "agent"))

    async def acall(self, state: Any, config: Any = None) -> dict[str, Any]:
        """Ask the model, on the event loop."""
        messages = await _awaited(prompted(self.prompt, *self._input(state)))
        model = self._bound(await _awaited(self._chosen(state)))
        return self._said(state, await model.acall(messages, config))

    def _chosen(self, state: Any) -> Any:
        """Return the model of this step, or what gives it when it is awaited."""
        return self.model.model(state, get_runtime()) if self.dynamic else self.model.model

    def _bound(self, chosen: Any) -> Bound:
        return Bound(chosen, self.model.tools)

    def _input(self, state: Any) -> tuple[Any, Any]:
        """Return the state and the messages that the model gets."""
        messages = _value(state, "llm_input_messages") if self.hooked else None
        messages = messages or _value(state, "messages")
        if messages is None:
            keys = "'llm_input_messages' or 'messages' key" if self.hooked else "'messages' key"
            raise ValueError(f"Expected input to call_model to have {keys}, but got {state}")
        _check_history(messages)
        # A prompt finds there what the model gets.
        if isinstance(state, dict):
            state["messages"] = messages
        else:
            state.messages = messages
        return state, messages

    def _said(self, state: Any, answer: Any) -> dict[str, Any]:
        message = named(answer, self.name)
        if self._ends_too_soon(state, message):
            id_ = field_of(message, "id")
            return {"messages": [assistant_message(_MORE_STEPS, id_, form_of(message))]}
        return {"messages": [message]}

    def _ends_too_soon(self, state: Any, message: AnyMessage) -> bool:
        """Tell whether the recursion limit would end the run before the calls are answered."""
        left = _value(state, "remaining_steps")
        if left is None or role_of(message) != "assistant":
            return False
        calls = calls_of(message)
        only_direct = all(call["name"] in self.direct for call in calls)
        return bool((left < 1 and only_direct) or (left < 2 and calls))

    def respond(self, state: Any, config: Any = None) -> dict[str, Any]:
        """Ask the model for an answer of the schema."""
        schema, messages = self._final(state)
        model = _sync(self._chosen(state), "generate_structured_response")
        answer = _sync(Structured(model, schema).call(messages, config), "agent")
        return {"structured_response": answer}

    async def arespond(self, state: Any, config: Any = None) -> dict[str, Any]:
        """Ask the model for an answer of the schema, on the event loop."""
        schema, messages = self._final(state)
        model = await _awaited(self._chosen(state))
        return {"structured_response": await Structured(model, schema).acall(messages, config)}

    def _final(self, state: Any) -> tuple[Any, Any]:
        messages = _value(state, "messages")
        if not isinstance(self.response_format, tuple):
            return self.response_format, messages
        prompt, schema = self.response_format
        return schema, [system_message(prompt, messages), *messages]


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _sync(value: Any, name: str) -> Any:
    """Return a value that need not be awaited.

    Raises
    ------
    TypeError
        It must be.
    """
    if inspect.iscoroutine(value):
        value.close()
        raise no_sync_function(name)
    return value


def _check_history(messages: Sequence[AnyMessage]) -> None:
    """Refuse calls that nothing answers: most models' interfaces do, later and with less to say.

    Raises
    ------
    ValueError
        There are some.
    """
    answered = {tool_call_id_of(message) for message in messages}
    open_ = [
        call
        for message in messages
        if role_of(message) == "assistant"
        for call in calls_of(message)
        if call["id"] not in answered
    ]
    if open_:
        raise ValueError(
            create_error_message(
                message="Found AIMessages with tool_calls that do not have a corresponding "
                f"ToolMessage. Here are the first few of those tool calls: {open_[:3]}.\n\n"
                "Every tool call (LLM requesting to call a tool) in the message history MUST have "
                "a corresponding ToolMessage (result of a tool invocation to return to the LLM) - "
                "this is required by most LLM providers.",
                error_code=ErrorCode.INVALID_CHAT_HISTORY,
            )
        )


@dataclass(frozen=True)
class _Plan:
    """The nodes and edges of an agent's graph."""

    agent: _Agent
    tools: ToolNode
    schema: Any
    before: Any
    after: Any
    version: str

    @property
    def entry(self) -> str:
        return "agent" if self.before is None else "pre_model_hook"

    @property
    def last(self) -> str:
        """Where a run goes when the model calls nothing more."""
        return END if self.agent.response_format is None else "generate_structured_response"

    def draw(self, builder: StateGraph) -> None:
        """Add the nodes and the edges."""
        agent = self.agent
        has_tools = bool(self.tools.tools_by_name)
        both = _Both("agent", agent.call, agent.acall)
        builder.add_node("agent", both, input_schema=self._input_schema())
        if has_tools:
            builder.add_node("tools", self.tools)
        if self.before is not None:
            builder.add_node("pre_model_hook", self.before)
            builder.add_edge("pre_model_hook", "agent")
        builder.set_entry_point(self.entry)
        if self.after is not None:
            builder.add_node("post_model_hook", self.after)
            builder.add_edge("agent", "post_model_hook")
        if agent.response_format is not None:
            final = _Both("generate_structured_response", agent.respond, agent.arespond)
            builder.add_node("generate_structured_response", final)
        if has_tools:
            self._route(builder)
        elif agent.response_format is not None:
            source = "agent" if self.after is None else "post_model_hook"
            builder.add_edge(source, "generate_structured_response")

    def _route(self, builder: StateGraph) -> None:
        if self.after is not None:
            ends = [self.entry, "tools", self.last]
            builder.add_conditional_edges("post_model_hook", self.post_model_hook_router, ends)
            builder.add_conditional_edges("agent", self.should_continue, ["post_model_hook"])
        else:
            builder.add_conditional_edges("agent", self.should_continue, ["tools", self.last])
        if self.agent.direct:
            ends = [self.entry, END]
            builder.add_conditional_edges("tools", self.route_tool_responses, ends)
        else:
            builder.add_edge("tools", self.entry)

    def _input_schema(self) -> Any:
        """Return what the model's node reads: with a hook also what that may have chosen."""
        schema: Any = self.schema
        if self.before is None:
            return schema
        if hasattr(schema, "model_validate"):
            from pydantic import create_model

            extra: Any = {"llm_input_messages": (list[Any], ...)}
            return create_model("CallModelInputSchema", __base__=schema, **extra)
        # The keys of the state and their rules, so that nothing changes about them.
        hints = get_type_hints(schema, include_extras=True)
        keys = {**hints, "llm_input_messages": list[AnyMessage]}
        return TypedDict("CallModelInputSchema", keys)  # type: ignore[operator]

    def should_continue(self, state: Any) -> Any:
        """Route after the model."""
        last = _value(state, "messages")[-1]
        calls = calls_of(last) if role_of(last) == "assistant" else []
        if self.after is not None and (self.version == "v2" or not calls):
            return "post_model_hook"
        if not calls:
            return self.last
        return "tools" if self.version == "v1" else _sends(calls, state)

    def post_model_hook_router(self, state: Any) -> Any:
        """Route after the hook behind the model."""
        messages = _value(state, "messages")
        answered = {tool_call_id_of(message) for message in messages}
        latest = last_assistant(messages)
        calls = [] if latest is None else calls_of(latest)
        if pending := [call for call in calls if call["id"] not in answered]:
            return _sends(pending, state)
        return self.entry if role_of(messages[-1]) == "tool" else self.last

    def route_tool_responses(self, state: Any) -> str:
        """Route after the tools: to the end if one of them has the last word."""
        direct = self.agent.direct
        for message in reversed(_value(state, "messages")):
            if role_of(message) != "tool":
                break
            if field_of(message, "name") in direct:
                return END
        # Of calls that ran side by side another one may have had it.
        calls = calls_of(message) if role_of(message) == "assistant" else []
        return END if any(call["name"] in direct for call in calls) else self.entry


def _sends(calls: list[ToolCall], state: Any) -> list[Send]:
    kind = "tool_call_with_context"
    return [Send("tools", {"__type": kind, "tool_call": call, "state": state}) for call in calls]
