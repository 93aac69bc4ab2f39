"""The errors that LangGraph has too: its types and its texts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vecgraph.types import Command, Interrupt

__all__ = [
    "EmptyChannelError",
    "EmptyInputError",
    "ErrorCode",
    "GraphBubbleUp",
    "GraphDrained",
    "GraphInterrupt",
    "GraphRecursionError",
    "InvalidUpdateError",
    "NodeCancelledError",
    "NodeError",
    "NodeTimeoutError",
    "ParentCommand",
    "TaskNotFound",
    "UnknownInterruptError",
    "create_error_message",
    "first_few",
    "is_invalid_resume",
    "mark_invalid_resume",
]


# Part of LangGraph's texts, which ours equal to the letter; never contacted.
_PAGES = "https:" + "//docs.langchain.com/oss/python/langgraph/errors"


class ErrorCode(Enum):
    """Pages of LangGraph's documentation that explain an error."""

    GRAPH_RECURSION_LIMIT = "GRAPH_RECURSION_LIMIT"
    INVALID_CONCURRENT_GRAPH_UPDATE = "INVALID_CONCURRENT_GRAPH_UPDATE"
    INVALID_GRAPH_NODE_RETURN_VALUE = "INVALID_GRAPH_NODE_RETURN_VALUE"
    MULTIPLE_SUBGRAPHS = "MULTIPLE_SUBGRAPHS"
    INVALID_CHAT_HISTORY = "INVALID_CHAT_HISTORY"


def create_error_message(*, message: str, error_code: ErrorCode) -> str:
    """Return `message` with a pointer to the page that explains it."""
    return f"{message}\nFor troubleshooting, visit: {_PAGES}/{error_code.value}"


def first_few(items: Sequence[Any], limit: int = 5) -> str:
    """Return how many items there are and the first of them, for messages.

    Examples
    --------
    >>> first_few(range(7)), first_few(["a"])
    ('7 (0, 1, 2, 3, 4, ...)', '1 (a)')
    """
    shown = ", ".join(str(item) for item in items[:limit])
    return f"{len(items)} ({shown}{', ...' if len(items) > limit else ''})"


class GraphBubbleUp(Exception):
    """Control flow that leaves a node as an exception: not a failure, never retried."""


class GraphDrained(GraphBubbleUp):
    """The run stopped between two supersteps because it was asked to."""

    def __init__(self, reason: str = "shutdown") -> None:
        self.reason = reason
        super().__init__(f"Graph drained: {reason}")


class GraphInterrupt(GraphBubbleUp):
    """A node asks a question; the run waits for the answer."""

    def __init__(self, interrupts: Sequence[Interrupt] = ()) -> None:
        super().__init__(interrupts)


class ParentCommand(GraphBubbleUp):
    """A node of a subgraph returned a command for the graph around it."""

    def __init__(self, command: Command[Any]) -> None:
        self.command = command
        super().__init__(command)


class GraphRecursionError(RecursionError):
    """A run went through more supersteps than its ``recursion_limit``.

    Attributes
    ----------
    limit : int or None
        The limit that was reached.
    """

    limit: int | None = None

    @classmethod
    def at(cls, limit: int) -> GraphRecursionError:
        """Build the error of a run that reached `limit` without a stop."""
        error = cls(
            create_error_message(
                message=f"Recursion limit of {limit} reached "
                "without hitting a stop condition. You can increase the "
                "limit by setting the `recursion_limit` config key.",
                error_code=ErrorCode.GRAPH_RECURSION_LIMIT,
            )
        )
        error.limit = limit
        return error


