"""``run.messages``: what chat models say, message by message, each as a stream of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vecgraph.messages import id_of, role_of
from vecgraph.registry import load
from vecgraph.stream.events import StreamTransformer
from vecgraph.stream.stream_channel import StreamChannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping

    from vecgraph.stream.events import ProtocolEvent

__all__ = ["AsyncMessageStream", "MessageStream", "MessagesTransformer", "Parts"]


class Parts:
    """A part of a message that is known as a whole: its pieces, or all of it.

    It may be iterated, also with ``async for``, and awaited.

    Parameters
    ----------
    value : object
        All of it.
    pieces : list
    """

    done = True
    error = None

    def __init__(self, value: Any, pieces: list[Any]) -> None:
        self._value, self._pieces = value, pieces

    def get(self) -> Any:
        """Return all of it."""
        return self._value

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pieces)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for piece in self._pieces:
            yield piece

    def __await__(self) -> Generator[Any, None, Any]:
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        return self._value

    def __str__(self) -> str:
        return str(self._value)

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __repr__(self) -> str:
        return repr(self._value)


class MessageStream:
    """A message that is a dict, in the form in which LangChain streams a model's message.

    Parameters
    ----------
    message : dict
    node : str or None
        The node that wrote it.

    Attributes
    ----------
    namespace : list of str
        Empty.
    message_id : str or None
    text, reasoning : Parts
        Of str.
    tool_calls : Parts
        Of dicts with ``type``, ``id``, ``name`` and ``args``.
    done : bool
        It is known as a whole.

    Examples
    --------
    >>> stream = MessageStream({"role": "assistant", "content": "hi", "id": "1"}, "chat")
    >>> str(stream.text), stream.output["content"], [event["event"] for event in stream][:2]
    ('hi', 'hi', ['message-start', 'content-block-start'])
    """

    done = True

    def __init__(self, message: dict[str, Any], node: str | None) -> None:
        self.message = message
        self.namespace: list[str] = []
        self.node = node
        self.message_id = id_of(message)
        text = _text_of(message.get("content"))
        self.text = Parts(text, [text] if text else [])
        self.reasoning = Parts("", [])
        self.tool_calls = Parts([_call_of(call) for call in message.get("tool_calls") or ()], [])

    @property
    def output(self) -> Any:
        """The message."""
        return self.message

    @property
    def events(self) -> list[dict[str, Any]]:
        """The message as events: it begins, each of its blocks does and ends, it ends."""
        begun: dict[str, Any] = {"event": "message-start", "role": "ai"}
        if self.message_id is not None:
            begun["id"] = self.message_id
        found = [begun]
        text = self.text.get()
        blocks = [{"type": "text", "text": text}] if text else []
        for index, block in enumerate([*blocks, *self.tool_calls.get()]):
            is_text = block["type"] == "text"
            empty: dict[str, Any] = {"text": ""} if is_text else {"args": {}}
            place = {"index": index}
            found.append({"event": "content-block-start", **place, "content": {**block, **empty}})
            if is_text:
                delta = {"type": "text-delta", "text": text}
                found.append({"event": "content-block-delta", **place, "delta": delta})
            found.append({"event": "content-block-finish", **place, "content": block})
        return [*found, {"event": "message-finish"}]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the message as events."""
        return iter(self.events)


class AsyncMessageStream(MessageStream):
    """The same in a run on an event loop: its parts are awaited, and so may it be itself."""

    @property
    def output(self) -> Parts:
        """The message."""
        return Parts(self.message, [])

    def __await__(self) -> Generator[Any, None, dict[str, Any]]:
        return self.output.__await__()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        for event in self.events:
            yield event


def _text_of(content: Any) -> str:
    """Return the text of a content: a str, or a list of blocks."""
    if not isinstance(content, list):
        return content or ""
    texts = (b if isinstance(b, str) else b.get("text", "") for b in content)
    return "".join(texts)


def _call_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool call; OpenAI has its name and arguments, a text of JSON, one level below."""
    function = call.get("function") or {}
    args = call.get("args", function.get("arguments"))
    parsed = json.loads(args) if isinstance(args, str) else args
    name = call.get("name", function.get("name"))
    return {"type": "tool_call", "id": call.get("id"), "name": name, "args": parsed or {}}


class MessagesTransformer(StreamTransformer):
    """``run.messages``: a stream for each message of a model, and for what nodes write whole.

    A message that is a dict is a `MessageStream`; one of LangChain's, and what a model of
    LangChain's says token by token, is LangChain's ``ChatModelStream``. Messages of tools and of
    graphs in the run are not in it.
    """

    _native = True
    required_stream_modes = ("messages",)

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._log: StreamChannel[Any] = StreamChannel()
        self._by_call: dict[str, Any] = {}
        self._pump: Callable[[], bool] | None = None
        self._apump: Callable[[], Awaitable[bool]] | None = None

    def init(self) -> dict[str, Any]:
        """Return the stream of streams."""
        return {"messages": self._log}

    def _bind_pump(self, pump: Callable[[], bool]) -> None:
        self._pump = pump

    def _bind_apump(self, pump: Callable[[], Awaitable[bool]]) -> None:
        self._apump = pump

    def process(self, event: ProtocolEvent) -> bool:
        """Put in a message that begins or is whole, or let one go on."""
        params = event["params"]
        if event["method"] != "messages" or params["namespace"] != list(self.scope):
            return True
        said, metadata = params["data"]
        node = metadata.get("langgraph_node")
        if isinstance(said, dict) and "event" in said:
            self._go_on(said, str(metadata.get("run_id", "")), node)
        elif isinstance(said, dict):
            if role_of(said) != "tool":
                kind = MessageStream if self._apump is None else AsyncMessageStream
                self._log.push(kind(said, node))
        elif _is_whole(said):
            stream = self._langchain(node, said.id)
            load("chat_streams", "langchain").replay(stream, said)
            self._log.push(stream)
        return True

    def _langchain(self, node: str | None, ident: Any) -> Any:
        made = load("chat_streams", "langchain").made
        return made(node, ident, pump=self._pump, apump=self._apump)

    def _go_on(self, said: dict[str, Any], call: str, node: str | None) -> None:
        if said["event"] == "message-start":
            if said.get("role") == "tool":
                return
            stream = self._by_call[call] = self._langchain(node, said.get("message_id"))
            self._log.push(stream)
        stream = self._by_call.get(call)
        if stream is not None:
            stream.dispatch(said)
        if said["event"] == "message-finish":
            self._by_call.pop(call, None)

    def finalize(self) -> None:
        """Forget the messages: each has ended by itself."""
        self._by_call.clear()

    def fail(self, err: BaseException) -> None:
        """End the messages that have not ended."""
        for stream in list(self._by_call.values()):
            stream.fail(err)
        self._by_call.clear()


def _is_whole(message: Any) -> bool:
    """Return whether a message of LangChain's is neither a part of one nor a tool's."""
    kinds = {kind.__name__ for kind in type(message).__mro__}
    return "BaseMessage" in kinds and not kinds & {"AIMessageChunk", "ToolMessage"}
