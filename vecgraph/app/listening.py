"""Streams on an event loop that do not wait for a superstep to end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncGenerator

    from vecgraph.streams import Chunk

__all__ = ["Bell"]


class Bell:
    """Tells whoever reads a stream that a task has put something while it runs."""

    def __init__(self, chunks: deque[Chunk]) -> None:
        self._chunks = chunks
        self._rung = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def put(self, chunk: Chunk) -> None:
        """Add a chunk; from any thread."""
        self._chunks.append(chunk)
        self._loop.call_soon_threadsafe(self._rung.set)

    async def heard(self, run: AsyncGenerator[None, None]) -> AsyncGenerator[None, None]:
        """Move a run; yield after its pauses, and when something was put."""
        step: asyncio.Future[None] | None = None
        try:
            while True:
                step = step or asyncio.ensure_future(_next(run))
                await self._something(step)
                if step.done():
                    step.result()
                    step = None
                yield
        except _Over:
            return
        finally:
            if step is not None:
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)
            await run.aclose()

    async def _something(self, step: asyncio.Future[None]) -> None:
        """Wait until the run has moved on, or something was put."""
        rung: asyncio.Future[Any] = asyncio.ensure_future(self._rung.wait())
        waiting: list[asyncio.Future[Any]] = [step, rung]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rung.cancel()
        self._rung.clear()


class _Over(Exception):
    """A run has ended: what StopAsyncIteration says, which no future may hold."""


async def _next(run: AsyncGenerator[None, None]) -> None:
    try:
        await anext(run)
    except StopAsyncIteration:
        raise _Over from None
