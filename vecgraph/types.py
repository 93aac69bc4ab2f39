"""Values that a program and the engine pass to each other, under LangGraph's names.

A leaf of the import graph: it imports nothing of vecgraph but constants.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import pickle
import sys
import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeAlias, TypeVar, final

from vecgraph.constants import MISSING, ROOT

__all__ = [
    "All",
    "CachePolicy",
    "Checkpointer",
    "Command",
    "Durability",
    "Interrupt",
    "Overwrite",
    "PregelTask",
    "RetryPolicy",
    "Send",
    "StateSnapshot",
    "StateUpdate",
    "StreamMode",
    "StreamWriter",
    "TimeoutPolicy",
    "TracePolicy",
    "annotated_keys",
    "default_cache_key",
    "default_retry_on",
    "ensure_valid_checkpointer",
    "get_overwrite",
    "omit_payload",
    "update_as_tuples",
]

All: TypeAlias = Literal["*"]
"""Stands for every node, in `interrupt_before` and `interrupt_after`."""

Checkpointer: TypeAlias = Any
"""A saver, True (own saver in a subgraph), False (none) or None (the parent's)."""

Durability: TypeAlias = Literal["sync", "async", "exit"]
"""When checkpoints are written: before the next superstep, beside it, or at the end."""

StreamMode: TypeAlias = Literal[
    "values", "updates", "checkpoints", "tasks", "debug", "messages", "custom"
]
"""What `stream` yields."""

StreamWriter: TypeAlias = Callable[[Any], None]
"""Writes one value to the ``custom`` stream; does nothing when nobody listens."""

N = TypeVar("N", bound=Hashable)

_OVERWRITE = "__overwrite__"
_DEFAULT_INTERRUPT_ID = "placeholder-id"


def ensure_valid_checkpointer(checkpointer: Checkpointer) -> Checkpointer:
    """Return `checkpointer` if it is a saver, a bool or None.

    Raises
    ------
    TypeError
        It is something else. A saver is told by its methods ``put`` and ``get_tuple``.
    """
    if checkpointer is None or isinstance(checkpointer, bool):
        return checkpointer
    if hasattr(checkpointer, "get_tuple") and hasattr(checkpointer, "put"):
        return checkpointer
    raise TypeError(
        "Invalid checkpointer provided. Expected an instance of "
        "`BaseCheckpointSaver`, `True`, `False`, or `None`. "
        f"Received {type(checkpointer).__name__!s}. "
        "Pass a proper saver (e.g., InMemorySaver, AsyncPostgresSaver)."
    )


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


@final
@dataclasses.dataclass(init=False, slots=True)
class Interrupt:
    """A question that a node asks before it can go on.

    Parameters
    ----------
    value : object
        The question, for whoever answers.
    id : str
        What an answer is addressed to.
    response_schema : dict or type, optional
        Shape of the answer, for whoever draws a form.
    """

    value: Any
    id: str
    response_schema: Any

    def __init__(
        self,
        value: Any,
        id: str = _DEFAULT_INTERRUPT_ID,  # noqa: A002 - the name that users write
        *,
        response_schema: Any = None,
    ) -> None:
        self.value = value
        self.id = id
        self.response_schema = response_schema

    @classmethod
    def from_ns(cls, value: Any, ns: str, *, response_schema: Any = None) -> Interrupt:
        """Build an interrupt whose id is a hash of its checkpoint namespace."""
        digest = hashlib.blake2b(ns.encode(), digest_size=16).hexdigest()
        return cls(value, digest, response_schema=response_schema)


class StateUpdate(NamedTuple):
    """One change of a thread's state from outside; see `App.update_state`."""

    values: dict[str, Any] | None
    as_node: str | None = None
    task_id: str | None = None


class PregelTask(NamedTuple):
    """One node's turn in a superstep, as `StateSnapshot` shows it."""

    id: str
    name: str
    path: tuple[Any, ...]
    error: Exception | None = None
    interrupts: tuple[Interrupt, ...] = ()
    state: Any = None
    result: Any | None = None


class StateSnapshot(NamedTuple):
    """A run between two supersteps.

    Attributes
    ----------
    values : dict, or the bare value
        The channels' values.
    next : tuple of str
        Nodes that run in the next superstep.
    config : dict
        What to pass to get this snapshot again.
    metadata : dict or None
    created_at : str or None
        ISO 8601.
    parent_config : dict or None
    tasks : tuple of PregelTask
    interrupts : tuple of Interrupt
        Questions that wait for an answer.
    """

    values: Any
    next: tuple[str, ...]
    config: Any
    metadata: Any
    created_at: str | None
    parent_config: Any
    tasks: tuple[PregelTask, ...]
    interrupts: tuple[Interrupt, ...]


class Send:
    """A task for the next superstep: a node and an input of its own.

    Parameters
    ----------
    node : str
        Node that runs.
    arg : object
        Its input, as it is: not merged with the state, not validated.
    timeout : float, timedelta or TimeoutPolicy, optional
        Instead of the node's own.

    Examples
    --------
    >>> Send("joke", {"subject": "cats"})
    Send(node='joke', arg={'subject': 'cats'})
    """

    __slots__ = ("arg", "node", "timeout")

    node: str
    arg: Any
    timeout: TimeoutPolicy | None

    def __init__(
        self,
        /,
        node: str,
        arg: Any,
        *,
        timeout: float | timedelta | TimeoutPolicy | None = None,
    ) -> None:
        self.node = node
        self.arg = arg
        self.timeout = None if timeout is None else TimeoutPolicy.coerce(timeout)

    def __hash__(self) -> int:
        return hash((self.node, self.arg, self.timeout))

    def __eq__(self, value: object) -> bool:
        return (
            isinstance(value, Send)
            and self.node == value.node
            and bool(self.arg == value.arg)
            and self.timeout == value.timeout
        )

    def __repr__(self) -> str:
        limit = "" if self.timeout is None else f", timeout={self.timeout!r}"
        return f"Send(node={self.node!r}, arg={self.arg!r}{limit})"


@dataclasses.dataclass(kw_only=True, slots=True, frozen=True)
class Command(Generic[N]):
    """An update of the state and a say in what runs next, returned by a node.

    Attributes
    ----------
    graph : str or None
        Graph that it is for: None for this one, `Command.PARENT` for the one around it.
    update : object
        As a node's return value: a dict, pairs, or an instance of the schema.
    resume : object
        Answer to an interrupt, or a mapping from interrupt ids to answers.
    goto : str, Send, or sequence of them
        What runs next, besides what the edges say.

    Examples
    --------
    >>> Command(update={"n": 1}, goto="check")
    Command(update={'n': 1}, goto='check')
    """

    graph: str | None = None
    update: Any | None = None
    resume: Any | None = None
    goto: Send | Sequence[Send | N] | N = ()

    PARENT: ClassVar[Literal["__parent__"]] = "__parent__"

    def __repr__(self) -> str:
        given = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        return f"Command({', '.join(f'{name}={value!r}' for name, value in given if value)})"

    def update_as_tuples(self) -> list[tuple[str, Any]]:
        """Return the update as (channel, value) pairs, in order."""
        update = self.update
        if isinstance(update, dict):
            return list(update.items())
        if isinstance(update, list | tuple) and all(_is_pair(item) for item in update):
            return list(update)
        if keys := annotated_keys(type(update)):
            return update_as_tuples(update, keys)
        return [] if update is None else [(ROOT, update)]


def _is_pair(item: object) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


@dataclasses.dataclass(slots=True)
class Overwrite:
    """A write that replaces a reducer's value instead of being reduced into it.

    Attributes
    ----------
    value : object
        What the channel holds afterwards. Two in one superstep are an error.
    type : str
        Marks the object after a trip through JSON.
    """

    value: Any
    type: Literal["__overwrite__"] = "__overwrite__"


def get_overwrite(value: Any) -> tuple[bool, Any]:
    """Return whether `value` is an `Overwrite`, in any of its three forms, and what it holds.

    Examples
    --------
    >>> get_overwrite(Overwrite([1])), get_overwrite({"__overwrite__": [1]})
    ((True, [1]), (True, [1]))
    >>> get_overwrite({"value": 2, "type": "__overwrite__"}), get_overwrite([1])
    ((True, 2), (False, None))
    """
    if isinstance(value, Overwrite):
        return True, value.value
    if isinstance(value, dict):
        if len(value) == 1 and _OVERWRITE in value:
            return True, value[_OVERWRITE]
        # The test of type keeps arrays, whose comparison is no truth value, out.
        kind = value.get("type")
        if isinstance(kind, str) and kind == _OVERWRITE and "value" in value:
            return True, value["value"]
    return False, None


_KEYS: weakref.WeakKeyDictionary[type[Any], tuple[str, ...]] = weakref.WeakKeyDictionary()


def annotated_keys(kind: type[Any]) -> tuple[str, ...]:
    """Return the names that a class and its bases annotate, bases first.

    Examples
    --------
    >>> annotated_keys(Overwrite), annotated_keys(int)
    (('value', 'type'), ())
    """
    known = _KEYS.get(kind)
    if known is None:
        bases = reversed(kind.__mro__)
        known = _KEYS[kind] = tuple(name for base in bases for name in _own_annotations(base))
    return known


def _own_annotations(base: type[Any]) -> Iterable[str]:
    if sys.version_info >= (3, 14):
        # Names only: a hint that cannot be evaluated must not get in the way.
        import annotationlib

        return annotationlib.get_annotations(base, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(base)


def update_as_tuples(instance: Any, keys: Iterable[str]) -> list[tuple[str, Any]]:
    """Return what an instance of a schema writes to the channels `keys`.

    Every attribute there is, except a pydantic model's fields that are None by default
    and were not set.
    """
    fields_set, defaults = _model_fields(instance)
    pairs = ((key, getattr(instance, key, MISSING)) for key in keys)
    return [
        (key, value)
        for key, value in pairs
        if value is not MISSING
        and (value is not None or defaults.get(key, MISSING) is not None or key in fields_set)
    ]


def _model_fields(instance: Any) -> tuple[Iterable[str], dict[str, Any]]:
    model = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    if model is None or not isinstance(instance, model):
        return (), {}
    fields = type(instance).model_fields
    return instance.model_fields_set, {name: field.default for name, field in fields.items()}
