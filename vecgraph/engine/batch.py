"""Run many rows: choose between lanes and single runs."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vecgraph.engine.control import Control, refusal
from vecgraph.engine.lanes import LANE, Lanes
from vecgraph.engine.quick import Quick
from vecgraph.engine.singly import Singly
from vecgraph.engine.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vecgraph.engine.records import Observer, Progress, Results
    from vecgraph.engine.shared import Shared
    from vecgraph.program import Program
    from vecgraph.state import Inputs
    from vecgraph.typing import Rows

__all__ = ["SMALL", "Engine"]

SMALL = 32
"""Below this many rows a run at a time is cheaper than columns."""


class Engine:
    """Runs a program.

    Attributes
    ----------
    tables : Tables
    control : Control or None
        None if the program cannot run in lanes.
    refused : str or None
        Why not.
    is_async : bool
        Some function has only a coroutine form.
    small, lane : int
        Rows below which runs go one at a time, and rows of a lane.
    apart : bool
        Whether tasks that share no row may go the short way (`Solo`).
    """

    def __init__(self, program: Program, *, small: int = SMALL, lane: int = LANE) -> None:
        self.tables = Tables(program)
        self.tables.quick = Quick.of(self.tables)
        self.is_async = any(_is_async(action) for action in _actions(program))
        self.refused = refusal(program)
        if self.is_async:
            self.refused = "a function has only a coroutine form: runs go one by one on the loop"
        self.control = None if self.refused else Control(program)
        # A function of columns is called with the rows that there are, even if they are few.
        vector = any(action.tier == "vector" for action in _actions(program))
        self.small = min(small, 2) if vector else small
        self.lane = lane
        self.apart = True

    def refusal_of(self, shared: Shared) -> str | None:
        """Return why the runs of a call cannot go in lanes, None if they can."""
        if self.refused is not None:
            return self.refused
        if shared.saver is not None:
            return "a saver keeps a checkpoint of every superstep of every run"
        if shared.before or shared.after:
            return "runs stop at breakpoints"
        if shared.debug:
            return "debug: each node's input is looked at before and after it runs"
        if shared.timeout is not None:
            return "a superstep of a run has a time limit"
        if shared.cache is not None and any(
            node.cache_policy is not None for node in self.tables.nodes.values()
        ):
            return "a cache keeps what nodes write"
        return None

    def run(
        self,
        inputs: Inputs,
        ids: Rows,
        shared: Shared,
        *,
        configs: Any = None,
        observer: Observer | None = None,
        progress: Progress | None = None,
    ) -> Results:
        """Run every row of `inputs` to its end, in this thread.

        Parameters
        ----------
        ids : int64 ndarray of shape (N,)
            Number of each run.
        configs : sequence of RunnableConfig, optional
            Of each run, if they differ.
        observer, progress : callable, optional
        """
        with _paused_gc(inputs.m):
            in_lanes = inputs.m >= self.small and configs is None
            if in_lanes and self.control is not None and self.refusal_of(shared) is None:
                lanes = Lanes(
                    self.tables,
                    self.control,
                    shared,
                    ids,
                    size=self.lane,
                    apart=self.apart,
                    observer=observer,
                    on_step=progress,
                )
                return lanes.run(inputs)
            singly = Singly(
                self.tables, shared, ids, configs=configs, observer=observer, progress=progress
            )
            return singly.run(inputs.rows())

    async def arun(
        self,
        inputs: Inputs,
        ids: Rows,
        shared: Shared,
        *,
        configs: Any = None,
        observer: Observer | None = None,
        progress: Progress | None = None,
    ) -> Results:
        """Run every row on the event loop; no row waits for another one's node; see `run`."""
        singly = Singly(
            self.tables, shared, ids, configs=configs, observer=observer, progress=progress
        )
        return await singly.arun(inputs.rows(), inputs.m)


def _actions(program: Program) -> Iterator[Any]:
    for node in program.nodes.values():
        if node.action is not None:
            yield node.action
        for branch in node.branches:
            yield branch.action


def _is_async(action: Any) -> bool:
    if action.tier == "subgraph":
        return bool(action.fn.is_async)
    return action.fn is None


@contextmanager
def _paused_gc(n: int) -> Iterator[None]:
    """Pause the cyclic collector: it would walk every run's state again and again."""
    if n <= 1 or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
