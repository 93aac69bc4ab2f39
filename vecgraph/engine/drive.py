"""Drive single runs: call what their tasks need, in this thread or on an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.config import current_task
from vecgraph.engine.execute import caller, nested_caller
from vecgraph.engine.gather import COLUMNAR, Gatherer, node_alone, router_alone
from vecgraph.engine.retry import aretried, retried
from vecgraph.engine.scope import Place, Scope, Shared
from vecgraph.engine.single import (
    Run,
    Task,
    TaskError,
    Watcher,
    destinations,
    read_fresh,
    supersteps,
)
from vecgraph.errors import NodeCancelledError, ParentCommand
from vecgraph.nodes.coerce import no_sync_function

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from vecgraph.engine.tables import Tables
    from vecgraph.nodes.action import Action
    from vecgraph.nodes.writer import Pairs
    from vecgraph.program import Branch, NodeSpec

__all__ = ["arun_alone", "arun_one", "astream_one", "run_alone", "run_one", "stream_one"]


def run_one(
    tables: Tables, run: Run, input: Any, shared: Shared, watcher: Watcher | None = None
) -> Any:
    """Run to the end; return the result.

    Raises
    ------
    TaskError
        A node failed.
    Exception
        The writes of a superstep broke a rule, or the limit was reached.
    """
    scope = Scope(shared)
    token = current_task.set(scope)
    try:
        for tasks in supersteps(tables, run, input, watcher):
            _execute_all(tables, run, tasks, scope, watcher)
    finally:
        current_task.reset(token)
    return run.output(tables)


def _execute_all(
    tables: Tables, run: Run, tasks: list[Task], scope: Scope, watcher: Watcher | None
) -> None:
    for task in tasks:
        execute_task(tables, run, task, scope)
        if watcher is not None:
            watcher.finished(run, task)


def run_alone(tables: Tables, input: Any, shared: Shared, row: int) -> Any:
    """Run to the end; return the result, or raise what a node raised."""
    try:
        return run_one(tables, Run(tables, row, shared.limit), input, shared)
    except TaskError as failed:
        error = failed.error
    raise error


async def arun_alone(tables: Tables, input: Any, shared: Shared, row: int) -> Any:
    """Run to the end on the event loop; return the result, or raise what a node raised."""
    gatherer = Gatherer(tables, shared)
    try:
        return await arun_one(tables, Run(tables, row, shared.limit), input, shared, gatherer)
    except TaskError as failed:
        error = failed.error
    finally:
        gatherer.close()
    raise error


def stream_one(
    tables: Tables, run: Run, input: Any, shared: Shared, watcher: Watcher
) -> Iterator[None]:
    """Run to the end; yield after each task and superstep, when there may be something to show."""
    scope = Scope(shared)
    for tasks in supersteps(tables, run, input, watcher):
        yield
        for task in tasks:
            token = current_task.set(scope)
            try:
                execute_task(tables, run, task, scope)
            finally:
                current_task.reset(token)
            watcher.finished(run, task)
            yield


async def astream_one(
    tables: Tables, run: Run, input: Any, shared: Shared, gatherer: Gatherer, watcher: Watcher
) -> AsyncIterator[None]:
    """Run to the end on the event loop; yield when there may be something to show."""
    for tasks in supersteps(tables, run, input, watcher):
        yield
        await _together(tables, run, tasks, shared, gatherer, watcher)
        yield


def execute_task(tables: Tables, run: Run, task: Task, scope: Scope) -> None:
    """Run a task's node and routers; set what it wrote."""
    spec = task.spec
    pushes = None if task.push is None else (task.push,)
    scope.enter(spec.name, Place((run.row,), (run.step,), pushes))
    try:
        result, pairs = task.input, None
        if spec.action is not None:
            if spec.action.tier in COLUMNAR:
                pairs = [*node_alone(tables, spec, task.input, scope)]
                result = None
            else:
                result = _called(spec, spec.action, task.input, scope)
        pairs = _own_pairs(spec, result) if pairs is None else pairs + _edges(spec)
        for branch in spec.branches:
            value = _routed(tables, run, branch, pairs, result)
            if branch.action.tier in COLUMNAR:
                pairs += router_alone(tables, spec, branch, value, scope)
            else:
                pairs += destinations(branch, call_now(branch.action, value, scope))
    except Exception as error:
        raise TaskError(spec.name, scope.note(error)) from error
    task.pairs = pairs


def _own_pairs(spec: NodeSpec, result: Any) -> Pairs:
    return [*spec.writer(result), *_edges(spec)]


def _edges(spec: NodeSpec) -> Pairs:
    pairs: Pairs = [(target, None) for target in spec.targets]
    return pairs + [(join, spec.name) for join in spec.joins]


