"""The app as a graph to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.app.base import Compiled

if TYPE_CHECKING:
    from vecgraph.drawing.graph import Graph

__all__ = ["Drawn"]


class Drawn(Compiled):
    """Shows the nodes of an app and what leads from one to the other."""

    def get_graph(
        self,
        config: Any = None,
        *,
        xray: int | bool = False,
        result: Any = None,
        traffic: Any = None,
    ) -> Graph:
        """Return the app's graph.

        Parameters
        ----------
        config : RunnableConfig, optional
            Taken for LangGraph's sake.
        xray : int or bool
            How many levels of subgraphs are shown in the place of their nodes; True: all.
        result : BatchResult, optional
            Its errors are written on the nodes.
        traffic : Traffic, optional
            What a batch's observer has counted: runs on the edges, time and runs on the nodes.
        """
        from vecgraph.drawing.build import graph_of, waits_of
        from vecgraph.drawing.traffic import annotated

        graph = graph_of(self, xray)
        if result is None and traffic is None:
            return graph
        return annotated(graph, traffic, result, waits_of(self))

    async def aget_graph(self, config: Any = None, *, xray: int | bool = False) -> Graph:
        """Return the app's graph; see `get_graph`."""
        return self.get_graph(config, xray=xray)
