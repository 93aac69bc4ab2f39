"""The scope of a task of a lane: of the row that is served, or of all rows of a vector node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.constants import PULL, PUSH, RESUME
from vecgraph.engine.ids import task_id
from vecgraph.engine.run import Run, Scratch, Task
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.scope import LazyGenerator, TaskScope
from vecgraph.errors import UnsupportedError
from vecgraph.rng import RowStreams

if TYPE_CHECKING:
    from vecgraph.engine.keeping import Keeper
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.program import NodeSpec

__all__ = ["LaneScope", "Place"]


_NO_SCRATCH = (-1, Scratch([]))


class Place:
    """The rows that a task serves.

    Attributes
    ----------
    rows, steps : sequence of int
        Run and superstep of each.
    pushes : sequence of int, or None
        Index of each row's Send.
    """

    __slots__ = ("pushes", "rows", "steps")

    def __init__(self, rows: Any, steps: Any, pushes: Any = None) -> None:
        self.rows = rows
        self.steps = steps
        self.pushes = pushes


class LaneScope(TaskScope):
    """The task of a lane that runs now; one object serves the whole loop over its rows.

    The current row is ``place.rows[len(done)]``.
    """

    __slots__ = ("_done", "_keeper", "_name", "_scratch", "_tables", "rows", "tries", "vectorised")

    def __init__(self, shared: Shared, tables: Tables, keeper: Keeper | None = None) -> None:
        super().__init__(shared)
        self._tables = tables
        self._keeper = keeper
        self._name = ""
        self.tries = 1
        self.vectorised = False
        self.rows = Place((0,), (0,))
        self._done: Any = ()
        self._scratch = _NO_SCRATCH

    def enter(self, node: str, rows: Place, done: Any = (), *, vectorised: bool = False) -> None:
        """Note the task that runs now.

        Parameters
        ----------
        node : str
        rows : Place
        done : list
            As long as the number of rows that have been served.
        vectorised : bool
            One call serves all rows.
        """
        self._name = node
        self.tries = 1
        self.rows = rows
        self.vectorised = vectorised
        self._done = done
        self._scratch = _NO_SCRATCH

    def leave(self) -> None:
        """Forget the last task."""
        self.enter("", Place((0,), (0,)))

    @property
    def node(self) -> str:
        """Name of the node."""
        return self._name

    @property
    def row(self) -> int:
        """Number of the run that is being served."""
        row, rows = self._number, self.shared.rows
        return row if rows is None else int(rows[row])

    @property
    def step(self) -> int:
        """Its superstep; of a vector node, the first row's."""
        return int(self.rows.steps[len(self._done)])

    @property
    def push(self) -> int | None:
        """Index of the Send that is served, None if a channel triggered the node."""
        pushes = self.rows.pushes
        return None if pushes is None else int(pushes[len(self._done)])

    @property
    def attempt(self) -> int:
        """Which attempt at the task this is, from 1."""
        return self.tries

    @property
    def _number(self) -> int:
        """Number of the run that is being served, in this batch."""
        return int(self.rows.rows[len(self._done)])

    @property
    def task_id(self) -> str:
        """Id of the task: LangGraph's for a run with checkpoints, else derived."""
        if self._keeper is None:
            return self.derived_id()
        parts: tuple[str, ...]
        if self.push is None:
            parts = (PULL, *sorted(self._tables.nodes[self.node].triggers))
        else:
            parts = (PUSH, str(self.push))
        return task_id(self.checkpoint_id, self.node, str(self.step), self.node, *parts)

    @property
    def checkpoint_id(self) -> str:
        """Id of the checkpoint that the task runs on, empty if there is none."""
        return "" if self._keeper is None else self._keeper.id_of(self._number, self.step - 1)

    @property
    def thread_id(self) -> str | None:
        """The run's thread."""
        return super().thread_id if self._keeper is None else self._keeper.thread_of(self._number)

    def scratch(self) -> Scratch:
        """Return what the task of the row that is served counts, with the answers it got before."""
        at = len(self._done)
        if self._scratch[0] != at:
            self._scratch = (at, Scratch(self._known()))
        return self._scratch[1]

    def _known(self) -> list[Any]:
        answers = None if self._keeper is None else self._keeper.answers_of(self._number)
        return [] if answers is None else answers.of(self.task_id, self.checkpoint_ns)

    def take_answer(self) -> Any:
        """Take an answer that is meant for whoever asks first; None if there is none."""
        answers = None if self._keeper is None else self._keeper.answers_of(self._number)
        return None if answers is None else answers.take()

    def call(self, spec: NodeSpec, args: Any, kwargs: Any) -> Any:
        """Run a task of the functional API; return the future that holds its result.

        Graphs whose nodes are seen to call tasks do not run in lanes. This one hid it: its
        tasks run at once, one after the other.
        """
        from vecgraph.engine.calls import Calls  # it needs the module of the scopes

        run = Run(self._tables, self._number, self.shared.limit)
        run.step = self.step
        caller = Task(self._tables.nodes[self.node], None, self.push)
        caller.id, caller.scratch = self.task_id, self.scratch()
        scope = RunScope(self.shared, self._tables, run, caller)
        future = Calls(self._tables, run, self.shared).call(scope, spec, args, kwargs)
        future.exception()
        return future

    def send(self, pairs: list[tuple[str, Any]]) -> None:
        """Note the answers that the task has asked for so far; refuse other writes.

        Graphs whose nodes are seen to call `push_message` do not run in lanes.
        """
        answers = None if self._keeper is None else self._keeper.answers_of(self._number)
        if answers is not None and pairs[-1][0] == RESUME:
            answers.told[self.task_id] = pairs[-1][1]
            return
        raise UnsupportedError(
            f"Node {self.node!r} writes to {pairs[0][0]!r} while it runs, which rows of a lane "
            "cannot.\nHint: call push_message by its name in the node's own function."
        )

    def words(self) -> tuple[Any, Any]:
        """Return the numbers that tell this task's random stream from its run's others.

        The superstep and the index of the Send (0 for none, else from 1 on), each with
        those of the enclosing graphs' tasks above it; of a vectorised task one a row.
        """
        place, shared = self.rows, self.shared
        if self.vectorised:
            local: Any = np.asarray(place.rows)
            tasks: Any = 0 if place.pushes is None else np.asarray(place.pushes) + 1
            steps = shared.word(shared.steps, local, np.asarray(place.steps))
            return steps, shared.word(shared.tasks, local, tasks)
        local = int(place.rows[len(self._done)])
        task = 0 if self.push is None else self.push + 1
        steps = shared.word(shared.steps, local, self.step)
        return steps, shared.word(shared.tasks, local, task)

    def _rng(self) -> Any:
        if not self.vectorised:
            return super()._rng()
        shared, rows = self.shared, self.rows.rows
        node = shared.path + self.node
        steps, tasks = self.words()
        rows = rows if shared.rows is None else shared.rows[rows]
        return LazyGenerator(lambda: RowStreams(shared.seed, rows, steps, node, tasks))

    def note_at(self, error: BaseException, position: int) -> BaseException:
        """Add to the exception of the row at `position` which task it came from."""
        self._done = _Length(position)
        return self.note(error)


class _Length:
    """Stands for a list of a known length."""

    __slots__ = ("_n",)

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n
