"""A run between two supersteps, as LangGraph shows it: snapshots, and ``checkpoints`` chunks."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vecgraph.constants import CONTROL, ERROR, INTERRUPT, MISSING, NULL_TASK, RETURN
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.single import read
from vecgraph.engine.tables import Tables, names_of
from vecgraph.types import PregelTask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vecgraph.engine.run import Pending, Run, Task
    from vecgraph.engine.shared import Shared
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import Reads
    from vecgraph.types import Interrupt

__all__ = ["child_states", "payload_of", "task_result", "tasks_of", "with_map", "writes_of"]


class _Status:
    """What became of a task, read from the writes beside a checkpoint."""

    __slots__ = ("asked", "error", "pairs")

    def __init__(self) -> None:
        self.pairs: Pairs = []
        self.asked: list[Interrupt] = []
        self.error: Any = None


def _statuses(pending: Pending) -> dict[str, _Status]:
    found: dict[str, _Status] = {}
    for task, channel, value in pending:
        if task == NULL_TASK:
            continue
        status = found.setdefault(task, _Status())
        if channel == INTERRUPT:
            status.asked += value if isinstance(value, list | tuple) else [value]
        elif channel == ERROR:
            status.error = value if status.error is None else status.error
        elif channel not in CONTROL:
            status.pairs.append((channel, value))
    return found


def tasks_of(
    tables: Tables,
    run: Run,
    tasks: list[Task],
    shared: Shared,
    keys: Reads,
    states: Mapping[str, Any],
    *,
    live: bool = False,
) -> tuple[PregelTask, ...]:
    """Return the tasks of a superstep as a snapshot shows them.

    Parameters
    ----------
    keys : str or tuple of str
        Channels whose writes are shown as a task's result.
    states : mapping of str to object
        State of the graph that each task runs, by the task's id.
    live : bool
        Show only questions that still wait for an answer.
    """
    statuses = _statuses(run.pending)
    scope = RunScope(shared, tables, run)
    found = []
    for task in tasks:
        scope.task = task
        ident = scope.task_id
        status = statuses.get(ident) or _Status()
        ended = bool(status.pairs)
        asked = () if live and ended else tuple(status.asked)
        result = task_result(status.pairs, keys) if ended else None
        state = states.get(ident)
        found.append(
            PregelTask(ident, task.spec.name, task.path, status.error, asked, state, result)
        )
    return tuple(found)


def task_result(pairs: Pairs, keys: Reads) -> Any:
    """Return what a task that has ended made of the channels shown."""
    returned = next((value for channel, value in pairs if channel == RETURN), MISSING)
    if returned is not MISSING:
        return returned
    shown = writes_of(pairs, frozenset(names_of(keys)))
    return shown.get(keys) if isinstance(keys, str) else shown


def writes_of(pairs: Pairs, names: frozenset[str]) -> dict[str, Any]:
    """Return the writes to channels; several to one channel as ``{"$writes": [...]}``."""
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name not in names:
            continue
        old = result.get(name)
        if old is None:
            result[name] = value
        elif isinstance(old, dict) and isinstance(old.get("$writes"), list):
            result[name] = {"$writes": [*old["$writes"], value]}
        else:
            result[name] = {"$writes": [old, value]}
    return result


def with_map(config: Any, metadata: Any) -> Any:
    """Return the coordinates of a checkpoint together with those of the graphs around it."""
    parents = (metadata or {}).get("parents")
    if config is None or not parents:
        return config
    place = config["configurable"]
    around = {**parents, place["checkpoint_ns"]: place["checkpoint_id"]}
    return {**config, "configurable": {**place, "checkpoint_map": around}}


def child_states(
    tables: Tables, run: Run, tasks: list[Task], shared: Shared, thread_id: Any
) -> dict[str, Any]:
    """Return the coordinates of the graphs that tasks run, by the tasks' ids."""
    scope = RunScope(shared, tables, run)
    states = {}
    for task in tasks:
        if task.spec.name in tables.subgraphs:
            scope.task = task
            place = {"thread_id": thread_id, "checkpoint_ns": scope.checkpoint_ns}
            states[scope.task_id] = {"configurable": place}
    return states


def payload_of(
    tables: Tables, run: Run, tasks: list[Task], shared: Shared, keys: Reads
) -> dict[str, Any]:
    """Return the checkpoint that a superstep stands on as the ``checkpoints`` mode shows it."""
    thread = run.thread
    assert thread is not None
    metadata = thread.metadata
    states = child_states(tables, run, tasks, shared, thread.thread_id)
    shown = tasks_of(tables, run, tasks, shared, keys, states)
    return {
        "config": _bare(with_map(thread.here(), metadata)),
        "parent_config": _bare(with_map(thread.parent_config, metadata)),
        "values": read(tables, run, tables.program.streams, catch=True),
        "metadata": metadata,
        "next": [task.spec.name for task in tasks],
        "tasks": [_task(task) for task in shown],
    }


def _bare(config: Any) -> Any:
    """Return the coordinates of a config alone."""
    if config is None:
        return None
    place = config.get("configurable") or {}
    return {"configurable": {k: v for k, v in place.items() if not k.startswith("__pregel_")}}


def _task(task: PregelTask) -> dict[str, Any]:
    shown = {"id": task.id, "name": task.name}
    if task.error:
        return {**shown, "error": task.error, "state": task.state}
    asked = tuple(asdict(question) for question in task.interrupts)
    if task.result:
        shown["result"] = task.result
    return {**shown, "interrupts": asked, "state": task.state}
