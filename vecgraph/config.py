"""A run's configuration, and what a node can ask of the run that it is part of."""

from __future__ import annotations

from os import getenv
from typing import TYPE_CHECKING, Any, Final, TypedDict

from vecgraph.ambient import current_task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vecgraph.types import StreamWriter

__all__ = [
    "DEFAULT_RECURSION_LIMIT",
    "RunnableConfig",
    "TaskContext",
    "current_task",
    "ensure_config",
    "get_config",
    "get_store",
    "get_stream_writer",
    "has_coordinates",
    "merge_configs",
]


class RunnableConfig(TypedDict, total=False):
    """How to run, given to `invoke`, `batch` and `stream`; a node may ask for it.

    Attributes
    ----------
    tags : list of str
    metadata : dict
        Goes into checkpoints and streams.
    callbacks : object
        LangChain's; passed on to what a node calls.
    run_name : str
    run_id : object
    max_concurrency : int or None
        How many calls may run at once.
    recursion_limit : int
        How many supersteps a run may take.
    configurable : dict
        Values for the nodes, ``thread_id`` and other coordinates of a checkpoint.
    """

    tags: list[str]
    metadata: dict[str, Any]
    callbacks: Any
    run_name: str
    run_id: Any
    max_concurrency: int | None
    recursion_limit: int
    configurable: dict[str, Any]


class _DefaultLimit(int):
    """The limit that nobody chose: told by its type, so an equal chosen one is kept."""

    __slots__ = ()


DEFAULT_RECURSION_LIMIT: Final = _DefaultLimit(getenv("LANGGRAPH_DEFAULT_RECURSION_LIMIT", "10007"))
"""Limit of a run whose config sets none; LangGraph's, environment variable included."""

_KEYS = frozenset(RunnableConfig.__annotations__)
# Whoever gives one of these speaks of checkpoints of its own, not of the run around it.
_COORDINATES = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")

_IN_METADATA = (
    "thread_id",
    "checkpoint_id",
    "checkpoint_ns",
    "task_id",
    "run_id",
    "assistant_id",
    "graph_id",
)


class TaskContext:
    """What a running node may ask for; the engine sets it in `current_task`.

    Parameters
    ----------
    config : RunnableConfig, or callable without arguments
        The task's configuration, or what builds it when it is first asked for.
    runtime : Runtime, or callable without arguments
        Likewise.
    """

    __slots__ = ("_config", "_runtime")

    def __init__(self, config: Any, runtime: Any) -> None:
        self._config = config
        self._runtime = runtime

    @property
    def config(self) -> RunnableConfig:
        """The task's configuration."""
        if callable(self._config):
            self._config = self._config()
        config: RunnableConfig = self._config
        return config

    @property
    def runtime(self) -> Any:
        """The task's `Runtime`."""
        if callable(self._runtime):
            self._runtime = self._runtime()
        return self._runtime


def merge_configs(*configs: Mapping[str, Any] | None) -> RunnableConfig:
    """Return one config of several; the later wins.

    Tags add up, ``metadata`` and ``configurable`` merge by key, empty values say nothing.

    Examples
    --------
    >>> merge_configs({"tags": ["a"]}, {"tags": ["b"], "configurable": {"k": 1}})
    {'tags': ['a', 'b'], 'configurable': {'k': 1}}
    """
    merged: dict[str, Any] = {}
    for config in configs:
        for key, value in (config or {}).items():
            if value and not isinstance(value, _DefaultLimit):
                merged[key] = _join(key, merged.get(key), value)
    merged.setdefault("configurable", {})
    return merged  # type: ignore[return-value]


def ensure_config(*configs: Mapping[str, Any] | None) -> RunnableConfig:
    """Return a complete config of several, on top of the running task's; the later wins.

    Examples
    --------
    >>> ensure_config({"tags": ["a"]})["tags"], ensure_config()["configurable"]
    (['a'], {})
    """
    full: dict[str, Any] = {
        "tags": [],
        "metadata": {},
        "callbacks": None,
        "recursion_limit": DEFAULT_RECURSION_LIMIT,
        "configurable": {},
    }
    task = current_task.get()
    if task is not None:
        full.update((k, _copy(v)) for k, v in task.config.items() if not _is_empty(v))
        if any(has_coordinates(config) for config in configs):
            full["configurable"] = {}
    # A subgraph gets its parent's tags twice: as the running task's and explicitly.
    inherited = frozenset(full["tags"])
    for config in configs:
        _add(full, config or {}, inherited)
    given = full["configurable"]
    shown = {key: given[key] for key in _IN_METADATA if given.get(key)}
    full["metadata"] = {**shown, **full["metadata"]}
    return full  # type: ignore[return-value]


def _add(full: dict[str, Any], config: Mapping[str, Any], inherited: frozenset[str]) -> None:
    for key, value in config.items():
        if _is_empty(value):
            continue
        if key not in _KEYS:
            full["configurable"] = {**full["configurable"], key: value}
        elif key == "tags":
            full[key] = [*full[key], *(tag for tag in value if tag not in inherited)]
        else:
            full[key] = _join(key, full.get(key), value)


def _join(key: str, old: Any, new: Any) -> Any:
    if key in {"metadata", "configurable"}:
        return {**(old or {}), **new}
    if key == "tags" or (key == "callbacks" and isinstance(old, list) and isinstance(new, list)):
        return [*(old or ()), *new]
    return new


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, list | tuple | dict) and not value)


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, list | dict) else value


def has_coordinates(config: Mapping[str, Any] | None) -> bool:
    """Return whether a config names checkpoints of its own."""
    given = (config or {}).get("configurable") or {}
    return any(not _is_empty(given.get(key)) for key in _COORDINATES)


def get_config() -> RunnableConfig:
    """Return the config of the task that calls this.

    Raises
    ------
    RuntimeError
        No task does: the call is outside a node.
    """
    return _task().config


def get_store() -> Any:
    """Return the run's store, or None; see `get_config` for errors."""
    return _task().runtime.store


def get_stream_writer() -> StreamWriter:
    """Return what writes to the ``custom`` stream; see `get_config` for errors."""
    writer: Callable[[Any], None] = _task().runtime.stream_writer
    return writer


def _task() -> TaskContext:
    task: TaskContext | None = current_task.get()
    if task is None:
        raise RuntimeError("Called get_config outside of a runnable context")
    return task
