"""Nodes and channels directly: `Pregel` and the builder of its nodes."""

from __future__ import annotations

from vecgraph.pregel.builder import NodeBuilder
from vecgraph.pregel.main import Pregel

__all__ = ["NodeBuilder", "Pregel"]
