"""From what checkpoints are read: a saver, an app, the result of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint.bulk import BulkSaver
from vecgraph.result import BatchResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.checkpoint.past import Past

__all__ = ["Source", "source_of"]


@dataclass(frozen=True, slots=True)
class Source:
    """Some threads of a saver.

    Attributes
    ----------
    saver : BulkSaver
    threads : sequence of str, or None
    ns : str or None
    app : object
        The app that was given, or whose result was; None: it is not known.
    """

    saver: BulkSaver
    threads: Sequence[str] | None
    ns: str | None
    app: Any = None

    def past(self) -> Past:
        """Return what the saver has of them."""
        if self.threads is None and self.ns is None:
            return self.saver.read_past()
        names = self.saver.thread_ids() if self.threads is None else self.threads
        return self.saver.read_past(self.saver.find_threads(names, ns=self.ns))


def source_of(source: Any, threads: Sequence[str] | None, ns: str | None) -> Source:
    """Return where checkpoints are read from.

    Raises
    ------
    TypeError
        Not from there.
    """
    app = None
    if isinstance(source, BatchResult):
        app, threads = source.app, source.threads if threads is None else threads
    elif hasattr(source, "checkpointer"):
        app = source
    saver = source if app is None else app.checkpointer
    if isinstance(saver, BulkSaver):
        return Source(saver, threads, ns, app)
    what = "no checkpointer" if saver is None else f"a {type(saver).__name__}"
    raise TypeError(
        f"Checkpoints are read from savers of vecgraph, and this is or has {what}.\n"
        "Hint: compile the graph with checkpointer=InMemorySaver()."
    )
