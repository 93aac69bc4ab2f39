"""Values that a program and the engine pass to each other, under LangGraph's names.

A leaf of the import graph: it imports nothing of vecgraph but constants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from vecgraph.types._interrupt import interrupt
from vecgraph.types._parts import (
    CheckpointPayload,
    CheckpointStreamPart,
    CheckpointTask,
    CustomStreamPart,
    DebugPayload,
    DebugStreamPart,
    MessagesStreamPart,
    StreamPart,
    TaskPayload,
    TaskResultPayload,
    TasksStreamPart,
    UpdatesStreamPart,
    ValuesStreamPart,
)
from vecgraph.types._policies import (
    CachePolicy,
    RetryPolicy,
    TimeoutPolicy,
    TracePolicy,
    default_cache_key,
    default_retry_on,
    omit_payload,
)
from vecgraph.types._values import (
    Command,
    GraphOutput,
    Interrupt,
    Overwrite,
    PregelTask,
    Send,
    StateSnapshot,
    StateUpdate,
    annotated_keys,
    get_overwrite,
    update_as_tuples,
)

__all__ = [
    "All",
    "CachePolicy",
    "CheckpointPayload",
    "CheckpointStreamPart",
    "CheckpointTask",
    "Checkpointer",
    "Command",
    "CustomStreamPart",
    "DebugPayload",
    "DebugStreamPart",
    "Durability",
    "GraphOutput",
    "Interrupt",
    "MessagesStreamPart",
    "Overwrite",
    "PregelTask",
    "RetryPolicy",
    "Send",
    "StateSnapshot",
    "StateUpdate",
    "StreamMode",
    "StreamPart",
    "StreamWriter",
    "TaskPayload",
    "TaskResultPayload",
    "TasksStreamPart",
    "TimeoutPolicy",
    "TracePolicy",
    "UpdatesStreamPart",
    "ValuesStreamPart",
    "annotated_keys",
    "default_cache_key",
    "default_retry_on",
    "ensure_valid_checkpointer",
    "get_overwrite",
    "interrupt",
    "omit_payload",
    "update_as_tuples",
]

All: TypeAlias = Literal["*"]
"""Stands for every node, in `interrupt_before` and `interrupt_after`."""

Checkpointer: TypeAlias = Any
"""A saver, True (own saver in a subgraph), False (none) or None (the parent's)."""

Durability: TypeAlias = Literal["sync", "async", "exit"]
"""When checkpoints are written: before the next superstep, beside it, or at the end."""

StreamMode: TypeAlias = Literal[
    "values", "updates", "checkpoints", "tasks", "debug", "messages", "custom"
]
"""What `stream` yields."""

StreamWriter: TypeAlias = Callable[[Any], None]
"""Writes one value to the ``custom`` stream; does nothing when nobody listens."""


def ensure_valid_checkpointer(checkpointer: Checkpointer) -> Checkpointer:
    """Return `checkpointer` if it is a saver, a bool or None.

    Raises
    ------
    TypeError
        It is something else. A saver is told by its methods ``put`` and ``get_tuple``.
    """
    if checkpointer is None or isinstance(checkpointer, bool):
        return checkpointer
    if hasattr(checkpointer, "get_tuple") and hasattr(checkpointer, "put"):
        return checkpointer
    raise TypeError(
        "Invalid checkpointer provided. Expected an instance of "
        "`BaseCheckpointSaver`, `True`, `False`, or `None`. "
        f"Received {type(checkpointer).__name__!s}. "
        "Pass a proper saver (e.g., InMemorySaver, AsyncPostgresSaver)."
    )
