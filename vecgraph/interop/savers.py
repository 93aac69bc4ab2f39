"""Savers of vecgraph for LangGraph, ``builder.compile(checkpointer=for_langgraph(saver))``, and back.

What both programs have a class of their own for (packets, questions) is translated on the way.
"""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, cast

from langgraph import types as theirs
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.types import Interrupt, Send

from vecgraph import types
from vecgraph.constants import TASKS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        DeltaChannelHistory,
    )

    from vecgraph.checkpoint.base import BaseCheckpointSaver as OurSaver

__all__ = ["LangGraphSaver", "VecgraphSaver", "for_langgraph", "for_vecgraph"]


def for_langgraph(saver: OurSaver[Any]) -> LangGraphSaver:
    """Return a saver that LangGraph takes, over one of ours.

    A thread that LangGraph began can be continued by vecgraph, and the other way round.

    Examples
    --------
    >>> from vecgraph.checkpoint.memory import InMemorySaver
    >>> from langgraph.graph import START, StateGraph
    >>> builder = StateGraph(int).add_node("up", lambda n: n + 1).add_edge(START, "up")
    >>> app = builder.compile(checkpointer=for_langgraph(InMemorySaver()))
    >>> app.invoke(1, {"configurable": {"thread_id": "a"}})
    2
    """
    return LangGraphSaver(saver)


