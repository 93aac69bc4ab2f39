"""Stream modes: the records of a run, as LangGraph's chunks."""

from __future__ import annotations

from collections import Counter, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vecgraph.constants import MISSING
from vecgraph.engine.scope import Place, Scope, Shared
from vecgraph.engine.single import Run, Task, read
from vecgraph.engine.tables import Tables, names_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import Reads

__all__ = ["MODES", "Chunks"]

MODES = ("values", "updates", "custom", "tasks", "debug")
"""Modes that need no checkpointer."""


class Chunks:
    """A watcher that turns a run's records into chunks, in the order in which they happen.

    Parameters
    ----------
    tables : Tables
    shared : Shared
    modes : sequence of str
    keys : str or tuple of str
        Channels that ``values`` and ``updates`` show.
    """

    def __init__(self, tables: Tables, shared: Shared, modes: Sequence[str], keys: Reads) -> None:
        self._tables = tables
        self._modes = frozenset(modes)
        self._keys = keys
        self._names = frozenset(names_of(keys))
        self._scope = Scope(shared)
        self.queue: deque[tuple[str, Any]] = deque()

    def put(self, mode: str, payload: Any) -> None:
        """Add a chunk if its mode is wanted."""
        if mode in self._modes:
            self.queue.append((mode, payload))

    def custom(self, _row: int, value: Any) -> None:
        """Add what a node wrote to its stream writer."""
        self.put("custom", value)

    def values(self, run: Run, written: set[str] | frozenset[str] | None) -> None:
        """Add the state after a superstep that changed a channel shown."""
        if written is None or not (
            self._names.isdisjoint(written) or self._names.isdisjoint(run.updated)
        ):
            self.put("values", read(self._tables, run, self._keys, catch=True))

    def started(self, run: Run, tasks: list[Task]) -> None:
        """Add one chunk a task that is due."""
        if not self._wants_tasks:
            return
        for task in tasks:
            if not task.spec.hidden:
                payload: dict[str, Any] = {
                    "id": self._id(run, task),
                    "name": task.spec.name,
                    "input": task.input,
                    "triggers": ("__pregel_push",) if task.push is not None else _triggers(task),
                }
                if task.spec.metadata:
                    payload["metadata"] = dict(task.spec.metadata)
                self._task(run, "task", payload)

    def finished(self, run: Run, task: Task) -> None:
        """Add a task's update, and the end of the task."""
        if task.spec.hidden:
            return
        pairs = task.pairs or []
        if "updates" in self._modes:
            self.put("updates", {task.spec.name: update_of(pairs, self._keys)})
        if self._wants_tasks:
            payload: dict[str, Any] = {
                "id": self._id(run, task),
                "name": task.spec.name,
                "error": None,
                "result": result_of(pairs, self._names),
                "interrupts": [],
            }
            self._task(run, "task_result", payload)

    @property
    def _wants_tasks(self) -> bool:
        return "tasks" in self._modes or "debug" in self._modes

    def _task(self, run: Run, kind: str, payload: dict[str, Any]) -> None:
        self.put("tasks", payload)
        now = datetime.now(UTC).isoformat()
        self.put("debug", {"step": run.step, "timestamp": now, "type": kind, "payload": payload})

    def _id(self, run: Run, task: Task) -> str:
        pushes = None if task.push is None else (task.push,)
        self._scope.enter(task.spec.name, Place((run.row,), (run.step,), pushes))
        return self._scope.task_id


def _triggers(task: Task) -> tuple[str, ...]:
    return tuple(sorted(task.spec.triggers))


def update_of(pairs: Pairs, keys: Reads) -> Any:
    """Return a task's update as the ``updates`` mode shows it.

    A dict; None if nothing shown was written; a list of single-key dicts if a channel was
    written more than once.
    """
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


def result_of(pairs: Pairs, names: frozenset[str]) -> dict[str, Any]:
    """Return a task's writes as the ``tasks`` mode shows them."""
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name not in names:
            continue
        old = result.get(name, MISSING)
        if old is MISSING:
            result[name] = value
        elif isinstance(old, _Several):
            old.append(value)
        else:
            result[name] = _Several([old, value])
    return {k: {"$writes": list(v)} if isinstance(v, _Several) else v for k, v in result.items()}


class _Several(list[Any]):
    """Several writes to one channel, told apart from a value that is a list."""
