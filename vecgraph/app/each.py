"""Runs that are calls of their own, side by side: what has ended is given out first."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence

__all__ = ["aas_completed", "as_completed", "in_order", "limit_of"]


def limit_of(configs: Sequence[Any]) -> int | None:
    """Return how many runs may go on at once: the least that a config says, None if none does."""
    given = [(config or {}).get("max_concurrency") for config in configs]
    return min((limit for limit in given if limit is not None), default=None)


def as_completed(
    calls: Sequence[Callable[[], Any]], limit: int | None, *, return_exceptions: bool
) -> Iterator[tuple[int, Any]]:
    """Make calls in threads; yield ``(position, result)`` as they end.

    Parameters
    ----------
    calls : sequence of callable
    limit : int or None
        How many go on at once; None: as many as a pool of threads has by default.
    return_exceptions : bool
        An exception is a result; else the first one is raised, and no other call begins.
    """
    if not calls:
        return
    pool = ThreadPoolExecutor(limit, "vecgraph-run")
    try:
        places = {pool.submit(copy_context().run, call): at for at, call in enumerate(calls)}
        for future in _ended(set(places), places):
            yield places[future], _result(future, return_exceptions=return_exceptions)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ended(waiting: set[Future[Any]], places: dict[Future[Any], int]) -> Iterator[Future[Any]]:
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from sorted(done, key=places.__getitem__)


def _result(future: Future[Any], *, return_exceptions: bool) -> Any:
    error = future.exception()
    if error is None:
        return future.result()
    if return_exceptions and isinstance(error, Exception):
        return error
    raise error


def in_order(results: Iterable[tuple[int, Any]], n: int, *, return_exceptions: bool) -> list[Any]:
    """Return the results of N calls by position; raise the first one's exception, if it is one."""
    outputs: list[Any] = [None] * n
    failures: dict[int, Exception] = {}
    for position, output in results:
        outputs[position] = output
        if isinstance(output, Exception):
            failures[position] = output
    if failures and not return_exceptions:
        raise failures[min(failures)]
    return outputs


async def aas_completed(
    calls: Sequence[Callable[[], Awaitable[Any]]], limit: int | None, *, return_exceptions: bool
) -> AsyncGenerator[tuple[int, Any], None]:
    """Make calls on the event loop; see `as_completed`. What runs is cancelled at the end."""
    import asyncio

    slots = asyncio.Semaphore(len(calls) if limit is None else limit)

    async def one(position: int) -> tuple[int, Any]:
        async with slots:
            try:
                return position, await calls[position]()
            except Exception as error:
                if not return_exceptions:
                    raise
                return position, error

    tasks = [asyncio.ensure_future(one(at)) for at in range(len(calls))]
    try:
        for ended in asyncio.as_completed(tasks):
            yield await ended
    finally:
        await _cancel(tasks)


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    import asyncio

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
