"""The superstep rules on cells: what one run reads, which of its tasks are due, what writes do.

Source of the rules: LangGraph's Pregel loop, measured by running it; see the design
record on the superstep.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from vecgraph.constants import (
    CONTROL,
    END,
    INPUT,
    MISSING,
    NO_WRITES,
    PUSH,
    RETURN,
    START,
    TASKS,
)
from vecgraph.engine.run import Run, Task, TaskError
from vecgraph.engine.tables import Tables, names_of
from vecgraph.errors import InvalidUpdateError
from vecgraph.managed import StepClock
from vecgraph.nodes.writer import Pairs, branch_channel
from vecgraph.types import Send

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vecgraph.program import Branch, NodeSpec, Reads

__all__ = ["apply", "destinations", "emit", "output", "plan", "read", "read_fresh", "warn_unknown"]

logger = logging.getLogger("vecgraph")

_APART = CONTROL | {NO_WRITES, RETURN, PUSH}
"""Writes that no channel gets."""


def plan(tables: Tables, run: Run) -> list[Task]:
    """Return the tasks that are due: pending Sends by index, then triggered nodes by name."""
    tasks = _pushed(tables, run) if TASKS in run.cells else []
    if run.updated:
        triggered = tables.triggered
        due = {name for channel in run.updated for name in triggered.get(channel, ())}
        candidates: Iterable[str] = due if len(due) == 1 else sorted(due)
    else:
        candidates = tables.nodes if run.versions else ()
    for name in candidates:
        spec = tables.nodes[name]
        if _is_due(tables, run, spec):
            value = _input(tables, run, spec)
            if value is not MISSING:
                tasks.append(Task(spec, value))
    return tasks


def _pushed(tables: Tables, run: Run) -> list[Task]:
    tasks = []
    for index, send in enumerate(run.cells[TASKS] or ()):
        spec = tables.nodes.get(send.node)
        if spec is None:
            logger.warning("Ignoring unknown node name %s in pending sends", send.node)
        elif spec.action is not None:
            task = Task(spec, send.arg, index)
            if send.timeout is not None:
                task.timeout = send.timeout
            tasks.append(task)
    return tasks


def _is_due(tables: Tables, run: Run, spec: NodeSpec) -> bool:
    seen = run.seen.get(spec.name)
    for name in spec.triggers:
        if tables.channels[name].available(run.cells.get(name, MISSING)):
            if seen is None:
                return True
            version = run.versions.get(name)
            if version is not None and (name not in seen or version > seen[name]):
                return True
    return False


def _input(tables: Tables, run: Run, spec: NodeSpec) -> Any:
    try:
        value = read(tables, run, spec.reads, spec)
        if value is MISSING or spec.mapper is None:
            return value
        return spec.mapper(value)
    except Exception as error:
        path = ("__pregel_pull", spec.name)
        error.add_note(f"Before task with name '{spec.name}' and path '{path}'")
        raise TaskError(spec.name, error) from error


def read(
    tables: Tables, run: Run, reads: Reads, spec: NodeSpec | None = None, *, catch: bool = False
) -> Any:
    """Return the values of available channels: a dict, or the bare value for one name.

    A bare value that is absent is `MISSING`, or None with `catch`.
    """
    cells, channels = run.cells, tables.channels
    if isinstance(reads, str):
        cell = cells.get(reads, MISSING)
        if channels[reads].available(cell):
            return channels[reads].read(cell)
        return None if catch else MISSING
    values = {}
    for name in reads:
        channel = channels.get(name)
        if channel is None:
            values[name] = tables.program.managed[name].get(StepClock(run.step, run.stop))
        elif channel.available(cell := cells.get(name, MISSING)):
            values[name] = channel.read(cell)
    return values


def read_fresh(tables: Tables, run: Run, branch: Branch, pairs: Pairs) -> Any:
    """Return what a router reads: the state with its node's own writes applied.

    Channels that the node did not write pass a superstep (`Channel.tick`).
    """
    writes: dict[str, list[Any]] = {}
    for name, value in pairs:
        writes.setdefault(name, []).append(value)
    fresh = {}
    for name in names_of(branch.reads):
        channel = tables.channels.get(name)
        if channel is None:
            fresh[name] = tables.program.managed[name].get(StepClock(run.step, run.stop))
            continue
        cell = run.cells.get(name, MISSING)
        if name in writes:
            cell, _ = channel.fold(cell, writes[name])
        elif not channel.steady and channel.available(cell):
            cell, _ = channel.tick(cell)
        if channel.available(cell):
            fresh[name] = channel.read(cell)
    if isinstance(branch.reads, str):
        return fresh.get(branch.reads)
    return fresh


def destinations(branch: Branch, result: Any) -> Pairs:
    """Return the writes that send a run where a router said.

    Raises
    ------
    KeyError
        The path map has no such label.
    ValueError
        A destination is None or START.
    InvalidUpdateError
        A Send goes to END.
    """
    if branch.translate is not None:
        result = branch.translate(result)
    results = result if isinstance(result, list | tuple) else [result]
    ends = branch.ends
    if ends:
        results = [r if isinstance(r, Send) else ends[r] for r in results]
    if any(r is None or r == START for r in results):
        raise ValueError("Branch did not return a valid destination")
    if any(r.node == END for r in results if isinstance(r, Send)):
        raise InvalidUpdateError("Cannot send a packet to the END node")
    return [
        (TASKS, r) if isinstance(r, Send) else (branch_channel(r), None)
        for r in results
        if isinstance(r, Send) or r != END
    ]


def apply(
    tables: Tables,
    run: Run,
    tasks: Sequence[Task],
    extra: Pairs | None = None,
    *,
    passes: bool = True,
) -> set[str]:
    """Apply the writes of a superstep.

    Parameters
    ----------
    tasks : sequence of Task
        What they wrote counts, whether or not they ended well.
    extra : list of (str, object), optional
        Writes that no task made; they come first.
    passes : bool
        A superstep goes by: channels that nobody wrote are told so. Not for an input.

    Returns
    -------
    set of str
        Channels written. `Run.updated` holds those that changed and can be read.

    Raises
    ------
    InvalidUpdateError
        The writes break a channel's rule; the run is as it was.
    """
    if len(tasks) > 1:
        tasks = sorted(tasks, key=_place)
    writes: dict[str, list[Any]] = {}
    _group(tables, extra or (), INPUT, writes)
    for task in tasks:
        if task.pairs:
            _group(tables, task.pairs, task.spec.name, writes)
    folded = _folded(tables, run, writes, _consumed(tables, run, tasks))
    version = _next_version(run)
    _see(run, tasks)
    updated = _stored(run, folded, version)
    if passes:
        if tables.unsteady:
            _tick(tables, run, updated, version)
        if tables.finishing and updated.isdisjoint(tables.triggered):
            _finish(tables, run, updated, version)
    run.updated = updated
    return set(writes)


def _stored(run: Run, folded: _Fold, version: Any) -> set[str]:
    """Store cells; return the channels that changed and can be read."""
    updated: set[str] = set()
    for name, (cell, changed, available) in folded.items():
        _store(run, name, cell)
        if changed:
            run.versions[name] = version
            if available:
                updated.add(name)
    return updated


def _place(task: Task) -> tuple[int, Any]:
    return task.place


def _next_version(run: Run) -> Any:
    """Return the version of what changes now: one more than any so far."""
    thread = run.thread
    if thread is None:
        run.clock += 1
        return run.clock
    return thread.next_version(max(run.versions.values(), default=None), None)


def _see(run: Run, tasks: Sequence[Task]) -> None:
    """Note the versions that the nodes have run on."""
    versions = run.versions
    for task in tasks:
        seen = run.seen.setdefault(task.spec.name, {})
        for name in task.triggers:
            if name in versions:
                seen[name] = versions[name]


def _group(
    tables: Tables, pairs: Iterable[tuple[str, Any]], node: str, writes: dict[str, list[Any]]
) -> None:
    channels = tables.channels
    for name, value in pairs:
        if name in writes:
            writes[name].append(value)
        elif name in channels:
            writes[name] = [value]
        elif name not in _APART:
            warn_unknown(node, name)


def warn_unknown(node: str, channel: str) -> None:
    """Log that a write is ignored, as LangGraph does."""
    logger.warning("Task %s wrote to unknown channel %s, ignoring it.", node, channel)


_Fold = dict[str, tuple[Any, bool, bool]]


def _consumed(tables: Tables, run: Run, tasks: Sequence[Task]) -> _Fold:
    """Return the cells of the channels that know that their nodes have run."""
    if not tables.consuming:
        return {}
    consumed: _Fold = {}
    read_by = {name for task in tasks for name in task.triggers}
    for name in read_by & tables.consuming:
        cell, changed = tables.channels[name].consume(run.cells.get(name, MISSING))
        # Being consumed is no update: it triggers nobody.
        consumed[name] = (cell, changed, False)
    return consumed


def _folded(tables: Tables, run: Run, writes: Mapping[str, list[Any]], consumed: _Fold) -> _Fold:
    """Return what becomes of each channel written or consumed: all of them or, by raising, none."""
    folded = consumed
    for name, values in writes.items():
        channel = tables.channels[name]
        before = consumed.get(name)
        cell = run.cells.get(name, MISSING) if before is None else before[0]
        cell, changed = channel.fold(cell, values)
        consumed_too = before is not None and before[1]
        folded[name] = (cell, changed or consumed_too, changed and channel.available(cell))
    return folded


def _store(run: Run, name: str, cell: Any) -> None:
    if cell is MISSING:
        run.cells.pop(name, None)
    else:
        run.cells[name] = cell


def _tick(tables: Tables, run: Run, updated: set[str], version: Any) -> None:
    for name in tables.unsteady:
        if name not in run.cells or name in updated:
            continue
        channel, cell = tables.channels[name], run.cells[name]
        if channel.available(cell):
            _advance(tables, run, name, channel.tick(cell), updated, version)


def _advance(
    tables: Tables,
    run: Run,
    name: str,
    after: tuple[Any, bool],
    updated: set[str],
    version: Any,
) -> None:
    """Store a cell that may have changed without a write, and note the change."""
    cell, changed = after
    _store(run, name, cell)
    if changed:
        run.versions[name] = version
        if tables.channels[name].available(cell):
            updated.add(name)


def _finish(tables: Tables, run: Run, updated: set[str], version: Any) -> None:
    for name in tables.finishing:
        after = tables.channels[name].finish(run.cells.get(name, MISSING))
        _advance(tables, run, name, after, updated, version)


def emit(tables: Tables, run: Run, written: set[str] | None = None) -> None:
    """Note the outputs after a superstep that wrote `written`; None: whatever it wrote."""
    outputs = tables.outputs
    if written is not None and (
        written.isdisjoint(outputs) or outputs.isdisjoint(run.updated or ())
    ):
        return
    if tables.steady_outputs:
        run.emitted = True
    else:
        run.emitted = read(tables, run, tables.program.outputs, catch=True)


def output(tables: Tables, run: Run) -> Any:
    """Return the result: what was last emitted, None if nothing was."""
    if run.emitted is MISSING:
        return None
    if tables.steady_outputs:
        return read(tables, run, tables.program.outputs, catch=True)
    return run.emitted
