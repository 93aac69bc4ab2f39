"""What the engine offers the functions that it calls: config, runtime, writer, random numbers, answers.

A scope is the task that runs now, for whoever asks; nothing is built before somebody does.
`RunScope` stands for a task of a single run, `LaneScope` for the row of a lane that is served.
"""

from __future__ import annotations

from abc import abstractmethod
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

from vecgraph.config import RunnableConfig, TaskContext
from vecgraph.constants import PULL, PUSH, RESUME
from vecgraph.engine.ids import interrupt_id
from vecgraph.errors import GraphInterrupt, mark_invalid_resume
from vecgraph.rng import row_generator
from vecgraph.runtime import ExecutionInfo, Runtime
from vecgraph.types import Interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vecgraph.engine.run import Scratch
    from vecgraph.engine.shared import Shared
    from vecgraph.program import NodeSpec

__all__ = ["LazyGenerator", "TaskScope"]


class TaskScope(TaskContext):
    """A task, as the functions that run in it see it.

    Attributes
    ----------
    shared : Shared
        What all runs of the call share.
    """

    __slots__ = ("shared",)

    def __init__(self, shared: Shared) -> None:
        self.shared = shared

    vectorised: bool = False

    @property
    @abstractmethod
    def node(self) -> str:
        """Name of the node."""

    @property
    @abstractmethod
    def row(self) -> int:
        """Number of the run, in the outermost batch."""

    @property
    @abstractmethod
    def step(self) -> int:
        """Its superstep."""

    @property
    @abstractmethod
    def push(self) -> int | None:
        """Index of the Send that is served, None if a channel triggered the node."""

    @property
    @abstractmethod
    def attempt(self) -> int:
        """Which attempt at the task this is, from 1."""

    @property
    @abstractmethod
    def task_id(self) -> str:
        """Id of the task."""

    @abstractmethod
    def words(self) -> tuple[Any, Any]:
        """Return the numbers that tell this task's random stream from its run's others."""

    @abstractmethod
    def scratch(self) -> Scratch:
        """Return what the task counts."""

    @property
    def checkpoint_ns(self) -> str:
        """Namespace of what runs inside the task."""
        name = f"{self.node}:{self.task_id}"
        return f"{self.shared.ns}|{name}" if self.shared.ns else name

    @property
    def place(self) -> tuple[Any, ...]:
        """Path of the task, in LangGraph's form."""
        return (PULL, self.node) if self.push is None else (PUSH, self.push, False)

    @property
    def adds_to_config(self) -> bool:
        """Whether graphs in the task get more in their configs than the task's graph did."""
        origin = self.origin
        return origin is not None and bool(origin.metadata or origin.tags)

    def derived_id(self, call: str = "") -> str:
        """Return an id; without a saver around it the same in every batch that the run is part of."""
        shared = self.shared
        key = f"{shared.seed}|{shared.path}|{self.node}|{self.row}|{self.step}|{self.push}{call}"
        key += shared.start
        return str(UUID(bytes=blake2b(key.encode(), digest_size=16).digest()))

    @property
    def spec(self) -> NodeSpec | None:
        """The node; None for what has none."""
        return None

    @property
    def origin(self) -> NodeSpec | None:
        """The node whose metadata and tags the task has."""
        return self.spec

    @property
    def stream_name(self) -> str:
        """What tells the node's random numbers from those of others."""
        return self.node

    @property
    def config(self) -> RunnableConfig:
        """The call's config with this task's place in its metadata."""
        config, spec, ns = self.shared.config, self.spec, self.checkpoint_ns
        push = self.push is not None
        around = {"checkpoint_ns": self.shared.ns} if self.shared.ns else {}
        metadata = {
            **around,
            **config.get("metadata", {}),
            "langgraph_step": self.step,
            "langgraph_node": self.node,
            "langgraph_triggers": (PUSH,) if push or spec is None else tuple(sorted(spec.triggers)),
            "langgraph_path": self.place,
            "langgraph_checkpoint_ns": ns,
        }
        tags, origin = config.get("tags", []), self.origin
        if origin is not None:
            metadata.update(origin.metadata)
            tags = [*tags, *origin.tags]
        configurable = {**config.get("configurable", {}), **self._coordinates(ns)}
        return {
            **config,
            "metadata": metadata,
            "tags": tags,
            "run_name": self.node,
            "configurable": configurable,
        }

    def _coordinates(self, ns: str) -> dict[str, Any]:
        """Return what a graph that the task calls must know to keep its checkpoints apart."""
        parents = {**self.shared.parents, self.shared.ns: self.checkpoint_id}
        return {"checkpoint_ns": ns, "checkpoint_id": None, "checkpoint_map": parents}

    @property
    def checkpoint_id(self) -> str:
        """Id of the checkpoint that the task runs on, empty if there is none."""
        return ""

    @property
    def thread_id(self) -> str | None:
        """The run's thread."""
        thread = self.shared.config.get("configurable", {}).get("thread_id")
        return None if thread is None else str(thread)

    @property
    def runtime(self) -> Runtime[Any]:
        """A Runtime for the run that is served, or for the batch of a vector node."""
        shared = self.shared
        options = self.outlets()
        run_id = shared.config.get("run_id")
        info = ExecutionInfo(
            self.checkpoint_id,
            self.checkpoint_ns,
            self.task_id,
            self.thread_id,
            None if run_id is None else str(run_id),
            node_attempt=self.attempt,
            node_first_attempt_time=self.began,
        )
        return Runtime(
            context=shared.context,
            store=shared.store,
            previous=self.previous,
            execution_info=info,
            control=shared.control,
            rng=self._rng(),
            **options,
        )

    def outlets(self) -> dict[str, Any]:
        """Return what a node can tell those outside by, as arguments of a Runtime."""
        row, write = self.row, self.shared.write
        return {} if write is None else {"stream_writer": lambda value: write(row, value)}

    @property
    def began(self) -> float | None:
        """Unix time of the task's first attempt, in seconds."""
        return None

    @property
    def previous(self) -> Any:
        """What the thread's last run saved (functional API)."""
        return None

    @property
    def cause(self) -> Any:
        """The failure that the task handles, None if it handles none."""
        return None

    @property
    def resuming(self) -> bool | None:
        """Whether graphs in the task go on where they stopped; None: nothing is known."""
        return None

    @property
    def resume_map(self) -> dict[str, Any] | None:
        """Answers by the id of the question, for graphs in the task."""
        return None

    @property
    def replay(self) -> Any:
        """What a run that goes back in time tells the graphs in it, None if it does not."""
        return None

    def arguments(self, inject: Mapping[str, str]) -> dict[str, Any]:
        """Return the keyword arguments that a function wants."""
        return {name: self._argument(kind) for name, kind in inject.items()}

    def _argument(self, kind: str) -> Any:
        if kind == "config":
            return self.config
        if kind == "error":
            return self.cause
        runtime = self.runtime
        if kind == "runtime":
            return runtime
        return getattr(runtime, "stream_writer" if kind == "writer" else kind)

    def interrupt(self, value: Any, response_schema: Any = None) -> Any:
        """Return the answer to the task's next question; see `vecgraph.types.interrupt`."""
        scratch = self.scratch()
        check, shape = _validation(response_schema)
        at, answers = scratch.asked, scratch.resume
        scratch.asked += 1
        if at < len(answers):
            answer = check(answers[at])
            self.send([(RESUME, answers[: at + 1])])
            return answer
        given = self.take_answer()
        if given is not None:
            answer = check(given)
            answers.append(given)
            self.send([(RESUME, answers.copy())])
            return answer
        ident = interrupt_id(self.checkpoint_ns, len(answers))
        raise GraphInterrupt((Interrupt(value, ident, response_schema=shape),))

    def emit_message(self, message: Any) -> None:
        """Show a message in the ``messages`` stream now, if somebody listens: nobody does."""

    def call(self, spec: NodeSpec, args: Any, kwargs: Any) -> Any:
        """Start a task of the functional API; return the future of its result."""
        raise NotImplementedError("nothing calls tasks here")

    def send(self, pairs: list[tuple[str, Any]]) -> None:
        """Add writes that the task makes while it runs."""
        raise NotImplementedError("nothing notes what tasks write while they run")

    def take_answer(self) -> Any:
        """Take an answer that is meant for whoever asks first; None if there is none."""
        return None

    def note(self, error: BaseException) -> BaseException:
        """Add to a node's exception which task it came from, as LangGraph does."""
        error.add_note(f"During task with name '{self.node}' and id '{self.task_id}'")
        return error

    def _rng(self) -> Any:
        shared = self.shared
        node, row = shared.path + self.stream_name, self.row
        steps, tasks = self.words()
        return LazyGenerator(lambda: row_generator(shared.seed, row, int(steps), node, int(tasks)))


def _validation(schema: Any) -> tuple[Callable[[Any], Any], Any]:
    """Return what checks an answer, and the JSON schema to show."""
    if schema is None or isinstance(schema, dict):
        return _as_it_is, schema
    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(schema)

    def check(answer: Any) -> Any:
        try:
            return adapter.validate_python(answer)
        except ValidationError as error:
            raise mark_invalid_resume(error) from None

    return check, adapter.json_schema()


def _as_it_is(answer: Any) -> Any:
    return answer


class LazyGenerator:
    """A task's random numbers, made when the node first asks for one."""

    __slots__ = ("_generator", "_make")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._generator: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._generator is None:
            self._generator = self._make()
        return getattr(self._generator, name)
