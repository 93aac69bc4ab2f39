"""Checkpoints: what a run was at each superstep, kept where a saver keeps it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecgraph.checkpoint.arrow import ArrowSaver as ArrowSaver
    from vecgraph.checkpoint.memory import InMemorySaver as InMemorySaver

__all__ = ["ArrowSaver", "InMemorySaver"]

_MODULES = {"ArrowSaver": "arrow", "InMemorySaver": "memory"}


def __getattr__(name: str) -> Any:
    # Savers are imported when they are asked for: the modules below are used by each of them.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
