"""A thread that deletes what has expired, now and then."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.store.base import TTLConfig

__all__ = ["Sweeper"]

_log = logging.getLogger(__name__)
_MINUTES = 5.0


class Sweeper:
    """Calls a function every few minutes, until it is stopped.

    Parameters
    ----------
    sweep : callable
        Returns how many items it deleted.
    config : TTLConfig or None
        Without it nothing is ever started.
    """

    def __init__(self, sweep: Callable[[], int], config: TTLConfig | None) -> None:
        self._sweep = sweep
        self._config = config
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def start(self, minutes: float | None) -> Future[None]:
        """Start the thread unless it runs; cancelling what is returned stops it."""
        future: Future[None] = Future()
        if self._config is None:
            future.set_result(None)
            return future
        if self._thread is None or not self._thread.is_alive():
            self._stopped.clear()
            every = minutes or self._config.get("sweep_interval_minutes") or _MINUTES
            self._thread = threading.Thread(
                target=self._run, args=(60 * every, future), name="ttl-sweeper", daemon=True
            )
            self._thread.start()
        future.add_done_callback(lambda ended: self._stopped.set() if ended.cancelled() else None)
        return future

    def _run(self, seconds: float, future: Future[None]) -> None:
        while not self._stopped.wait(seconds):
            try:
                self._sweep()
            except Exception:  # noqa: BLE001 - logged
                # The next sweep may go well; an item that has expired does no harm till then.
                _log.exception("a sweep of expired items failed")
        if not future.cancelled():
            future.set_result(None)

    def stop(self, timeout: float | None) -> bool:
        """Stop the thread; return whether it has ended, within so many seconds if given."""
        if self._thread is None:
            return True
        self._stopped.set()
        self._thread.join(timeout)
        if self._thread.is_alive():
            return False
        self._thread = None
        return True
