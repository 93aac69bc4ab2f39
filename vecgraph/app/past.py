"""Runs of a thread's past: from a saved checkpoint to what is shown of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.constants import MISSING, NULL_TASK
from vecgraph.engine.run import Run
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.shared import Shared
from vecgraph.engine.single import apply, plan, read
from vecgraph.engine.thread import Ask, Thread, completed, renew, restored
from vecgraph.snapshots import child_states, tasks_of, with_map
from vecgraph.types import StateSnapshot

if TYPE_CHECKING:
    from collections.abc import Generator

    from vecgraph.app.base import Compiled
    from vecgraph.engine.run import Task

__all__ = ["Past", "empty_snapshot", "snapshot"]


class Past:
    """A run as it stood at a checkpoint.

    Parameters
    ----------
    app : Compiled
    saver : object
    config : dict
        With the coordinates of the thread.
    saved : CheckpointTuple or None
        None: nothing was saved, the run has not begun.

    Attributes
    ----------
    run : Run
    shared : Shared
    step : int
        Step of the checkpoint, -1 if there is none or it has none.
    """

    def __init__(self, app: Compiled, saver: Any, config: Any, saved: Any) -> None:
        self.tables = app.engine.tables
        limited: Any = {**config, "recursion_limit": 1}
        self.shared = Shared(limited)
        self.shared.put_in(config["configurable"].get("checkpoint_ns", ""))
        thread = Thread(saver, config, self.shared.ns, "sync")
        self.run = Run(self.tables, 0, 1, thread)
        self.saved = saved
        self.step = -1
        if saved is not None:
            thread.stand_on(saved)
            restored(self.tables, self.run, saved)
            thread.stored = dict(self.run.versions)
            renew(self.tables, self.run, saved, thread)
            self.step = saved.metadata.get("step", -1)
        self.run.step, self.run.stop = self.step + 1, self.step + 3
        self.run.updated = None  # which nodes are due is looked up for all of them

    @property
    def thread(self) -> Thread:
        """The run's thread."""
        assert self.run.thread is not None
        return self.run.thread

    def tasks(self) -> list[Task]:
        """Return the tasks that are due."""
        return plan(self.tables, self.run)

    def ident(self, task: Task) -> str:
        """Return a task's id."""
        return RunScope(self.shared, self.tables, self.run, task).task_id

    def apply_null(self) -> None:
        """Apply what was written by no task: the update and the goto of a command."""
        pairs = [(c, v) for t, c, v in self.run.pending if t == NULL_TASK]
        if pairs:
            apply(self.tables, self.run, (), pairs, passes=False)

    def take_up(self, tasks: list[Task]) -> None:
        """Give the tasks that have ended what they wrote."""
        for task in tasks:
            task.pairs = self.run.outputs_of(self.ident(task)) or None


def empty_snapshot(config: Any) -> StateSnapshot:
    """Return what is shown of a thread that does not exist."""
    return StateSnapshot({}, (), config, None, None, None, (), ())


def snapshot(
    app: Compiled, saver: Any, config: Any, saved: Any, *, recurse: bool = False, live: bool = False
) -> Generator[Ask, Any, StateSnapshot]:
    """Return what is shown of a checkpoint.

    Parameters
    ----------
    recurse : bool
        Show the state of the graphs that tasks run, too.
    live : bool
        Show how far the superstep has come: what tasks that have ended wrote is applied.
    """
    saved = yield from completed(app.engine.tables, saved)
    if saved is None:
        return empty_snapshot(config)
    past = Past(app, saver, {**config, **saved.config}, saved)
    tables, run, tasks = past.tables, past.run, past.tasks()
    thread_id = saved.config["configurable"]["thread_id"]
    states = child_states(tables, run, tasks, past.shared, thread_id)
    if recurse:
        by_id = {past.ident(task): task.spec.name for task in tasks}
        for ident, place in states.items():
            child = tables.subgraphs[by_id[ident]]
            states[ident] = yield from _state_of(child, saver, place)
    past.apply_null()
    if live:
        past.take_up(tasks)
        ended = [task for task in tasks if task.pairs]
        if ended:
            apply(tables, run, ended)
    shown = tasks_of(tables, run, tasks, past.shared, tables.program.streams, states, live=live)
    values = read(tables, run, tables.program.streams, catch=True)
    return StateSnapshot(
        {} if values is MISSING else values,
        tuple(task.spec.name for task in tasks if not task.pairs),
        with_map(saved.config, saved.metadata),
        saved.metadata,
        saved.checkpoint["ts"],
        with_map(saved.parent_config, saved.metadata),
        shown,
        tuple(question for task in shown for question in task.interrupts),
    )


def _state_of(app: Compiled, saver: Any, config: Any) -> Generator[Ask, Any, StateSnapshot]:
    config = app.own_place(config)
    saved = yield Ask("get_tuple", (config,))
    found = yield from snapshot(app, saver, config, saved, recurse=True, live=True)
    return found
