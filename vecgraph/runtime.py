"""What a run offers its nodes besides the state: context, store, stream, random numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from vecgraph.ambient import current_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.types import StreamWriter

__all__ = ["BaseUser", "ExecutionInfo", "RunControl", "Runtime", "ServerInfo", "get_runtime"]

ContextT = TypeVar("ContextT")


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """Where a task stands.

    Attributes
    ----------
    checkpoint_id, checkpoint_ns, task_id : str
    thread_id, run_id : str or None
        None without a saver, and if the config has none.
    node_attempt : int
        1 for the first attempt.
    node_first_attempt_time : float or None
        Unix time at which that began, in seconds.
    """

    checkpoint_id: str
    checkpoint_ns: str
    task_id: str
    thread_id: str | None = None
    run_id: str | None = None
    node_attempt: int = 1
    node_first_attempt_time: float | None = None

    def patch(self, **overrides: Any) -> ExecutionInfo:
        """Return a copy with some fields replaced."""
        return replace(self, **overrides)


class BaseUser(Protocol):
    """Whoever is signed in, as LangGraph's server tells it."""

    @property
    def identity(self) -> str:
        """Name of the user."""
        ...


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What LangGraph's server says of the run; vecgraph has no server, so nodes get None."""

    assistant_id: str
    graph_id: str
    user: BaseUser | None = None


class RunControl:
    """Asks a run, from any thread, to stop between two supersteps; one a run."""

    __slots__ = ("_reason",)

    def __init__(self) -> None:
        self._reason: str | None = None

    def request_drain(self, reason: str = "shutdown") -> None:
        """Ask for the stop."""
        self._reason = reason

    @property
    def drain_requested(self) -> bool:
        """Whether somebody asked."""
        return self._reason is not None

    @property
    def drain_reason(self) -> str | None:
        """Why, or None."""
        return self._reason


def _no_writer(_value: Any) -> None:
    """Take a value for a stream that nobody reads."""


def _no_heartbeat() -> None:
    """Take a sign of life that nobody waits for."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Runtime(Generic[ContextT]):
    """What a node gets in its parameter ``runtime``.

    Attributes
    ----------
    context : object
        Given to `invoke` or `batch`; constant for the run.
    store : object
        The app's store, or None.
    stream_writer : callable
        Writes to the ``custom`` stream.
    heartbeat : callable
        Tells an idle timeout that the node is alive.
    previous : object
        What the thread's last run returned (functional API).
    execution_info : ExecutionInfo or None
    server_info : object
        None outside LangGraph's server.
    control : RunControl or None
    rng : object
        Random numbers that depend on (batch seed, row, superstep, node) only; in a vector
        node one stream a row.
    """

    context: ContextT = field(default=None)  # type: ignore[assignment]
    store: Any = None
    stream_writer: StreamWriter = _no_writer
    heartbeat: Callable[[], None] = _no_heartbeat
    previous: Any = None
    execution_info: ExecutionInfo | None = None
    server_info: Any = None
    control: RunControl | None = None
    rng: Any = None

    def merge(self, other: Runtime[ContextT]) -> Runtime[ContextT]:
        """Return a copy in which what `other` sets wins."""
        writer, heartbeat = other.stream_writer, other.heartbeat
        return replace(
            self,
            context=other.context or self.context,
            store=other.store or self.store,
            stream_writer=self.stream_writer if writer is _no_writer else writer,
            heartbeat=self.heartbeat if heartbeat is _no_heartbeat else heartbeat,
            previous=self.previous if other.previous is None else other.previous,
            execution_info=other.execution_info or self.execution_info,
            server_info=other.server_info or self.server_info,
            control=other.control or self.control,
            rng=self.rng if other.rng is None else other.rng,
        )

    def override(self, **overrides: Any) -> Runtime[ContextT]:
        """Return a copy with some attributes replaced."""
        return replace(self, **overrides)

    def patch_execution_info(self, **overrides: Any) -> Runtime[ContextT]:
        """Return a copy with some fields of `execution_info` replaced.

        Raises
        ------
        RuntimeError
            There is no `execution_info`.
        """
        if self.execution_info is None:
            raise RuntimeError("Cannot patch execution_info before it has been set")
        return replace(self, execution_info=self.execution_info.patch(**overrides))

    @property
    def drain_requested(self) -> bool:
        """Whether the run was asked to stop."""
        return self.control is not None and self.control.drain_requested

    @property
    def drain_reason(self) -> str | None:
        """Why, or None."""
        return None if self.control is None else self.control.drain_reason


def get_runtime(context_schema: type[ContextT] | None = None) -> Runtime[ContextT]:
    """Return the runtime of the task that calls this.

    Parameters
    ----------
    context_schema : type, optional
        For type checkers: the type of ``runtime.context``.

    Raises
    ------
    RuntimeError
        No task does: the call is outside a node.
    """
    task = current_task.get()
    if task is None:
        raise RuntimeError("Called get_config outside of a runnable context")
    runtime: Runtime[ContextT] = task.runtime
    return runtime
