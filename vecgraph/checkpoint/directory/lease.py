"""One writer at a time where there are no locks: a lease that runs out."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any

from vecgraph.errors import CheckpointLockedError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["Lease"]

LASTS, RENEWED = 60.0, 20.0
"""Seconds that a lease lasts after it was renewed, and after which it is renewed."""


class Lease:
    """An object that says who writes.

    A dead writer's lease runs out. Two writers that begin in the same moment both read it before
    they go on, and the one whose object was overwritten gives up.

    Parameters
    ----------
    fs : FileSystem
    path : str
    place : str
        What messages call what is leased.

    Raises
    ------
    CheckpointLockedError
        Another writer has it.
    """

    def __init__(self, fs: FileSystem, path: str, place: str) -> None:
        self._fs = fs
        self._path = path
        self._place = place
        self._id = uuid.uuid4().hex
        self._renewed = 0.0
        self._take()

    def _take(self) -> None:
        self._refuse_others()
        self._write()
        self._refuse_others()

    def _read(self) -> Any:
        try:
            with self._fs.open_input_stream(self._path) as stream:
                said = json.loads(stream.read(4096))
            return said if isinstance(said["until"], float) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _refuse_others(self) -> None:
        said = self._read()
        if said is not None and said.get("id") != self._id and said["until"] > time.time():
            raise CheckpointLockedError(self._place, str(said.get("holder", "another process")))

    def _write(self) -> None:
        now = time.time()
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        said = {"id": self._id, "holder": holder, "until": now + LASTS}
        with self._fs.open_output_stream(self._path) as stream:
            stream.write(json.dumps(said).encode())
        self._renewed = now

    def renew(self) -> None:
        """Make sure that nobody else writes.

        Raises
        ------
        CheckpointLockedError
            The lease ran out, and somebody else took it.
        """
        if time.time() - self._renewed > RENEWED:
            self._take()

    def release(self) -> None:
        """Let others write."""
        said = self._read()
        if said is not None and said.get("id") == self._id:
            self._fs.delete_file(self._path)
