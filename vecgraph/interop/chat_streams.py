"""LangChain's streams of a model's message, for ``run.messages``."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models._compat_bridge import message_to_events
from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream

__all__ = ["made", "replay"]


def made(node: str | None, ident: Any, *, pump: Any, apump: Any) -> Any:
    """Return a stream that moves a run on as it is read.

    Parameters
    ----------
    node : str or None
        The node whose model speaks.
    ident : object
        Id of the message.
    pump, apump : callable or None
        What moves the run on; with `apump` the stream is read on an event loop.
    """
    ident = None if ident is None else str(ident)
    if apump is not None:
        awaited = AsyncChatModelStream(namespace=[], node=node, message_id=ident)
        awaited.set_arequest_more(apump)
        return awaited
    stream = ChatModelStream(namespace=[], node=node, message_id=ident)
    if pump is not None:
        stream.set_request_more(pump)
    return stream


def replay(stream: Any, message: Any) -> None:
    """Have a stream say a message that is known as a whole."""
    for event in message_to_events(message, message_id=message.id):
        stream.dispatch(event)
