"""Run many rows: choose between lanes and single runs."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.engine.control import Control, refusal
from vecgraph.engine.jitted import Jitted
from vecgraph.engine.keeping import Keeper
from vecgraph.engine.lanes import LANE, Lanes
from vecgraph.engine.leaving import Leaver
from vecgraph.engine.quick import Quick
from vecgraph.engine.quick_loop import LoopQuick
from vecgraph.engine.resume import resumed_inputs
from vecgraph.engine.singly import Singly
from vecgraph.engine.tables import Tables
from vecgraph.engine.threaded import Parts, threaded
from vecgraph.engine.traced import Tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vecgraph.engine.past import Past
    from vecgraph.engine.records import Observer, Progress, Results
    from vecgraph.engine.shared import Shared
    from vecgraph.program import Program
    from vecgraph.state import Inputs
    from vecgraph.typing import Rows, Where

__all__ = ["SMALL", "Call", "Engine"]

SMALL = 32
"""Below this many rows a run at a time is cheaper than columns."""

PART = 8_192
"""Runs whose states are kept as dicts at a time."""


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
    small : int or None
        Rows below which runs go one at a time; None: as is cheaper for its functions.
    lane : int
        Rows of a lane.
    apart : bool
        Whether tasks that share no row may go the short way (`Solo`).
    tracing : Tracing
        Which scalar functions run in columns.
    jitted : Jitted or None
        Runs batches of numbers by a compiled loop, if that was asked for.
    """

    def __init__(
        self,
        program: Program,
        *,
        small: int | None = None,
        lane: int = LANE,
        tracing: str = "auto",
        jit: bool = False,
    ) -> None:
        self.tables = Tables(program)
        self.tables.quick = Quick.of(self.tables)
        self.tables.quick_on_loop = LoopQuick.of(self.tables)
        self.is_async = any(_is_async(action) for action in _actions(program))
        self.refused = refusal(program)
        if self.is_async:
            self.refused = "a function has only a coroutine form: runs go one by one on the loop"
        self.control = None if self.refused else Control(program)
        # A function of columns is called with the rows that there are, even if they are few.
        vector = any(action.tier == "vector" for action in _actions(program))
        self.small = 1 if vector else small
        self.lane = lane
        self.apart = True
        self.tracing = Tracing(program, tracing)
        self.jitted = Jitted(program, self.tracing) if jit else None

    def refusal_of(self, shared: Shared) -> str | None:
        """Return why the runs of a call cannot go in lanes, None if they can."""
        if self.refused is not None:
            return self.refused
        if shared.saver is not None and (reason := self._unkept(shared)) is not None:
            return reason
        if (shared.before or shared.after) and shared.parent is not None:
            return "the graph is inside another one, and its runs stop at breakpoints"
        if shared.debug:
            return "debug: each node's input is looked at before and after it runs"
        if shared.timeout is not None:
            return "a superstep of a run has a time limit"
        if shared.cache is not None and any(
            node.cache_policy is not None for node in self.tables.nodes.values()
        ):
            return "a cache keeps what nodes write"
        return None

    def _unkept(self, shared: Shared) -> str | None:
        """Return why the checkpoints of a call's runs cannot be kept in columns."""
        if not hasattr(shared.saver, "write_columns"):
            return f"{type(shared.saver).__name__} keeps one checkpoint at a time"
        if not getattr(shared.saver, "tells", True):
            return f"{type(shared.saver).__name__} has a put of its own"
        if shared.ns:
            return "the graph is inside another one, and keeps checkpoints of its own"
        for name, app in self.tables.subgraphs.items():
            if app.checkpointer is not False:
                return f"the graph in node {name!r} keeps checkpoints of its own"
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
        resume: Any = None,
    ) -> Results:
        """Run every row of `inputs` to its end, in this thread.

        Parameters
        ----------
        ids : int64 ndarray of shape (N,)
            Number of each run.
        configs : sequence of RunnableConfig, optional
            Of each run, if they differ.
        observer, progress : callable, optional
        resume : True, or sequence of N objects, optional
            Runs with a past go on, whatever their inputs; with these answers.
        """
        call = Call(self, shared, ids, configs, observer)
        small = SMALL if self.small is None else self.small
        with _paused_gc(inputs.m):
            if inputs.m < small or self.refusal_of(shared) is not None:
                if resume is not None:
                    inputs = resumed_inputs(inputs, configs, shared.saver, resume, self.tables, ids)
                return call.singly(inputs, None, progress)
            if shared.saver is not None:
                return threaded(call, inputs, progress, resume)
            if configs is not None:
                return call.singly(inputs, None, progress)
            if self.jitted is not None:
                results = self.jitted.run(call, inputs, progress)
                if results is not None:
                    return results
            if observer is None and self.rides():
                return _ridden(call, inputs, progress)
            return call.in_lanes(inputs, None, progress)

    def rides(self) -> bool:
        """Return whether a run at a time is cheaper than columns, however many there are."""
        quick = self.tables.quick
        if self.small is not None or quick is None or not quick.rides or not quick.ride.is_whole:
            return False
        # Of a function of columns each call is all but free, of another one it costs more.
        traced = self.tracing.count(self.tables)
        return 2 * traced < sum(1 for _ in _actions(self.tables.program))

    async def arun(
        self,
        inputs: Inputs,
        ids: Rows,
        shared: Shared,
        *,
        configs: Any = None,
        observer: Observer | None = None,
        progress: Progress | None = None,
        resume: Any = None,
    ) -> Results:
        """Run every row on the event loop; no row waits for another one's node; see `run`."""
        if resume is not None:
            inputs = resumed_inputs(inputs, configs, shared.saver, resume, self.tables, ids)
        singly = Singly(
            self.tables, shared, ids, configs=configs, observer=observer, progress=progress
        )
        return await singly.arun(inputs.rows(), inputs.m)


