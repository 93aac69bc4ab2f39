"""What LangGraph's own functions find when a node of theirs runs in our engine.

``interrupt``, ``get_config``, ``get_stream_writer``, ``task`` and LangChain's Runnables look into
one context variable for the config of the running task. A dict stands there that holds nothing:
whatever is asked of it, it asks the task that runs now. So a call of the engine sets the variable
once, and nothing is built for the nodes that do not ask.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

from langgraph._internal._scratchpad import PregelScratchpad
from langgraph.pregel.protocol import StreamProtocol
from langgraph.runtime import Runtime

from vecgraph.ambient import current_task
from vecgraph.constants import TASKS
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.scope import TaskScope
from vecgraph.engine.single import read, read_fresh
from vecgraph.errors import UnsupportedError
from vecgraph.interop.calls import call_task
from vecgraph.interop.heard import of_task
from vecgraph.interop.savers import VecgraphSaver, for_langgraph
from vecgraph.interop.translate import our_send, their_node_error
from vecgraph.nodes.action import Action
from vecgraph.program import Branch

ReplayState: Any
ExecutionInfo: Any
try:
    from langgraph._internal._replay import ReplayState
    from langgraph.runtime import ExecutionInfo
except ImportError:  # LangGraph before 1.1 has neither
    ReplayState = ExecutionInfo = None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LIVE", "SCOPE", "config_now", "config_of", "scope_in"]

_NO_ACTION = Action("", "rowwise", None)

SCOPE = "__pregel_vecgraph"
"""Key in ``configurable`` under which a config says which task of ours it is from."""


def config_now() -> Any:
    """Return the config of the task that runs now, as LangGraph would give it."""
    return config_of(current_task.get())


class _LiveConfig(dict[str, Any]):
    """The config of whichever task runs now; false outside of one."""

    __slots__ = ()

    def _now(self) -> dict[str, Any]:
        return config_now() if self else {}

    def __bool__(self) -> bool:
        return isinstance(current_task.get(), TaskScope)

    def __getitem__(self, key: str) -> Any:
        return self._now()[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Return one entry."""
        return self._now().get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._now()

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __repr__(self) -> str:
        return repr(self._now())

    def keys(self) -> Any:
        """Return the keys of the config."""
        return self._now().keys()

    def values(self) -> Any:
        """Return the values of the config."""
        return self._now().values()

    def items(self) -> Any:
        """Return the entries of the config."""
        return self._now().items()

    def copy(self) -> dict[str, Any]:
        """Return a dict of the task's own."""
        return self._now()


LIVE: Any = _LiveConfig()
"""What stands in LangChain's context variable while our engine runs."""


def scope_in(config: Any) -> TaskScope | None:
    """Return the task of ours that a config is from, None if it is from none.

    A graph that LangGraph runs inside a task of ours hands the key down to its own tasks; the
    id of the task tells those.
    """
    given = (config or {}).get("configurable") or {}
    scope = given.get(SCOPE)
    if isinstance(scope, TaskScope) and given.get("__pregel_task_id") == scope.task_id:
        return scope
    return None


def config_of(scope: Any) -> dict[str, Any]:
    """Return a task's config with all that LangGraph's functions look for in it."""
    here = _fixed(scope)
    config: dict[str, Any] = dict(here.config)
    config.pop("run_id", None)  # the graph's own
    config["callbacks"] = of_task(config.get("callbacks"), here.step)
    given = config["configurable"]
    given.update(
        {
            SCOPE: here,
            "__pregel_task_id": here.task_id,
            # On the short way the scope itself takes what its task writes while it runs.
            "__pregel_send": partial(_send, here if type(scope) is RunScope else scope),
            "__pregel_read": partial(_read, here),
            "__pregel_call": partial(call_task, here),
            "__pregel_scratchpad": _Pad(here),
            "__pregel_runtime": _runtime(here),
        }
    )
    given.update(_handed_down(here))
    return config


