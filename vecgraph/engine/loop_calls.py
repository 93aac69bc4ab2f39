"""Called tasks of a run on an event loop: as tasks of the loop, or in threads.

A coroutine that calls a task gets an asyncio future. A synchronous function gets one to wait for
in its thread, and its tasks run in threads, too; what those have to say to a saver is said on
the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from vecgraph.engine.caching import key_of_call
from vecgraph.engine.calls import Calls, no_coroutine_here, result_of_call
from vecgraph.engine.serve import Server, ask_to_keep

if TYPE_CHECKING:
    from vecgraph.engine.run import Task
    from vecgraph.engine.run_scope import RunScope
    from vecgraph.engine.thread import Ask
    from vecgraph.program import NodeSpec

__all__ = ["LoopCalls"]


class LoopCalls(Calls):
    """The tasks that the functions of a run's superstep have called, on an event loop.

    Parameters
    ----------
    server : Server
        Runs and keeps tasks.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(server.tables, server.run, server.shared, server.watcher)
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._works: set[asyncio.Task[Any]] = set()
        self._asks: deque[Ask] = deque()
        self._draining = asyncio.Lock()

    def call(self, scope: RunScope, spec: NodeSpec, args: Any, kwargs: Any) -> Any:
        """Start a task; return the future of its result, for `await` or for `result`."""
        on_loop = self._is_here()
        if on_loop and not scope.blocking:
            work = self._loop.create_task(self._returned(self.made(scope, spec, args, kwargs)))
            self._works.add(work)
            work.add_done_callback(self._ended)
            return work
        assert spec.action is not None
        if spec.action.fn is not None:
            return super().call(scope, spec, args, kwargs)
        if on_loop:  # whoever waits for it would keep it from running
            raise no_coroutine_here()
        task = self.made(scope, spec, args, kwargs)
        return asyncio.run_coroutine_threadsafe(self._tracked(task), self._loop)

    def _is_here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _ended(self, work: asyncio.Task[Any]) -> None:
        self._works.discard(work)
        if not work.cancelled():
            work.exception()  # it is known: nobody has to be warned that nobody asked

    async def _tracked(self, task: Task) -> Any:
        work = asyncio.current_task()
        assert work is not None
        self._works.add(work)
        try:
            return await self._returned(task)
        finally:
            self._works.discard(work)

    async def _returned(self, task: Task) -> Any:
        self.show(task)
        if task.pairs is None:
            await self._find(task)
        if task.pairs is None:
            scope = self.scope_of(task)
            await self._server.entered(task, scope)
            await self._server.keep(task)
        return result_of_call(task)

    async def _find(self, task: Task) -> None:
        cache = self.shared.cache
        if cache is None or (key := key_of_call(task)) is None:
            return
        pairs = (await cache.aget([key])).get(key)
        if pairs is not None:
            task.pairs, task.cached = [(c, v) for c, v in pairs], True
            await self._server.keep(task)

    def _put(self, task: Task) -> None:
        ask = ask_to_keep(self.tables, self.run, task, self.scope_of(task))
        if ask is not None:
            self._asks.append(ask)
            self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        work = self._loop.create_task(self.drain())
        self._works.add(work)
        work.add_done_callback(self._works.discard)

    async def drain(self) -> None:
        """Tell the saver what tasks in threads have left for it, in order."""
        desk = self._server.desk
        async with self._draining:
            while self._asks:
                ask = self._asks.popleft()
                if desk is not None:
                    await desk.answer(ask)

    async def asettle(self, *, cancel: bool = False) -> None:
        """Wait for the tasks that nobody has waited for; see `settle`."""
        while self._works or self._open:
            works = list(self._works)
            if cancel:
                for work in works:
                    work.cancel()
            if self._open:
                await asyncio.to_thread(self.settle, cancel=cancel)
            await asyncio.gather(*works, return_exceptions=True)
        await self.drain()
