"""One writer a directory: a lock that a dead process does not keep."""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import TYPE_CHECKING, Any

from vecgraph.errors import CheckpointLockedError

if TYPE_CHECKING:
    from pathlib import Path

fcntl: Any
try:
    import fcntl
except ImportError:  # not POSIX
    fcntl = None

__all__ = ["Lock"]

_HELD: weakref.WeakSet[Lock] = weakref.WeakSet()


class Lock:
    """An exclusive lock on a file, held until it is released or the process ends.

    Parameters
    ----------
    path : path
        Made if it is not there; holds the number of the process, for messages.
    place : str
        What messages call what is locked.

    Raises
    ------
    CheckpointLockedError
        Somebody has it.
    """

    def __init__(self, path: Path, place: str) -> None:
        self.process = os.getpid()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if not _take(self._file, exclusive=True):
            holder = os.pread(self._file, 64, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise CheckpointLockedError(place, holder or "another process")
        # The number is only told; that it cannot be (a full disk) is no reason to stop.
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"process {self.process}\n".encode(), 0)
        _HELD.add(self)

    def release(self) -> None:
        """Let others have it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        _HELD.discard(self)


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _take(file, exclusive=False)
    finally:
        os.close(file)


def _take(file: int, *, exclusive: bool) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _let_go() -> None:
    """Close a child's copies: a lock lasts as long as any process has its file open."""
    for lock in list(_HELD):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