class InvalidUpdateError(Exception):
    """A write that breaks the rule of its channel, or a return that is no write.

    Attributes
    ----------
    channel : str or None
        Channel that was written.
    value : object
        What was written or returned.
    """

    channel: str | None = None
    value: Any = None

    @classmethod
    def bad_return(cls, result: Any) -> InvalidUpdateError:
        """Build the error of a node that returned neither updates nor commands."""
        error = cls(
            create_error_message(
                message=f"Expected dict, got {result}",
                error_code=ErrorCode.INVALID_GRAPH_NODE_RETURN_VALUE,
            )
        )
        error.value = result
        return error

    @classmethod
    def two_writers(cls, channel: str) -> InvalidUpdateError:
        """Build the error of a plain channel written twice in one superstep."""
        error = cls(
            create_error_message(
                message=f"At key '{channel}': Can receive only one value per step. "
                "Use an Annotated key to handle multiple values.",
                error_code=ErrorCode.INVALID_CONCURRENT_GRAPH_UPDATE,
            )
        )
        error.channel = channel
        return error

    @classmethod
    def two_overwrites(cls, channel: str | None = None) -> InvalidUpdateError:
        """Build the error of a reducer that got two `Overwrite` in one superstep."""
        error = cls(
            create_error_message(
                message="Can receive only one Overwrite value per super-step.",
                error_code=ErrorCode.INVALID_CONCURRENT_GRAPH_UPDATE,
            )
        )
        error.channel = channel
        return error

    @classmethod
    def guard(cls, channel: str, kind: str) -> InvalidUpdateError:
        """Build the error of a guarded `EphemeralValue` or `UntrackedValue` written twice."""
        error = cls(
            f"At key '{channel}': {kind}(guard=True) can receive only one value per step. "
            "Use guard=False if you want to store any one of multiple values."
        )
        error.channel = channel
        return error

    @classmethod
    def not_a_name(cls, channel: str, value: Any, names: Any) -> InvalidUpdateError:
        """Build the error of a barrier that got a name it does not wait for."""
        error = cls(f"At key '{channel}': Value {value} not in {names}")
        error.channel, error.value = channel, value
        return error

    @classmethod
    def send_to_end(cls) -> InvalidUpdateError:
        """Build the error of a branch that sends a packet to END."""
        return cls("Cannot send a packet to the END node")

    @classmethod
    def reserved_tasks(cls) -> InvalidUpdateError:
        """Build the error of a node that writes to the channel of Sends by name."""
        return cls("Cannot write to the reserved channel TASKS")

    @classmethod
    def no_parent(cls) -> InvalidUpdateError:
        """Build the error of a command to the parent, given to a graph that has none."""
        return cls("There is no parent graph")


class EmptyInputError(Exception):
    """A run has nothing to start from: no input and no saved state."""

    @classmethod
    def for_channels(cls, channels: Any) -> EmptyInputError:
        """Build the error of an input that writes to none of `channels`."""
        return cls(f"Received no input for {channels}")

    @classmethod
    def empty_command(cls) -> EmptyInputError:
        """Build the error of a `Command` without update, resume and goto as input."""
        return cls("Received empty Command input")


class EmptyChannelError(Exception):
    """A channel was read that was never written, or was cleared."""


class TaskNotFound(Exception):
    """No task has the id that was asked for."""


class UnknownInterruptError(Exception):
    """An answer fits no question that waits for one.

    Attributes
    ----------
    reason : {'not_pending', 'empty_map', 'ambiguous'}
    interrupt_ids, pending_ids : tuple of str
        Questions answered that do not wait, and those that do.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Literal["not_pending", "empty_map", "ambiguous"],
        interrupt_ids: Iterable[str] = (),
        pending_ids: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.interrupt_ids = tuple(interrupt_ids)
        self.pending_ids = tuple(pending_ids)


@dataclass(frozen=True, slots=True)
class NodeError:
    """What an error handler gets in its parameter ``error: NodeError``.

    Attributes
    ----------
    node : str
        Node that failed.
    error : BaseException
        What it raised.
    """

    node: str
    error: BaseException


class NodeCancelledError(Exception):
    """A node raised ``asyncio.CancelledError`` itself: a failure, not a cancellation."""

    def __init__(self, node: str, message: str | None = None) -> None:
        super().__init__(message or f"Node {node!r} raised asyncio.CancelledError")
        self.node = node


class NodeTimeoutError(Exception):
    """An attempt of a node took longer than its `TimeoutPolicy` allows.

    Not a builtin TimeoutError, which is an OSError and would not be retried by default.

    Attributes
    ----------
    node : str
    kind : {'idle', 'run'}
        Which limit was passed.
    timeout, elapsed : float
        The limit and the time taken, in seconds.
    run_timeout, idle_timeout : float or None
        Both limits, in seconds.
    """

    def __init__(
        self,
        node: str,
        elapsed: float,
        *,
        kind: Literal["idle", "run"],
        idle_timeout: float | None = None,
        run_timeout: float | None = None,
    ) -> None:
        limit = {"idle": idle_timeout, "run": run_timeout}.get(kind)
        if limit is None:
            raise ValueError(
                f"{kind}_timeout is required when kind={kind!r}"
                if kind in {"idle", "run"}
                else "kind must be 'idle' or 'run'"
            )
        progress = " without making progress" if kind == "idle" else ""
        super().__init__(
            f"Node '{node}' exceeded its {kind} timeout of "
            f"{limit:.3f}s{progress} (elapsed: {elapsed:.3f}s)."
        )
        self.node = node
        self.kind = kind
        self.timeout = limit
        self.elapsed = elapsed
        self.idle_timeout = idle_timeout
        self.run_timeout = run_timeout


_INVALID_RESUME = "_vecgraph_invalid_resume"


def mark_invalid_resume(error: Exception) -> Exception:
    """Mark an exception as raised by an answer that did not fit its question; return it."""
    setattr(error, _INVALID_RESUME, True)
    return error


def is_invalid_resume(error: BaseException) -> bool:
    """Return whether an answer did not fit its question: it can be given again."""
    return getattr(error, _INVALID_RESUME, False) is True
