"""`ValidationNode`: checks the calls of tools without running any."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from vecgraph.messages import role_of
from vecgraph.prebuilt._messages import Outcome, ToolCall, calls_of, form_of, tool_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ValidationNode"]


def _by_default(error: BaseException, _call: ToolCall, _schema: Any) -> str:
    return f"{error!r}\n\nRespond after fixing all validation errors."


class ValidationNode:
    """Answer each call of the last message with its checked arguments, or with what is wrong.

    Parameters
    ----------
    schemas : sequence of pydantic models, tools with one, or functions
    format_error : callable, optional
        From the error, the call and the schema to the answer.
    name : str
    tags : list of str, optional
        Taken for LangGraph's sake: they belong to its traces.

    Raises
    ------
    ImportError
        pydantic is not installed.
    ValueError
        A schema is none of these.
    """

    def __init__(
        self,
        schemas: Sequence[Any],
        *,
        format_error: Callable[[BaseException, ToolCall, Any], str] | None = None,
        name: str = "validation",
        tags: list[str] | None = None,
    ) -> None:
        self.name = name
        self.tags = tags
        self._format = format_error or _by_default
        self.schemas_by_name: dict[str, Any] = dict(map(_named, schemas))

    def get_name(self) -> str:
        """Return the node's name."""
        return self.name

    def invoke(self, input: Any, config: Any = None) -> Any:
        """Check the calls of the last message.

        Parameters
        ----------
        input : list of messages, or dict with ``messages``
        config : RunnableConfig, optional

        Returns
        -------
        list of messages, or dict with ``messages``
            As the input.

        Raises
        ------
        ValueError
            There is no message, or the last one is no assistant's.
        """
        messages = input if isinstance(input, list) else input.get("messages", [])
        if not messages:
            raise ValueError("No message found in input")
        latest = messages[-1]
        if role_of(latest) != "assistant":
            raise ValueError("Last message is not an AIMessage")
        answers = [self._answer(call, latest) for call in calls_of(latest)]
        return answers if isinstance(input, list) else {"messages": answers}

    async def ainvoke(self, input: Any, config: Any = None) -> Any:
        """Check the calls on the event loop; see `invoke`."""
        return self.invoke(input, config)

    def _answer(self, call: ToolCall, latest: Any) -> Any:
        from pydantic import ValidationError

        schema = self.schemas_by_name[call["name"]]
        form = form_of(latest)
        try:
            made = schema.model_validate(call["args"])
        except ValidationError as error:
            content = self._format(error, call, schema)
            return _wrong(tool_message(Outcome(content), call, form))
        return tool_message(Outcome(made.model_dump_json()), call, form)


def _wrong(message: Any) -> Any:
    if isinstance(message, dict):
        return {**message, "additional_kwargs": {"is_error": True}}
    message.additional_kwargs["is_error"] = True
    return message


def _named(schema: Any) -> tuple[str, Any]:
    try:
        from pydantic import BaseModel
    except ImportError as error:
        raise ImportError("ValidationNode needs pydantic: pip install pydantic") from error
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return schema.__name__, schema
    declared = getattr(schema, "args_schema", None)
    if hasattr(schema, "args_schema") and hasattr(schema, "name"):
        if not (isinstance(declared, type) and issubclass(declared, BaseModel)):
            raise ValueError(
                "Validation node only works with tools that have a pydantic BaseModel "
                f"args_schema. Got {schema.name} with args_schema: {declared}."
            )
        return schema.name, declared
    if callable(schema) and not isinstance(schema, type):
        return schema.__name__, _model_of(schema)
    raise ValueError(
        "Unsupported input to ValidationNode. Expected BaseModel, tool or function. "
        f"Got: {type(schema)}."
    )


def _model_of(function: Callable[..., Any]) -> Any:
    from pydantic import create_model

    from vecgraph.prebuilt._schema import parameters_of

    fields: dict[str, Any] = {
        p.name: (p.annotation, ... if p.default is inspect.Parameter.empty else p.default)
        for p in parameters_of(function, frozenset())
    }
    return create_model("Validation", **fields)
