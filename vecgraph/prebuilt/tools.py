"""Tools: functions that a model may call, with a description of their arguments."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Literal, overload

from vecgraph.prebuilt._check import Fault, check
from vecgraph.prebuilt._injection import Injected, injected_of
from vecgraph.prebuilt._messages import Outcome, ToolCall, call_of, stringified, tool_message
from vecgraph.prebuilt._schema import docs_of, parameters_of, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Tool", "ToolArgumentError", "tool"]


class ToolArgumentError(ValueError):
    """Arguments that a tool does not take.

    Attributes
    ----------
    faults : list of (str, str)
        Where, and what.
    """

    def __init__(self, tool: str, faults: list[Fault]) -> None:
        self.faults = faults
        listed = "\n".join(f"{place}: {text}" for place, text in faults)
        super().__init__(f"tool {tool!r} does not take these arguments:\n{listed}")


class Tool:
    """A function with a name, a description and a schema of its arguments; made by `tool`.

    Attributes
    ----------
    name, description : str
    parameters : dict
        JSON schema of the arguments that a model gives.
    return_direct : bool
        An agent ends with what the tool returns.
    func, coroutine : callable or None
        The function, in the form that it has.
    injected : Injected
        Which of its parameters the graph fills.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        return_direct: bool = False,
        args_schema: Any = None,
        response_format: Literal["content", "content_and_artifact"] = "content",
    ) -> None:
        is_async = inspect.iscoroutinefunction(fn)
        self.func: Callable[..., Any] | None = None if is_async else fn
        self.coroutine: Callable[..., Any] | None = fn if is_async else None
        self.name = name or str(getattr(fn, "__name__", type(fn).__name__))
        self.description = description or docs_of(inspect.getdoc(fn) or "")[0]
        if not self.description:
            raise ValueError(
                "Function must have a docstring if description not provided.\n"
                f"Hint: say in the docstring of {self.name}() what it does; the model reads it."
            )
        self.return_direct = return_direct
        self.args_schema = args_schema
        self.response_format = response_format
        self.injected: Injected = injected_of(fn)
        self._parameters = parameters_of(fn, self.injected.hidden)
        self._extra = any(
            p.kind is p.VAR_KEYWORD for p in inspect.signature(fn).parameters.values()
        )
        self.parameters: dict[str, Any] = _declared(args_schema) or schema_of(self._parameters)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        function = self.func or self.coroutine
        assert function is not None
        return function(*args, **kwargs)

    def get_name(self) -> str:
        """Return the tool's name."""
        return self.name

    @property
    def args(self) -> dict[str, Any]:
        """JSON schema of each argument."""
        properties: dict[str, Any] = self.parameters.get("properties", {})
        return properties

    def schema(self) -> dict[str, Any]:
        """Return the tool as OpenAI's interface describes one to a model."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return {"type": "function", "function": function}

    def check(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments that a model gave, converted to their types.

        Raises
        ------
        ToolArgumentError
            One is missing or wrong.
        """
        model = self.args_schema
        if hasattr(model, "model_validate"):
            return self._of_model(model, args)
        if model is not None:
            return {name: value for name, value in args.items() if name in self.args}
        values, faults = check(self._parameters, args)
        if faults:
            raise ToolArgumentError(self.name, faults)
        return {**args, **values} if self._extra else values

    def _of_model(self, model: Any, args: dict[str, Any]) -> dict[str, Any]:
        from pydantic import ValidationError

        try:
            made = model.model_validate(args)
        except ValidationError as error:
            faults = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
            raise ToolArgumentError(self.name, faults) from error
        return {name: getattr(made, name) for name in type(made).model_fields}

    def run(self, args: dict[str, Any], filled: dict[str, Any]) -> Any:
        """Call the function with arguments that passed `check`, and those that the graph fills.

        Raises
        ------
        NotImplementedError
            It is a coroutine function.
        """
        if self.func is None:
            raise NotImplementedError("StructuredTool does not support sync invocation.")
        return self.func(**args, **filled)

    async def arun(self, args: dict[str, Any], filled: dict[str, Any]) -> Any:
        """Call the function in either form; an ordinary one in a thread."""
        if self.coroutine is not None:
            return await self.coroutine(**args, **filled)
        return await asyncio.to_thread(self.run, args, filled)

    def outcome(self, returned: Any) -> Outcome:
        """Return what the function returned as what a message holds."""
        if self.response_format == "content":
            return Outcome(stringified(returned))
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise ValueError(
                "Since response_format='content_and_artifact' a two-tuple of the message content "
                f"and raw tool output is expected. Instead, generated response is of type: "
                f"{type(returned)}."
            )
        content, artifact = returned
        return Outcome(stringified(content), artifact=artifact)

    def invoke(self, given: dict[str, Any], config: Any = None) -> Any:
        """Call the tool outside a graph.

        Parameters
        ----------
        given : dict
            Arguments, which gives what the function returns; or a call of the tool, which
            gives a message.
        config : RunnableConfig, optional
            For a parameter that is annotated with it.
        """
        call, filled = self._outside(given, config)
        returned = self.run(self.check(call["args"]), filled)
        return returned if "id" not in call else tool_message(self.outcome(returned), call, "dict")

    async def ainvoke(self, given: dict[str, Any], config: Any = None) -> Any:
        """Call the tool outside a graph, on the event loop; see `invoke`."""
        call, filled = self._outside(given, config)
        returned = await self.arun(self.check(call["args"]), filled)
        return returned if "id" not in call else tool_message(self.outcome(returned), call, "dict")

    def _outside(self, given: dict[str, Any], config: Any) -> tuple[ToolCall, dict[str, Any]]:
        is_call = "function" in given or given.get("type") == "tool_call"
        call = call_of(given) if is_call else {"args": given}
        names = (self.injected.config, self.injected.call_id)
        values = (config or {}, call.get("id"))
        filled = {name: value for name, value in zip(names, values, strict=True) if name}
        marked = self.injected.hidden - filled.keys()
        return call, filled | {name: call["args"][name] for name in marked & call["args"].keys()}


def _declared(args_schema: Any) -> dict[str, Any] | None:
    if args_schema is None or isinstance(args_schema, dict):
        return args_schema
    schema: dict[str, Any] = args_schema.model_json_schema()
    return schema


@overload
def tool(name_or_callable: Callable[..., Any], /, **options: Any) -> Tool: ...


@overload
def tool(
    name_or_callable: str | None = None, /, **options: Any
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    name_or_callable: Callable[..., Any] | str | None = None, /, **options: Any
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function; a decorator with or without arguments.

    Parameters
    ----------
    name_or_callable : callable or str, optional
        The function, or a name for the tool; its name is the function's otherwise.
    description : str, optional
        What it does, for the model; the docstring up to its first section otherwise.
    return_direct : bool
        An agent ends with what the tool returns.
    args_schema : pydantic model or JSON schema, optional
        Of the arguments; that of the signature otherwise.
    response_format : {'content', 'content_and_artifact'}
        The function returns the answer, or that and something for the program.

    Raises
    ------
    ValueError
        There is neither a docstring nor a description.

    Examples
    --------
    >>> @tool
    ... def add(a: int, b: int = 1) -> int:
    ...     '''Add two numbers.'''
    ...     return a + b
    >>> add.parameters["properties"]["b"]
    {'type': 'integer', 'default': 1}
    >>> add.invoke({"a": 2})
    3
    """
    if callable(name_or_callable):
        return Tool(name_or_callable, **options)
    return lambda fn: Tool(fn, name=name_or_callable, **options)
