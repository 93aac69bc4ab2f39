"""Whoever answers what a run asks of its saver: in this thread or on an event loop.

What the run need not wait for is done beside it, in order, by one worker; a bounded number of
such things may be under way. What goes wrong there is raised at the next thing that is asked,
or when the run ends.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable
    from concurrent.futures import Future, ThreadPoolExecutor

    from vecgraph.engine.thread import Ask

__all__ = ["AsyncDesk", "Desk"]

_UNDER_WAY = 8
"""Most writes that may wait for a saver while a run goes on."""


class Desk:
    """Answers in the calling thread.

    Parameters
    ----------
    saver : object
        One whose attribute `inline` is true is called at once: it never waits for anything.
    """

    def __init__(self, saver: Any) -> None:
        self._saver = saver
        self._inline = bool(getattr(saver, "inline", False))
        self._worker: ThreadPoolExecutor | None = None
        self._under_way: deque[Future[Any]] = deque()

    def answer(self, ask: Ask) -> Any:
        """Do what is asked; return the answer, None for what goes on beside the run."""
        if ask.wait or self._inline:
            self._wait(0)
            return self._call(ask)
        self._wait(_UNDER_WAY - 1)
        if self._worker is None:
            from concurrent.futures import ThreadPoolExecutor

            self._worker = ThreadPoolExecutor(1, "vecgraph-saver")
        self._under_way.append(self._worker.submit(self._call, ask))
        return None

    def _call(self, ask: Ask) -> Any:
        if ask.verb == "list":
            config, options = ask.args
            return list(self._saver.list(config, **options))
        if ask.verb == "get_delta_channel_history":
            config, channels = ask.args
            return self._saver.get_delta_channel_history(config=config, channels=channels)
        return getattr(self._saver, ask.verb)(*ask.args)

    def _wait(self, left: int) -> None:
        while len(self._under_way) > left:
            self._under_way.popleft().result()

    def close(self, asks: Iterable[Ask] = ()) -> None:
        """Do the last things and wait for all; raise what went wrong."""
        try:
            for ask in asks:
                self.answer(ask)
            self._wait(0)
        finally:
            if self._worker is not None:
                self._worker.shutdown()


class AsyncDesk:
    """Answers on an event loop; a saver without coroutine methods is called in a thread."""

    def __init__(self, saver: Any) -> None:
        self._saver = saver
        self._inline = bool(getattr(saver, "inline", False))
        self._under_way: deque[asyncio.Task[Any]] = deque()

    async def answer(self, ask: Ask) -> Any:
        """Do what is asked; return the answer, None for what goes on beside the run."""
        import asyncio

        if ask.wait or self._inline:
            await self._wait(0)
            return await self._call(ask, None)
        await self._wait(_UNDER_WAY - 1)
        before = self._under_way[-1] if self._under_way else None
        self._under_way.append(asyncio.ensure_future(self._call(ask, before)))
        return None

    async def _call(self, ask: Ask, before: asyncio.Task[Any] | None) -> Any:
        if before is not None:
            await before
        if ask.verb == "list":
            config, options = ask.args
            return [saved async for saved in self._saver.alist(config, **options)]
        if ask.verb == "get_delta_channel_history":
            config, channels = ask.args
            return await self._saver.aget_delta_channel_history(config=config, channels=channels)
        if self._inline:
            return getattr(self._saver, ask.verb)(*ask.args)
        return await getattr(self._saver, f"a{ask.verb}")(*ask.args)

    async def _wait(self, left: int) -> None:
        import asyncio

        while len(self._under_way) > left:
            # What was begun is finished, even if the run is cancelled meanwhile.
            await asyncio.shield(self._under_way[0])
            self._under_way.popleft()

    async def close(self, asks: Iterable[Ask] = ()) -> None:
        """Do the last things and wait for all; raise what went wrong."""
        import asyncio

        try:
            for ask in asks:
                await self.answer(ask)
            await self._wait(0)
        finally:
            if self._under_way:
                await asyncio.gather(*self._under_way, return_exceptions=True)
