"""LangGraph's nodes and routers as our actions: the user's own function wherever it wants no config."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable
from langchain_core.runnables.config import run_in_executor
from langgraph._internal._runnable import RunnableCallable

from vecgraph.engine.called import in_thread
from vecgraph.interop.ambient import config_now
from vecgraph.interop.heard import streamed
from vecgraph.nodes.action import Action

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["action_of", "called_by_langgraph"]

_PLAIN = "an ordinary function: it takes one run at a time"
_CONFIG = "it wants LangGraph's config: it takes one run at a time"


def action_of(bound: Any, name: str) -> Action:
    """Return what a node or a router runs.

    A function that asks for nothing is called as it is, so that it may go in lanes; what it
    asks LangGraph for from inside (`interrupt`, `get_stream_writer`) is found all the same.
    Any other Runnable is called by its own ``invoke``, with a config.
    """
    if not _is_bare(bound):
        return _runnable(bound, name)
    fn, afn = bound.func, _own_coroutine(bound.afunc)
    if fn is None:
        return Action(name, "async", None, afn, why="a coroutine function: one run at a time")
    return Action(name, "rowwise", fn, _waiting(bound, fn) or afn, why=_PLAIN)


def _waiting(bound: Any, fn: Any) -> Any:
    """Return the coroutine form of a workflow, which waits for its tasks; None for what is none."""
    is_workflow = type(bound) is RunnableCallable and not bound.recurse
    return in_thread(fn) if is_workflow and _own_coroutine(bound.afunc) is None else None


def _is_bare(bound: Any) -> bool:
    """Return whether a Runnable does no more than call its function."""
    return (
        type(bound) is RunnableCallable
        and not bound.func_accepts
        and not bound.kwargs
        and not bound.explode_args
    )


def _own_coroutine(afunc: Any) -> Any:
    """Return a coroutine function, None if it is the plain one in a thread."""
    if isinstance(afunc, functools.partial) and afunc.func is run_in_executor:
        return None
    return afunc


def _runnable(bound: Any, name: str) -> Action:
    plain = type(bound) is RunnableCallable
    fn: Callable[..., Any] | None = None
    afn: Callable[..., Any] | None = None
    if not (plain and bound.func is None):

        def call(value: Any) -> Any:
            return bound.invoke(value, config_now())

        fn = call
        afn = _waiting(bound, call)
    if not (plain and _own_coroutine(bound.afunc) is None):

        async def acall(value: Any) -> Any:
            return await bound.ainvoke(value, config_now())

        afn = acall
    return Action(name, "async" if fn is None else "rowwise", fn, afn, why=_CONFIG)


def called_by_langgraph(node: Any, name: str) -> Action:
    """Return what runs a whole node as LangGraph does, writers and routers included.

    The writes come through ``__pregel_send``; so does what a router reads, through
    ``__pregel_read``.
    """

    def call(value: Any) -> None:
        node.invoke(value, config_now())

    async def acall(value: Any) -> None:
        config = config_now()
        if streamed(config["callbacks"]):
            async for _ in node.astream(value, config):
                pass  # whoever listens takes the chunks
        else:
            await node.ainvoke(value, config)

    return Action(name, "rowwise", call, acall, why="LangGraph's own Runnable of the node")


def is_runnable(value: Any) -> bool:
    """Return whether a node has returned something that LangGraph would run next."""
    return isinstance(value, Runnable)
