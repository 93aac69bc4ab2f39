"""Time limits: of a superstep, and of one attempt at a task."""

from __future__ import annotations

import contextvars
import threading
import time
from typing import TYPE_CHECKING, Any

from vecgraph.errors import NodeTimeoutError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from vecgraph.engine.run import Task
    from vecgraph.engine.run_scope import RunScope

__all__ = ["Pulse", "timed", "within"]


def within(seconds: float, call: Callable[[], Any]) -> None:
    """Call a function in a thread of its own and wait for it, no longer than `seconds`.

    Raises
    ------
    TimeoutError
        It has not ended; it goes on in its thread, and what it does is not looked at any more.
    """
    failure: list[BaseException] = []

    def run() -> None:
        try:
            context.run(call)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            failure.append(error)

    context = contextvars.copy_context()
    worker = threading.Thread(target=run, name="vecgraph-superstep", daemon=True)
    worker.start()
    worker.join(seconds)
    if worker.is_alive():
        raise TimeoutError("Timed out")
    if failure:
        raise failure[0]


class Pulse:
    """The signs of life of one attempt.

    Attributes
    ----------
    last : float
        When the last one came, on the monotonic clock.
    automatic : bool
        What the node writes to its stream counts; else only its heartbeat.
    """

    __slots__ = ("automatic", "last")

    def __init__(self, *, automatic: bool) -> None:
        self.automatic = automatic
        self.last = time.monotonic()

    def beat(self) -> None:
        """Give a sign of life."""
        self.last = time.monotonic()


async def timed(task: Task, scope: RunScope, attempt: Callable[[], Awaitable[None]]) -> None:
    """Make one attempt under the task's time limits.

    Raises
    ------
    NodeTimeoutError
        A limit was reached. The attempt is cancelled, and what it wrote is dropped.
    """
    import asyncio

    policy = task.timeout
    began = time.monotonic()
    scope.pulse = pulse = Pulse(automatic=policy.refresh_on == "auto")
    work = asyncio.ensure_future(attempt())
    try:
        kind = await _expired(work, pulse, began, policy.run_timeout, policy.idle_timeout)
    except asyncio.CancelledError:
        _abandon(work)
        raise
    if kind is None:
        return work.result()
    _abandon(work)
    task.pairs = []
    raise NodeTimeoutError(
        task.spec.name,
        time.monotonic() - began,
        kind=kind,
        run_timeout=policy.run_timeout,
        idle_timeout=policy.idle_timeout,
    )


async def _expired(
    work: asyncio.Future[None],
    pulse: Pulse,
    began: float,
    run: float | None,
    idle: float | None,
) -> Any:
    """Wait for the end of an attempt or of its time; return which limit was reached."""
    import asyncio

    while True:
        now = time.monotonic()
        left = {}
        if run is not None:
            left["run"] = began + run - now
        if idle is not None:
            left["idle"] = pulse.last + idle - now
        kind = min(left, key=left.__getitem__)
        if left[kind] <= 0:
            return kind
        done, _ = await asyncio.wait([work], timeout=left[kind])
        if done:
            return None


def _abandon(work: asyncio.Future[None]) -> None:
    work.cancel()
    work.add_done_callback(lambda done: done.cancelled() or done.exception())
