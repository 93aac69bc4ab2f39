"""`App`: the compiled graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vecgraph.app.cached import Cached
from vecgraph.app.drawn import Drawn
from vecgraph.app.many import ManyRuns
from vecgraph.frames import History, history

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["App"]


class App(ManyRuns, Drawn, Cached):
    """A graph that is ready to run: one run with `invoke`, many with `batch`.

    Made by ``StateGraph.compile()``; safe to use from many threads. See `Compiled` for
    its attributes.
    """

    def history(self, threads: Sequence[str] | None = None, *, ns: str | None = None) -> History:
        """Return the checkpoints of the app's saver, as tables and to branch from.

        Parameters
        ----------
        threads : sequence of str, optional
            Ids; None: all.
        ns : str, optional
            Namespace: empty for the graph itself, others for its subgraphs; None: all.

        Raises
        ------
        TypeError
            The app has no saver of vecgraph.
        """
        return history(self, threads, ns=ns)
