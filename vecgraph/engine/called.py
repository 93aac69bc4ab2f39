"""Functions that are called as tasks: what a call of one runs, and under which name."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any

from vecgraph.constants import PUSH, RETURN
from vecgraph.nodes.action import Action
from vecgraph.nodes.coerce import injected
from vecgraph.nodes.writer import EntryWriter, WriteEntry
from vecgraph.program import NodeSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.types import CachePolicy, RetryPolicy, TimeoutPolicy

__all__ = ["called", "in_thread", "is_coroutine_function", "name_of"]


def is_coroutine_function(fn: Any) -> bool:
    """Return whether a function, or an object that is called, has a coroutine form only."""
    call = getattr(fn, "__call__", None)  # noqa: B004 - the method itself
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(call)


def name_of(fn: Any) -> str:
    """Return the name under which a function is shown."""
    found = getattr(fn, "__name__", None)
    if found is None:
        found = getattr(getattr(fn, "func", None), "__name__", type(fn).__name__)
    return str(found)


def called(
    fn: Callable[..., Any],
    name: str | None = None,
    *,
    retry_policy: Sequence[RetryPolicy] = (),
    cache_policy: CachePolicy | None = None,
    timeout: TimeoutPolicy | None = None,
) -> NodeSpec:
    """Return a function as what a task runs: its input is ``(args, kwargs)``.

    Parameters
    ----------
    fn : callable
        Gets ``config``, ``runtime``, ``store``, ``writer`` and ``previous`` if it wants them.
    name : str, optional
    retry_policy, cache_policy, timeout
    """
    name = name or name_of(fn)
    return NodeSpec(
        name=name,
        action=_action(fn, name),
        triggers=(PUSH,),
        reads=(),
        writer=EntryWriter((WriteEntry(RETURN),)),
        retry_policy=tuple(retry_policy),
        cache_policy=cache_policy,
        timeout=timeout,
    )


def _action(fn: Callable[..., Any], name: str) -> Action:
    def run(value: Any, **given: Any) -> Any:
        args, kwargs = value
        return fn(*args, **{**given, **kwargs})

    async def arun(value: Any, **given: Any) -> Any:
        args, kwargs = value
        return await fn(*args, **{**given, **kwargs})

    inject = injected(fn)
    run.__wrapped__ = arun.__wrapped__ = fn  # type: ignore[attr-defined]
    if is_coroutine_function(fn):
        return Action(name, "async", None, arun, inject, "a coroutine function, called as a task")
    why = "a function, called as a task"
    return Action(name, "rowwise", run, in_thread(run), inject, why)


def in_thread(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the coroutine form of a function that may wait: it runs in a thread."""

    @functools.wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(fn, *args, **kwargs)

    return call
