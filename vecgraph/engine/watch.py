"""Who watches a run: streams, progress, records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vecgraph.engine.run import Run, Task

__all__ = ["Watcher"]


class Watcher(Protocol):
    """Gets the records of a run as they come; changes nothing."""

    def values(self, run: Run, written: set[str] | None) -> None:
        """Note that a superstep has ended that wrote `written`; None: everything is shown."""
        ...

    def planned(self, run: Run, tasks: list[Task]) -> None:
        """Note the checkpoint that a superstep stands on, and the tasks that are due."""
        ...

    def started(self, run: Run, tasks: list[Task]) -> None:
        """Note the tasks of a superstep before they run."""
        ...

    def finished(self, run: Run, task: Task) -> None:
        """Note what became of a task: what it wrote, asks, or failed with."""
        ...

    def stopped(self, run: Run) -> None:
        """Note that the run has stopped at a breakpoint."""
        ...
