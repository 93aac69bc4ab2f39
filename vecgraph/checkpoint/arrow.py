"""Checkpoints in Arrow files: in a folder, or in an object store."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar
from urllib.parse import urlsplit

from vecgraph.checkpoint.codec import SerdePacker
from vecgraph.checkpoint.compaction import Compaction
from vecgraph.checkpoint.directory.local import DirectoryStorage
from vecgraph.checkpoint.log import LogSaver
from vecgraph.checkpoint.serde.pack import Packer
from vecgraph.errors import CheckpointWriteError, DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyarrow.fs import FileSystem

    from vecgraph.checkpoint.codec import PacksValues
    from vecgraph.checkpoint.directory.remote import ObjectStorage
    from vecgraph.checkpoint.pipeline import Durability

__all__ = ["ArrowSaver"]

P = ParamSpec("P")
T = TypeVar("T")

_MOST_LOOSE = 1 << 14
"""Chunks in streams that are put together while a saver is open."""


class ArrowSaver(LogSaver):
    """Keeps checkpoints in a folder, for one run as for a hundred thousand.

    One process writes at a time; others may read meanwhile. What the calls returned from is
    there after a crash of the process and, with ``durability="sync"``, of the machine.

    Parameters
    ----------
    path : path or str
        A folder, made if it is not there, or the URI of a place in an object store, such as
        ``"s3://bucket/runs"``.
    filesystem : pyarrow.fs.FileSystem, optional
        Where `path` is, if no URI says it.
    compression : str
        ``"zstd"``, ``"lz4"`` or ``"none"``.
    snapshot_every : int
        So often a checkpoint says everything, so that reading one looks back no further; 0:
        never. Lists are not repeated.
    durability : str
        When a checkpoint is safe: ``"sync"`` before the call returns, ``"async"`` soon (an
        error is raised by the next call), ``"exit"`` when the saver is closed.
    retention : str or int
        Which checkpoints stay when they are put together: ``"all"``; ``"last"``, the latest one
        of each thread; a number k, every k-th one and the latest; ``"exit"``, as ``"last"`` but
        only when the saver is closed. Those that others build on stay.
    compact_on_close : bool
        Put what was written into Arrow files when the saver is closed, and when there are many
        small parts, as `compact` does.
    read_only : bool
        Take no lock, change nothing, and see what the writer, another process, appends.
    serde, packer
        As for `InMemorySaver`.
    blob_at : int
        Values of so many bytes or more are stored once, whoever has them.

    Raises
    ------
    CheckpointLockedError
        Another writer has the folder.
    CheckpointFormatError
        The folder holds no checkpoints, or those of a later version.
    CheckpointWriteError
        The folder cannot be written to.
    ValueError
        An option has no such value.

    Examples
    --------
    >>> import tempfile
    >>> from vecgraph.checkpoint.base import empty_checkpoint
    >>> folder = tempfile.TemporaryDirectory()
    >>> config = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}
    >>> checkpoint = empty_checkpoint()
    >>> checkpoint["channel_values"], checkpoint["channel_versions"] = {"x": 7}, {"x": 1}
    >>> with ArrowSaver(folder.name) as saver:
    ...     stored = saver.put(config, checkpoint, {"step": 0}, {"x": 1})
    >>> with ArrowSaver(folder.name, read_only=True) as saver:
    ...     saver.get_tuple(config).checkpoint["channel_values"]
    {'x': 7}
    >>> folder.cleanup()
    """

    storage: DirectoryStorage | ObjectStorage
    _frees_at_once = False  # what its files take is given back when they are put together

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        filesystem: FileSystem | None = None,
        compression: Literal["zstd", "lz4", "none"] = "zstd",
        snapshot_every: int = 64,
        durability: Durability = "sync",
        retention: Literal["all", "last", "exit"] | int = "all",
        compact_on_close: bool = True,
        read_only: bool = False,
        serde: Any = None,
        packer: PacksValues | None = None,
        blob_at: int = 1 << 14,
    ) -> None:
        _one_of("compression", compression, ("zstd", "lz4", "none"))
        _one_of("durability", durability, ("sync", "async", "exit"))
        if not isinstance(retention, int) or retention < 1:
            _one_of("retention", retention, ("all", "last", "exit", "a number from 1 on"))
        super().__init__(
            _storage(path, filesystem, read_only=read_only),
            packer=packer if serde is None else SerdePacker(serde),
            compression=None if compression == "none" else compression,
            snapshot_every=snapshot_every,
            durability=durability,
            blob_at=blob_at,
        )
        self._compacts = compact_on_close and not read_only
        # Another packer may encrypt: what it packs is nobody else's to read.
        unpack = self.packer.unpack if type(self.packer) is Packer else None
        parts = (self._shelf, self._threads, self._marks, self.storage)
        self._retries = False
        self._compaction = Compaction(*parts, self._deletion, self._codec, self._blobs, unpack)
        self._wanted = _wanted(retention)
        self._thins_at_exit = retention == "exit"

    def compact(self) -> None:
        """Put the checkpoints into few Arrow files that pandas, polars and DuckDB open.

        Room that deleted checkpoints took is given back. Readers go on meanwhile; a process
        that dies leaves everything as it was.

        Raises
        ------
        CheckpointWriteError
            The files could not be written; everything is as it was.
        DamagedCheckpointError
            Something cannot be read; everything is as it was.
        """
        self._write(self._compaction.run, None if self._thins_at_exit else self._wanted)

    def _write(self, write: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        made = super()._write(write, *args, **kwargs)
        if self._compacts and self.storage.loose >= _MOST_LOOSE:
            with self._lock:
                self._tidy(None if self._thins_at_exit else self._wanted)
        return made

    def _tidy(self, wanted: Callable[[int], bool] | None) -> None:
        """Put together what there is, if that can be done."""
        compacts, self._compacts = self._compacts, False
        try:
            self._shelf.drain()
            # Nothing is lost without it: what was stored is where it was.
            with contextlib.suppress(DamagedCheckpointError, CheckpointWriteError):
                super()._write(self._compaction.run, wanted)
                self._compacts = compacts
        finally:
            # If it cannot be done now, it is tried once more at the end.
            self._retries = compacts and not self._compacts

    def close(self) -> None:
        """Make everything durable, put it together, and let go of the folder."""
        with self._lock:
            try:
                self._end()
            finally:
                super().close()

    def _end(self) -> None:
        if (self._compacts or self._retries) and self.storage.is_open:
            self._tidy(self._wanted)
            self._compacts = self._retries = False


def _storage(
    path: str | os.PathLike[str], filesystem: FileSystem | None, *, read_only: bool
) -> DirectoryStorage | ObjectStorage:
    text = os.fspath(path)
    if filesystem is None and "://" not in text:
        return DirectoryStorage(text, read_only=read_only)
    # Later: looking for object stores takes as long as all the rest of the import.
    from pyarrow import fs

    from vecgraph.checkpoint.directory.remote import ObjectStorage

    place = text
    if filesystem is None:
        place = urlsplit(text)._replace(netloc=urlsplit(text).netloc.rpartition("@")[2]).geturl()
        place = place.partition("?")[0]
        filesystem, text = fs.FileSystem.from_uri(text)
    if isinstance(filesystem, fs.LocalFileSystem):
        return DirectoryStorage(text, read_only=read_only)
    return ObjectStorage(filesystem, text, place=place, read_only=read_only)


def _wanted(retention: str | int) -> Callable[[int], bool] | None:
    """Return which places stay beside the latest one; None: all."""
    if retention == "all":
        return None
    if isinstance(retention, int):
        return lambda seq: seq % retention == 0
    return lambda seq: False


def _one_of(name: str, value: str | int, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        known = ", ".join(map(repr, allowed))
        raise ValueError(f"{name} is {value!r}.\nHint: it is one of {known}.")
