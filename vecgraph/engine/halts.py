"""Breakpoints of runs in lanes: which of them stop before or after a superstep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vecgraph.positions import positions, union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.engine.shared import Shared
    from vecgraph.engine.superstep import Applied
    from vecgraph.engine.tasks import Due

__all__ = ["Halts"]


class Halts:
    """The breakpoints of a call.

    Parameters
    ----------
    shared : Shared
    """

    def __init__(self, shared: Shared) -> None:
        self._before, self._after = shared.before, shared.after

    def __bool__(self) -> bool:
        return bool(self._before or self._after)

    def after(self, ran: Sequence[Due], applied: Applied, n: int) -> None:
        """Let the runs that a task has run of stop, if that is at a breakpoint."""
        _stop(ran, self._after, applied, n)

    def before(self, due: Sequence[Due], applied: Applied, n: int) -> None:
        """Let the runs that a task is due in stop, if that is at a breakpoint."""
        _stop(due, self._before, applied, n)


def _stop(tasks: Sequence[Due], nodes: frozenset[str] | str, applied: Applied, n: int) -> None:
    """Note that runs stop and ask nothing."""
    if not nodes:
        return
    at = [
        task.rows
        for task in tasks
        if (not task.spec.hidden if nodes == "*" else task.spec.name in nodes)
    ]
    for position in positions(union(at, n), n).tolist() if at else ():
        if position not in applied.failures:
            applied.asked.setdefault(position, [])
