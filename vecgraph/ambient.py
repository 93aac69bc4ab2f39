"""The task that runs in this thread or coroutine, for functions that are given none."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

__all__ = ["current_task"]

current_task: ContextVar[Any] = ContextVar("current_task", default=None)
"""A `vecgraph.config.TaskContext`, or None outside a node."""
