"""What the engine offers the functions that it calls: config, runtime, stream writer, random numbers."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from vecgraph.config import RunnableConfig, TaskContext
from vecgraph.rng import RowStreams, row_generator
from vecgraph.runtime import ExecutionInfo, Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vecgraph.typing import Rows

__all__ = ["Place", "Scope", "Shared"]


class Shared:
    """What all runs of one call share.

    Attributes
    ----------
    config : RunnableConfig
        Complete.
    context, store : object
    seed : int
        Seed of the batch; `Runtime.rng` depends on it.
    write : callable or None
        Gets the row and the value that a node writes to the ``custom`` stream.
    rows : int64 ndarray, or None
        In a subgraph: the enclosing batch's number of each of its runs.
    steps, tasks : int, or int64 ndarray
        In a subgraph: the enclosing task's `Scope.words`, for all its runs or for each.
    path : str
        Names of the enclosing graphs' nodes; keeps a subgraph's random numbers apart.
    """

    __slots__ = (
        "config",
        "context",
        "path",
        "rows",
        "seed",
        "steps",
        "store",
        "tasks",
        "write",
    )

    def __init__(
        self,
        config: RunnableConfig,
        *,
        context: Any = None,
        store: Any = None,
        seed: int = 0,
        write: Callable[[int, Any], None] | None = None,
        path: str = "",
        rows: Rows | None = None,
        steps: Any = 0,
        tasks: Any = 0,
    ) -> None:
        self.config = config
        self.context = context
        self.store = store
        self.seed = seed
        self.write = write
        self.path = path
        self.rows = rows
        self.steps = steps
        self.tasks = tasks

    @property
    def limit(self) -> int:
        """The recursion limit."""
        return int(self.config["recursion_limit"])


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


class Scope(TaskContext):
    """The task that runs now, for whoever asks; nothing is built before somebody does.

    One object serves a whole loop over rows: the current row is ``place.rows[len(done)]``.
    `attempt` is 1 until a retry policy runs the task again.
    """

    __slots__ = ("_done", "attempt", "node", "place", "shared", "vectorised")

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.node = ""
        self.attempt = 1
        self.vectorised = False
        self.place = Place((0,), (0,))
        self._done: Any = ()

    def enter(self, node: str, place: Place, done: Any = (), *, vectorised: bool = False) -> None:
        """Note the task that runs now.

        Parameters
        ----------
        node : str
        place : Place
        done : list
            As long as the number of rows that have been served.
        vectorised : bool
            One call serves all rows.
        """
        self.node = node
        self.attempt = 1
        self.place = place
        self.vectorised = vectorised
        self._done = done

    def leave(self) -> None:
        """Forget the last task."""
        self.enter("", Place((0,), (0,)))

    @property
    def row(self) -> int:
        """Number of the run that is being served."""
        row = self.place.rows[len(self._done)]
        rows = self.shared.rows
        return int(row if rows is None else rows[row])

    @property
    def step(self) -> int:
        """Its superstep; of a vector node, the first row's."""
        return int(self.place.steps[len(self._done)])

    @property
    def push(self) -> int | None:
        """Index of the Send that is being served, None if a channel triggered the node."""
        pushes = self.place.pushes
        return None if pushes is None else int(pushes[len(self._done)])

    @property
    def task_id(self) -> str:
        """Return an id of the task, the same in every batch that the run is part of."""
        shared = self.shared
        key = f"{shared.seed}|{shared.path}|{self.node}|{self.row}|{self.step}|{self.push}"
        return str(UUID(bytes=blake2b(key.encode(), digest_size=16).digest()))

    @property
    def config(self) -> RunnableConfig:
        """The call's config with this task's place in its metadata."""
        config = self.shared.config
        place = {"langgraph_step": self.step, "langgraph_node": self.node}
        metadata = {**config.get("metadata", {}), **place}
        return {**config, "metadata": metadata, "run_name": self.node}

    @property
    def runtime(self) -> Runtime[Any]:
        """A Runtime for the current row, or for the batch of a vector node."""
        shared, row, write = self.shared, self.row, self.shared.write
        options: dict[str, Any] = {}
        if write is not None:
            options["stream_writer"] = lambda value: write(row, value)
        thread = shared.config.get("configurable", {}).get("thread_id")
        task = self.task_id
        info = ExecutionInfo(
            "", f"{self.node}:{task}", task, thread and str(thread), node_attempt=self.attempt
        )
        return Runtime(
            context=shared.context,
            store=shared.store,
            execution_info=info,
            rng=self._rng(),
            **options,
        )

    def words(self) -> tuple[Any, Any]:
        """Return the numbers that tell this task's random stream from its run's others.

        The superstep and the index of the Send (0 for none, else from 1 on), each with
        those of the enclosing graphs' tasks above it; of a vectorised task one a row.
        """
        place, shared = self.place, self.shared
        if self.vectorised:
            local: Any = np.asarray(place.rows)
            tasks: Any = 0 if place.pushes is None else np.asarray(place.pushes) + 1
            return _word(shared.steps, local, np.asarray(place.steps)), _word(
                shared.tasks, local, tasks
            )
        local = int(place.rows[len(self._done)])
        task = 0 if self.push is None else self.push + 1
        return _word(shared.steps, local, self.step), _word(shared.tasks, local, task)

    def _rng(self) -> Any:
        shared = self.shared
        node = shared.path + self.node
        steps, tasks = self.words()
        if self.vectorised:
            rows = self.place.rows
            rows = rows if shared.rows is None else shared.rows[rows]
            return _LazyGenerator(lambda: RowStreams(shared.seed, rows, steps, node, tasks))
        row = self.row
        return _LazyGenerator(lambda: row_generator(shared.seed, row, int(steps), node, int(tasks)))

    def arguments(self, inject: Mapping[str, str]) -> dict[str, Any]:
        """Return the keyword arguments that a function wants, for the current row."""
        return {name: self._argument(kind) for name, kind in inject.items()}

    def _argument(self, kind: str) -> Any:
        if kind == "config":
            return self.config
        runtime = self.runtime
        if kind == "runtime":
            return runtime
        return {
            "writer": runtime.stream_writer,
            "store": runtime.store,
            "previous": runtime.previous,
            "error": None,
        }[kind]

    def note(self, error: BaseException, position: int | None = None) -> BaseException:
        """Add to a node's exception which task it came from, as LangGraph does."""
        if position is not None:
            self._done = _Length(position)
        error.add_note(f"During task with name '{self.node}' and id '{self.task_id}'")
        return error


class _Length:
    """Stands for a list of a known length."""

    __slots__ = ("_n",)

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n


def _word(above: Any, local: Any, value: Any) -> Any:
    """Return `value` with the enclosing task's word above it, in the 63 bits of a counter."""
    base = above if isinstance(above, int) else above[local]
    return ((base & _WORD) << _BITS) + value


_BITS = 20
_WORD = (1 << (63 - _BITS)) - 1


class _LazyGenerator:
    """A task's random numbers, made when the node first asks for one."""

    __slots__ = ("_generator", "_make")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._generator: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._generator is None:
            self._generator = self._make()
        return getattr(self._generator, name)
