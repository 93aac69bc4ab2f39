"""Policies of a node: retries, time limits, caching and tracing."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Exceptions of a wrong program rather than of a bad moment: not worth another attempt.
_PERMANENT: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    ArithmeticError,
    ImportError,
    LookupError,
    NameError,
    SyntaxError,
    RuntimeError,
    ReferenceError,
    StopIteration,
    StopAsyncIteration,
    OSError,
)


def default_retry_on(exc: Exception) -> bool:
    """Return whether another attempt may help.

    Lost connections and HTTP answers of 500 to 599 (httpx, requests) do, errors of the
    program do not, and what is unknown does.

    Examples
    --------
    >>> default_retry_on(ConnectionError()), default_retry_on(ValueError())
    (True, False)
    """
    if isinstance(exc, ConnectionError):
        return True
    status = _http_status(exc)
    if status is not MISSING:
        return status is None or 500 <= status < 600
    return not isinstance(exc, _PERMANENT)


def _http_status(exc: Exception) -> Any:
    # An exception of a library that was never imported cannot be here.
    for module, name in (("httpx", "HTTPStatusError"), ("requests", "HTTPError")):
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(exc, kind):
            response = getattr(exc, "response", None)
            # requests: an error response is falsy, and LangGraph tries again then.
            return response.status_code if response else None
    return MISSING


class RetryPolicy(NamedTuple):
    """When and how often a failing node is run again.

    Attributes
    ----------
    initial_interval : float
        Wait before the second attempt, in seconds.
    backoff_factor : float
        Multiplies the wait after each attempt.
    max_interval : float
        Longest wait, in seconds.
    max_attempts : int
        Attempts in all, the first included.
    jitter : bool
        Whether up to a second of random time is added to each wait.
    retry_on : type, sequence of type, or callable
        Which exceptions deserve another attempt.
    """

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: type[Exception] | Sequence[type[Exception]] | Callable[[Exception], bool] = (
        default_retry_on
    )


@dataclasses.dataclass(kw_only=True, slots=True, frozen=True)
class TimeoutPolicy:
    """How long one attempt of a node may take.

    Attributes
    ----------
    run_timeout : float, timedelta or None
        Limit for the whole attempt, in seconds.
    idle_timeout : float, timedelta or None
        Limit for the time without a sign of progress, in seconds.
    refresh_on : {'auto', 'heartbeat'}
        What counts as progress: any, or only ``runtime.heartbeat()``.
    """

    run_timeout: float | timedelta | None = None
    idle_timeout: float | timedelta | None = None
    refresh_on: Literal["auto", "heartbeat"] = "auto"

    @classmethod
    def coerce(cls, value: float | timedelta | TimeoutPolicy | None) -> TimeoutPolicy | None:
        """Return `value` as a policy with limits in seconds; None if it sets no limit.

        Raises
        ------
        ValueError
            A limit is not positive, or `refresh_on` is unknown.
        """
        if value is None:
            return None
        policy = value if isinstance(value, TimeoutPolicy) else cls(run_timeout=value)
        if policy.refresh_on not in {"auto", "heartbeat"}:
            raise ValueError("refresh_on must be 'auto' or 'heartbeat'")
        run = _seconds(policy.run_timeout, "run_timeout")
        idle = _seconds(policy.idle_timeout, "idle_timeout")
        if run is None and idle is None:
            return None
        return cls(run_timeout=run, idle_timeout=idle, refresh_on=policy.refresh_on)


def _seconds(value: float | timedelta | None, field: str) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds <= 0:
        raise ValueError(f"{field} must be greater than 0")
    return seconds


def default_cache_key(*args: Any, **kwargs: Any) -> str | bytes:
    """Return a key that is equal for equal arguments: they are pickled, mappings sorted."""
    return pickle.dumps((_sorted(args), _sorted(kwargs)), protocol=5)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        pairs = [(key, _sorted(item)) for key, item in value.items()]
        return tuple(sorted(pairs, key=lambda pair: repr(pair[0])))
    if isinstance(value, list | tuple):
        return tuple(_sorted(item) for item in value)
    if isinstance(value, set | frozenset):
        return frozenset(_sorted(item) for item in value)
    return value


@dataclasses.dataclass(kw_only=True, slots=True, frozen=True)
class CachePolicy:
    """Whether a node's writes are taken from a cache.

    Attributes
    ----------
    key_func : callable
        From the node's input to a key (str or bytes).
    ttl : int or None
        Seconds that an entry lives; None: for ever.
    """

    key_func: Callable[..., str | bytes] = default_cache_key
    ttl: int | None = None


@dataclasses.dataclass(kw_only=True, slots=True, frozen=True)
class TracePolicy:
    """What a tracer records of a node; never changes what the node gets or gives.

    Attributes
    ----------
    process_inputs, process_outputs : callable or None
        From the node's value to the value that is recorded.
    """

    process_inputs: Callable[[Any], Any] | None = None
    process_outputs: Callable[[Any], Any] | None = None


def omit_payload(_value: Any) -> dict[str, Any]:
    """Return an empty record: for `TracePolicy`, to record no payload."""
    return {}
