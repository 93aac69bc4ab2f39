"""When graphs in a run begin and end, told by the tasks that the run shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict

from vecgraph.errors import GraphDrained, GraphInterrupt
from vecgraph.stream.events import StreamTransformer
from vecgraph.stream.stream_channel import StreamChannel

if TYPE_CHECKING:
    from vecgraph.stream.events import ProtocolEvent

__all__ = [
    "Ended",
    "LifecyclePayload",
    "LifecycleTransformer",
    "Namespace",
    "SubgraphStatus",
    "TasksFollower",
    "status_of",
]

SubgraphStatus: TypeAlias = Literal["started", "completed", "failed", "interrupted", "drained"]
"""How far a graph in a run has come."""

Namespace = tuple[str, ...]


class LifecyclePayload(TypedDict, total=False):
    """What ``run.lifecycle`` says of a graph in the run.

    Attributes
    ----------
    event : SubgraphStatus
    namespace : list of str
    graph_name : str
        The node's, or what the metadata's ``lc_agent_name`` says.
    trigger_call_id : str
        Id of the task that runs it.
    cause : dict
        The tool call that the task serves: ``type`` and ``tool_call_id``.
    error : str
    """

    event: SubgraphStatus
    namespace: list[str]
    graph_name: NotRequired[str]
    trigger_call_id: NotRequired[str]
    cause: NotRequired[dict[str, str]]
    error: NotRequired[str]


class Ended(NamedTuple):
    """A graph that has ended, and how."""

    namespace: Namespace
    status: SubgraphStatus
    error: str | None


class TasksFollower(StreamTransformer):
    """Follows the graphs in a run by their tasks.

    A graph begins with its first task, and ends with the task around it. Subclasses say which
    graphs they follow and what they do then. Tasks are not shown among the run's events, since
    what is made of them is.
    """

    _native = True
    required_stream_modes = ("tasks",)

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._seen: set[Namespace] = set()
        self._open: dict[Namespace, str] = {}
        self._tool_calls: dict[str, str] = {}
        self._pending_cause: dict[str, str] | None = None

    def _should_track(self, ns: Namespace) -> bool:
        """Return whether the graph of a namespace is followed."""
        raise NotImplementedError

    def _on_started(
        self, ns: Namespace, graph_name: str | None, trigger_call_id: str | None
    ) -> None:
        """Do what is to be done when a graph begins; ``self._pending_cause`` says why it does."""
        raise NotImplementedError

    def _on_terminal(self, ns: Namespace, status: SubgraphStatus, error: str | None) -> None:
        """Do what is to be done when a graph ends."""
        raise NotImplementedError

    def process(self, event: ProtocolEvent) -> bool:
        """Follow a task."""
        if event["method"] != "tasks":
            return True
        for ended in self.followed(event):
            self._on_terminal(*ended)
        return False

    def followed(self, event: ProtocolEvent) -> list[Ended]:
        """Note a task that begins or ends; return the graphs that end with it."""
        ns, data = tuple(event["params"]["namespace"]), event["params"]["data"]
        if "result" in data:
            return self._ended_with(ns, data)
        called = _tool_call_of(data.get("input"))
        if called is not None and isinstance(data.get("id"), str):
            self._tool_calls[data["id"]] = called
        if self._should_track(ns) and ns not in self._seen:
            self._begin(ns, data)
        return []

    def _begin(self, ns: Namespace, data: dict[str, Any]) -> None:
        self._seen.add(ns)
        node, colon, task_id = ns[-1].partition(":")
        agent = (data.get("metadata") or {}).get("lc_agent_name")
        caller = task_id if colon else None
        called = self._tool_calls.get(task_id) if agent is not None and colon else None
        # Not an argument: subclasses that do not ask for it need not know of it.
        self._pending_cause = {"type": "toolCall", "tool_call_id": called} if called else None
        self._on_started(ns, agent if agent is not None else node or None, caller)
        if caller is not None:
            self._open[ns] = caller

    def _ended_with(self, ns: Namespace, data: dict[str, Any]) -> list[Ended]:
        ident = data.get("id")
        found = [at for at, task in self._open.items() if ident and at[:-1] == ns and task == ident]
        for each in found:
            del self._open[each]
        return [Ended(each, *_result_of(data)) for each in found]

    def left(self) -> list[Ended]:
        """Return the graphs that nothing has ended, as the run ends well."""
        found = [Ended(ns, "completed", None) for ns in self._open]
        self._open.clear()
        return found

    def finalize(self) -> None:
        """End what is left."""
        for ended in self.left():
            self._on_terminal(*ended)

    def fail(self, err: BaseException) -> None:
        """End what is left, as the run ends."""
        status, error = status_of(err)
        for ns in list(self._open):
            self._on_terminal(ns, status, error)
        self._open.clear()


def _tool_call_of(given: Any) -> str | None:
    """Return the id of the tool call that a task's input is about."""
    if isinstance(given, dict) and isinstance(given.get("tool_call"), dict):
        ident = given["tool_call"].get("id")
        return ident if isinstance(ident, str) else None
    calls = given if isinstance(given, list) else ()
    idents = (call.get("id") for call in calls if isinstance(call, dict))
    return next((ident for ident in idents if isinstance(ident, str)), None)


def status_of(err: BaseException) -> tuple[SubgraphStatus, str | None]:
    """Return how graphs end with a run that ends so."""
    if isinstance(err, GraphDrained):
        return "drained", None
    return ("interrupted", None) if isinstance(err, GraphInterrupt) else ("failed", str(err))


def _result_of(data: dict[str, Any]) -> tuple[SubgraphStatus, str | None]:
    # A question is also an error of the task: it comes first.
    if data.get("interrupts"):
        return "interrupted", None
    error = data.get("error")
    return ("failed", str(error)) if error else ("completed", None)


class LifecycleTransformer(TasksFollower):
    """``run.lifecycle``: graphs in the run that begin and end, at any depth; also as events."""

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._channel: StreamChannel[LifecyclePayload] = StreamChannel("lifecycle")

    def init(self) -> dict[str, Any]:
        """Return the stream."""
        return {"lifecycle": self._channel}

    def _should_track(self, ns: Namespace) -> bool:
        depth = len(self.scope)
        return len(ns) > depth and ns[:depth] == self.scope

    def _on_started(
        self, ns: Namespace, graph_name: str | None, trigger_call_id: str | None
    ) -> None:
        if trigger_call_id is None:
            return  # nothing could tell when it ends
        payload: LifecyclePayload = {"event": "started", "namespace": list(ns)}
        if graph_name:
            payload["graph_name"] = graph_name
        payload["trigger_call_id"] = trigger_call_id
        if self._pending_cause is not None:
            payload["cause"] = self._pending_cause
        self._channel.push(payload)

    def _on_terminal(self, ns: Namespace, status: SubgraphStatus, error: str | None) -> None:
        payload: LifecyclePayload = {"event": status, "namespace": list(ns)}
        if error is not None:
            payload["error"] = error
        self._channel.push(payload)
