"""Whether a failing task deserves another attempt, and when."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vecgraph.errors import GraphBubbleUp

if TYPE_CHECKING:
    from vecgraph.engine.lane_scope import LaneScope
    from vecgraph.types import RetryPolicy

__all__ = ["pause_after", "retried"]

logger = logging.getLogger("vecgraph")


def pause_after(policies: Sequence[RetryPolicy], error: Exception, attempts: int) -> float | None:
    """Return the seconds to wait before the next attempt, None if there is none.

    Parameters
    ----------
    policies : sequence of RetryPolicy
        The first that knows the error decides.
    attempts : int
        Failed ones so far, this one included.
    """
    policy = next((p for p in policies if _deserves(p, error)), None)
    if policy is None or attempts >= policy.max_attempts:
        return None
    wait = policy.initial_interval * policy.backoff_factor ** (attempts - 1)
    pause = min(policy.max_interval, wait) + (random.uniform(0, 1) if policy.jitter else 0.0)
    logger.info("attempt %d failed; the next one is in %.2f s", attempts, pause, exc_info=error)
    return pause


def _deserves(policy: RetryPolicy, error: Exception) -> bool:
    retry_on: Any = policy.retry_on
    if isinstance(retry_on, Sequence):
        return isinstance(error, tuple(retry_on))
    if isinstance(retry_on, type) and issubclass(retry_on, Exception):
        return isinstance(error, retry_on)
    if callable(retry_on):
        return bool(retry_on(error))
    raise TypeError(
        "retry_on must be an Exception class, a list or tuple of Exception classes, or a callable"
    )


def retried(
    call: Callable[[Any], Any], policies: Sequence[RetryPolicy], scope: LaneScope
) -> Callable[[Any], Any]:
    """Return a vector node's call with retries, which `scope` counts."""
    if not policies:
        return call

    def again(rows: Any) -> Any:
        scope.tries = 1
        while True:
            try:
                return call(rows)
            except GraphBubbleUp:
                raise
            except Exception as error:
                pause = pause_after(policies, error, scope.tries)
                if pause is None:
                    raise
                time.sleep(pause)
                scope.tries += 1

    return again