def _routed(tables: Tables, run: Run, branch: Branch, pairs: Pairs, result: Any) -> Any:
    value = read_fresh(tables, run, branch, pairs)
    if branch.mapper is not None:
        value = branch.mapper(value)
    if branch.passthrough and isinstance(value, dict) and isinstance(result, dict):
        value = {**result, **value}
    return value


def _called(spec: NodeSpec, action: Action, value: Any, scope: Scope) -> Any:
    if not spec.retry_policy:
        return call_now(action, value, scope)
    return retried(lambda given: call_now(action, given, scope), spec.retry_policy, scope)(value)


def call_now(action: Action, value: Any, scope: Scope) -> Any:
    """Call a scalar node or router, or a subgraph, for one run in this thread."""
    if action.tier == "subgraph":
        return nested_caller(action, scope)(value)
    if action.fn is None:
        raise no_sync_function(action.name)
    return caller(action, None, scope)(value)


async def arun_one(
    tables: Tables,
    run: Run,
    input: Any,
    shared: Shared,
    gatherer: Gatherer,
    watcher: Watcher | None = None,
) -> Any:
    """Run to the end on the event loop; the tasks of a superstep run side by side."""
    for tasks in supersteps(tables, run, input, watcher):
        if len(tasks) == 1:
            await _aexecute(tables, run, tasks[0], shared, gatherer)
            if watcher is not None:
                watcher.finished(run, tasks[0])
            continue
        await _together(tables, run, tasks, shared, gatherer, watcher)
    return run.output(tables)


async def _together(
    tables: Tables,
    run: Run,
    tasks: list[Task],
    shared: Shared,
    gatherer: Gatherer,
    watcher: Watcher | None,
) -> None:
    import asyncio

    async def one(task: Task) -> None:
        await _aexecute(tables, run, task, shared, gatherer)
        if watcher is not None:
            watcher.finished(run, task)

    started = [asyncio.ensure_future(one(task)) for task in tasks]
    try:
        done, _ = await asyncio.wait(started, return_when=asyncio.FIRST_EXCEPTION)
        for task in started:
            if task in done:
                task.result()
    finally:
        for task in started:
            task.cancel()
        # Waits for those that were cancelled, and takes the exceptions that nobody raised.
        await asyncio.gather(*started, return_exceptions=True)


async def _aexecute(
    tables: Tables, run: Run, task: Task, shared: Shared, gatherer: Gatherer
) -> None:
    import asyncio

    spec = task.spec
    scope = Scope(shared)
    pushes = None if task.push is None else (task.push,)
    scope.enter(spec.name, Place((run.row,), (run.step,), pushes))
    token = current_task.set(scope)
    try:
        result, pairs = task.input, None
        if spec.action is not None:
            if spec.action.tier in COLUMNAR:
                pairs = [*await gatherer.node(spec, task.input, scope)]
                result = None
            else:
                result = await _acalled(spec, spec.action, task.input, scope, gatherer)
        pairs = _own_pairs(spec, result) if pairs is None else pairs + _edges(spec)
        for branch in spec.branches:
            value = _routed(tables, run, branch, pairs, result)
            if branch.action.tier in COLUMNAR:
                pairs += await gatherer.router(spec, branch, value, scope)
            else:
                choice = await _acall(branch.action, value, scope, gatherer)
                pairs += destinations(branch, choice)
    except (Exception, asyncio.CancelledError) as error:
        raise _failure(spec.name, scope, error) from error
    finally:
        current_task.reset(token)
    task.pairs = pairs


def _failure(node: str, scope: Scope, error: BaseException) -> TaskError:
    """Return a task's failure; a cancellation from outside is none and goes on."""
    import asyncio

    if isinstance(error, asyncio.CancelledError):
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise error
        error = NodeCancelledError(node)  # the node itself raised it
    return TaskError(node, scope.note(error))


async def _acalled(
    spec: NodeSpec, action: Action, value: Any, scope: Scope, gatherer: Gatherer
) -> Any:
    if not spec.retry_policy:
        return await _acall(action, value, scope, gatherer)
    policies = spec.retry_policy
    return await aretried(lambda: _acall(action, value, scope, gatherer), policies, scope)


async def _acall(action: Action, value: Any, scope: Scope, gatherer: Gatherer) -> Any:
    if action.tier == "subgraph":
        child: Any = action.fn.nested  # type: ignore[union-attr]
        try:
            return await child.arun(value, scope)
        except ParentCommand as bubble:
            return child.from_parent(bubble.command)
    if action.afn is None:
        return call_now(action, value, scope)
    async with gatherer.slot():
        return await action.afn(value, **scope.arguments(action.inject))
