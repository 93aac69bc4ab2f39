"""A chat model that says what it was told to: the same for a history whoever asks, and when."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

from vecgraph.messages import message_of, role_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FakeChatModel"]


class FakeChatModel:
    """Answers from a list, without a state of its own.

    Which answer comes is told by the history: after n messages of an assistant it is the n-th,
    counted from 0. So that one model serves any number of runs at once, each exactly as if it
    were alone.

    Parameters
    ----------
    responses : sequence of str, message, or callable
        A string is what an assistant says; a callable gets the messages and returns one of
        the others.
    structured : object
        What a model made by `with_structured_output` answers; a callable gets the messages.

    Attributes
    ----------
    tools : list
        That `bind_tools` gave this model.
    structured_schema : object
        That `with_structured_output` gave it.

    Examples
    --------
    >>> call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    >>> model = FakeChatModel([{"role": "assistant", "content": None, "tool_calls": [call]}, "done"])
    >>> first = model.invoke([("user", "go")])
    >>> model.invoke([("user", "go"), first, ("tool", "...")])
    {'role': 'assistant', 'content': 'done'}
    """

    def __init__(self, responses: Sequence[Any], *, structured: Any = None) -> None:
        self.responses = list(responses)
        self.structured = structured
        self.tools: list[Any] = []
        self.structured_schema: Any = None

    def __repr__(self) -> str:
        return f"FakeChatModel({len(self.responses)} responses)"

    def bind_tools(self, tools: Sequence[Any], **_options: Any) -> Self:
        """Return the model with tools."""
        bound = copy.copy(self)
        bound.tools = list(tools)
        return bound

    def with_structured_output(self, schema: Any, **_options: Any) -> Self:
        """Return the model that answers `structured`."""
        made = copy.copy(self)
        made.structured_schema = schema
        return made

    def invoke(self, messages: Any, config: Any = None, **_options: Any) -> Any:
        """Return the answer to a history; a new object each time.

        Raises
        ------
        IndexError
            There are no more answers.
        """
        listed = [messages] if isinstance(messages, str) else list(messages)
        if self.structured_schema is not None:
            return _made(self.structured, listed)
        said = sum(role_of(message_of(message)) == "assistant" for message in listed)
        if said >= len(self.responses):
            raise IndexError(
                f"a FakeChatModel with {len(self.responses)} responses was asked for one more.\n"
                "Hint: end with a response that calls no tools."
            )
        answer = _made(self.responses[said], listed)
        return {"role": "assistant", "content": answer} if isinstance(answer, str) else answer

    async def ainvoke(self, messages: Any, config: Any = None, **options: Any) -> Any:
        """Return the answer to a history; see `invoke`."""
        return self.invoke(messages, config, **options)


def _made(answer: Any, messages: list[Any]) -> Any:
    if callable(answer):
        make: Callable[[list[Any]], Any] = answer
        return make(messages)
    # Runs would share the object, and its id, otherwise.
    return copy.deepcopy(answer)