class LangGraphSaver(BaseCheckpointSaver[Any]):
    """One of our savers as LangGraph's base class wants it.

    What both programs have a class of their own for (packets, interrupts) is stored as ours.

    Parameters
    ----------
    saver : BaseCheckpointSaver
        Of vecgraph. It stays the caller's, to close for one.
    """

    def __init__(self, saver: OurSaver[Any]) -> None:
        super().__init__()
        self.saver = saver

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Do `BaseCheckpointSaver.get_tuple`."""
        return _read(self.saver.get_tuple(cast("Any", config)), _their)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Do `BaseCheckpointSaver.list`."""
        found = self.saver.list(
            cast("Any", config), filter=filter, before=cast("Any", before), limit=limit
        )
        for item in found:
            yield cast("CheckpointTuple", _read(item, _their))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Do `BaseCheckpointSaver.put`."""
        arguments: Any = (config, _kept(checkpoint, _our), metadata, new_versions)
        return cast("RunnableConfig", self.saver.put(*arguments))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Do `BaseCheckpointSaver.put_writes`."""
        self.saver.put_writes(cast("Any", config), _writes(writes, _our), task_id, task_path)

    def delete_thread(self, thread_id: str) -> None:
        """Do `BaseCheckpointSaver.delete_thread`."""
        self.saver.delete_thread(thread_id)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Do `BaseCheckpointSaver.delete_for_runs`."""
        self.saver.delete_for_runs(run_ids)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Do `BaseCheckpointSaver.copy_thread`."""
        self.saver.copy_thread(source_thread_id, target_thread_id)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Do `BaseCheckpointSaver.prune`."""
        self.saver.prune(thread_ids, strategy=strategy)

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Do `BaseCheckpointSaver.get_delta_channel_history`."""
        ours: Any = self.saver.get_delta_channel_history
        return cast("Mapping[str, DeltaChannelHistory]", ours(config=config, channels=channels))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Do `get_tuple` without blocking."""
        return _read(await self.saver.aget_tuple(cast("Any", config)), _their)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Do `list` without blocking."""
        found = self.saver.alist(
            cast("Any", config), filter=filter, before=cast("Any", before), limit=limit
        )
        async for item in found:
            yield cast("CheckpointTuple", _read(item, _their))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Do `put` without blocking."""
        arguments: Any = (config, _kept(checkpoint, _our), metadata, new_versions)
        return cast("RunnableConfig", await self.saver.aput(*arguments))

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Do `put_writes` without blocking."""
        await self.saver.aput_writes(cast("Any", config), _writes(writes, _our), task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Do `delete_thread` without blocking."""
        await self.saver.adelete_thread(thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Do `delete_for_runs` without blocking."""
        await self.saver.adelete_for_runs(run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Do `copy_thread` without blocking."""
        await self.saver.acopy_thread(source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Do `prune` without blocking."""
        await self.saver.aprune(thread_ids, strategy=strategy)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Do `get_delta_channel_history` without blocking."""
        ours: Any = self.saver.aget_delta_channel_history
        found = await ours(config=config, channels=channels)
        return cast("Mapping[str, DeltaChannelHistory]", found)

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Do `BaseCheckpointSaver.get_next_version`."""
        return self.saver.get_next_version(current, channel)

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> LangGraphSaver:
        """Do `BaseCheckpointSaver.with_allowlist`."""
        return LangGraphSaver(self.saver.with_allowlist(extra_allowlist))


def for_vecgraph(saver: Any) -> Any:
    """Return a saver that our engine takes, over one of LangGraph's.

    Apps do this themselves with a saver that they are given. A thread that vecgraph began can be
    continued by LangGraph, and the other way round.

    Examples
    --------
    >>> from langgraph.checkpoint.memory import InMemorySaver
    >>> from vecgraph.graph import START, StateGraph
    >>> builder = StateGraph(int).add_node("up", lambda n: n + 1).add_edge(START, "up")
    >>> app = builder.compile(checkpointer=InMemorySaver())
    >>> app.invoke(1, {"configurable": {"thread_id": "a"}})
    2
    """
    return saver.saver if isinstance(saver, LangGraphSaver) else VecgraphSaver(saver)


class VecgraphSaver:
    """One of LangGraph's savers as our engine wants it; it stores LangGraph's classes.

    What is not translated is the saver's own: `delete_thread`, `prune`, ...

    Parameters
    ----------
    saver : langgraph.checkpoint.base.BaseCheckpointSaver
        It stays the caller's, to close for one.
    """

    def __init__(self, saver: Any) -> None:
        self.saver = saver
        if "task_path" not in signature(saver.put_writes).parameters:
            # Old savers have no such parameter; the engine looks at the signature.
            vars(self).update(put_writes=self._put_writes, aput_writes=self._aput_writes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.saver, name)

    def get_tuple(self, config: Any) -> CheckpointTuple | None:
        """Do `BaseCheckpointSaver.get_tuple`."""
        return _read(self.saver.get_tuple(config), _our)

    def list(self, config: Any, **options: Any) -> Iterator[Any]:
        """Do `BaseCheckpointSaver.list`."""
        for found in self.saver.list(config, **options):
            yield _read(found, _our)

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Do `BaseCheckpointSaver.put`."""
        return self.saver.put(config, _kept(checkpoint, _their), metadata, new_versions)

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Do `BaseCheckpointSaver.put_writes`."""
        self.saver.put_writes(config, _writes(writes, _their), task_id, task_path)

    def _put_writes(self, config: Any, writes: Any, task_id: str) -> None:
        self.saver.put_writes(config, _writes(writes, _their), task_id)

    async def aget_tuple(self, config: Any) -> CheckpointTuple | None:
        """Do `get_tuple` without blocking."""
        return _read(await self.saver.aget_tuple(config), _our)

    async def alist(self, config: Any, **options: Any) -> AsyncIterator[Any]:
        """Do `list` without blocking."""
        async for found in self.saver.alist(config, **options):
            yield _read(found, _our)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Do `put` without blocking."""
        return await self.saver.aput(config, _kept(checkpoint, _their), metadata, new_versions)

    async def aput_writes(
        self, config: Any, writes: Any, task_id: str, task_path: str = ""
    ) -> None:
        """Do `put_writes` without blocking."""
        await self.saver.aput_writes(config, _writes(writes, _their), task_id, task_path)

    async def _aput_writes(self, config: Any, writes: Any, task_id: str) -> None:
        await self.saver.aput_writes(config, _writes(writes, _their), task_id)


def _kept(checkpoint: Any, translate: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a checkpoint with its pending packets translated."""
    made: dict[str, Any] = dict(checkpoint)
    if TASKS in (values := made.get("channel_values") or {}):
        made["channel_values"] = {**values, TASKS: _translated(values[TASKS], translate)}
    return made


def _writes(
    writes: Sequence[tuple[str, Any]], translate: Callable[[Any], Any]
) -> list[tuple[str, Any]]:
    return [(channel, _special(channel, value, translate)) for channel, value in writes]


def _read(found: Any, translate: Callable[[Any], Any]) -> CheckpointTuple | None:
    """Return what a saver has found, translated."""
    if found is None:
        return None
    checkpoint = cast("Any", _kept(found.checkpoint, translate))
    writes = [(t, c, _special(c, value, translate)) for t, c, value in found.pending_writes or ()]
    return CheckpointTuple(found.config, checkpoint, found.metadata, found.parent_config, writes)


def _special(channel: str, value: Any, translate: Callable[[Any], Any]) -> Any:
    """Return what a task wrote; only channels of the engine itself hold lists of its own classes."""
    is_ours = channel == TASKS or channel.startswith("__")
    return _translated(value, translate) if is_ours else translate(value)


def _translated(value: Any, translate: Callable[[Any], Any]) -> Any:
    if type(value) in {list, tuple}:
        return type(value)(map(translate, value))
    return translate(value)


def _our(value: Any) -> Any:
    if type(value) is Send:
        return types.Send(value.node, value.arg, timeout=_policy(types, _limit(value)))
    if type(value) is Interrupt:
        return types.Interrupt(value.value, value.id, **_schema(value))
    return types.Overwrite(value.value) if type(value) is theirs.Overwrite else value


def _their(value: Any) -> Any:
    if type(value) is types.Send:
        limit = _policy(theirs, value.timeout)
        return Send(value.node, value.arg, **({} if limit is None else {"timeout": limit}))
    if type(value) is types.Interrupt:
        return Interrupt(value.value, value.id, **_schema(value))
    return theirs.Overwrite(value.value) if type(value) is types.Overwrite else value


def _limit(send: Any) -> Any:
    # Versions of LangGraph before 1.2 have no such parameter.
    return getattr(send, "timeout", None)


def _policy(to: Any, policy: Any) -> Any:
    """Return a timeout policy of the other program's class."""
    if policy is None:
        return None
    return to.TimeoutPolicy(
        run_timeout=policy.run_timeout,
        idle_timeout=policy.idle_timeout,
        refresh_on=policy.refresh_on,
    )


def _schema(interrupt: Any) -> dict[str, Any]:
    # Nor such a one.
    found = getattr(interrupt, "response_schema", None)
    return {} if found is None else {"response_schema": found}
