"""Tokens of LangChain's chat models, shown in the ``messages`` stream of a run of ours.

A callback handler is given to the run's tasks with their configs, and stands in LangChain's
context variable while a task runs, for models that are called without a config.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers._streaming import _StreamingCallbackHandler

try:
    from langchain_core.tracers._streaming import _V2StreamingCallbackHandler
except ImportError:  # an old version, whose models make no events

    class _V2StreamingCallbackHandler:  # type: ignore[no-redef]
        pass


from vecgraph.constants import TAG_NOSTREAM
from vecgraph.mail import Mail, namespace_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextvars import Token
    from uuid import UUID

    from vecgraph.engine.scope import TaskScope

__all__ = ["Surroundings", "TokenHandler", "with_handler"]


class TokenHandler(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """Posts what chat models say, token by token.

    Parameters
    ----------
    mail : Mail
    """

    run_inline = True

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self._calls: dict[UUID, tuple[tuple[str, ...], Any]] = {}
        self._streamed: set[UUID] = set()

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        """Leave the output of a Runnable as it is."""
        return output

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Leave the output of a Runnable as it is."""
        return output

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note a call whose tokens are shown."""
        if (
            not metadata
            or "langgraph_checkpoint_ns" not in metadata
            or TAG_NOSTREAM in (tags or ())
        ):
            return
        namespace = namespace_of(metadata)
        if self._mail.shows(namespace):
            mine = [tag for tag in tags or () if not tag.startswith("seq:step")]
            shown = {**metadata, "tags": mine} if mine else metadata
            self._calls[run_id] = (namespace, shown)

    def on_llm_new_token(
        self, token: Any, *, chunk: Any = None, run_id: UUID, **kwargs: Any
    ) -> None:
        """Show a token."""
        if run_id in self._calls and isinstance(chunk, ChatGenerationChunk):
            namespace, metadata = self._calls[run_id]
            self._mail.post(chunk.message, metadata, namespace)

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Show what a model has said as a whole, unless it was shown in parts."""
        call = self._calls.pop(run_id, None)
        if call is None or not response.generations or not response.generations[0]:
            return
        generation = response.generations[0][0]
        if isinstance(generation, ChatGeneration):
            self._mail.post(generation.message, call[1], call[0], once=True)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a call that failed."""
        self._calls.pop(run_id, None)


class EventHandler(TokenHandler, _V2StreamingCallbackHandler):
    """Posts what chat models say as events of their messages; its class has models make them."""

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        """Show nothing: a token is in an event, too."""

    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Show an event."""
        call = self._calls.get(run_id)
        if call is None:
            return
        if event.get("event") == "message-start":
            self._streamed.add(run_id)
            if event.get("message_id"):
                self._mail.know(event["message_id"])
        self._mail.tell(event, {**call[1], "run_id": str(run_id)}, call[0])

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note the message that was shown; show one that was not."""
        generations = response.generations[0] if response.generations else ()
        if run_id in self._streamed and generations:
            self._streamed.discard(run_id)
            self._calls.pop(run_id, None)
            message = getattr(generations[0], "message", None)
            if message is not None:
                message.id = message.id or str(uuid4())
                self._mail.know(message.id)
        else:
            super().on_llm_end(response, run_id=run_id, **kwargs)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a call that failed."""
        self._streamed.discard(run_id)
        super().on_llm_error(error, run_id=run_id, **kwargs)


class Surroundings:
    """What LangChain's Runnables find around them while a task of ours runs: its config."""

    def enter(self, scope: TaskScope) -> Token[Any] | None:
        """Put a task's config where they look; None: a config is there that follows our tasks."""
        present = var_child_runnable_config.get()
        if present is not None and type(present) is not dict:
            return None
        return var_child_runnable_config.set(scope.config)

    def leave(self, token: Token[Any] | None) -> None:
        """Put back what was there before."""
        if token is not None:
            var_child_runnable_config.reset(token)


def with_handler(config: Any, mail: Mail) -> Any:
    """Return a config whose callbacks show tokens."""
    handler = EventHandler(mail) if mail.as_events else TokenHandler(mail)
    callbacks = config.get("callbacks")
    if callbacks is None or isinstance(callbacks, list):
        return {**config, "callbacks": [*(callbacks or ()), handler]}
    manager = callbacks.copy()
    manager.add_handler(handler, inherit=True)
    return {**config, "callbacks": manager}
