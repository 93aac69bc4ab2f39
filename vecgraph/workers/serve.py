"""What a worker process runs: it is given a function once, and then parts to call it with."""

from __future__ import annotations

import pickle
import sys
from multiprocessing.connection import Connection
from typing import Any

from vecgraph.workers.parcel import pack, unpack

__all__ = ["WORKER", "main"]

WORKER = "VECGRAPH_WORKER"
"""Set in the environment of a worker process."""


def main() -> None:
    """Serve until the other end is closed."""
    link = Connection(int(sys.argv[1]))
    folder, path = link.recv()
    sys.path[:] = path
    run: Any = None
    answer: Any
    while True:
        try:
            kind, sent = link.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            if kind == "function":
                run, answer = pickle.loads(sent), None
            else:
                answer = pack(run(unpack(sent)), folder)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            link.send(("failed", _sendable(error)))
        else:
            link.send(("done", answer))


def _sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - its text is all that can be sent
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
