"""Parts of a batch in threads of this process: for functions that let go of the interpreter."""

from __future__ import annotations

import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["ran_in_threads"]

_T = TypeVar("_T")
_P = TypeVar("_P")

_SWITCH = 5e-5
"""Seconds after which a thread that waits for the interpreter gets it.

A function of columns holds it for microseconds between two calls that let it go; with
CPython's five milliseconds the other threads would wait for most of the time.
"""


def ran_in_threads(run: Callable[[_P], _T], parts: Sequence[_P], n: int) -> list[_T]:
    """Return ``run(part)`` for each part, computed by `n` threads.

    Each part sees the caller's context variables. After a failure the parts that have not
    begun are left out, and the first failure is raised.
    """
    stopped = Event()

    def one(part: _P) -> _T:
        if stopped.is_set():
            raise CancelledError
        try:
            return run(part)
        except BaseException:
            stopped.set()
            raise

    with _switching(), ThreadPoolExecutor(n, "vecgraph") as pool:
        # A context can be entered once at a time, so each part gets a copy. Parts begin in
        # order: one that has not begun comes after the one that failed.
        futures = [pool.submit(copy_context().run, one, part) for part in parts]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stopped.set()
            raise


_lock = Lock()
_users = 0
_before = 0.0


@contextmanager
def _switching() -> Iterator[None]:
    """Let threads change places often, until the last of those who want that has ended."""
    global _users, _before
    with _lock:
        if not _users:
            _before = sys.getswitchinterval()
            sys.setswitchinterval(min(_before, _SWITCH))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                sys.setswitchinterval(_before)
