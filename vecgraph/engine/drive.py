"""Drive single runs: do what their loops ask for, in this thread or on an event loop."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vecgraph.constants import MISSING
from vecgraph.engine.caching import entry_of, keys_of, taken
from vecgraph.engine.calls import Calls
from vecgraph.engine.desk import AsyncDesk, Desk
from vecgraph.engine.limits import within
from vecgraph.engine.loop import supersteps
from vecgraph.engine.quick import can_be_quick
from vecgraph.engine.quick_loop import can_be_quick_on_loop
from vecgraph.engine.run import Run, Task
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.serve import FailedTask, Server, ask_to_keep, settle, try_once
from vecgraph.engine.single import apply, emit, output
from vecgraph.engine.thread import Ask, Thread
from vecgraph.errors import GraphInterrupt

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from vecgraph.engine.gather import Gatherer
    from vecgraph.engine.loop_calls import LoopCalls
    from vecgraph.engine.ride import Left, RideScope
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.watch import Watcher

__all__ = [
    "amoves",
    "arun_one",
    "moves",
    "new_run",
    "quickly",
    "quickly_on",
    "result_of",
    "run_one",
]


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


def quickly_on(tables: Tables, run: Run, scope: RideScope, left: Left) -> bool:
    """Go on the short way where a run has left its loop; return whether it has ended there."""
    quick = tables.quick
    assert quick is not None
    try:
        return quick.to_the_end(run, scope, left)
    except GraphInterrupt:
        if scope.shared.parent is not None:
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
    if desk is not None or watcher is not None:
        run.calls = Calls(tables, run, shared, watcher, desk)
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
        if run.calls is not None:
            run.calls.close()
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
        quiet = run.calls is not None and run.calls.asks
        if not run.interrupts and not quiet and watcher is not None:
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
    if desk is not None:
        _keep(tables, run, task, scope, desk)
    if watcher is not None:
        watcher.finished(run, task)


def _keep(tables: Tables, run: Run, task: Task, scope: RunScope, desk: Desk) -> None:
    """Note beside the checkpoint what became of a task."""
    assert run.calls is not None
    with run.calls.lock:
        ask = ask_to_keep(tables, run, task, scope)
        if ask is not None:
            desk.answer(ask)


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
        while (pause := try_once(tables, run, task, scope)) is not None:
            yield pause
            scope.task = task
        settle(tables, run, task)
        if desk is not None:
            _keep(tables, run, task, scope, desk)
        if cache is not None and (entry := entry_of(task)) is not None:
            cache.set(entry)
        if watcher is not None:
            watcher.finished(run, task)
        yield None
    if run.calls is not None:
        run.calls.settle(cancel=_has_failed(run))
        yield None


def _has_failed(run: Run) -> bool:
    errors = (task.error for task in run.tasks if not task.handled)
    return any(error is not None and not isinstance(error, GraphInterrupt) for error in errors)


async def arun_one(
    tables: Tables,
    run: Run,
    input: Any,
    shared: Shared,
    gatherer: Gatherer,
    watcher: Watcher | None = None,
) -> Any:
    """Run to the end on the event loop; the tasks of a superstep run side by side."""
    if watcher is None and can_be_quick_on_loop(tables, run, input, shared):
        if await _aquickly(tables, run, input, shared, gatherer):
            return result_of(tables, run)
        input = MISSING
    async for _ in amoves(tables, run, input, shared, gatherer, watcher):
        pass
    return result_of(tables, run)


async def _aquickly(
    tables: Tables, run: Run, input: Any, shared: Shared, gatherer: Gatherer
) -> bool:
    quick = tables.quick_on_loop
    assert quick is not None
    try:
        return await quick.arun(run, input, shared, gatherer)
    except GraphInterrupt:
        if shared.parent is not None:
            raise
        return True


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
    from vecgraph.engine.loop_calls import LoopCalls  # asyncio only where it is used

    server = Server(tables, run, shared, gatherer, watcher, desk)
    run.calls = calls = LoopCalls(server)
    answer = None
    try:
        while (move := ride.move(answer)) is not None:
            answer = None
            if type(move) is Ask:
                assert desk is not None
                answer = await desk.answer(move)
                continue
            yield
            await _with_calls(server, calls)
            yield
        ride.end()
    except GraphInterrupt:
        if shared.parent is not None:
            raise
        ride.interrupted()
    finally:
        calls.close()
        if desk is not None:
            await desk.close(ride.last())
    yield


async def _with_calls(server: Server, calls: LoopCalls) -> None:
    """Run the tasks of a superstep and those that they call."""
    well = False
    try:
        await _together(server)
        well = not _has_failed(server.run)
    finally:
        await calls.asettle(cancel=not well)


async def _together(server: Server) -> None:
    """Run the tasks of a superstep side by side; the first failure cancels the others."""
    import asyncio

    shared = server.shared
    waiting = await server.waiting()
    if not waiting:
        return
    if len(waiting) == 1 and shared.timeout is None:
        with suppress(FailedTask):
            await server.serve(waiting[0])
        return
    started = [asyncio.ensure_future(server.serve(task)) for task in waiting]
    try:
        done, left = await asyncio.wait(
            started, timeout=shared.timeout, return_when=asyncio.FIRST_EXCEPTION
        )
        broken = [error for one in done if (error := one.exception()) is not None]
        for error in broken:
            if not isinstance(error, FailedTask):
                raise error
        if left and not broken:
            raise TimeoutError("Timed out")
    finally:
        for one in started:
            one.cancel()
        # Waits for those that were cancelled, and takes the exceptions that nobody raised.
        await asyncio.gather(*started, return_exceptions=True)
