"""What nodes wrote, kept for the next time that they get the same input.

A cache has LangGraph's interface: ``get([(namespace, key), ...]) -> {(namespace, key): writes}``,
``set({(namespace, key): (writes, ttl)})``, and their coroutine forms with an ``a`` before.
Writes include where the node's edges and routers sent the run. A failure is never kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.engine.ids import digest

if TYPE_CHECKING:
    from vecgraph.engine.run import Task
    from vecgraph.nodes.action import Action
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import NodeSpec

__all__ = ["call_namespace", "entry_of", "key_of_call", "keys_of", "namespace_of", "taken"]

Key = tuple[tuple[str, ...], str]


def namespace_of(spec: NodeSpec) -> tuple[str, ...]:
    """Return the part of the cache that a node has for itself."""
    return ("__pregel_ns_writes", _identity(spec.action) or "__dynamic__", spec.name)


def _identity(action: Action | None) -> str | None:
    fn: Any = action and (action.fn or action.afn)
    fn = getattr(fn, "__wrapped__", fn)
    name, module = getattr(fn, "__qualname__", None), getattr(fn, "__module__", None)
    return f"{module}.{name}" if name and module else None


def keys_of(tasks: list[Task]) -> dict[Key, Task]:
    """Return the tasks that a cache may know, by their keys; each task keeps its key."""
    found = {}
    for task in tasks:
        policy = task.spec.cache_policy
        if policy is not None and not task.pairs:
            task.key = (namespace_of(task.spec), digest(policy.key_func(task.input)))
            found[task.key] = task
    return found


def key_of_call(task: Task) -> Key | None:
    """Return the key of a called task, None if no cache keeps it; the task keeps it, too."""
    policy = task.spec.cache_policy
    if policy is None:
        return None
    args, kwargs = task.input
    task.key = (call_namespace(task.spec.action), digest(policy.key_func(*args, **kwargs)))
    return task.key  # type: ignore[no-any-return]


def call_namespace(action: Action | None) -> tuple[str, ...]:
    """Return the part of the cache that a called function has for itself."""
    return ("__pregel_ns_writes", _identity(action) or "__dynamic__")


def taken(keys: dict[Key, Task], known: dict[Key, Any]) -> list[Task]:
    """Give tasks what a cache knows that they write; return those tasks."""
    hits = []
    for key, pairs in known.items():
        task = keys[key]
        task.pairs, task.cached = [(channel, value) for channel, value in pairs], True
        hits.append(task)
    return hits


def entry_of(task: Task) -> dict[Key, tuple[Pairs, int | None]] | None:
    """Return what a cache should keep of a task that has ended, None if nothing."""
    if task.key is None or task.cached or not task.has_ended:
        return None
    return {task.key: (list(task.pairs or ()), task.spec.cache_policy.ttl)}
