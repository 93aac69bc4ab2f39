"""The forms that checkpoints have outside of a saver, and how they are made: LangGraph's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NotRequired, TypedDict, cast

from vecgraph.checkpoint.id import uuid6
from vecgraph.errors import EmptyChannelError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from vecgraph.config import RunnableConfig

__all__ = [
    "ERROR",
    "EXCLUDED_METADATA_KEYS",
    "INTERRUPT",
    "LATEST_VERSION",
    "RESUME",
    "SCHEDULED",
    "WRITES_IDX_MAP",
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
    "history",
    "writes_sort_key",
]

PendingWrite = tuple[str, str, Any]
"""What a task wrote to a channel: (task id, channel, value)."""

ChannelVersions = dict[str, str | int | float]
"""Version of each channel; greater is newer."""

ERROR, SCHEDULED = "__error__", "__scheduled__"
INTERRUPT, RESUME = "__interrupt__", "__resume__"

WRITES_IDX_MAP = {ERROR: -1, SCHEDULED: -2, INTERRUPT: -3, RESUME: -4}
"""Place of writes to special channels; other writes have their place in the task's list."""

EXCLUDED_METADATA_KEYS = {
    "thread_id",
    "checkpoint_id",
    "checkpoint_ns",
    "checkpoint_map",
    "langgraph_step",
    "langgraph_node",
    "langgraph_triggers",
    "langgraph_path",
    "langgraph_checkpoint_ns",
}
"""Keys of a config that are coordinates and not metadata."""

LATEST_VERSION = 2
"""Version of the checkpoints that `empty_checkpoint` and `create_checkpoint` make."""


class CheckpointMetadata(TypedDict, total=False):
    """What is known of a checkpoint beside the state.

    Attributes
    ----------
    source : str
        What made it: an input, a superstep, `update_state`, or a copy of another one.
    step : int
        -1 for the first input, 0 for the superstep of START, then 1, 2, ...
    parents : dict of str to str
        Ids of the checkpoints around a subgraph's, by namespace.
    run_id : str
    counters_since_delta_snapshot : dict of str to (int, int)
        LangGraph's, for its delta channels: updates and supersteps since the last whole value.
    """

    source: Literal["input", "loop", "update", "fork"]
    step: int
    parents: dict[str, str]
    run_id: str
    counters_since_delta_snapshot: dict[str, tuple[int, int]]


class Checkpoint(TypedDict):
    """A state at rest.

    Attributes
    ----------
    v : int
        Version of this form.
    id : str
        Unique; sorts by age.
    ts : str
        When it was made, ISO 8601.
    channel_values : dict
        Channels that have a value.
    channel_versions : dict
        Version of every channel that ever changed.
    versions_seen : dict of str to dict
        By node: versions of the channels that triggered it when it last ran.
    updated_channels : list of str, or None
        Channels that the superstep before it updated.
    """

    v: int
    id: str
    ts: str
    channel_values: dict[str, Any]
    channel_versions: ChannelVersions
    versions_seen: dict[str, ChannelVersions]
    updated_channels: list[str] | None


class CheckpointTuple(NamedTuple):
    """A checkpoint with what belongs to it; `pending_writes` are in `writes_sort_key` order."""

    config: RunnableConfig
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    parent_config: RunnableConfig | None = None
    pending_writes: list[PendingWrite] | None = None


class DeltaChannelHistory(TypedDict):
    """What one channel's value is made of.

    Attributes
    ----------
    writes : list of (task id, channel, value)
        Pending writes of the ancestors, oldest first.
    seed : object
        Value of the nearest ancestor that has one; left out if none has.
    """

    writes: list[PendingWrite]
    seed: NotRequired[Any]


def writes_sort_key(task_path: str, task_id: str = "", idx: int = 0) -> tuple[str, str, int]:
    """Return the key that sorts the writes of a superstep as the engine applies them."""
    return (task_path, task_id, idx)