@dataclass(slots=True)
class Call:
    """One call of an engine: its runs, or a part of them, on either path."""

    engine: Engine
    shared: Shared
    ids: Rows
    configs: Any
    observer: Observer | None

    def singly(self, part: Inputs, at: Where, progress: Progress | None) -> Results:
        """Run the runs at places `at` of the batch one by one."""
        return self.single(at, progress).run(part.rows())

    def single(self, at: Where, progress: Progress | None) -> Singly:
        """Return what runs the runs at places `at` one by one."""
        whole = at is None or self.configs is None
        return Singly(
            self.engine.tables,
            self.shared,
            self.ids if at is None else self.ids[at],
            configs=self.configs if whole else self.configs.take(at),
            observer=self.observer,
            progress=progress,
        )

    def in_lanes(
        self,
        part: Inputs,
        at: Where,
        progress: Progress | None,
        numbers: Rows | None = None,
        past: Past | None = None,
    ) -> Results:
        """Run the runs at places `at` in lanes; `numbers` are those of their threads."""
        engine, shared = self.engine, self.shared
        tables, control, ids = engine.tables, engine.control, self.ids
        tables = engine.tracing.tables(tables)
        assert control is not None
        ids = ids if at is None else ids[at]
        keeper = None
        if numbers is not None:
            threads = self.configs if at is None else self.configs.take(at)
            kind = Leaver if shared.durability == "exit" else Keeper
            keeper = kind(tables, control, shared, ids, threads, numbers, past)
        lanes = Lanes(
            tables,
            control,
            shared,
            ids,
            size=engine.lane,
            apart=engine.apart,
            observer=self.observer,
            on_step=progress,
            keeper=keeper,
            past=past,
        )
        return lanes.run(part)


def _ridden(call: Call, inputs: Inputs, progress: Progress | None) -> Results:
    """Run runs one by one, a part at a time; in lanes from where too many are no chain of calls."""
    parts, begin, m = Parts(progress), 0, inputs.m
    while begin < m:
        end = min(begin + (PART if begin else SMALL), m)
        at = np.arange(begin, end)
        singles: list[Singly] = []

        def alone(
            shown: Progress | None, at: Rows = at, singles: list[Singly] = singles
        ) -> Results:
            singles.append(call.single(at, shown))
            return singles[0].run(inputs.slice(int(at[0]), int(at[-1]) + 1).rows())

        parts.add(at, alone)
        begin = end
        if singles[0].slow * _RARE > len(at) and begin < m:
            at = np.arange(begin, m)
            parts.add(at, partial(call.in_lanes, inputs.slice(begin, m), at))
            break
    return parts.results()


_RARE = 8
"""Of this many runs one may cost as much as on the general way."""


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
