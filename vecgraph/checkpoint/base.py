"""What every saver is: LangGraph's names, signatures and semantics."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from vecgraph.checkpoint._forms import (
    ERROR,
    EXCLUDED_METADATA_KEYS,
    INTERRUPT,
    LATEST_VERSION,
    RESUME,
    SCHEDULED,
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
    copy_checkpoint,
    create_checkpoint,
    empty_checkpoint,
    get_checkpoint_id,
    get_checkpoint_metadata,
    get_serializable_checkpoint_metadata,
    history,
    writes_sort_key,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Generator, Iterator, Mapping, Sequence

    from vecgraph.config import RunnableConfig

__all__ = [
    "ERROR",
    "EXCLUDED_METADATA_KEYS",
    "INTERRUPT",
    "LATEST_VERSION",
    "RESUME",
    "SCHEDULED",
    "WRITES_IDX_MAP",
    "BaseCheckpointSaver",
    "ChannelVersions",
    "Checkpoint",
    "CheckpointMetadata",
    "CheckpointTuple",
    "DeltaChannelHistory",
    "PendingWrite",
    "copy_checkpoint",
    "create_checkpoint",
    "empty_checkpoint",
    "get_checkpoint_id",
    "get_checkpoint_metadata",
    "get_serializable_checkpoint_metadata",
    "writes_sort_key",
]

V = TypeVar("V", int, float, str)


class BaseCheckpointSaver(Generic[V]):
    """Puts, gets, lists and deletes checkpoints by thread id.

    Parameters
    ----------
    serde : object, optional
        Has `dumps_typed` and `loads_typed`, for subclasses that store values one by one.

    Notes
    -----
    ``config["configurable"]`` holds ``thread_id``, ``checkpoint_ns`` and, where one checkpoint
    is meant, ``checkpoint_id``.
    """

    serde: Any = None

    def __init__(self, *, serde: Any = None) -> None:
        if serde is not None:
            self.serde = serde

    @property
    def config_specs(self) -> list[Any]:
        """Fields of ``configurable`` that the saver adds: none."""
        return []

    def get(self, config: RunnableConfig) -> Checkpoint | None:
        """Return the checkpoint that `get_tuple` would find, alone."""
        found = self.get_tuple(config)
        return None if found is None else found.checkpoint

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a thread's latest checkpoint, or the one whose id the config has."""
        raise NotImplementedError

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Return checkpoints, newest first.

        Parameters
        ----------
        config : RunnableConfig, optional
            Only this thread and, if it has them, this namespace and this id. None: all threads.
        filter : dict, optional
            Only those whose metadata have these values.
        before : RunnableConfig, optional
            Only those with a smaller id than this one's.
        limit : int, optional
            At most so many.
        """
        raise NotImplementedError

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint.

        Parameters
        ----------
        config : RunnableConfig
            Thread and namespace; its ``checkpoint_id`` is the parent's.
        checkpoint : Checkpoint
        metadata : dict
        new_versions : dict
            The channels that changed since the parent.

        Returns
        -------
        RunnableConfig
            Of the new checkpoint.
        """
        raise NotImplementedError

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote, before its superstep is complete.

        Parameters
        ----------
        config : RunnableConfig
            Of the checkpoint that the task runs on.
        writes : sequence of (channel, value)
            A second call for the same task leaves its ordinary writes and replaces the special
            ones of `WRITES_IDX_MAP`.
        task_id, task_path : str
        """
        raise NotImplementedError

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread with all its namespaces."""
        raise NotImplementedError

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints whose metadata have one of these ``run_id``."""
        raise NotImplementedError

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all checkpoints and writes of a thread to another one."""
        raise NotImplementedError

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all checkpoints of threads but the latest of each namespace.

        Parameters
        ----------
        thread_ids : sequence of str
        strategy : str
            ``"keep_latest"``, or ``"delete"`` for all of them.
        """
        raise NotImplementedError

    async def aget(self, config: RunnableConfig) -> Checkpoint | None:
        """Do `get` without blocking."""
        found = await self.aget_tuple(config)
        return None if found is None else found.checkpoint

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Do `get_tuple` without blocking."""
        raise NotImplementedError

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Do `list` without blocking."""
        raise NotImplementedError
        yield  # makes it an asynchronous generator, as callers expect

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Do `put` without blocking."""
        raise NotImplementedError

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Do `put_writes` without blocking."""
        raise NotImplementedError

    async def adelete_thread(self, thread_id: str) -> None:
        """Do `delete_thread` without blocking."""
        raise NotImplementedError

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Do `delete_for_runs` without blocking."""
        raise NotImplementedError

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Do `copy_thread` without blocking."""
        raise NotImplementedError

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Do `prune` without blocking."""
        raise NotImplementedError

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return what the values of delta channels at a checkpoint are made of.

        The walk follows parents, for each channel as far as the nearest ancestor that has a
        value for it. The checkpoint's own writes belong to the superstep after it.
        """
        walk = _delta_walk(config, channels)
        try:
            wanted = next(walk)
            while True:
                wanted = walk.send(self.get_tuple(wanted))
        except StopIteration as end:
            return cast("dict[str, DeltaChannelHistory]", end.value)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Do `get_delta_channel_history` without blocking."""
        walk = _delta_walk(config, channels)
        try:
            wanted = next(walk)
            while True:
                wanted = walk.send(await self.aget_tuple(wanted))
        except StopIteration as end:
            return cast("dict[str, DeltaChannelHistory]", end.value)

    def get_next_version(self, current: V | None, channel: None) -> V:
        """Return a version greater than `current`; `channel` means nothing."""
        before: Any = current
        if isinstance(before, str):
            raise NotImplementedError
        after: Any = 1 if before is None else before + 1
        return cast("V", after)

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> Any:
        """Return a copy whose `serde` may also revive these classes, given as (module, name)."""
        derive = getattr(self.serde, "with_msgpack_allowlist", None)
        if derive is None:
            return self
        clone = copy.copy(self)
        clone.serde = derive(extra_allowlist)
        return clone


def _delta_walk(
    config: RunnableConfig, channels: Sequence[str]
) -> Generator[RunnableConfig, CheckpointTuple | None, dict[str, DeltaChannelHistory]]:
    """Yield the configs to get and be sent their tuples; return the history."""
    writes: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
    seeds: dict[str, Any] = {}
    passed: set[str | None] = set()
    target = (yield config) if channels else None
    ahead = None if target is None else target.parent_config
    while ahead is not None and len(seeds) < len(writes):
        found = None if get_checkpoint_id(ahead) in passed else (yield ahead)
        if found is None:
            break
        passed.add(get_checkpoint_id(ahead))
        for write in reversed(found.pending_writes or ()):
            if write[1] in writes and write[1] not in seeds:
                writes[write[1]].append(write)
        values = found.checkpoint["channel_values"]
        seeds.update((c, values[c]) for c in writes if c not in seeds and c in values)
        ahead = found.parent_config
    return {channel: history(writes[channel][::-1], seeds, channel) for channel in writes}