def history(
    writes: list[PendingWrite], seeds: Mapping[str, Any], channel: str
) -> DeltaChannelHistory:
    """Return one channel's entry of a delta history."""
    entry: DeltaChannelHistory = {"writes": writes}
    if channel in seeds:
        entry["seed"] = seeds[channel]
    return entry


def get_checkpoint_id(config: RunnableConfig) -> str | None:
    """Return the id of the checkpoint that a config names, if it names one."""
    found: str | None = config["configurable"].get("checkpoint_id")
    return found


def get_checkpoint_metadata(
    config: RunnableConfig, metadata: CheckpointMetadata
) -> CheckpointMetadata:
    """Return metadata with the config's own and the scalars of its ``configurable`` added.

    NUL characters are taken out of strings: some databases cannot hold them.
    """
    made: dict[str, Any] = {key: _cleared(value) for key, value in metadata.items()}
    for more in (config.get("metadata"), config.get("configurable")):
        for key, value in (more or {}).items():
            if key in made or key in EXCLUDED_METADATA_KEYS or key.startswith("__"):
                continue
            if isinstance(value, str | int | float):
                made[key] = _cleared(value)
    return cast("CheckpointMetadata", made)


def _cleared(value: Any) -> Any:
    return value.replace("\0", "") if isinstance(value, str) else value


def get_serializable_checkpoint_metadata(
    config: RunnableConfig, metadata: CheckpointMetadata
) -> CheckpointMetadata:
    """Return `get_checkpoint_metadata` without the values that were written."""
    made = get_checkpoint_metadata(config, metadata)
    cast("dict[str, Any]", made).pop("writes", None)
    return made


def copy_checkpoint(checkpoint: Checkpoint) -> Checkpoint:
    """Return a copy whose dicts are its own; values are shared."""
    made: MutableMapping[str, Any] = {
        "v": checkpoint["v"],
        "ts": checkpoint["ts"],
        "id": checkpoint["id"],
        "channel_values": checkpoint["channel_values"].copy(),
        "channel_versions": checkpoint["channel_versions"].copy(),
        "versions_seen": {k: v.copy() for k, v in checkpoint["versions_seen"].items()},
        "pending_sends": list(cast("Any", checkpoint).get("pending_sends", ())),
        "updated_channels": checkpoint.get("updated_channels"),
    }
    return cast("Checkpoint", made)


def empty_checkpoint() -> Checkpoint:
    """Return the checkpoint of a thread before its first input."""
    made = {
        "v": LATEST_VERSION,
        "id": str(uuid6(clock_seq=-2)),
        "ts": datetime.now(UTC).isoformat(),
        "channel_values": {},
        "channel_versions": {},
        "versions_seen": {},
        "pending_sends": [],
        "updated_channels": None,
    }
    return cast("Checkpoint", made)


def create_checkpoint(
    checkpoint: Checkpoint,
    channels: Mapping[str, Any] | None,
    step: int,
    *,
    id: str | None = None,  # noqa: A002 - LangGraph's name
) -> Checkpoint:
    """Return the checkpoint of a step.

    Parameters
    ----------
    checkpoint : Checkpoint
        The one before; its versions are taken over.
    channels : mapping of str to channel, optional
        Have `checkpoint()`; those without a version or a value are left out. None: the values
        stay as they are.
    step : int
    id : str, optional
    """
    values = checkpoint["channel_values"] if channels is None else {}
    for name, channel in (channels or {}).items():
        if name in checkpoint["channel_versions"]:
            try:
                values[name] = channel.checkpoint()
            except EmptyChannelError:
                continue
    made = {
        "v": LATEST_VERSION,
        "ts": datetime.now(UTC).isoformat(),
        "id": id or str(uuid6(clock_seq=step)),
        "channel_values": values,
        "channel_versions": checkpoint["channel_versions"],
        "versions_seen": checkpoint["versions_seen"],
        "pending_sends": cast("Any", checkpoint).get("pending_sends", []),
        "updated_channels": None,
    }
    return cast("Checkpoint", made)
