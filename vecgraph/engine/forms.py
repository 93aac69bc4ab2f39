"""A program's control structure in the words of checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vecgraph.channels import Topic
from vecgraph.engine.flush import GraphForm

if TYPE_CHECKING:
    from vecgraph.engine.control import Control
    from vecgraph.engine.tables import Tables

__all__ = ["graph_form"]


def graph_form(tables: Tables, control: Control) -> GraphForm:
    """Return what readers of checkpoints in column form must know of a graph."""
    return GraphForm(
        triggers={name: tuple(sorted(node.triggers)) for name, node in tables.nodes.items()},
        signals=dict(control.signals),
        barriers={
            name: barrier.sources
            for name, barrier in control.barriers.items()
            if not barrier.deferred
        },
        topics=tuple(n for n, c in tables.channels.items() if isinstance(c, Topic)),
        untracked=tuple(sorted(tables.untracked)),
        deferred=(*control.deferred, *(n for n, b in control.barriers.items() if b.deferred)),
    )
