"""What a call of an app is inside of: nothing, a task of ours, or a task of LangGraph's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import var_child_runnable_config
from langgraph._internal._config import ensure_config

from vecgraph.ambient import current_task
from vecgraph.interop.ambient import LIVE, scope_in
from vecgraph.interop.host import HostTask, bare
from vecgraph.interop.translate import their_error

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token

    from vecgraph.engine.scope import TaskScope

__all__ = ["Inside"]

_TASK = "__pregel_task_id"


class Inside:
    """While it is entered, LangGraph's functions ask the task that runs.

    What leaves it is one of LangGraph's exceptions. It may be entered several times, one after
    the other, as a stream is read.

    Parameters
    ----------
    config : dict, optional
        What the call was given.

    Attributes
    ----------
    config : dict or None
        What the engine is to be given.
    full : dict or None
        What is said by the call and around it.
    """

    __slots__ = ("_moves", "_scope", "_tokens", "config", "full", "is_nested")

    def __init__(self, config: Any = None) -> None:
        self.config = self.full = config
        self._moves, self.is_nested = False, False
        self._scope: TaskScope | None = None
        self._tokens: tuple[Token[Any], Token[Any] | None] | None = None
        ambient = var_child_runnable_config.get()
        given = None if config is None or isinstance(config, list) else config.get("configurable")
        if ambient or (given and _TASK in given):
            self._find(config)

    def _find(self, config: Any) -> None:
        """Find the task that the call is inside of, and what the config says besides."""
        if isinstance(config, list):
            return
        full: Any = ensure_config(config)
        self.full = full
        if _TASK not in full["configurable"]:
            self.config = full
            return
        self.is_nested = True
        ours = scope_in(full)
        if ours is None:
            # The task's config is around the call's already: nothing is left to give.
            self._scope, self.config = HostTask(full), None
        else:
            self._scope = ours
            self.config = None if config is None else bare(config)
        self._moves = True

    def told(self, heard: Any) -> Any:
        """Return what the engine is given of a call that callbacks hear of."""
        if not self.is_nested:
            return heard
        return {**(self.config or {}), "callbacks": heard["callbacks"]}

    def streaming(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a stream: inside a task it shows values if nothing else is said."""
        chosen = dict(options)
        if self.is_nested and chosen.get("stream_mode") is None:
            chosen["stream_mode"] = "values"
        return chosen

    def __enter__(self) -> None:
        task = current_task.set(self._scope) if self._moves else None
        self._tokens = (var_child_runnable_config.set(LIVE), task)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        assert self._tokens is not None
        config, task = self._tokens
        var_child_runnable_config.reset(config)
        if task is not None:
            current_task.reset(task)
        if error is not None:
            found = their_error(error)
            if found is not error:
                raise found from None
