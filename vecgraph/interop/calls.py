"""Calls of LangGraph's tasks (``langgraph.func.task``) as calls of ours."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING, Any

from langgraph._internal._runnable import RunnableCallable
from langgraph.types import RetryPolicy

from vecgraph.engine.called import called, in_thread, is_coroutine_function
from vecgraph.interop.translate import our_timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.nodes.action import Action
    from vecgraph.program import NodeSpec

__all__ = ["call_task"]


def call_task(
    scope: Any,
    func: Any,
    input: tuple[Any, Any],
    *,
    retry_policy: Any = None,
    cache_policy: Any = None,
    timeout: Any = None,
    **_of_langgraph: Any,
) -> Any:
    """Start a task for the task of `scope`; return the future of its result.

    Parameters
    ----------
    func : callable
    input : (tuple, dict)
        Its arguments.
    retry_policy, cache_policy, timeout : optional
        LangGraph's. What else LangGraph passes (callbacks) the task finds in its config.
    """
    policies = (retry_policy,) if isinstance(retry_policy, RetryPolicy) else retry_policy
    spec = dataclasses.replace(
        _spec_of(func),
        retry_policy=tuple(policies or ()),
        cache_policy=cache_policy,
        timeout=our_timeout(timeout),
    )
    args, kwargs = input
    return scope.call(spec, args, kwargs)


def _spec_of(func: Any) -> NodeSpec:
    try:
        return _known_spec(func)
    except TypeError:  # a callable without a hash
        return _new_spec(func)


def _new_spec(func: Any) -> NodeSpec:
    spec = called(func)
    wants = RunnableCallable(func, name=spec.name, explode_args=True, trace=False, recurse=False)
    if not wants.func_accepts:
        return spec
    assert spec.action is not None
    return dataclasses.replace(spec, action=_with_config(func, spec.action))


_known_spec: Callable[[Any], NodeSpec] = cache(_new_spec)


def _with_config(func: Any, action: Action) -> Action:
    """Return the action of a function that wants LangGraph's config or runtime."""
    from vecgraph.interop.ambient import config_now

    is_async = is_coroutine_function(func)
    forms = (None, func) if is_async else (func, None)
    runnable = RunnableCallable(
        *forms, name=action.name, explode_args=True, trace=False, recurse=False
    )

    def run(value: Any) -> Any:
        return runnable.invoke(value, config_now())

    async def arun(value: Any) -> Any:
        return await runnable.ainvoke(value, config_now())

    run.__wrapped__ = arun.__wrapped__ = func  # type: ignore[attr-defined]
    if is_async:
        return dataclasses.replace(action, fn=None, afn=arun, inject={})
    return dataclasses.replace(action, fn=run, afn=in_thread(run), inject={})
