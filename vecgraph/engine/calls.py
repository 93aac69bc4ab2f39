"""Tasks that functions call while they run: the functional API's, of one run, in threads.

A called task starts at once, in a thread of the run's own; whoever waits for one that has not
started yet runs it himself. So a task that waits for tasks never waits for a free thread, and
a call that is waited for at once costs no change of thread.

Results are kept beside the checkpoint under ids made of the caller and the number of the call,
as LangGraph derives them, so a run that is resumed takes them from there.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from vecgraph.constants import PUSH, RETURN
from vecgraph.engine.caching import entry_of, key_of_call
from vecgraph.engine.run import Task
from vecgraph.engine.run_scope import RunScope
from vecgraph.engine.serve import ask_to_keep, try_once
from vecgraph.errors import GraphInterrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from vecgraph.engine.desk import Desk
    from vecgraph.engine.run import Run
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.watch import Watcher
    from vecgraph.program import NodeSpec

__all__ = ["Calls", "TaskFuture", "no_coroutine_here", "result_of_call"]


class TaskFuture(Future[Any]):
    """The result of a called task, there or to come."""

    def __init__(self, serve: Callable[[], Any], may_wait: Callable[[], bool]) -> None:
        super().__init__()
        self._serve, self._may_wait = serve, may_wait
        self._claim = threading.Lock()
        self._context = copy_context()

    def run(self) -> None:
        """Run the task in this thread, unless another one does."""
        if not self._claim.acquire(blocking=False) or not self.set_running_or_notify_cancel():
            return
        try:
            value = self._context.run(self._serve)
        except BaseException as error:
            self.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            self.set_result(value)

    def result(self, timeout: float | None = None) -> Any:
        """Return what the task returned, or raise what it raised; wait for it."""
        if timeout is None and not self.done() and self._may_wait():
            self.run()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the task raised, None if it ended well; wait for it."""
        if timeout is None and not self.done() and self._may_wait():
            self.run()
        return super().exception(timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        import asyncio

        return asyncio.wrap_future(self).__await__()


class Calls:
    """The tasks that the functions of a run's superstep have called.

    Parameters
    ----------
    tables : Tables
    run : Run
    shared : Shared
    watcher : Watcher, optional
    desk : Desk, optional

    Attributes
    ----------
    tasks : list of Task
        Called in this superstep.
    lock : RLock
        Held by whoever notes something about the run: tasks run in several threads.
    """

    def __init__(
        self,
        tables: Tables,
        run: Run,
        shared: Shared,
        watcher: Watcher | None = None,
        desk: Desk | None = None,
    ) -> None:
        self.tables, self.run, self.shared = tables, run, shared
        self.watcher = watcher
        self.tasks: list[Task] = []
        self.lock = threading.RLock()
        self._desk = desk
        self._pool: ThreadPoolExecutor | None = None
        self._workers: set[int] = set()
        self._open: list[TaskFuture] = []
        self._limit: int | None = shared.config.get("max_concurrency")

    def call(self, scope: RunScope, spec: NodeSpec, args: Any, kwargs: Any) -> Any:
        """Start a task; return the future of its result.

        Parameters
        ----------
        scope : RunScope
            Of the task that calls.
        spec : NodeSpec
            What is called.
        args, kwargs : tuple, dict

        Raises
        ------
        RuntimeError
            The task has only a coroutine form.
        """
        if spec.action is None or spec.action.fn is None:
            raise no_coroutine_here()
        task = self.made(scope, spec, args, kwargs)
        self.show(task)
        return self.started(task)

    def made(self, scope: RunScope, spec: NodeSpec, args: Any, kwargs: Any) -> Task:
        """Return the task of a call; if it has ended in an earlier attempt, with its result."""
        program = self.tables.program
        if not spec.retry_policy and program.retry_policy:
            spec = dataclasses.replace(spec, retry_policy=program.retry_policy)
        if spec.cache_policy is None and program.cache_policy is not None:
            spec = dataclasses.replace(spec, cache_policy=program.cache_policy)
        with self.lock:
            caller: Task = scope.task
            counts = scope.scratch()
            task = Task(spec, (args, kwargs))
            task.caller = caller
            task.path = (PUSH, caller.path, counts.calls, True)
            counts.calls += 1
            self.tasks.append(task)
            run = self.run
            run.offer(task)
            if run.pending and not run.replaying:
                found = run.outputs_of(self.scope_of(task).task_id)
                if found:
                    task.pairs, task.cached = found, True
        return task

    def scope_of(self, task: Task) -> RunScope:
        """Return a scope that is the task's own."""
        return RunScope(self.shared, self.tables, self.run, task)

    def show(self, task: Task) -> None:
        """Tell who watches that a task begins."""
        if self.watcher is not None:
            self.watcher.started(self.run, [task])

    def started(self, task: Task) -> Future[Any]:
        """Start a task in a thread, unless its result is known."""
        if task.pairs is None:
            self._look_up(task)
        future = TaskFuture(lambda: self._served(task), self._may_wait)
        if task.pairs is not None:
            future.run()
            return future
        with self.lock:
            self._open.append(future)
            if self._pool is None:
                self._pool = ThreadPoolExecutor(
                    self._limit,
                    "vecgraph-task",
                    lambda: self._workers.add(threading.get_ident()),
                )
            self._pool.submit(future.run)
        return future

    def _may_wait(self) -> bool:
        """Return whether this thread may run a task that it waits for, by ``max_concurrency``."""
        return self._limit is None or threading.get_ident() in self._workers

    def _look_up(self, task: Task) -> None:
        cache = self.shared.cache
        if cache is None or (key := key_of_call(task)) is None:
            return
        pairs = cache.get([key]).get(key)
        if pairs is not None:
            task.pairs, task.cached = [(c, v) for c, v in pairs], True
            self.keep(task)

    def _served(self, task: Task) -> Any:
        """Run a task, with its retries, and keep what became of it; return its result."""
        if task.pairs is None:
            scope = self.scope_of(task)
            while (pause := try_once(self.tables, self.run, task, scope)) is not None:
                time.sleep(pause)
            self.keep(task)
        return result_of_call(task)

    def keep(self, task: Task) -> None:
        """Note what became of a task, for those who keep it and those who watch."""
        if self.run.thread is not None:
            with self.lock:
                self._put(task)
        cache = self.shared.cache
        if cache is not None and (entry := entry_of(task)) is not None:
            cache.set(entry)
        if self.watcher is not None:
            self.watcher.finished(self.run, task)

    def _put(self, task: Task) -> None:
        ask = ask_to_keep(self.tables, self.run, task, self.scope_of(task))
        if ask is not None and self._desk is not None:
            self._desk.answer(ask)

    async def drain(self) -> None:
        """Do what waits for the event loop; nothing does here."""

    def settle(self, *, cancel: bool = False) -> None:
        """Wait for the tasks that nobody has waited for.

        Parameters
        ----------
        cancel : bool
            Those that have not started are not.
        """
        while self._open:
            with self.lock:
                future = self._open.pop()
            if cancel:
                future.cancel()
            elif not future.done() and self._may_wait():
                future.run()
            if not future.cancelled():
                wait([future])

    @property
    def asks(self) -> bool:
        """Whether a called task waits for an answer."""
        return any(isinstance(task.error, GraphInterrupt) for task in self.tasks)

    def passed(self) -> None:
        """Note that the superstep has ended: nodes of these names count as having been met."""
        for task in self.tasks:
            self.run.seen.setdefault(task.spec.name, {})
        self.tasks = []

    def close(self) -> None:
        """Let the threads go, after the tasks that have started."""
        for future in self._open:
            future.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=bool(self._open), cancel_futures=True)


def result_of_call(task: Task) -> Any:
    """Return what a called task returned.

    Raises
    ------
    Exception
        What it raised.
    """
    if task.error is not None:
        raise task.error
    return next((value for channel, value in task.pairs or () if channel == RETURN), None)


def no_coroutine_here() -> RuntimeError:
    """Build the error of a coroutine task that a synchronous function calls."""
    return RuntimeError("In an sync context async tasks cannot be called")
