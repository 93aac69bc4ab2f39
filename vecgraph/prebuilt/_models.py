"""What an agent's model may be, and how each kind is called."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecgraph.messages import role_of
from vecgraph.prebuilt._messages import content_of, system_message

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Bound", "Structured", "binds", "is_dynamic", "is_model", "prompted"]


def is_model(model: Any) -> bool:
    """Tell whether something is a chat model: an object that is invoked with messages."""
    return hasattr(model, "invoke") and not inspect.isclass(model)


def is_dynamic(model: Any) -> bool:
    """Tell whether a function of state and runtime returns the model, as LangGraph has it."""
    if is_model(model) or not callable(model):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [
        parameter
        for parameter in inspect.signature(model).parameters.values()
        if parameter.kind in kinds and parameter.default is inspect.Parameter.empty
    ]
    return len(needed) == 2


@dataclass(frozen=True, slots=True)
class Bound:
    """A model that knows its tools.

    Attributes
    ----------
    model : object
        A chat model, or a function of messages.
    tools : list of dict
        Schemas for a function that has a parameter ``tools``.
    """

    model: Any
    tools: list[dict[str, Any]]

    def call(self, messages: Any, config: Any, **options: Any) -> Any:
        """Return the model's answer."""
        if is_model(self.model):
            return self.model.invoke(messages, config)
        return self.model(messages, **self._options(config, options))

    async def acall(self, messages: Any, config: Any, **options: Any) -> Any:
        """Return the model's answer, on the event loop where it has a coroutine form."""
        if is_model(self.model):
            return await self.model.ainvoke(messages, config)
        answer = self.model(messages, **self._options(config, options))
        return await answer if inspect.isawaitable(answer) else answer

    def _options(self, config: Any, options: dict[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments that a function of messages asks for by name."""
        offered = {"tools": self.tools, "config": config, **options}
        parameters = inspect.signature(self.model).parameters
        return {name: value for name, value in offered.items() if name in parameters}


def binds(model: Any, names: set[str], builtin: int) -> bool:
    """Tell whether a LangChain model has its tools yet, and refuse others than the agent's.

    Raises
    ------
    ValueError
        It was given other tools than the agent has.
    """
    binding = _binding(model)
    if binding is None or "tools" not in binding.kwargs:
        return False
    tools = binding.kwargs["tools"]
    if len(names) != len(tools) - builtin:
        raise ValueError(
            "Number of tools in the model.bind_tools() and tools passed to create_react_agent must "
            f"match Got {len(names)} tools, expected {len(tools) - builtin}"
        )
    bound = {_tool_name(tool) for tool in tools}
    if missing := names - bound:
        raise ValueError(f"Missing tools '{missing}' in the model.bind_tools()")
    return True


def _binding(model: Any) -> Any:
    """Return the part of a LangChain model that holds arguments bound to it, None if none does."""
    parts = getattr(model, "steps", None) or [model]
    return next(
        (part for part in parts if hasattr(part, "bound") and hasattr(part, "kwargs")), None
    )


def _tool_name(tool: Any) -> Any:
    if isinstance(tool, dict) and tool.get("type") == "function":
        return tool["function"]["name"]
    return tool.get("name") if isinstance(tool, dict) else getattr(tool, "name", None)


def prompted(prompt: Any, state: Any, messages: Sequence[Any]) -> Any:
    """Return what a model gets: the messages, with an agent's prompt before them.

    Parameters
    ----------
    prompt : None, str, message, callable or Runnable
        A callable gets the state.
    """
    if prompt is None:
        return messages
    if isinstance(prompt, str):
        return [system_message(prompt, messages), *messages]
    if is_model(prompt):
        return prompt.invoke(state)
    if callable(prompt):
        return prompt(state)
    if _is_message(prompt):
        return [prompt, *messages]
    raise ValueError(f"Got unexpected type for `prompt`: {type(prompt)}")


def _is_message(prompt: Any) -> bool:
    return (isinstance(prompt, dict) or hasattr(prompt, "content")) and role_of(prompt) in {
        "developer",
        "system",
    }


class Structured:
    """A model whose answers have a schema.

    A chat model's ``with_structured_output`` makes it. A function of messages gets the schema
    in OpenAI's form if it has a parameter ``response_format``, and its answer is read as JSON.

    Parameters
    ----------
    model : object
    schema : pydantic model, or JSON schema with a title
    """

    def __init__(self, model: Any, schema: Any) -> None:
        self._schema = schema
        self._made = _chat_model(model).with_structured_output(schema) if is_model(model) else None
        self._bound = Bound(model, [])

    def call(self, messages: Any, config: Any) -> Any:
        """Return the answer."""
        if self._made is not None:
            return self._made.invoke(messages, config)
        answer = self._bound.call(messages, config, response_format=_wanted(self._schema))
        return _parsed(answer, self._schema)

    async def acall(self, messages: Any, config: Any) -> Any:
        """Return the answer, on the event loop."""
        if self._made is not None:
            return await self._made.ainvoke(messages, config)
        wanted = _wanted(self._schema)
        answer = await self._bound.acall(messages, config, response_format=wanted)
        return _parsed(answer, self._schema)


def _chat_model(model: Any) -> Any:
    """Return the chat model inside what LangChain has put around it.

    Raises
    ------
    TypeError
        There is none.
    """
    parts = getattr(model, "steps", None) or [model]
    for part in parts:
        inner = part.bound if hasattr(part, "bound") and hasattr(part, "kwargs") else part
        if hasattr(inner, "with_structured_output"):
            return inner
    raise TypeError(
        "Expected `model` to be a ChatModel or RunnableBinding (e.g. model.bind_tools(...)), "
        f"got {type(model)}"
    )


def _wanted(schema: Any) -> dict[str, Any]:
    shown = schema if isinstance(schema, dict) else schema.model_json_schema()
    name = shown.get("title", "response")
    return {"type": "json_schema", "json_schema": {"name": name, "schema": shown}}


def _parsed(answer: Any, schema: Any) -> Any:
    is_text = isinstance(answer, str)
    is_message = not is_text and (hasattr(answer, "content") or _has_role(answer))
    content = content_of(answer) if is_message else answer
    if isinstance(schema, dict):
        return json.loads(content) if isinstance(content, str) else content
    if isinstance(content, schema):
        return content
    if isinstance(content, str):
        return schema.model_validate_json(content)
    return schema.model_validate(content)


def _has_role(answer: Any) -> bool:
    return isinstance(answer, dict) and "role" in answer and "content" in answer
