"""The loop of a single run: plan, execute, apply, save, as a generator that a driver moves.

It yields the tasks that are due, and what a saver must do. So a synchronous driver, one on an
event loop and one that streams move the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.constants import ERROR, ERROR_SOURCE, INTERRUPT, MISSING
from vecgraph.engine.begin import apply_input, begin, input_pairs
from vecgraph.engine.run import Task, TaskError
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.single import apply, emit, plan
from vecgraph.errors import (
    EmptyInputError,
    GraphDrained,
    GraphInterrupt,
    GraphRecursionError,
    NodeError,
)
from vecgraph.types import Command

if TYPE_CHECKING:
    from collections.abc import Generator

    from vecgraph.engine.run import Run
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.thread import Ask
    from vecgraph.engine.watch import Watcher
    from vecgraph.types import Interrupt

__all__ = ["handler_of", "supersteps"]


def supersteps(
    tables: Tables, run: Run, input: Any, shared: Shared, watcher: Watcher | None = None
) -> Generator[list[Task] | Ask, Any, None]:
    """Run from the input to the end; with `MISSING` for it, from where the run is.

    Yields
    ------
    list of Task
        Due now, in the order in which they start. The driver runs them and sets what
        became of each before it goes on; it goes on only if none failed.
    Ask
        What a saver must do; the driver sends back the answer.

    Raises
    ------
    EmptyInputError
        `input` holds nothing, and there is no checkpoint to go on from.
    GraphRecursionError
        The run still has steps to take at its limit.
    GraphInterrupt
        A subgraph stopped to ask something, or at a breakpoint.
    InvalidUpdateError
        The writes of a superstep break a channel's rule.
    """
    if input is MISSING:
        pass  # it has begun
    elif run.thread is None and shared.parent is None and type(input) is not Command:
        _begin_plainly(tables, run, input)
    else:
        yield from begin(tables, run, input, shared, watcher)
    while _is_due(tables, run, shared, watcher):
        yield run.tasks
        _check(run)
        ask = _pass(tables, run, watcher)
        if ask is not None:
            yield ask
        if shared.after and _is_breakpoint(run, shared.after):
            if watcher is not None:
                watcher.planned(run, plan(tables, run))
            _stop(run, "interrupt_after", watcher)
            return
        run.resuming = None


def _begin_plainly(tables: Tables, run: Run, input: Any) -> None:
    """Bring a run that nothing is kept of to its first superstep."""
    inputs = tables.program.inputs
    pairs = input_pairs(inputs, input)
    if not pairs:
        raise EmptyInputError.for_channels(inputs if isinstance(inputs, str) else list(inputs))
    apply_input(tables, run, pairs)
    run.step += 1


def _is_due(tables: Tables, run: Run, shared: Shared, watcher: Watcher | None) -> bool:
    """Plan a superstep; return whether it runs. If not, `Run.ended` says why."""
    run.tasks = plan(tables, run)
    if watcher is not None:
        watcher.planned(run, run.tasks)
    if run.step > run.stop:
        raise GraphRecursionError.at(shared.limit)
    if not run.tasks:
        run.ended = "done"
        return False
    if run.pending and not run.replaying:
        _take_up(tables, run, shared)
    if shared.before and _is_breakpoint(run, shared.before):
        _stop(run, "interrupt_before", watcher)
        return False
    if shared.control is not None and shared.control.drain_requested:
        run.ended = "drained"
        raise GraphDrained(shared.control.drain_reason or "shutdown")
    if watcher is not None:
        _show(run, watcher)
    return True


def _pass(tables: Tables, run: Run, watcher: Watcher | None) -> Ask | None:
    """Apply what the tasks of a superstep wrote; return what saves the state after it."""
    written = apply(tables, run, run.tasks)
    emit(tables, run, written)
    if watcher is not None:
        watcher.values(run, written)
    if run.pending:
        run.pending, run.opened = [], None
    if run.calls is not None:
        run.calls.passed()
    run.replaying = False
    if run.thread is not None:
        return run.thread.step(tables, run, "loop")
    run.step += 1
    return None


def _take_up(tables: Tables, run: Run, shared: Shared) -> None:
    """Give the tasks that have ended before what they wrote, and failed ones their handlers."""
    scope = RunScope(shared, tables, run)
    for task in list(run.tasks):
        scope.task = task
        ident = scope.task_id
        found = run.outputs_of(ident)
        if found:
            task.pairs, task.cached = found, True
            continue
        kept = {channel: value for t, channel, value in run.pending if t == ident}
        if ERROR_SOURCE in kept and ERROR in kept:
            error = kept[ERROR]  # as the saver gives it back: LangGraph's keep its text
            handler = handler_of(tables, task, error)
            if handler is not None:
                task.pairs, task.handled = [(ERROR, error)], True
                run.tasks.append(handler)


def handler_of(tables: Tables, task: Task, error: BaseException) -> Task | None:
    """Return the task that handles the failure of another, None if nothing does."""
    name = task.spec.error_handler
    if name is None or task.cause is not None or name not in tables.nodes:
        return None
    handler = Task(tables.nodes[name], task.input, task.push)
    handler.cause = NodeError(task.spec.name, error)
    handler.source = task
    handler.path = (*task.path[:3], "node_error_handler", False)
    return handler


def _is_breakpoint(run: Run, nodes: frozenset[str] | str) -> bool:
    """Return whether a task of the superstep is at a breakpoint that was not passed before."""
    seen = run.seen.get(INTERRUPT, {})
    if all(name in seen and version <= seen[name] for name, version in run.versions.items()):
        return False
    if nodes == "*":
        return any(not task.spec.hidden for task in run.tasks)
    return any(task.spec.name in nodes for task in run.tasks)


def _stop(run: Run, why: str, watcher: Watcher | None) -> None:
    run.ended = why
    if watcher is not None:
        watcher.stopped(run)


def _show(run: Run, watcher: Watcher) -> None:
    watcher.started(run, run.tasks)
    for task in run.tasks:
        if task.pairs and not task.handled:
            watcher.finished(run, task)


def _check(run: Run) -> None:
    """Raise what stops the run: the first failure or, if nothing failed, all that is asked."""
    asked: list[Interrupt] = []
    stopped = False
    for task in run.tasks:
        error = task.error
        if isinstance(error, GraphInterrupt):
            stopped = True
            asked += error.args[0] if error.args else ()
        elif error is not None and not task.handled:
            raise TaskError(task.spec.name, error)
    if stopped or (run.calls is not None and run.calls.asks):
        run.interrupts, run.ended = asked, "interrupt"
        raise GraphInterrupt(tuple(asked))
