"""Calls that LangChain's callbacks hear of: the run of the graph, and those of its nodes within it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackManager
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langgraph._internal._config import (
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
    merge_configs,
)

from vecgraph.engine.single import output
from vecgraph.streams import Both

if TYPE_CHECKING:
    from vecgraph.interop.app import LangGraphApp

__all__ = ["Heard", "handlers_of", "hears", "of_task", "streamed"]


def handlers_of(callbacks: Any) -> Any:
    """Return the handlers of callbacks in either form, empty if there are none."""
    return callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or ()


def hears(*configs: Any) -> bool:
    """Return whether somebody hears of a call with these configs."""
    return any(handlers_of((config or {}).get("callbacks")) for config in configs)


def streamed(callbacks: Any) -> bool:
    """Return whether somebody wants the chunks of nodes, as ``astream_events`` does."""
    return any(isinstance(one, _StreamingCallbackHandler) for one in handlers_of(callbacks))


def of_task(callbacks: Any, step: int) -> Any:
    """Return the callbacks of a task: the superstep is a tag of its run."""
    if not isinstance(callbacks, BaseCallbackManager):
        return callbacks or []  # LangGraph asks for the handlers of what is there
    own = callbacks.copy()
    own.add_tags([f"graph:step:{step}"], inherit=False)
    return own


class _Noting:
    """A watcher that notes which run it is."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    def __getattr__(self, _name: str) -> Any:
        return lambda run, *_of_it: self._heard.note(run)


class Heard:
    """One run of a graph as callbacks hear of it.

    Parameters
    ----------
    app : LangGraphApp
    config : dict or None
        Of the call.

    Attributes
    ----------
    config : dict
        Of the run, in which its tasks' runs are children of the graph's.
    """

    def __init__(self, app: LangGraphApp, config: Any) -> None:
        self._app = app
        self.config: Any = merge_configs(app.config, config)
        self.run: Any = None
        self._manager: Any = None

    def note(self, run: Any) -> None:
        """Keep the run, of which the output is asked when it has ended."""
        self.run = run

    def output(self) -> Any:
        """Return what the run has come to."""
        return None if self.run is None else output(self._app.engine.tables, self.run)

    def watcher(self, other: Any) -> Any:
        """Return a watcher that also notes the run."""
        return Both(other, _Noting(self))

    def start(self, given: Any) -> None:
        """Tell that the graph begins."""
        full = self.config
        manager = _marked(get_callback_manager_for_config(full))
        self._manager = manager.on_chain_start(None, given, **self._named())
        self.config = {**full, "callbacks": self._manager.get_child()}

    async def astart(self, given: Any) -> None:
        """Tell that the graph begins, on an event loop."""
        full = self.config
        manager = _marked(get_async_callback_manager_for_config(full))
        self._manager = await manager.on_chain_start(None, given, **self._named())
        child: AsyncCallbackManager = self._manager.get_child()
        self.config = {**full, "callbacks": child}

    def _named(self) -> dict[str, Any]:
        full = self.config
        return {"name": full.get("run_name") or self._app.get_name(), "run_id": full.get("run_id")}

    def end(self, output: Any) -> None:
        """Tell what the graph returns."""
        self._manager.on_chain_end(output)

    def fail(self, error: BaseException) -> None:
        """Tell what the graph fails with."""
        self._manager.on_chain_error(error)

    async def aend(self, output: Any) -> None:
        """Tell what the graph returns, on an event loop."""
        await self._manager.on_chain_end(output)

    async def afail(self, error: BaseException) -> None:
        """Tell what the graph fails with, on an event loop."""
        await self._manager.on_chain_error(error)


def _marked(manager: Any) -> Any:
    """Say who runs, as LangGraph does."""
    if "ls_integration" not in manager.metadata:
        manager.add_metadata({"ls_integration": "langgraph"})
    return manager
