"""What the drivers of single runs do with one task: try it, settle what became of it, keep that."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from vecgraph.ambient import current_task
from vecgraph.engine.attempt import aattempt, attempt, failed, settled
from vecgraph.engine.caching import entry_of, keys_of, taken
from vecgraph.engine.limits import timed
from vecgraph.engine.loop import handler_of
from vecgraph.engine.run_scope import RunScope
from vecgraph.errors import GraphBubbleUp, GraphInterrupt, NodeCancelledError

if TYPE_CHECKING:
    from vecgraph.engine.desk import AsyncDesk
    from vecgraph.engine.gather import Gatherer
    from vecgraph.engine.run import Run, Task
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.thread import Ask
    from vecgraph.engine.watch import Watcher

__all__ = ["FailedTask", "Server", "ask_to_keep", "settle", "try_once"]


def try_once(tables: Tables, run: Run, task: Task, scope: RunScope) -> float | None:
    """Make one attempt at a task; return the seconds until the next one, None if it has ended."""
    token, surroundings = current_task.set(scope), scope.shared.surroundings
    inside = None if surroundings is None else surroundings.enter(scope)
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
        if surroundings is not None:
            surroundings.leave(inside)
    return failed(tables, run, task, scope, error)


def _is_cancellation(error: BaseException) -> bool:
    """Return whether a synchronous node has raised what asyncio cancels with."""
    asyncio = sys.modules.get("asyncio")  # nobody can raise it who has not imported it
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def settle(tables: Tables, run: Run, task: Task) -> Task | None:
    """Hand a failure that has a handler to it; return that."""
    error = task.error
    if error is None or not isinstance(error, Exception) or isinstance(error, GraphBubbleUp):
        return None
    handler = handler_of(tables, task, error)
    if handler is not None:
        task.handled = True
        run.tasks.append(handler)
    return handler


def ask_to_keep(tables: Tables, run: Run, task: Task, scope: RunScope) -> Ask | None:
    """Note beside the checkpoint what became of a task."""
    pairs = settled(task)
    assert run.thread is not None
    return run.thread.note(tables, run, scope.task_id, pairs, task.path)


class FailedTask(Exception):
    """A task has failed for good; the loop knows with what."""


class Server:
    """Runs the tasks of one superstep of one run on the event loop."""

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
        FailedTask
            Nothing handles the failure: the other tasks have nothing to go on for.
        """
        handler: Task | None = task
        while handler is not None:
            task = handler
            scope = RunScope(self.shared, self.tables, self.run, task)
            await self.entered(task, scope)
            handler = settle(self.tables, self.run, task)
            await self.keep(task)
        error = task.error
        if error is not None and not isinstance(error, GraphInterrupt):
            raise FailedTask

    async def entered(self, task: Task, scope: RunScope) -> None:
        """Make attempts at a task; it is the one that runs, for whoever asks."""
        token, surroundings = current_task.set(scope), scope.shared.surroundings
        inside = None if surroundings is None else surroundings.enter(scope)
        try:
            await self.attempts(task, scope)
        finally:
            current_task.reset(token)
            if surroundings is not None:
                surroundings.leave(inside)

    async def keep(self, task: Task) -> None:
        """Note what became of a task, for those who keep it and those who watch."""
        cache, desk = self.shared.cache, self.desk
        if desk is not None:
            scope = RunScope(self.shared, self.tables, self.run, task)
            ask = await self._ask(task, scope)
            if ask is not None:
                await desk.answer(ask)
        if cache is not None and (entry := entry_of(task)) is not None:
            await cache.aset(entry)
        if self.watcher is not None:
            self.watcher.finished(self.run, task)

    async def _ask(self, task: Task, scope: RunScope) -> Ask | None:
        calls = self.run.calls
        assert calls is not None
        await calls.drain()  # what tasks in threads have left for the saver comes first
        with calls.lock:
            return ask_to_keep(self.tables, self.run, task, scope)

    async def attempts(self, task: Task, scope: RunScope) -> None:
        """Make attempts at a task until it has ended, one way or the other."""
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
