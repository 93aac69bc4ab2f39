"""The saver that all of ours are: a log of chunks over a storage."""

from __future__ import annotations

import asyncio
import threading
from itertools import islice
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from vecgraph.checkpoint.base import BaseCheckpointSaver, get_checkpoint_id
from vecgraph.checkpoint.codec import Codec
from vecgraph.checkpoint.columnread import ColumnReader, ColumnState
from vecgraph.checkpoint.columnwrite import ColumnWriter
from vecgraph.checkpoint.deletion import Deletion
from vecgraph.checkpoint.marks import Marks
from vecgraph.checkpoint.reader import Reader
from vecgraph.checkpoint.serde.pack import Packer
from vecgraph.checkpoint.shelf import Shelf
from vecgraph.checkpoint.threads import Threads
from vecgraph.checkpoint.views import Views
from vecgraph.checkpoint.writer import Told, Writer
from vecgraph.errors import DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
    from types import TracebackType

    import numpy as np
    import numpy.typing as npt

    from vecgraph.checkpoint._forms import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
        DeltaChannelHistory,
    )
    from vecgraph.checkpoint.chunks import Compression
    from vecgraph.checkpoint.codec import PacksValues
    from vecgraph.checkpoint.pipeline import Durability
    from vecgraph.checkpoint.storage import Storage
    from vecgraph.config import RunnableConfig
    from vecgraph.engine.flush import Flush, GraphForm
    from vecgraph.typing import Rows

__all__ = ["LogSaver"]

P = ParamSpec("P")
T = TypeVar("T")


