"""Drive single runs: do what their loops ask for, in this thread or on an event loop."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vecgraph.ambient import current_task
from vecgraph.constants import MISSING
from vecgraph.engine.attempt import aattempt, attempt, failed, settled
from vecgraph.engine.caching import entry_of, keys_of, taken
from vecgraph.engine.desk import AsyncDesk, Desk
from vecgraph.engine.limits import timed, within
from vecgraph.engine.loop import handler_of, supersteps
from vecgraph.engine.quick import can_be_quick
from vecgraph.engine.run import Run, Task
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.single import apply, emit, output
from vecgraph.engine.thread import Ask, Thread
from vecgraph.errors import GraphBubbleUp, GraphInterrupt, NodeCancelledError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from vecgraph.engine.gather import Gatherer
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.watch import Watcher

__all__ = ["amoves", "arun_one", "moves", "new_run", "quickly", "result_of", "run_one"]


def new_run(tables: Tables, shared: Shared, row: int, config: Any = None) -> Run:
    """Return a run that has not begun; with a thread if the call has a saver."""
    thread = None
    if shared.saver is not None:
        given = config or shared.config
        place = {**(given.get("configurable") or {}), **shared.coordinates}
        placed = {**given, "configurable": place}
        thread = Thread(shared.saver, placed, shared.ns, shared.durability)
    return Run(tables, row, shared.limit, thread)


def run_one(
    tables: Tables, run: Run, input: Any, shared: Shared, watcher: Watcher | None = None
) -> Any:
    """Run to the end or to where it must wait; return the result.

    Raises
    ------
    TaskError
        A node failed.
    GraphInterrupt
        The run is a graph inside another and asks something.
    Exception
        The writes of a superstep broke a rule, the limit was reached, or the saver failed.
    """
    if watcher is None and can_be_quick(tables, run, input, shared):
        if quickly(tables, run, input, shared):
            return result_of(tables, run)
        input = MISSING
    for pause in moves(tables, run, input, shared, watcher):
        if pause:
            time.sleep(pause)
    return result_of(tables, run)


def quickly(tables: Tables, run: Run, input: Any, shared: Shared) -> bool:
    """Run the short way; return whether the run has ended there."""
    quick = tables.quick
    assert quick is not None
    try:
        return quick.run(run, input, shared)
    except GraphInterrupt:
        if shared.parent is not None:
            raise
        return True


def result_of(tables: Tables, run: Run) -> Any:
    """Return the result of a run that has ended, with the questions that it waits for."""
    value = output(tables, run)
    if not run.interrupts:
        return value
    questions = {"__interrupt__": list(run.interrupts)}
    return {**value, **questions} if isinstance(value, dict) else questions


def moves(
    tables: Tables, run: Run, input: Any, shared: Shared, watcher: Watcher | None = None
) -> Iterator[float | None]:
    """Run to the end; yield after each task and superstep, when there may be something to show.

    Yields
    ------
    float or None
        Seconds to wait before going on: a failed task will be tried again then.
    """
    scope, ride = RunScope(shared, tables, run), _Ride(tables, run, input, shared, watcher)
    desk = None if run.thread is None else Desk(run.thread.saver)
    answer = None
    try:
        while (move := ride.move(answer)) is not None:
            answer = None
            if type(move) is Ask:
                assert desk is not None
                answer = desk.answer(move)
                continue
            yield None
            yield from _execute(tables, run, scope, watcher, desk)
        ride.end()
    except GraphInterrupt:
        if shared.parent is not None:
            raise
        ride.interrupted()
    finally:
        if desk is not None:
            desk.close(ride.last())
    yield None


class _Ride:
    """A run on its way: what the drivers do alike."""

    def __init__(
        self, tables: Tables, run: Run, input: Any, shared: Shared, watcher: Watcher | None
    ) -> None:
        self._tables, self._run, self._shared, self._watcher = tables, run, shared, watcher
        self._moved = supersteps(tables, run, input, shared, watcher)
        self._failed = True
        self._kept: list[Ask] | None = None

    def move(self, answer: Any) -> list[Task] | Ask | None:
        """Return what is to be done next, None at the end."""
        try:
            return self._moved.send(answer)
        except StopIteration:
            self._failed = False
            return None

    def end(self) -> None:
        """Tell the graph around that this one has stopped at a breakpoint."""
        if self._shared.parent is not None and self._run.ended.startswith("interrupt"):
            raise GraphInterrupt(())

    def interrupted(self) -> None:
        """Stop a run that asks something; what its tasks that ended wrote is shown."""
        tables, run, watcher = self._tables, self._run, self._watcher
        self._kept = self.last()
        if any(task.pairs for task in run.tasks):
            written = apply(tables, run, run.tasks)
            emit(tables, run, written)
            if watcher is not None:
                watcher.values(run, written)
        if not run.interrupts and watcher is not None:
            watcher.stopped(run)

    def last(self) -> list[Ask]:
        """Return what is saved when the run ends, if that is all that is saved."""
        if self._kept is not None:
            return self._kept
        thread, ns = self._run.thread, self._shared.ns
        if thread is None or thread.durability != "exit" or not thread.id:
            return []
        keeps = not any(":" in part for part in ns.split("|"))  # a root, or with its own past
        return thread.leave(self._tables, self._run) if keeps or self._failed else []


def _execute(
    tables: Tables,
    run: Run,
    scope: RunScope,
    watcher: Watcher | None,
    desk: Desk | None,
) -> Iterator[float | None]:
    """Run the tasks of a superstep, one after the other; yield after each."""
    shared = scope.shared
    if shared.cache is not None and (keys := keys_of(run.tasks)):
        for task in taken(keys, shared.cache.get(list(keys))):
            _cached(tables, run, task, scope, watcher, desk)
    each = _each(tables, run, scope, watcher, desk)
    if shared.timeout is None:
        yield from each
    else:
        within(shared.timeout, lambda: _wait_for(each))
        yield None


def _wait_for(each: Iterator[float | None]) -> None:
    for pause in each:
        if pause:
            time.sleep(pause)


def _cached(
    tables: Tables,
    run: Run,
    task: Task,
    scope: RunScope,
    watcher: Watcher | None,
    desk: Desk | None,
) -> None:
    scope.task = task
    if desk is not None and (ask := _keep(tables, run, task, scope)) is not None:
        desk.answer(ask)
    if watcher is not None:
        watcher.finished(run, task)


def _each(
    tables: Tables, run: Run, scope: RunScope, watcher: Watcher | None, desk: Desk | None
) -> Iterator[float | None]:
    tasks, cache = run.tasks, scope.shared.cache
    at = 0
    while at < len(tasks):  # error handlers are added behind
        task = tasks[at]
        at += 1
        if task.pairs:
            continue
        scope.task = task
        while (pause := _try(tables, run, task, scope)) is not None:
            yield pause
            scope.task = task
        _settle(tables, run, task)
        if desk is not None and (ask := _keep(tables, run, task, scope)) is not None:
            desk.answer(ask)
        if cache is not None and (entry := entry_of(task)) is not None:
            cache.set(entry)
        if watcher is not None:
            watcher.finished(run, task)
        yield None


def _try(tables: Tables, run: Run, task: Task, scope: RunScope) -> float | None:
    """Make one attempt at a task; return the seconds until the next one, None if it has ended."""
    token = current_task.set(scope)
    try:
        attempt(tables, run, task, scope)
    except Exception as raised:  # noqa: BLE001 - a task's failure is a result
        error = raised
    except BaseException as raised:
        if not _is_cancellation(raised):
            raise
        error = NodeCancelledError(task.spec.name)
    else:
        return None
    finally:
        current_task.reset(token)
    return failed(tables, run, task, scope, error)


def _is_cancellation(error: BaseException) -> bool:
    """Return whether a synchronous node has raised what asyncio cancels with."""
    asyncio = sys.modules.get("asyncio")  # nobody can raise it who has not imported it
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def _settle(tables: Tables, run: Run, task: Task) -> Task | None:
    """Hand a failure that has a handler to it; return that."""
    error = task.error
    if error is None or not isinstance(error, Exception) or isinstance(error, GraphBubbleUp):
        return None
    handler = handler_of(tables, task, error)
    if handler is not None:
        task.handled = True
        run.tasks.append(handler)
    return handler


def _keep(tables: Tables, run: Run, task: Task, scope: RunScope) -> Ask | None:
    """Note beside the checkpoint what became of a task."""
    pairs = settled(task)
    assert run.thread is not None
    return run.thread.note(tables, run, scope.task_id, pairs, task.path)


async def arun_one(
    tables: Tables,
    run: Run,
    input: Any,
    shared: Shared,
    gatherer: Gatherer,
    watcher: Watcher | None = None,
) -> Any:
    """Run to the end on the event loop; the tasks of a superstep run side by side."""
    async for _ in amoves(tables, run, input, shared, gatherer, watcher):
        pass
    return result_of(tables, run)


async def amoves(
    tables: Tables,
    run: Run,
    input: Any,
    shared: Shared,
    gatherer: Gatherer,
    watcher: Watcher | None = None,
) -> AsyncGenerator[None, None]:
    """Run to the end on the event loop; yield when there may be something to show."""
    ride = _Ride(tables, run, input, shared, watcher)
    desk = None if run.thread is None else AsyncDesk(run.thread.saver)
    answer = None
    try:
        while (move := ride.move(answer)) is not None:
            answer = None
            if type(move) is Ask:
                assert desk is not None
                answer = await desk.answer(move)
                continue
            yield
            await _together(tables, run, shared, gatherer, watcher, desk)
            yield
        ride.end()
    except GraphInterrupt:
        if shared.parent is not None:
            raise
        ride.interrupted()
    finally:
        if desk is not None:
            await desk.close(ride.last())
    yield


async def _together(
    tables: Tables,
    run: Run,
    shared: Shared,
    gatherer: Gatherer,
    watcher: Watcher | None,
    desk: AsyncDesk | None,
) -> None:
    """Run the tasks of a superstep side by side; the first failure cancels the others."""
    import asyncio

    server = _Server(tables, run, shared, gatherer, watcher, desk)
    waiting = await server.waiting()
    if not waiting:
        return
    if len(waiting) == 1 and shared.timeout is None:
        with suppress(_Failed):
            await server.serve(waiting[0])
        return
    started = [asyncio.ensure_future(server.serve(task)) for task in waiting]
    try:
        done, left = await asyncio.wait(
            started, timeout=shared.timeout, return_when=asyncio.FIRST_EXCEPTION
        )
        broken = [error for one in done if (error := one.exception()) is not None]
        for error in broken:
            if not isinstance(error, _Failed):
                raise error
        if left and not broken:
            raise TimeoutError("Timed out")
    finally:
        for one in started:
            one.cancel()
        # Waits for those that were cancelled, and takes the exceptions that nobody raised.
        await asyncio.gather(*started, return_exceptions=True)


class _Server:
    """Runs the tasks of one superstep of one run."""

    def __init__(
        self,
        tables: Tables,
        run: Run,
        shared: Shared,
        gatherer: Gatherer,
        watcher: Watcher | None,
        desk: AsyncDesk | None,
    ) -> None:
        self.tables, self.run, self.shared = tables, run, shared
        self.gatherer, self.watcher, self.desk = gatherer, watcher, desk

    async def waiting(self) -> list[Task]:
        """Return the tasks whose writes neither a cache nor a checkpoint knows."""
        cache, tasks = self.shared.cache, self.run.tasks
        if cache is not None and (keys := keys_of(tasks)):
            for task in taken(keys, await cache.aget(list(keys))):
                await self.keep(task)
        return [task for task in tasks if not task.pairs]

    async def serve(self, task: Task) -> None:
        """Run a task, and its error handler if it fails.

        Raises
        ------
        _Failed
            Nothing handles the failure: the other tasks have nothing to go on for.
        """
        handler: Task | None = task
        while handler is not None:
            task = handler
            scope = RunScope(self.shared, self.tables, self.run, task)
            token = current_task.set(scope)
            try:
                await self._run(task, scope)
            finally:
                current_task.reset(token)
            handler = _settle(self.tables, self.run, task)
            await self.keep(task)
        error = task.error
        if error is not None and not isinstance(error, GraphInterrupt):
            raise _Failed

    async def keep(self, task: Task) -> None:
        """Note what became of a task, for those who keep it and those who watch."""
        cache, desk = self.shared.cache, self.desk
        if desk is not None:
            scope = RunScope(self.shared, self.tables, self.run, task)
            ask = _keep(self.tables, self.run, task, scope)
            if ask is not None:
                await desk.answer(ask)
        if cache is not None and (entry := entry_of(task)) is not None:
            await cache.aset(entry)
        if self.watcher is not None:
            self.watcher.finished(self.run, task)

    async def _run(self, task: Task, scope: RunScope) -> None:
        import asyncio

        while True:
            try:
                await self._attempt(task, scope)
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if current is not None and current.cancelling():
                    raise  # from outside: no failure of the node
                error: Exception = NodeCancelledError(task.spec.name)
            except Exception as raised:  # noqa: BLE001 - a task's failure is a result
                error = raised
            else:
                return
            pause = failed(self.tables, self.run, task, scope, error)
            if pause is None:
                return
            await asyncio.sleep(pause)

    async def _attempt(self, task: Task, scope: RunScope) -> None:
        if task.timeout is None:
            await aattempt(self.tables, self.run, task, scope, self.gatherer)
            return
        await timed(
            task, scope, lambda: aattempt(self.tables, self.run, task, scope, self.gatherer)
        )


class _Failed(Exception):
    """A task has failed for good; the loop knows with what."""
