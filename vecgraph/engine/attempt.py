"""One attempt at a task: its function, what that wrote, its edges and its routers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

from vecgraph.constants import CONTROL, ERROR, ERROR_SOURCE, INTERRUPT, NO_WRITES, RESUME
from vecgraph.engine.execute import caller
from vecgraph.engine.gather import COLUMNAR, Gatherer, node_alone, router_alone
from vecgraph.engine.retry import pause_after
from vecgraph.engine.single import destinations, read_fresh
from vecgraph.engine.watched import Untouched
from vecgraph.errors import GraphBubbleUp, GraphInterrupt, ParentCommand
from vecgraph.nodes.coerce import no_sync_function
from vecgraph.types import Command

if TYPE_CHECKING:
    from vecgraph.engine.run import Run, Task
    from vecgraph.engine.run_scope import RunScope
    from vecgraph.engine.tables import Tables
    from vecgraph.nodes.action import Action
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import Branch, NodeSpec

__all__ = ["aattempt", "attempt", "call_now", "failed", "settled"]


def attempt(tables: Tables, run: Run, task: Task, scope: RunScope) -> None:
    """Run a task's node and routers in this thread; `task.pairs` is what it has written so far."""
    spec = task.spec
    pairs: Pairs = []
    task.pairs = pairs
    action = spec.action
    if action is None:
        result = task.input
    elif action.tier in COLUMNAR:
        pairs += node_alone(tables, spec, task.input, scope)
        return _route(tables, run, task, None, scope)
    else:
        untouched = Untouched(spec.name, task.input) if scope.shared.debug else None
        result = call_now(action, task.input, scope)
        if untouched is not None:
            untouched.check(result)
    pairs += spec.writer(result)
    return _route(tables, run, task, result, scope)


def _route(tables: Tables, run: Run, task: Task, result: Any, scope: RunScope) -> None:
    spec, pairs = task.spec, task.pairs
    assert pairs is not None
    pairs += _edges(spec)
    for branch in spec.branches:
        value = _routed(tables, run, branch, pairs, result)
        if branch.action.tier in COLUMNAR:
            pairs += router_alone(tables, spec, branch, value, scope)
        else:
            pairs += destinations(branch, call_now(branch.action, value, scope))


def _edges(spec: NodeSpec) -> Pairs:
    pairs: Pairs = [(target, None) for target in spec.targets]
    return pairs + [(join, spec.name) for join in spec.joins] if spec.joins else pairs


def _routed(tables: Tables, run: Run, branch: Branch, pairs: Pairs, result: Any) -> Any:
    value = read_fresh(tables, run, branch, pairs)
    if branch.mapper is not None:
        value = branch.mapper(value)
    if branch.passthrough and isinstance(value, dict) and isinstance(result, dict):
        value = {**result, **value}
    return value


def call_now(action: Action, value: Any, scope: RunScope) -> Any:
    """Call a scalar node or router, or a subgraph, for one run in this thread."""
    if action.tier == "subgraph":
        child: Any = action.fn.nested  # type: ignore[union-attr]
        return child.run(value, scope)
    if action.fn is None:
        raise no_sync_function(action.name)
    return caller(action, None, scope)(value)


async def aattempt(
    tables: Tables, run: Run, task: Task, scope: RunScope, gatherer: Gatherer
) -> None:
    """Run a task's node and routers on the event loop; see `attempt`."""
    spec = task.spec
    pairs: Pairs = []
    task.pairs = pairs
    action = spec.action
    result: Any = task.input
    if action is not None and action.tier in COLUMNAR:
        pairs += await gatherer.node(spec, task.input, scope)
        result = None
    else:
        if action is not None:
            untouched = Untouched(spec.name, task.input) if scope.shared.debug else None
            result = await _acall(action, task.input, scope, gatherer)
            if untouched is not None:
                untouched.check(result)
        pairs += spec.writer(result)
    pairs += _edges(spec)
    for branch in spec.branches:
        value = _routed(tables, run, branch, pairs, result)
        if branch.action.tier in COLUMNAR:
            pairs += await gatherer.router(spec, branch, value, scope)
        else:
            pairs += destinations(branch, await _acall(branch.action, value, scope, gatherer))


async def _acall(action: Action, value: Any, scope: RunScope, gatherer: Gatherer) -> Any:
    if action.tier == "subgraph":
        child: Any = action.fn.nested  # type: ignore[union-attr]
        return await child.arun(value, scope)
    if action.afn is None:
        scope.blocking = True
        try:
            return call_now(action, value, scope)
        finally:
            scope.blocking = False
    async with gatherer.slot(scope.task):
        return await action.afn(value, **scope.arguments(action.inject))


def failed(tables: Tables, run: Run, task: Task, scope: RunScope, error: Exception) -> float | None:
    """Note that an attempt has failed.

    Returns
    -------
    float or None
        Seconds until the next attempt; None: that was the last one, and the task has ended.
    """
    translate = tables.program.translate_error
    if translate is not None:
        error = cast("Exception", translate(error))
    if isinstance(error, ParentCommand):
        _take_command(tables, run, task, scope, error)
        return None
    if isinstance(error, GraphBubbleUp):
        task.error = error
        return None
    scope.note(error)
    policies = task.spec.retry_policy
    if policies:
        task.attempts += 1
        pause = pause_after(policies, error, task.attempts)
        if pause is not None:
            if task.scratch is not None:
                task.scratch.asked = 0  # its questions count from the first again
            return pause
        task.attempts -= 1
    task.error = error
    return None


def _take_command(
    tables: Tables, run: Run, task: Task, scope: RunScope, bubble: ParentCommand
) -> None:
    """Take a command from a graph below that is meant for this one, else pass it on."""
    command, ns = bubble.command, scope.checkpoint_ns
    if command.graph in {ns, _without_ids(ns), task.spec.name}:
        task.pairs = list(task.spec.writer(command))
        try:
            _route(tables, run, task, command, scope)
        except Exception as error:  # noqa: BLE001 - the task fails with it
            task.error = error
        return
    if command.graph == Command.PARENT:
        bubble.command = dataclasses.replace(command, graph=_around(ns))
        bubble.args = (bubble.command,)
    task.error = bubble


def _without_ids(ns: str) -> str:
    parts = (part.rsplit(":", 1)[0] for part in ns.split("|") if not part.isdigit())
    return "|".join(parts)


def _around(ns: str) -> str:
    """Return the namespace around the graph that a task is in."""
    parts = _trimmed(ns.split("|"))
    return "|".join(_trimmed(parts[:-1]))


def _trimmed(parts: list[str]) -> list[str]:
    """Return a namespace's parts without the numbers at its end: they tell calls apart."""
    while parts and parts[-1].isdigit():
        parts = parts[:-1]
    return parts


def settled(task: Task) -> Pairs:
    """Return what is kept beside the checkpoint of a task that has ended, one way or the other."""
    error, pairs = task.error, task.pairs
    if error is None:
        if pairs is None or all(channel in CONTROL for channel, _ in pairs):
            task.pairs = pairs = [*(pairs or ()), (NO_WRITES, None)]
        return pairs
    if isinstance(error, GraphInterrupt):
        if not (error.args and error.args[0]):
            return []
        return [(INTERRUPT, error.args[0]), *(p for p in pairs or () if p[0] == RESUME)]
    if isinstance(error, GraphBubbleUp):
        return []
    task.pairs = pairs = [*(pairs or ()), (ERROR, error)]
    if task.handled:
        pairs.append((ERROR_SOURCE, task.spec.name))
    return pairs
