"""Parts of a batch in other processes, for functions that hold the interpreter.

A worker is a new interpreter: nothing is forked, so no lock of a thread of this process can
be held in it for ever, and it does not run this program's main module, as `multiprocessing`
would. It gets the function by value, and arrays through files in shared memory.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any

from vecgraph.errors import WorkerError
from vecgraph.workers.parcel import pack, unpack
from vecgraph.workers.serve import WORKER
from vecgraph.workers.threads import ran_in_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

__all__ = ["can_start", "ran_in_processes"]

_MAIN = "from vecgraph.workers.serve import main; main()"
_SHARED = "/dev/shm"


def can_start() -> bool:
    """Return whether worker processes can be started here; they start none themselves."""
    return os.name == "posix" and WORKER not in os.environ


def ran_in_processes(sent: bytes, parts: Sequence[Callable[[], Any]], n: int) -> list[Any]:
    """Return ``run(part())`` for each part, computed by `n` processes.

    Parameters
    ----------
    sent : bytes
        The function `run`, by `dumps`.
    parts : sequence of callable
        Make what `run` is called with, in this process, when its turn comes.

    Raises
    ------
    WorkerError
        A process has ended.
    Exception
        The first that `run` raised.
    """
    turns: SimpleQueue[int] = SimpleQueue()
    for turn in range(len(parts)):
        turns.put(turn)
    results: list[Any] = [None] * len(parts)

    def serve(_: int) -> None:
        worker = _taken()
        try:
            worker.ask("function", sent)
            with suppress(Empty):
                while True:
                    turn = turns.get_nowait()
                    packed = pack(parts[turn](), worker.folder)
                    results[turn] = unpack(worker.ask("part", packed))
        except BaseException:
            while not turns.empty():  # nobody begins another part
                turns.get_nowait()
            worker.end()
            raise
        _idle.append(worker)

    n = min(n, len(parts))
    ran_in_threads(serve, range(n), n)
    return results


class _Worker:
    """A process that waits for parts."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        here, there = Pipe()
        self._link: Connection = here
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _MAIN, str(there.fileno())],
                pass_fds=[there.fileno()],
                env={**os.environ, WORKER: "1", "PYTHONPATH": os.pathsep.join(_python_path())},
            )
        finally:
            there.close()
        self._link.send((folder, sys.path))

    def ask(self, kind: str, sent: Any) -> Any:
        """Send something and return the answer."""
        try:
            self._link.send((kind, sent))
            how, answer = self._link.recv()
        except (EOFError, OSError):
            raise WorkerError.died(self._process.wait()) from None
        if how == "failed":
            raise answer
        return answer

    def end(self) -> None:
        """End the process."""
        self._link.close()
        self._process.kill()
        self._process.wait()


def _python_path() -> list[str]:
    """Return where a new interpreter looks first: where this package comes from."""
    given = os.environ.get("PYTHONPATH")
    return [str(Path(__file__).parents[2]), *([given] if given else [])]


_lock = Lock()
_idle: list[_Worker] = []
_folder = ""


def _taken() -> _Worker:
    """Return a process that has nothing to do, a new one if there is none."""
    try:
        return _idle.pop()
    except IndexError:
        return _Worker(_shared_folder())


def _shared_folder() -> str:
    global _folder
    with _lock:
        if not _folder:
            at = _SHARED if os.access(_SHARED, os.W_OK) else None
            _folder = tempfile.mkdtemp(prefix="vecgraph-", dir=at)
        return _folder


def _forget() -> None:
    """Leave the processes to this one's parent."""
    global _folder
    _idle.clear()
    _folder = ""


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@atexit.register
def _close() -> None:
    while _idle:
        _idle.pop().end()
    if _folder:
        shutil.rmtree(_folder, ignore_errors=True)
