"""Stream modes: the records of a run, as LangGraph's chunks."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vecgraph.ambient import current_task
from vecgraph.constants import ERROR, INTERRUPT, MISSING, PUSH, RETURN
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.single import read
from vecgraph.engine.tables import Tables, names_of
from vecgraph.errors import GraphBubbleUp, GraphInterrupt
from vecgraph.mail import Mail
from vecgraph.snapshots import payload_of, writes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.engine.run import Run, Task
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.watch import Watcher
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import Reads
    from vecgraph.types import Interrupt

__all__ = ["MODES", "Both", "Chunk", "Chunks", "Sink", "update_of"]

MODES = ("values", "updates", "custom", "messages", "checkpoints", "tasks", "debug")
"""What a stream may be asked for."""

Chunk = tuple[tuple[str, ...], str, Any]
"""The namespace of the graph that it comes from, its mode, and what is shown."""


class Sink:
    """Where the chunks of a run, and of the graphs in it, come together.

    Parameters
    ----------
    put : callable
        Takes a `Chunk`; called from whatever thread the run is in.
    modes : sequence of str
    subgraphs : bool
        Whether graphs in the run show theirs too.
    as_events : bool
        See `Mail`.
    """

    def __init__(
        self,
        put: Callable[[Chunk], None],
        modes: Sequence[str],
        *,
        subgraphs: bool = False,
        as_events: bool = False,
    ) -> None:
        self.put = put
        self.modes = frozenset(modes)
        self.subgraphs = subgraphs
        self.mail: Mail | None = None
        if "messages" in self.modes:
            self.mail = Mail(
                lambda ns, post: put((ns, "messages", post)),
                subgraphs=subgraphs,
                as_events=as_events,
            )

    def watcher(self, tables: Tables, shared: Shared, keys: Reads) -> Chunks:
        """Return what turns the records of one graph's run into chunks."""
        return Chunks(tables, shared, self, keys)


class Both:
    """Two watchers of one run."""

    def __init__(self, first: Watcher, second: Watcher) -> None:
        self._watchers = (first, second)

    def values(self, run: Run, written: set[str] | None) -> None:
        """Pass it on."""
        for watcher in self._watchers:
            watcher.values(run, written)

    def planned(self, run: Run, tasks: list[Task]) -> None:
        """Pass it on."""
        for watcher in self._watchers:
            watcher.planned(run, tasks)

    def started(self, run: Run, tasks: list[Task]) -> None:
        """Pass it on."""
        for watcher in self._watchers:
            watcher.started(run, tasks)

    def finished(self, run: Run, task: Task) -> None:
        """Pass it on."""
        for watcher in self._watchers:
            watcher.finished(run, task)

    def stopped(self, run: Run) -> None:
        """Pass it on."""
        for watcher in self._watchers:
            watcher.stopped(run)


