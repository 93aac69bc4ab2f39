"""A store that does together what several coroutines ask for at once."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

from vecgraph.store.base import BaseStore, PutOp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vecgraph.store.base import Op, Result

__all__ = ["AsyncBatchedBaseStore"]

_Asked: TypeAlias = tuple["asyncio.Future[Result]", "Op"]


class AsyncBatchedBaseStore(BaseStore):
    """Calls `abatch` once for all that was asked for since the last call.

    A subclass has `abatch`. It is made where an event loop runs, and belongs to that loop; other
    threads may use the plain verbs. Equal reads are done once; of two puts of one item the last
    one is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[_Asked] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do operations from another thread.

        Raises
        ------
        asyncio.InvalidStateError
            This is the loop's own thread, which must not wait for itself.
        """
        self._check_thread()
        return asyncio.run_coroutine_threadsafe(self.abatch(ops), self._loop).result()

    def _one(self, op: Op) -> Result:
        self._check_thread()
        return asyncio.run_coroutine_threadsafe(self._aone(op), self._loop).result()

    async def _aone(self, op: Op) -> Result:
        if self._task is None or self._task.done():
            # It holds the store by a weak reference: it must not keep alive whom it serves.
            served = _served(self._queue, weakref.ref(self))
            self._task = self._loop.create_task(served)
            weakref.finalize(self, _cancelled, self._loop, self._task)
        future: asyncio.Future[Result] = self._loop.create_future()
        self._queue.put_nowait((future, op))
        return await future

    def _check_thread(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return
        if running is self._loop:
            raise asyncio.InvalidStateError(
                f"Synchronous calls to {type(self).__name__} detected in the main event loop.\n"
                "Hint: it would wait for itself. Await the verb with an a before its name, such "
                "as `await store.aget(...)`."
            )


def _cancelled(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


async def _served(queue: asyncio.Queue[_Asked], ref: weakref.ref[AsyncBatchedBaseStore]) -> None:
    """Answer what is asked, all that waits at once."""
    while True:
        asked = [await queue.get()]
        while not queue.empty():
            asked.append(queue.get_nowait())
        store = ref()
        if store is None:
            return
        await _answer(store, [(future, op) for future, op in asked if not future.done()])
        del store


async def _answer(store: AsyncBatchedBaseStore, asked: Sequence[_Asked]) -> None:
    where, ops = _deduplicated([op for _, op in asked])
    try:
        results = await store.abatch(ops) if ops else []
    except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
        for future, _ in asked:
            if not future.done():
                future.set_exception(error)
        return
    for (future, _), at in zip(asked, where, strict=True):
        if not future.done():
            future.set_result(results[at])


def _deduplicated(ops: Sequence[Op]) -> tuple[list[int], list[Op]]:
    """Return for each operation its place among those that are to be done, and those."""
    kept: list[Op] = []
    where: list[int] = []
    puts: dict[Any, int] = {}
    for op in ops:
        if isinstance(op, PutOp):
            at = puts.setdefault((op.namespace, op.key), len(kept))
        else:
            at = kept.index(op) if op in kept else len(kept)
        kept[at : at + 1] = [op]
        where.append(at)
    return where, kept
