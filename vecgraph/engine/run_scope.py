"""The scope of a task of a single run."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from vecgraph.constants import MISSING, PREVIOUS, PULL, PUSH
from vecgraph.engine.ids import interrupt_id, path_text, task_id
from vecgraph.engine.run import Scratch
from vecgraph.engine.scope import TaskScope

if TYPE_CHECKING:
    from vecgraph.engine.limits import Pulse
    from vecgraph.engine.run import Run, Task
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.program import NodeSpec

__all__ = ["RunScope"]


class RunScope(TaskScope):
    """The task that runs now of a single run; one object serves all of a run's tasks."""

    __slots__ = ("blocking", "pulse", "run", "tables", "task")

    def __init__(self, shared: Shared, tables: Tables, run: Run, task: Task | None = None) -> None:
        super().__init__(shared)
        self.tables = tables
        self.run = run
        self.task: Any = task
        self.pulse: Pulse | None = None
        self.blocking = False

    @property
    def node(self) -> str:
        """Name of the node."""
        name: str = self.task.spec.name
        return name

    @property
    def spec(self) -> NodeSpec | None:
        """The node."""
        spec: NodeSpec = self.task.spec
        return spec

    @property
    def origin(self) -> NodeSpec | None:
        """The node whose metadata and tags the task has: of a called one, the caller's."""
        task = self.task
        while task.caller is not None:
            task = task.caller
        spec: NodeSpec = task.spec
        return spec

    @property
    def stream_name(self) -> str:
        """What tells the node's random numbers from those of others."""
        return self.node if self.task.caller is None else path_text(self.task.path) + self.node

    @property
    def checkpoint_ns(self) -> str:
        """Namespace of what runs inside the task."""
        caller = self.task.caller
        if caller is None:
            return super().checkpoint_ns
        around = RunScope(self.shared, self.tables, self.run, caller).checkpoint_ns
        return f"{around}|{self.node}:{self.task_id}"

    @property
    def row(self) -> int:
        """Number of the run, in the outermost batch."""
        row, rows = self.run.row, self.shared.rows
        return row if rows is None else int(rows[row])

    @property
    def resuming(self) -> bool | None:
        """Whether graphs in the task go on where they stopped; None: nothing is known."""
        return True if self.task.attempts else self.run.resuming

    @property
    def resume_map(self) -> dict[str, Any] | None:
        """Answers by the id of the question, for graphs in the task."""
        return self.run.resume_map

    @property
    def replay(self) -> Any:
        """What a run that goes back in time tells the graphs in it, None if it does not."""
        return self.run.replay

    @property
    def step(self) -> int:
        """Its superstep."""
        return self.run.step

    @property
    def push(self) -> int | None:
        """Index of the Send that is served, None if a channel triggered the node."""
        push: int | None = self.task.push
        return push

    @property
    def place(self) -> tuple[Any, ...]:
        """Path of the task, in LangGraph's form."""
        path: tuple[Any, ...] = self.task.path
        return path

    @property
    def attempt(self) -> int:
        """Which attempt at the task this is, from 1."""
        return int(self.task.attempts) + 1

    @property
    def began(self) -> float | None:
        """Unix time of the task's first attempt, in seconds."""
        began: float | None = self.task.began
        return began

    @property
    def cause(self) -> Any:
        """The failure that the task handles."""
        return self.task.cause

    def outlets(self) -> dict[str, Any]:
        """Return what a node can tell those outside by; what it says is a sign of life, too."""
        outlets, pulse = super().outlets(), self.pulse
        if pulse is None:
            return outlets
        write = outlets.get("stream_writer")

        def written(value: Any) -> None:
            pulse.beat()
            if write is not None:
                write(value)

        return {
            **({"stream_writer": written} if pulse.automatic else outlets),
            "heartbeat": pulse.beat,
        }

    @property
    def previous(self) -> Any:
        """What the thread's last run saved (functional API)."""
        cell = self.run.cells.get(PREVIOUS, MISSING)
        return None if cell is MISSING else self.tables.channels[PREVIOUS].read(cell)

    @property
    def checkpoint_id(self) -> str:
        """Id of the checkpoint that the task runs on, empty if there is none."""
        return "" if self.run.thread is None else self.run.thread.id

    @property
    def thread_id(self) -> str | None:
        """The run's thread."""
        return super().thread_id if self.run.thread is None else self.run.thread.thread_id

    @property
    def task_id(self) -> str:
        """Id of the task: LangGraph's for a run with checkpoints, else derived."""
        task = self.task
        if task.id is None:
            task.id = self._made_id()
        found: str = task.id
        return found

    def _made_id(self) -> str:
        task, thread = self.task, self.run.thread
        if thread is None:
            return self.derived_id(path_text(task.path) if task.caller else "")
        if task.caller is not None:
            around = RunScope(self.shared, self.tables, self.run, task.caller).checkpoint_ns
            at, name = str(task.path[2]), task.spec.name
            place = (f"{around}|{name}", str(self.run.step), name, PUSH)
            return task_id(thread.id, *place, path_text(task.path[1]), at)
        if task.source is not None:
            failed = RunScope(self.shared, self.tables, self.run, task.source).task_id
            parts: tuple[str, ...] = (PUSH, "node_error_handler", failed)
        elif task.push is not None:
            parts = (PUSH, str(task.push))
        else:
            parts = (PULL, *sorted(task.spec.triggers))
        name = task.spec.name
        ns = f"{self.shared.ns}|{name}" if self.shared.ns else name
        return task_id(thread.id, ns, str(self.run.step), name, *parts)

    def scratch(self) -> Scratch:
        """Return what the task counts, with the answers that it got before."""
        task = self.task
        if task.scratch is None:
            task.scratch = Scratch(self._answers() if self.run.pending else [])
        found: Scratch = task.scratch
        return found

    def _answers(self) -> list[Any]:
        answers, given = self.run.answers_of(self.task_id), self.run.resume_map or {}
        ns = self.checkpoint_ns
        # Early LangGraph gave all questions of a task the first one's id.
        idents = (interrupt_id(ns, len(answers)), interrupt_id(ns, 0))
        known = next((ident for ident in idents if ident in given), None)
        return answers if known is None else [*answers, given[known]]

    def take_answer(self) -> Any:
        """Take an answer that is meant for whoever asks first, in this graph or around it."""
        calls = self.run.calls
        with calls.lock if calls is not None else nullcontext():
            answer = self.run.take_answer(self.task)
        parent = self.shared.parent
        return parent.take_answer() if answer is None and parent is not None else answer

    def call(self, spec: NodeSpec, args: Any, kwargs: Any) -> Any:
        """Start a task of the functional API; return the future of its result."""
        if self.run.calls is None:
            from vecgraph.engine.calls import Calls  # it needs this module

            self.run.calls = Calls(self.tables, self.run, self.shared)
        return self.run.calls.call(self, spec, args, kwargs)

    def emit_message(self, message: Any) -> None:
        """Show a message in the ``messages`` stream now, if somebody listens."""
        if self.shared.mail is not None:
            self.shared.mail.push(message, self)

    def send(self, pairs: list[tuple[str, Any]]) -> None:
        """Add writes that the task makes while it runs."""
        self.task.pairs += pairs

    def words(self) -> tuple[Any, Any]:
        """Return the numbers that tell this task's random stream from its run's others."""
        shared, push, local = self.shared, self.push, self.run.row
        steps = shared.word(shared.steps, local, self.step)
        return steps, shared.word(shared.tasks, local, 0 if push is None else push + 1)
