"""`App`: the compiled graph."""

from __future__ import annotations

from vecgraph.app.cached import Cached
from vecgraph.app.drawn import Drawn
from vecgraph.app.many import ManyRuns

__all__ = ["App"]


class App(ManyRuns, Drawn, Cached):
    """A graph that is ready to run: one run with `invoke`, many with `batch`.

    Made by ``StateGraph.compile()``; safe to use from many threads. See `Compiled` for
    its attributes.
    """