class LogSaver(BaseCheckpointSaver[Any]):
    """Keeps checkpoints as a log of chunks. Safe to use from several threads.

    Parameters
    ----------
    storage : Storage
        Closed with the saver.
    packer : object, optional
        Has `pack` and `unpack`; turns values into bytes and back.
    compression : str or None
        ``"zstd"``, ``"lz4"`` or None.
    snapshot_every : int
        So often a checkpoint says everything, so that reading one looks back no further; 0:
        never. Lists are not repeated.
    durability : str
        When a checkpoint is safe: ``"sync"`` before the call returns, ``"async"`` soon (an
        error is raised by the next call), ``"exit"`` when the saver is closed.
    blob_at : int
        Values of so many bytes or more are stored once, whoever has them.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        packer: PacksValues | None = None,
        compression: Compression = "zstd",
        snapshot_every: int = 64,
        durability: Durability = "sync",
        blob_at: int = 1 << 14,
    ) -> None:
        super().__init__()
        self.storage = storage
        self.packer: PacksValues = Packer() if packer is None else packer
        self.snapshot_every = snapshot_every
        self._lock = threading.RLock()
        self._shelf = Shelf(storage, durability, compression, self._lost)
        self._marks = Marks(self._shelf)
        self._threads = Threads(self._shelf, self._marks)
        self._codec = Codec(self.packer, self._shelf, blob_at)
        self._views = Views(self._shelf, self._marks, self._codec.load)
        parts = (self._shelf, self._threads, self._marks, self._views, self._codec)
        self._writer = Writer(*parts, snapshot_every)
        self._reader = Reader(*parts)
        self._deletion = Deletion(*parts, self._writer, self._reader)
        self._column_reader = ColumnReader(self._shelf, self._marks, self._views, self._codec.load)
        self._column_writer = ColumnWriter(
            self._shelf, self._threads, self._marks, self._codec, self._writer, snapshot_every
        )
        self._stale = True
        self._generation = 0

    def _lost(self) -> None:
        """Note that what is known by heart may be wrong: a flush was lost."""
        self._stale = True

    def _ready(self) -> None:
        """Make what is known true again."""
        generation = getattr(self.storage, "generation", 0)
        if generation != self._generation:
            # Another process has put chunks together: those that are known may be gone.
            self._generation, self._stale = generation, True
        if self._stale:
            for part in (self._marks, self._threads, self._views, self._writer, self._codec):
                part.forget()
            self._stale = False
            self._marks.refresh()
        elif not self.storage.exclusive:
            self._marks.refresh()

    def _write(self, write: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            self._ready()
            try:
                return write(*args, **kwargs)
            except BaseException:
                # Something may be known by now that will never be stored.
                self._stale = True
                raise

    def _read(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            self._ready()
            try:
                return read(*args, **kwargs)
            except DamagedCheckpointError:
                # A chunk that is not there may have been replaced since it was found.
                self._stale = True
                self._ready()
                return read(*args, **kwargs)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a thread's latest checkpoint, or the one whose id the config has.

        Raises
        ------
        DamagedCheckpointError
            What it is made of is not what was stored.
        """
        return self._read(self._reader.get, config)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Return checkpoints, newest first within a namespace of a thread."""
        earlier = None if before is None else get_checkpoint_id(before)
        found = self._reader.listed(config, filter or {}, earlier, limit)
        while (item := self._read(next, found, None)) is not None:
            yield item

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; only what differs from its parent takes room.

        Raises
        ------
        CheckpointWriteError
            It could not be stored; nothing of it was.
        """
        made = self._write(self._writer.put, config, dict(checkpoint), metadata, new_versions)
        return _config(config, made)

    def put_told(self, config: RunnableConfig, told: Told) -> RunnableConfig:
        """Store a checkpoint whose maker knows what changed: nothing needs to be compared.

        Parameters
        ----------
        config : RunnableConfig
            Thread, namespace and, as ``checkpoint_id``, the parent.
        told : Told
        """
        return _config(config, self._write(self._writer.put_told, config, told))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote, before its superstep is complete."""
        self._write(self._writer.put_writes, config, writes, (task_id, task_path))

    def register_threads(
        self,
        ids: Sequence[str] | None = None,
        *,
        prefix: str = "",
        count: int = 0,
        first: int = 0,
        ns: str = "",
    ) -> Rows:
        """Return the numbers of threads, for `write_columns`; unknown ones are made known.

        Parameters
        ----------
        ids : sequence of str, optional
            Ids. Without them, the threads ``prefix + str(i)`` are meant, for `count` numbers
            i from `first` on: that takes no room, however many they are.
        ns : str
            Namespace of all of them.

        Returns
        -------
        int64 ndarray
            In the order of the ids.
        """
        if ids is not None:
            return self._write(self._column_writer.register, [str(name) for name in ids], ns)
        return self._write(self._column_writer.register_counted, prefix, count, first, ns)

    def write_columns(self, flush: Flush) -> int:
        """Store a checkpoint of each of many threads.

        Returns
        -------
        int
            The time that the checkpoints got, in microseconds since 1970.
        """
        return self._write(self._column_writer.write, flush)

    def latest_places(self, threads: Rows) -> npt.NDArray[np.int32]:
        """Return the place of each thread's latest checkpoint, -1 where it has none.

        Parameters
        ----------
        threads : int64 ndarray of shape (N,)
            Numbers of threads.

        Returns
        -------
        int32 ndarray of shape (N,)
        """
        return self._read(self._column_reader.latest, threads)

    def read_columns(
        self,
        threads: Rows,
        seq: npt.NDArray[np.int32] | None = None,
        *,
        graph: GraphForm | None = None,
    ) -> ColumnState:
        """Return the states of many threads as columns.

        Parameters
        ----------
        threads : int64 ndarray of shape (N,)
            Numbers of threads.
        seq : int32 ndarray of shape (N,), optional
            Places of checkpoints; None: the latest.
        graph : GraphForm, optional
            Says which channels are signals and barriers, for checkpoints in row form.
        """
        return self._read(self._columns, threads, seq, graph)

    def _columns(
        self, threads: Rows, seq: npt.NDArray[np.int32] | None, graph: GraphForm | None
    ) -> ColumnState:
        places = self._column_reader.latest(threads) if seq is None else seq
        return self._column_reader.read(threads, places, graph)

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread with all its namespaces."""
        self._write(self._deletion.thread, str(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints whose metadata have one of these ``run_id``."""
        self._write(self._deletion.runs, list(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread; values that both have are stored once."""
        self._write(self._deletion.copy, str(source_thread_id), str(target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all checkpoints of threads but the latest of each namespace."""
        self._write(self._deletion.prune, [str(thread) for thread in thread_ids], strategy)

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return what the values of delta channels at a checkpoint are made of."""
        return self._read(self._delta, config, channels)

    def _delta(
        self, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return self._reader.delta(self._reader.find(config) if channels else None, channels)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Do `get_tuple` in a thread."""
        return await asyncio.to_thread(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Do `list` in a thread."""
        found = self.list(config, filter=filter, before=before, limit=limit)
        while some := await asyncio.to_thread(lambda: [*islice(found, 16)]):
            for item in some:
                yield item

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Do `put` in a thread."""
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Do `put_writes` in a thread."""
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Do `delete_thread` in a thread."""
        await asyncio.to_thread(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Do `delete_for_runs` in a thread."""
        await asyncio.to_thread(self.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Do `copy_thread` in a thread."""
        await asyncio.to_thread(self.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Do `prune` in a thread."""
        await asyncio.to_thread(lambda: self.prune(thread_ids, strategy=strategy))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Do `get_delta_channel_history` in a thread."""
        return await asyncio.to_thread(
            lambda: self.get_delta_channel_history(config=config, channels=channels)
        )

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Return the next version: an int or, where a thread has text for versions, text."""
        if isinstance(current, str):
            # LangGraph's savers number versions as "<int, 32 digits>.<any>".
            return f"{int(current.split('.')[0]) + 1:032}.{0:016}"
        return 1 if current is None else current + 1

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> Self:
        """Return itself: what may be revived is the packer's to say, before any data is read."""
        return self

    def flush(self) -> None:
        """Return when everything stored so far is safe from a power failure."""
        self._shelf.sync()

    def close(self) -> None:
        """Make everything durable and let go of the storage."""
        with self._lock:
            self._shelf.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        await asyncio.to_thread(self.close)


def _config(config: RunnableConfig, checkpoint_id: str) -> RunnableConfig:
    conf = config["configurable"]
    return {
        "configurable": {
            "thread_id": conf["thread_id"],
            "checkpoint_ns": conf.get("checkpoint_ns", ""),
            "checkpoint_id": checkpoint_id,
        }
    }
