"""A task of a graph that LangGraph runs, as the task around one of our apps.

Our app is then the node of a LangGraph graph, or is called by one: the config that it gets says
where its checkpoints are, which answers it has, and who reads its stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from vecgraph.app.options import usable
from vecgraph.config import ensure_config
from vecgraph.engine.run import Scratch
from vecgraph.engine.scope import TaskScope
from vecgraph.engine.shared import Shared
from vecgraph.interop.translate import their_values
from vecgraph.streams import Sink

if TYPE_CHECKING:
    from vecgraph.config import RunnableConfig

__all__ = ["HostTask", "bare"]

_PLACE = ("checkpoint_ns", "checkpoint_id", "checkpoint_map")


def bare(config: Any) -> Any:
    """Return a config without what says in which task it is: that is known."""
    given = config.get("configurable") or {}
    own = {k: v for k, v in given.items() if k not in _PLACE and not k.startswith("__pregel_")}
    return {**config, "configurable": own}


class _Replay:
    """What a run that LangGraph takes back in time tells the graphs in it."""

    def __init__(self, state: Any) -> None:
        self.checkpoint_id = state.checkpoint_id
        self.visited: set[str] = state._visited_ns
        self.is_first = state._is_first_visit


class HostTask(TaskScope):
    """The task of LangGraph's that runs one of our apps.

    Parameters
    ----------
    config : dict
        What LangGraph gave the task, complete.
    """

    __slots__ = ("_config", "_given", "_replay", "_scratch")

    def __init__(self, config: Any) -> None:
        self._given: dict[str, Any] = config["configurable"]
        self._config = config
        state = self._given.get("__pregel_replay_state")
        self._replay = None if state is None else _Replay(state)
        # Which of the task's graphs this is: LangGraph counts them.
        self._scratch = Scratch([])
        pad = self._given.get("__pregel_scratchpad")
        if pad is not None:
            self._scratch.graphs = pad.subgraph_counter()
        super().__init__(self._around())

    def _around(self) -> Shared:
        """Return what the runs of the graph around share, as far as ours must know."""
        given, runtime = self._given, self._given.get("__pregel_runtime")
        place = {"checkpoint_map": given.get("checkpoint_map") or {}}
        full = ensure_config({**bare(self._config), "configurable": place})
        # Without a saver ids are new each time, as in LangGraph.
        shared = Shared(full, path=f"{uuid4()}|")
        if runtime is not None:
            shared.context, shared.store = runtime.context, runtime.store
            shared.control = getattr(runtime, "control", None)  # not in old versions
        shared.saver = usable(given.get("__pregel_checkpointer"))
        shared.durability = given.get("__pregel_durability") or "async"
        shared.cache = given.get("__pregel_cache")
        stream = given.get("__pregel_stream")
        if stream is not None:

            def put(chunk: tuple[Any, str, Any]) -> None:
                stream((*chunk[:2], their_values(chunk[2])))

            shared.sink = Sink(put, stream.modes, subgraphs=True)
        parts = self.checkpoint_ns.split("|")
        while parts and parts[-1].isdigit():
            parts.pop()
        shared.put_in("|".join(parts[:-1]))
        return shared

    @property
    def node(self) -> str:
        """Name of the node."""
        return self.checkpoint_ns.split("|")[-1].split(":")[0]

    @property
    def row(self) -> int:
        """Number of the run: LangGraph has but one."""
        return 0

    @property
    def step(self) -> int:
        """Its superstep."""
        found: int = self._given["__pregel_scratchpad"].step
        return found

    @property
    def push(self) -> int | None:
        """Index of the Send that is served: not known."""
        return None

    @property
    def attempt(self) -> int:
        """Which attempt at the task this is: not known."""
        return 1

    @property
    def task_id(self) -> str:
        """Id of the task."""
        found: str = self._given["__pregel_task_id"]
        return found

    @property
    def checkpoint_ns(self) -> str:
        """Namespace of what runs inside the task."""
        return self._given.get("checkpoint_ns") or ""

    @property
    def checkpoint_id(self) -> str:
        """Id of the checkpoint that the task runs on, empty if there is none."""
        found: str = (self._given.get("checkpoint_map") or {}).get(self.shared.ns) or ""
        return found

    @property
    def thread_id(self) -> str | None:
        """The run's thread."""
        thread = self._given.get("thread_id")
        return None if thread is None else str(thread)

    @property
    def config(self) -> RunnableConfig:
        """The task's config, without what LangGraph's loop has put there."""
        return bare(self._config)  # type: ignore[no-any-return]

    @property
    def adds_to_config(self) -> bool:
        """Whether graphs in the task get more in their configs: they get the task's."""
        return True

    @property
    def resuming(self) -> bool | None:
        """Whether graphs in the task go on where they stopped; None: nothing is known."""
        found: bool | None = self._given.get("__pregel_resuming")
        return found

    @property
    def resume_map(self) -> Any:
        """Answers by the id of the question."""
        return self._given.get("__pregel_resume_map")

    @property
    def replay(self) -> Any:
        """What a run that goes back in time tells the graphs in it."""
        return self._replay

    def words(self) -> tuple[Any, Any]:
        """Return the numbers that tell the task's random stream from others."""
        return self.step, 0

    def scratch(self) -> Scratch:
        """Return what the task counts."""
        return self._scratch

    def take_answer(self) -> Any:
        """Take an answer that is meant for whoever asks first, in the graphs around."""
        pad = self._given.get("__pregel_scratchpad")
        return None if pad is None else pad.get_null_resume(True)
