"""A single run and its tasks: what the rules read and change, superstep by superstep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.constants import CONTROL, MISSING, NULL_TASK, PULL, PUSH, RESUME

if TYPE_CHECKING:
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.thread import Thread
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import NodeSpec
    from vecgraph.types import Interrupt

__all__ = ["Pending", "Run", "Scratch", "Task", "TaskError"]

Pending = list[tuple[str, str, Any]]
"""Writes kept beside a checkpoint: (id of the task, channel, value)."""


class TaskError(Exception):
    """An exception of a task with the node that it came from; never leaves the engine."""

    def __init__(self, node: str, error: BaseException) -> None:
        super().__init__(node)
        self.node = node
        self.error = error


class Scratch:
    """What a task counts while it runs.

    Attributes
    ----------
    asked : int
        Calls of `interrupt` so far in this attempt.
    resume : list
        Answers it has, in the order of its questions.
    calls, graphs : int
        Tasks and graphs that it has called.
    """

    __slots__ = ("asked", "calls", "graphs", "resume")

    def __init__(self, resume: list[Any]) -> None:
        self.asked = 0
        self.resume = resume
        self.calls = 0
        self.graphs = 0


class Task:
    """One execution of a node: what it gets, and what became of it.

    Attributes
    ----------
    spec : NodeSpec
    input : object
    push : int or None
        Index of its Send among the run's pending ones; None if a channel triggered it.
    path : tuple
        Where it comes from, in LangGraph's form.
    pairs : list of (str, object), or None
        What it wrote, in order; None before it has run. Of a task that failed, what it
        wrote until then.
    error : BaseException or None
        What it failed with, after its retries; a `GraphInterrupt` if it asks something.
    cause, source : NodeError or None, Task or None
        The failure that it is the error handler of, and the task that failed.
    attempts : int
        Failed ones.
    began : float or None
        Unix time at which its first attempt began, in seconds.
    cached : bool
        What it wrote was not computed now: it comes from a cache or a checkpoint.
    handled : bool
        It failed, and its error handler runs in its place.
    caller : Task or None
        The task whose function called it (functional API).
    offered : list of (str, str, object), or None
        What was pending when it was called, if that held an answer for whoever asks first.
    id : str or None
        Made when first asked for; see `TaskScope.task_id`.
    timeout : TimeoutPolicy or None
    """

    __slots__ = (
        "attempts",
        "began",
        "cached",
        "caller",
        "cause",
        "error",
        "handled",
        "id",
        "input",
        "key",
        "offered",
        "pairs",
        "path",
        "push",
        "scratch",
        "source",
        "spec",
        "timeout",
    )

    def __init__(self, spec: NodeSpec, input: Any, push: int | None = None) -> None:
        self.spec = spec
        self.input = input
        self.push = push
        self.path: tuple[Any, ...] = (PULL, spec.name) if push is None else (PUSH, push, False)
        self.pairs: Pairs | None = None
        self.error: BaseException | None = None
        self.cause: Any = None
        self.source: Task | None = None
        self.attempts = 0
        self.began: float | None = None
        self.cached = False
        self.caller: Task | None = None
        self.offered: Pending | None = None
        self.handled = False
        self.id: str | None = None
        self.key: Any = None
        self.scratch: Scratch | None = None
        self.timeout = spec.timeout

    @property
    def place(self) -> tuple[int, Any]:
        """Order of its writes: triggered tasks by name, then Sends by index."""
        if self.push is not None:
            return (1, self.push)
        handler = "" if self.cause is None else ", node_error_handler"
        return (0, f"{self.path[1]}{handler}")

    @property
    def triggers(self) -> tuple[str, ...]:
        """Channels that its run counts as having been seen."""
        return self.spec.triggers if self.push is None and self.cause is None else ()

    @property
    def has_ended(self) -> bool:
        """Whether it ran to its end."""
        return self.pairs is not None and self.error is None


class Run:
    """State of one run.

    Attributes
    ----------
    row : int
        Number of the run in its batch.
    cells : dict of str to cell
    versions : dict of str to version
        When each channel last changed: 1, 2, ... or what the saver says.
    seen : dict of str to dict of str to version
        Versions of its triggers that each node has run on.
    updated : set of str, or None
        Channels that the last superstep changed and left available; None: unknown.
    step, stop : int
        Current step and the last one that the recursion limit allows.
    emitted : object
        The result so far; `MISSING` before the first write to an output.
    pending : list of (str, str, object)
        Writes of this superstep that are known already.
    opened : list of (str, str, object), or None
        `pending` as it was before the first of the superstep's tasks ended.
    thread : Thread or None
        Where its checkpoints are kept.
    resuming : bool or None
        Whether its first superstep goes on with one that was begun; None: it is past that.
    replaying : bool
        Tasks that have ended before run again.
    replay : Replay or None
        What a run that goes back in time tells the graphs in it.
    resume_map : dict of str to object, or None
        Answers by the id of the question.
    ended : str
        Why it stopped: ``done``, ``interrupt_before``, ``interrupt_after``, ``interrupt``,
        ``drained``; empty while it runs.
    interrupts : list of Interrupt
        Questions that wait for an answer.
    tasks : list of Task
        Of the current superstep.
    calls : Calls or None
        The tasks that those have called.
    """

    __slots__ = (
        "calls",
        "cells",
        "clock",
        "emitted",
        "ended",
        "interrupts",
        "opened",
        "pending",
        "replay",
        "replaying",
        "resume_map",
        "resuming",
        "row",
        "seen",
        "step",
        "stop",
        "tasks",
        "thread",
        "updated",
        "versions",
    )

    def __init__(self, tables: Tables, row: int, limit: int, thread: Thread | None = None) -> None:
        self.row = row
        self.cells: dict[str, Any] = tables.initial()
        self.versions: dict[str, Any] = {}
        self.seen: dict[str, dict[str, Any]] = {}
        self.updated: set[str] | None = None
        self.clock = 0
        self.step = -1
        self.stop = limit
        self.emitted: Any = MISSING
        self.pending: Pending = []
        self.opened: Pending | None = None
        self.thread = thread
        self.resuming: bool | None = None
        self.replay: Any = None
        self.replaying = False
        self.resume_map: dict[str, Any] | None = None
        self.ended = ""
        self.interrupts: list[Interrupt] = []
        self.tasks: list[Task] = []
        self.calls: Any = None

    def take_answer(self, task: Task | None) -> Any:
        """Take the answer that is meant for whoever asks first; None if there is none.

        LangGraph makes a new list of what is pending each time a task ends. Who asks takes the
        answer from the list that was there when its task began, so a task that was called after
        another had ended leaves it to the one that called both: that may be told the same again.

        Parameters
        ----------
        task : Task or None
            Who asks.
        """
        while task is not None and task.caller is not None:
            if task.offered is not None:
                return _taken(task.offered)
            task = task.caller
        return _taken(self.pending if self.opened is None else self.opened)

    def offer(self, task: Task) -> None:
        """Note where a task that is called now finds the answer for whoever asks first."""
        if _answer_at(self.pending) is not None:
            task.offered = self.pending

    def outputs_of(self, task_id: str) -> Pairs:
        """Return what a task that has ended before wrote, empty if it has not."""
        return [(c, v) for t, c, v in self.pending if t == task_id and c not in CONTROL]

    def answers_of(self, task_id: str) -> list[Any]:
        """Return the answers that a task got before, in the order of its questions."""
        known: Any = next((v for t, c, v in self.pending if t == task_id and c == RESUME), [])
        return list(known) if isinstance(known, list) else [known]


def _answer_at(pending: Pending) -> int | None:
    """Return the place of the answer for whoever asks first."""
    for at, (task, channel, _) in enumerate(pending):
        if task == NULL_TASK and channel == RESUME:
            return at
    return None


def _taken(pending: Pending) -> Any:
    at = _answer_at(pending)
    return None if at is None else pending.pop(at)[2]
