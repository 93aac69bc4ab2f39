"""Messages that nodes push by LangGraph's ``push_message``: it looks for a handler of its own class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langgraph.pregel._messages import StreamMessagesHandler

if TYPE_CHECKING:
    from vecgraph.mail import Mail

__all__ = ["PushHandler", "with_handler"]


class PushHandler(StreamMessagesHandler):
    """Takes what is pushed to the ``messages`` stream of a run of ours.

    Of models and nodes it hears nothing: their messages come another way.

    Parameters
    ----------
    mail : Mail
    """

    ignore_llm = ignore_chat_model = ignore_chain = True

    def __init__(self, mail: Mail) -> None:
        super().__init__(lambda _chunk: None, subgraphs=True)
        self._mail = mail

    def _emit(self, meta: Any, message: Any, *, dedupe: bool = False) -> None:
        namespace, metadata = meta
        if self._mail.shows(namespace):
            self._mail.post(message, metadata, namespace, once=dedupe)


def with_handler(config: Any, mail: Mail) -> Any:
    """Return a config whose callbacks take what is pushed."""
    callbacks = config.get("callbacks")
    if callbacks is None or isinstance(callbacks, list):
        return {**config, "callbacks": [*(callbacks or ()), PushHandler(mail)]}
    manager = callbacks.copy()
    manager.add_handler(PushHandler(mail), inherit=True)
    return {**config, "callbacks": manager}