def _handed_down(scope: Any) -> dict[str, Any]:
    """Return what a graph must know that LangGraph runs inside the task."""
    shared = scope.shared
    found: dict[str, Any] = {}
    if scope.cause is not None:
        found["__pregel_node_error"] = their_node_error(scope.cause)
    if shared.saver is not None:
        found["__pregel_checkpointer"] = _their_saver(shared.saver)
        found["__pregel_durability"] = shared.durability
    if scope.resuming is not None:
        found["__pregel_resuming"] = scope.resuming
    if scope.resume_map is not None:
        found["__pregel_resume_map"] = scope.resume_map
    if scope.replay is not None and ReplayState is not None:
        found["__pregel_replay_state"] = _their_replay(scope.replay)
    if shared.sink is not None:
        found["__pregel_stream"] = StreamProtocol(shared.sink.put, set(shared.sink.modes))
    return found


def _their_saver(saver: Any) -> Any:
    return saver.saver if isinstance(saver, VecgraphSaver) else for_langgraph(saver)


def _their_replay(replay: Any) -> Any:
    state = ReplayState(replay.checkpoint_id)
    # Shared, so that it does not matter which of the two runs a graph meets first.
    state._visited_ns = replay.visited
    return state


def _fixed(scope: Any) -> Any:
    """Return the scope of the task alone: a run's scope goes on to its next task."""
    if isinstance(scope, RunScope):
        fixed = RunScope(scope.shared, scope.tables, scope.run, scope.task)
        fixed.pulse = scope.pulse
        return fixed
    return scope


def _send(scope: Any, pairs: Sequence[tuple[str, Any]]) -> None:
    scope.send([(name, our_send(v) if name == TASKS else v) for name, v in pairs])


def _read(scope: Any, select: Any, fresh: bool = False) -> Any:
    """Return channels as LangGraph's ``local_read`` does."""
    if not isinstance(scope, RunScope):
        raise UnsupportedError(
            f"Node '{scope.node}' reads channels while it runs, which rows of a lane cannot.\n"
            "Hint: run such a graph with `invoke`, or with fewer rows than `app.engine.small`."
        )
    reads = select if isinstance(select, str) else tuple(select)
    if not fresh:
        return read(scope.tables, scope.run, reads, catch=True)
    branch = Branch("", _NO_ACTION, None, reads)
    return read_fresh(scope.tables, scope.run, branch, scope.task.pairs or [])


class _Pad(PregelScratchpad):
    """The counters of a task in LangGraph's form; they are ours."""

    def __init__(self, scope: Any) -> None:
        object.__setattr__(self, "_scope", scope)

    def __getattribute__(self, name: str) -> Any:
        make = _PAD.get(name)
        found = object.__getattribute__(self, "__dict__")
        return object.__getattribute__(self, name) if make is None else make(found["_scope"])


def _counted(name: str, scope: Any) -> Any:
    scratch = scope.scratch()

    def count() -> int:
        at: int = getattr(scratch, name)
        setattr(scratch, name, at + 1)
        return at

    return count


_PAD: dict[str, Any] = {
    "step": lambda scope: scope.step,
    "stop": lambda scope: scope.run.stop if isinstance(scope, RunScope) else 0,
    "call_counter": partial(_counted, "calls"),
    "interrupt_counter": partial(_counted, "asked"),
    "subgraph_counter": partial(_counted, "graphs"),
    "get_null_resume": lambda scope: partial(_null_resume, scope),
    "resume": lambda scope: scope.scratch().resume,
}


def _null_resume(scope: Any, consume: bool = False) -> Any:
    """Return the answer that is meant for whoever asks first; `interrupt` always takes it."""
    return scope.take_answer() if consume else None


_RUNTIME_FIELDS = frozenset(field.name for field in dataclasses.fields(Runtime))


def _runtime(scope: Any) -> Runtime[Any]:
    """Return a task's runtime as LangGraph's."""
    shared = scope.shared
    given = {
        "context": shared.context,
        "store": shared.store,
        "previous": scope.previous,
        "execution_info": None if ExecutionInfo is None else _execution_info(scope),
        "control": shared.control,
        **scope.outlets(),
    }
    # An old LangGraph has fewer fields.
    return Runtime(**{name: value for name, value in given.items() if name in _RUNTIME_FIELDS})


def _execution_info(scope: Any) -> Any:
    run_id = scope.shared.config.get("run_id")
    return ExecutionInfo(
        scope.checkpoint_id,
        scope.checkpoint_ns,
        scope.task_id,
        scope.thread_id,
        None if run_id is None else str(run_id),
        scope.attempt,
        scope.began,
    )
