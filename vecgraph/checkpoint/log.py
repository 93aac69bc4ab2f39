"""The saver that all of ours are: a log of chunks over a storage."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from vecgraph.checkpoint.base import get_checkpoint_id
from vecgraph.checkpoint.bulk import BulkSaver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
    from types import TracebackType

    from vecgraph.checkpoint._forms import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
        DeltaChannelHistory,
    )
    from vecgraph.config import RunnableConfig
    from vecgraph.engine.told import Told

__all__ = ["LogSaver"]

_MOST_AHEAD = 16
"""So many checkpoints are read at once by who lists many."""


class LogSaver(BulkSaver):
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
        found = _Listing(lambda: self._reader.listed(config, filter or {}, earlier, limit))
        while some := self._read(found.some):
            yield from some

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

    @property
    def tells(self) -> bool:
        """Whether runs should call `put_told`: not if a subclass has a `put` of its own."""
        own = type(self)
        return own.put is LogSaver.put and own.aput is LogSaver.aput

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

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread with all its namespaces."""
        self._delete(self._deletion.thread, str(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints whose metadata have one of these ``run_id``."""
        self._delete(self._deletion.runs, list(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread; values that both have are stored once."""
        self._write(self._deletion.copy, str(source_thread_id), str(target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all checkpoints of threads but the latest of each namespace."""
        self._delete(self._deletion.prune, [str(thread) for thread in thread_ids], strategy)

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

    async def aput_told(self, config: RunnableConfig, told: Told) -> RunnableConfig:
        """Do `put_told` in a thread."""
        return await asyncio.to_thread(self.put_told, config, told)

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


class _Listing:
    """An iterator that goes on where it was after an error, which ends a generator."""

    def __init__(self, begin: Callable[[], Iterator[CheckpointTuple]]) -> None:
        self._begin = begin
        self._found: Iterator[CheckpointTuple] | None = None
        self._passed = 0
        self._most = 1

    def some(self) -> list[CheckpointTuple]:
        """Return the next ones, more and more; none after the last.

        One by one each would have to ask a storage for news, which may be far away.
        """
        if self._found is None:
            self._found = islice(self._begin(), self._passed, None)
        some: list[CheckpointTuple] = []
        try:
            some.extend(islice(self._found, self._most))
        except BaseException:
            self._found = None
            if not some:
                raise
        self._passed += len(some)
        self._most = min(2 * self._most, _MOST_AHEAD)
        return some
