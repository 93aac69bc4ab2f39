"""`App`: the compiled graph."""

from __future__ import annotations

from vecgraph.app.cached import Cached
from vecgraph.app.composing import Composable
from vecgraph.app.described import Described
from vecgraph.app.drawn import Drawn
from vecgraph.app.eventful import Eventful
from vecgraph.app.frames import FrameStreams
from vecgraph.app.portions import ManyBatches

__all__ = ["App"]


class App(ManyBatches, FrameStreams, Eventful, Drawn, Described, Cached, Composable):
    """A graph that is ready to run: one run with `invoke`, many with `batch`.

    Made by ``StateGraph.compile()``; safe to use from many threads. See `Compiled` for
    its attributes.
    """
