"""One run in plain Python: the superstep rules on cells, without arrays.

A superstep *plans* (which nodes are due), *executes* them and *applies* their writes.
`supersteps` is the loop as a generator: it yields the tasks that are due and is sent what
each of them wrote, so that a synchronous and an asynchronous driver move the same code.

Source of the rules: LangGraph's Pregel loop, measured by running it; see the design
record on the superstep.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from vecgraph.constants import END, MISSING, START, TASKS
from vecgraph.engine.tables import Tables, names_of
from vecgraph.errors import EmptyInputError, GraphRecursionError, InvalidUpdateError
from vecgraph.managed import StepClock
from vecgraph.nodes.writer import Pairs, branch_channel
from vecgraph.types import Send

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from vecgraph.program import Branch, NodeSpec, Reads

__all__ = ["Run", "Task", "Watcher", "destinations", "read", "read_fresh", "supersteps"]

logger = logging.getLogger("vecgraph")


class Task:
    """One execution of a node: what it gets, and why it runs.

    Attributes
    ----------
    spec : NodeSpec
    input : object
    push : int or None
        Index of its Send among the run's pending ones; None if a channel triggered it.
    pairs : list of (str, object), or None
        What it wrote, once it has ended.
    """

    __slots__ = ("input", "pairs", "push", "spec")

    def __init__(self, spec: NodeSpec, input: Any, push: int | None = None) -> None:
        self.spec = spec
        self.input = input
        self.push = push
        self.pairs: Pairs | None = None

    @property
    def path(self) -> tuple[int, int | str]:
        """Place of its writes: triggered tasks by name, then Sends by index."""
        return (0, self.spec.name) if self.push is None else (1, self.push)


class Watcher(Protocol):
    """Gets the records of a run as they come: streams, tables of steps."""

    def values(self, run: Run, written: frozenset[str] | set[str] | None) -> None:
        """Note that a superstep has ended that wrote `written`; None: everything is shown."""
        ...

    def started(self, run: Run, tasks: list[Task]) -> None:
        """Note the tasks of a superstep before they run."""
        ...

    def finished(self, run: Run, task: Task) -> None:
        """Note that a task has ended."""
        ...


class Run:
    """State of one run.

    Attributes
    ----------
    row : int
        Number of the run in its batch.
    cells : dict of str to cell
    versions : dict of str to int
        Clock at which each channel last changed.
    ran : dict of str to int
        Clock at which each node last ran.
    updated : set of str
        Channels that the last superstep changed and left available.
    step, stop : int
        Current step and the last one that the recursion limit allows.
    emitted : object
        The result so far; `MISSING` before the first write to an output.
    """

    __slots__ = ("cells", "clock", "emitted", "ran", "row", "step", "stop", "updated", "versions")

    def __init__(self, tables: Tables, row: int, limit: int) -> None:
        self.row = row
        self.cells: dict[str, Any] = tables.initial()
        self.versions: dict[str, int] = {}
        self.ran: dict[str, int] = {}
        self.updated: set[str] = set()
        self.clock = 0
        self.step = -1
        self.stop = limit
        self.emitted: Any = MISSING

    def output(self, tables: Tables) -> Any:
        """Return the result: what was last emitted, None if nothing was."""
        if self.emitted is MISSING:
            return None
        if tables.steady_outputs:
            return read(tables, self, tables.program.outputs, catch=True)
        return self.emitted


def supersteps(
    tables: Tables, run: Run, input: Any, watcher: Watcher | None = None
) -> Generator[list[Task], None, None]:
    """Run from the input to the end.

    Yields
    ------
    list of Task
        Due now, in the order in which they start. The driver runs them and sets
        `Task.pairs` of each before it goes on.

    Raises
    ------
    EmptyInputError
        `input` holds nothing.
    GraphRecursionError
        The run still has steps to take at its limit.
    InvalidUpdateError
        The writes of a superstep break a channel's rule.
    """
    _apply_input(tables, run, input)
    while True:
        run.step += 1
        if run.step > run.stop:
            raise GraphRecursionError.at(run.stop)
        tasks = plan(tables, run)
        if not tasks:
            return
        if watcher is not None:
            watcher.started(run, tasks)
        yield tasks
        written = apply(tables, run, tasks)
        _emit(tables, run, written)
        if watcher is not None:
            watcher.values(run, written)


def _apply_input(tables: Tables, run: Run, input: Any) -> None:
    inputs = tables.program.inputs
    if input is None:
        raise EmptyInputError(f"Received no input for {_shown(inputs)}")
    if isinstance(inputs, str):
        pairs = [(inputs, input)]
    elif not isinstance(input, dict):
        raise TypeError(f"Expected chunk to be a dict, got {type(input).__name__}")
    else:
        pairs = [(k, v) for k, v in input.items() if k in inputs]
        for key in input.keys() - set(inputs):
            logger.warning("Input channel %s not found in %s", key, list(inputs))
        if not pairs:
            raise EmptyInputError(f"Received no input for {_shown(inputs)}")
    run.updated = _fold(tables, run, _grouped(tables, pairs, "__input__"))
    run.clock += 1


def _shown(inputs: Reads) -> Any:
    return inputs if isinstance(inputs, str) else list(inputs)


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
            tasks.append(Task(spec, send.arg, index))
    return tasks


def _is_due(tables: Tables, run: Run, spec: NodeSpec) -> bool:
    ran = run.ran.get(spec.name)
    for name in spec.triggers:
        if tables.channels[name].available(run.cells.get(name, MISSING)) and (
            ran is None or run.versions.get(name, 0) > ran
        ):
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


class TaskError(Exception):
    """An exception of a task with the node that it came from; never leaves the engine."""

    def __init__(self, node: str, error: BaseException) -> None:
        super().__init__(node)
        self.node = node
        self.error = error


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


def apply(tables: Tables, run: Run, tasks: list[Task]) -> set[str]:
    """Apply the writes of a superstep; return the channels written."""
    if len(tasks) > 1:
        tasks = sorted(tasks, key=_path)
    clock = run.clock
    for task in tasks:
        if task.push is None:
            run.ran[task.spec.name] = clock
        else:
            run.ran.setdefault(task.spec.name, 0)
    if tables.consuming:
        _consume(tables, run, tasks)
    writes: dict[str, list[Any]] = {}
    for task in tasks:
        _group(tables, task.pairs or (), task.spec.name, writes)
    updated = _fold(tables, run, writes)
    _tick(tables, run, updated)
    if tables.finishing and updated.isdisjoint(tables.triggered):
        _finish(tables, run, updated)
    run.updated = updated
    run.clock += 1
    return set(writes)


def _path(task: Task) -> tuple[int, Any]:
    return task.path


def _grouped(tables: Tables, pairs: Iterable[tuple[str, Any]], node: str) -> dict[str, list[Any]]:
    writes: dict[str, list[Any]] = {}
    _group(tables, pairs, node, writes)
    return writes


def _group(
    tables: Tables, pairs: Iterable[tuple[str, Any]], node: str, writes: dict[str, list[Any]]
) -> None:
    channels = tables.channels
    for name, value in pairs:
        if name in writes:
            writes[name].append(value)
        elif name in channels:
            writes[name] = [value]
        else:
            warn_unknown(node, name)


def warn_unknown(node: str, channel: str) -> None:
    """Log that a write is ignored, as LangGraph does."""
    logger.warning("Task %s wrote to unknown channel %s, ignoring it.", node, channel)


def _fold(tables: Tables, run: Run, writes: Mapping[str, list[Any]]) -> set[str]:
    """Fold all channels or, if one refuses, none."""
    folded, updated, version = {}, set(), run.clock + 1
    for name, values in writes.items():
        channel = tables.channels[name]
        cell, changed = channel.fold(run.cells.get(name, MISSING), values)
        folded[name] = cell
        if changed:
            run.versions[name] = version
            if channel.available(cell):
                updated.add(name)
    run.cells.update(folded)
    return updated


def _tick(tables: Tables, run: Run, updated: set[str]) -> None:
    for name in tables.unsteady:
        if name not in run.cells or name in updated:
            continue
        channel, cell = tables.channels[name], run.cells[name]
        if channel.available(cell):
            cell, changed = channel.tick(cell)
            _advance(tables, run, name, cell, updated, changed=changed)


def _advance(
    tables: Tables, run: Run, name: str, cell: Any, updated: set[str], *, changed: bool
) -> None:
    """Store a cell that changed without a write, and note the change."""
    _store(run, name, cell)
    if changed:
        run.versions[name] = run.clock + 1
        if tables.channels[name].available(cell):
            updated.add(name)


def _store(run: Run, name: str, cell: Any) -> None:
    if cell is MISSING:
        run.cells.pop(name, None)
    else:
        run.cells[name] = cell


def _consume(tables: Tables, run: Run, tasks: list[Task]) -> None:
    read_by = {name for task in tasks if task.push is None for name in task.spec.triggers}
    for name in read_by & tables.consuming:
        cell, changed = tables.channels[name].consume(run.cells.get(name, MISSING))
        _store(run, name, cell)
        if changed:
            run.versions[name] = run.clock + 1


def _finish(tables: Tables, run: Run, updated: set[str]) -> None:
    for name in tables.finishing:
        cell, changed = tables.channels[name].finish(run.cells.get(name, MISSING))
        _advance(tables, run, name, cell, updated, changed=changed)


def _emit(tables: Tables, run: Run, written: set[str]) -> None:
    if written.isdisjoint(tables.outputs) or run.updated.isdisjoint(tables.outputs):
        return
    if tables.steady_outputs:
        run.emitted = True
    else:
        run.emitted = read(tables, run, tables.program.outputs, catch=True)
