"""Run a failing call again, as its node's retry policies say."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from vecgraph.errors import GraphBubbleUp

if TYPE_CHECKING:
    from vecgraph.engine.scope import Scope
    from vecgraph.types import RetryPolicy

__all__ = ["aretried", "retried"]


def retried(
    call: Callable[[Any], Any], policies: Sequence[RetryPolicy], scope: Scope
) -> Callable[[Any], Any]:
    """Return `call` with retries, which `scope` counts; the call itself without policies."""
    if not policies:
        return call

    def again(value: Any) -> Any:
        scope.attempt = 1
        while True:
            try:
                return call(value)
            except Exception as error:
                pause = _pause(policies, error, scope.attempt)
                if pause is None:
                    raise
                time.sleep(pause)
                scope.attempt += 1

    return again


async def aretried(
    call: Callable[[], Awaitable[Any]], policies: Sequence[RetryPolicy], scope: Scope
) -> Any:
    """Await `call`, again after a failure that deserves it; `scope` counts the attempts."""
    import asyncio

    while True:
        try:
            return await call()
        except Exception as error:
            pause = _pause(policies, error, scope.attempt)
            if pause is None:
                raise
            await asyncio.sleep(pause)
            scope.attempt += 1


def _pause(policies: Sequence[RetryPolicy], error: Exception, attempt: int) -> float | None:
    """Return the seconds to wait before the next attempt, None if there is none."""
    if isinstance(error, GraphBubbleUp):
        return None
    policy = next((p for p in policies if _deserves(p, error)), None)
    if policy is None or attempt >= policy.max_attempts:
        return None
    wait = policy.initial_interval * policy.backoff_factor ** (attempt - 1)
    return min(policy.max_interval, wait) + (random.uniform(0, 1) if policy.jitter else 0.0)


def _deserves(policy: RetryPolicy, error: Exception) -> bool:
    retry_on: Any = policy.retry_on
    if isinstance(retry_on, type):
        return isinstance(error, retry_on)
    if isinstance(retry_on, Sequence):
        return isinstance(error, tuple(retry_on))
    return bool(retry_on(error))
