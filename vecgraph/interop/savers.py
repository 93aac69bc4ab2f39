"""Savers of vecgraph for LangGraph: ``builder.compile(checkpointer=for_langgraph(saver))``."""

from __future__ import annotations

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

__all__ = ["LangGraphSaver", "for_langgraph"]


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
        return _theirs(self.saver.get_tuple(cast("Any", config)))

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
            yield cast("CheckpointTuple", _theirs(item))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Do `BaseCheckpointSaver.put`."""
        arguments: Any = (config, _ours(checkpoint), metadata, new_versions)
        return cast("RunnableConfig", self.saver.put(*arguments))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Do `BaseCheckpointSaver.put_writes`."""
        self.saver.put_writes(cast("Any", config), _our_writes(writes), task_id, task_path)

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
        return _theirs(await self.saver.aget_tuple(cast("Any", config)))

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
            yield cast("CheckpointTuple", _theirs(item))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Do `put` without blocking."""
        arguments: Any = (config, _ours(checkpoint), metadata, new_versions)
        return cast("RunnableConfig", await self.saver.aput(*arguments))

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Do `put_writes` without blocking."""
        await self.saver.aput_writes(cast("Any", config), _our_writes(writes), task_id, task_path)

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


def _ours(checkpoint: Checkpoint) -> dict[str, Any]:
    made: dict[str, Any] = dict(checkpoint)
    if TASKS in (values := made.get("channel_values") or {}):
        made["channel_values"] = {**values, TASKS: _translated(values[TASKS], _our)}
    return made


def _our_writes(writes: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(channel, _special(channel, value, _our)) for channel, value in writes]


def _theirs(found: Any) -> CheckpointTuple | None:
    if found is None:
        return None
    checkpoint = dict(found.checkpoint)
    values = checkpoint["channel_values"]
    if TASKS in values:
        checkpoint["channel_values"] = {**values, TASKS: _translated(values[TASKS], _their)}
    writes = [(t, c, _special(c, value, _their)) for t, c, value in found.pending_writes or ()]
    return CheckpointTuple(
        found.config, cast("Any", checkpoint), found.metadata, found.parent_config, writes
    )


def _special(channel: str, value: Any, translate: Callable[[Any], Any]) -> Any:
    """Return what a task wrote; only channels of the engine itself hold its own classes."""
    is_ours = channel == TASKS or channel.startswith("__")
    return _translated(value, translate) if is_ours else value


def _translated(value: Any, translate: Callable[[Any], Any]) -> Any:
    if type(value) in {list, tuple}:
        return type(value)(map(translate, value))
    return translate(value)


def _our(value: Any) -> Any:
    if type(value) is Send:
        return types.Send(value.node, value.arg, timeout=_policy(types, value.timeout))
    if type(value) is Interrupt:
        return types.Interrupt(value.value, value.id, **_schema(value))
    return value


def _their(value: Any) -> Any:
    if type(value) is types.Send:
        return Send(value.node, value.arg, timeout=_policy(theirs, value.timeout))
    if type(value) is types.Interrupt:
        return Interrupt(value.value, value.id, **_schema(value))
    return value


def _policy(to: Any, policy: Any) -> Any:
    """Return a timeout policy of the other program's class."""
    if policy is None:
        return None
    return to.TimeoutPolicy(policy.run_timeout, policy.idle_timeout, policy.refresh_on)


def _schema(interrupt: Any) -> dict[str, Any]:
    # Versions of LangGraph before 1.2 have no such parameter.
    found = getattr(interrupt, "response_schema", None)
    return {} if found is None else {"response_schema": found}