class Chunks:
    """A watcher that turns a run's records into chunks, in the order in which they happen.

    Parameters
    ----------
    tables : Tables
    shared : Shared
    sink : Sink
    keys : str or tuple of str
        Channels that ``values`` and ``updates`` show.
    """

    def __init__(self, tables: Tables, shared: Shared, sink: Sink, keys: Reads) -> None:
        self._tables = tables
        self._shared = shared
        self._sink = sink
        self._modes = sink.modes
        self._keys = keys
        self._names = frozenset(names_of(keys))
        self._shown = frozenset(names_of(tables.program.streams)) | {RETURN}
        self._ns: tuple[str, ...] | None = None
        self._wants_tasks = bool(self._modes & {"tasks", "debug"})
        self._wants_checkpoints = bool(self._modes & {"checkpoints", "debug"})

    def put(self, mode: str, payload: Any) -> None:
        """Add a chunk if its mode is wanted."""
        if mode in self._modes:
            if self._ns is None:
                ns = self._shared.ns
                self._ns = tuple(ns.split("|")) if ns else ()
            self._sink.put((self._ns, mode, payload))

    def custom(self, _row: int, value: Any) -> None:
        """Add what a node, or a task that it called, wrote to its stream writer."""
        task = getattr(current_task.get(), "task", None)
        if task is None or task.caller is None:
            self.put("custom", value)
        else:  # a call is inside its caller
            around = current_task.get().checkpoint_ns.split("|")[:-1]
            self._sink.put((tuple(around), "custom", value))

    def values(self, run: Run, written: set[str] | None) -> None:
        """Add the state after a superstep that changed a channel shown."""
        if written is None or not (
            self._names.isdisjoint(written) or self._names.isdisjoint(run.updated or ())
        ):
            self.put("values", read(self._tables, run, self._keys, catch=True))

    def planned(self, run: Run, tasks: list[Task]) -> None:
        """Add the checkpoint that a superstep stands on."""
        if self._wants_checkpoints and run.thread is not None:
            payload = payload_of(self._tables, run, tasks, self._shared, self._keys)
            self._debug(run.step - 1, "checkpoints", "checkpoint", payload)

    def started(self, run: Run, tasks: list[Task]) -> None:
        """Add one chunk a task that is due."""
        mail = self._sink.mail
        if mail is not None:
            for task in tasks:
                if not task.spec.hidden:
                    mail.note(task.input)
        if not self._wants_tasks:
            return
        for task in tasks:
            if not task.spec.hidden:
                self._debug(run.step, "tasks", "task", self._task(run, task))

    def _task(self, run: Run, task: Task) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "id": self._id(run, task),
            "name": task.spec.name,
            "input": task.input,
            "triggers": (PUSH,) if not task.triggers else tuple(sorted(task.triggers)),
        }
        metadata = {**_shown(self._shared.config.get("metadata")), **task.spec.metadata}
        tags = [*(self._shared.config.get("tags") or ()), *task.spec.tags]
        if tags:
            metadata["tags"] = tags
        if metadata:
            payload["metadata"] = metadata
        return payload

    def finished(self, run: Run, task: Task) -> None:
        """Add a task's update, and the end of the task."""
        if task.spec.hidden:
            return
        pairs = task.pairs or []
        asked = _asked(task)
        if asked is None and isinstance(task.error, GraphBubbleUp):
            return  # a command or a breakpoint on its way out is no result
        if asked is not None:
            if task.caller is not None:
                return  # its caller asks
            self._ask(run, asked)
        elif task.error is None or (pairs and pairs[0][0] != ERROR):
            self._post(run, task, pairs)
            self._update(task, pairs)
        if self._wants_tasks and not task.cached:
            self._debug(run.step, "tasks", "task_result", self._result(run, task, pairs, asked))

    def _post(self, run: Run, task: Task, pairs: Pairs) -> None:
        """Add the messages that a task wrote, unless a cache knew them."""
        mail = self._sink.mail
        if mail is not None and task.error is None and not task.cached:
            mail.written(pairs, RunScope(self._shared, self._tables, run, task))

    def _update(self, task: Task, pairs: Pairs) -> None:
        if "updates" not in self._modes:
            return
        chunk = {task.spec.name: update_of(pairs, self._keys)}
        if task.cached:
            chunk["__metadata__"] = {"cached": True}
        self.put("updates", chunk)

    def _ask(self, run: Run, asked: tuple[Interrupt, ...]) -> None:
        """Add the questions of a task."""
        self.put("updates", {INTERRUPT: asked})
        if "values" in self._modes:
            values = read(self._tables, run, self._keys, catch=True)
            shown = {**values, INTERRUPT: asked} if isinstance(values, dict) else {INTERRUPT: asked}
            self.put("values", shown)

    def _result(
        self, run: Run, task: Task, pairs: Pairs, asked: tuple[Interrupt, ...] | None
    ) -> dict[str, Any]:
        error = task.error if asked is None else None
        return {
            "id": self._id(run, task),
            "name": task.spec.name,
            "error": error,
            "result": {} if asked is not None else writes_of(pairs, self._shown),
            "interrupts": [asdict(question) for question in asked or ()],
        }

    def stopped(self, run: Run) -> None:
        """Add the sign that the run has stopped at a breakpoint."""
        self.put("updates", {INTERRUPT: ()})

    def _debug(self, step: int, mode: str, kind: str, payload: dict[str, Any]) -> None:
        self.put(mode, payload)
        if "debug" in self._modes:
            now = datetime.now(UTC).isoformat()
            self.put("debug", {"step": step, "timestamp": now, "type": kind, "payload": payload})

    def _id(self, run: Run, task: Task) -> str:
        return RunScope(self._shared, self._tables, run, task).task_id


_PLACE = frozenset(
    {
        "thread_id",
        "checkpoint_id",
        "checkpoint_ns",
        "checkpoint_map",
        "langgraph_step",
        "langgraph_node",
        "langgraph_triggers",
        "langgraph_path",
        "langgraph_checkpoint_ns",
    }
)


def _shown(metadata: Any) -> dict[str, Any]:
    """Return what of a config's metadata is not said by the chunk itself."""
    return {key: value for key, value in (metadata or {}).items() if key not in _PLACE}


def _asked(task: Task) -> tuple[Interrupt, ...] | None:
    if isinstance(task.error, GraphInterrupt):
        return tuple(task.error.args[0]) if task.error.args and task.error.args[0] else None
    return None


def update_of(pairs: Pairs, keys: Reads) -> Any:
    """Return a task's update as the ``updates`` mode shows it.

    A dict; None if nothing shown was written; a list of single-key dicts if a channel was
    written more than once.
    """
    returned = next((value for name, value in pairs if name == RETURN), MISSING)
    if returned is not MISSING:
        return returned
    if isinstance(keys, str):
        values = [value for name, value in pairs if name == keys]
        return values[0] if len(values) == 1 else values or None
    shown = [(name, value) for name, value in pairs if name in keys]
    if not shown:
        return None
    counts = Counter(name for name, _ in shown)
    if max(counts.values()) > 1:
        return [{name: value} for name, value in shown]
    return dict(shown)
