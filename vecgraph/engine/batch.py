"""Run many rows: choose between lanes and single runs, and gather what becomes of each."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.engine.control import Control, refusal
from vecgraph.engine.drive import arun_one, run_one
from vecgraph.engine.gather import Gatherer
from vecgraph.engine.lanes import LANE, Lanes
from vecgraph.engine.records import (
    STATUSES,
    Observer,
    Progress,
    Results,
    RowError,
    Superstep,
    TaskRecord,
)
from vecgraph.engine.single import Run, Task, TaskError
from vecgraph.engine.tables import Tables, names_of
from vecgraph.errors import GraphRecursionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vecgraph.engine.scope import Shared
    from vecgraph.program import Program
    from vecgraph.state import Inputs
    from vecgraph.typing import Rows

__all__ = ["SMALL", "Engine"]

SMALL = 32
"""Below this many rows a run at a time is cheaper than columns."""

IN_FLIGHT = 10_000
"""Runs that an event loop serves at once."""

_DONE, _ERROR, _RECURSION = (STATUSES.index(s) for s in ("done", "error", "recursion"))


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

    def run(
        self,
        inputs: Inputs,
        ids: Rows,
        shared: Shared,
        *,
        observer: Observer | None = None,
        progress: Progress | None = None,
    ) -> Results:
        """Run every row of `inputs` to its end, in this thread."""
        with _paused_gc(inputs.m):
            if self.control is not None and inputs.m >= self.small:
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
            return self._run_singly(inputs, ids, shared, observer, progress)

    def _run_singly(
        self,
        inputs: Inputs,
        ids: Rows,
        shared: Shared,
        observer: Observer | None,
        progress: Progress | None,
    ) -> Results:
        tally = _Tally(self.tables, ids, progress)
        for at, (row, value) in enumerate(zip(ids.tolist(), inputs.rows(), strict=True)):
            run = Run(self.tables, row, shared.limit)
            watcher = None if observer is None else _Recorder(observer)
            try:
                output = run_one(self.tables, run, value, shared, watcher)
            except _ObserverError as broken:
                raise broken.error from None
            except Exception as error:  # noqa: BLE001 - a run's failure is a result
                tally.fail(at, run, error)
            else:
                tally.end(at, run, output)
        return tally.results()

    async def arun(
        self,
        inputs: Inputs,
        ids: Rows,
        shared: Shared,
        *,
        observer: Observer | None = None,
        progress: Progress | None = None,
    ) -> Results:
        """Run every row on the event loop; no row waits for another one's node."""
        import asyncio

        tally = _Tally(self.tables, ids, progress)
        gatherer = Gatherer(self.tables, shared)
        waiting = enumerate(zip(ids.tolist(), inputs.rows(), strict=True))

        async def serve() -> None:
            for at, (row, value) in waiting:
                run = Run(self.tables, row, shared.limit)
                watcher = None if observer is None else _Recorder(observer)
                try:
                    output = await arun_one(self.tables, run, value, shared, gatherer, watcher)
                except Exception as error:  # noqa: BLE001 - a run's failure is a result
                    tally.fail(at, run, error)
                else:
                    tally.end(at, run, output)

        workers = [asyncio.ensure_future(serve()) for _ in range(min(IN_FLIGHT, inputs.m))]
        try:
            await asyncio.gather(*workers)
        except _ObserverError as broken:
            raise broken.error from None
        finally:
            for worker in workers:
                worker.cancel()
            gatherer.close()
            await asyncio.gather(*workers, return_exceptions=True)
        return tally.results()


class _Tally:
    """Gathers what becomes of single runs."""

    def __init__(self, tables: Tables, ids: Rows, progress: Progress | None) -> None:
        n = len(ids)
        self._tables = tables
        self._progress = progress
        self._ids = ids
        self.outputs: list[Any] = [None] * n
        self.emitted = np.zeros(n, np.bool_)
        self.status = np.zeros(n, np.int8)
        self.steps = np.zeros(n, np.int64)
        self.errors: list[RowError] = []
        self._ended = 0

    def end(self, at: int, run: Run, output: Any) -> None:
        """Note that a run has ended well."""
        self.outputs[at] = output
        self.emitted[at] = run.emitted is not MISSING
        self.steps[at] = run.step - 1
        self._advance(run)

    def fail(self, at: int, run: Run, error: Exception) -> None:
        """Note that a run has failed; its last good values are its output."""
        node: str | None = None
        cause: BaseException = error
        if isinstance(error, TaskError):
            node, cause = error.node, error.error
        is_limit = node is None and isinstance(cause, GraphRecursionError)
        self.status[at] = _RECURSION if is_limit else _ERROR
        self.steps[at] = run.step - 1 if is_limit else max(run.step, 0)
        self.errors.append(RowError(int(self._ids[at]), node, int(self.steps[at]), cause))
        self.outputs[at] = run.output(self._tables)
        self.emitted[at] = run.emitted is not MISSING
        self._advance(run)

    def _advance(self, run: Run) -> None:
        self._ended += 1
        if self._progress is not None:
            failed = len(self.errors)
            running = len(self.outputs) - self._ended
            self._progress(self._ended - failed, running, failed, int(self.steps.sum()))

    def results(self) -> Results:
        """Return everything as columns."""
        outputs = self._tables.program.outputs
        columns = {}
        for name in names_of(outputs):
            if isinstance(outputs, str):
                cells = [
                    v if e else MISSING for v, e in zip(self.outputs, self.emitted, strict=True)
                ]
            else:
                cells = [MISSING if o is None else o.get(name, MISSING) for o in self.outputs]
            columns[name] = Column.of_cells(cells)
        return Results(
            columns,
            self.emitted,
            self.status,
            self.steps,
            self._ids,
            sorted(self.errors, key=lambda error: error.row),
            bare=outputs if isinstance(outputs, str) else None,
            run_steps=int(self.steps.sum()),
        )


class _ObserverError(BaseException):
    """Carries an observer's exception past the run, which did not fail."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class _Recorder:
    """A watcher that turns a single run's supersteps into records."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._begin = 0.0
        self._tasks: list[Task] = []

    def started(self, run: Run, tasks: list[Task]) -> None:
        """Note the tasks before they run."""
        self._begin = perf_counter()
        self._tasks = tasks

    def finished(self, run: Run, task: Task) -> None:
        """Tasks are recorded together, when the superstep ends."""

    def values(self, run: Run, written: Any) -> None:
        """Record the superstep."""
        shown = [task for task in self._tasks if not task.spec.hidden]
        if not shown:
            return
        row, step = np.array([run.row]), np.array([run.step])
        tasks = [TaskRecord(task.spec.name, row, step) for task in shown]
        try:
            self._observer(Superstep(row, step, tasks, perf_counter() - self._begin))
        except Exception as error:
            raise _ObserverError(error) from error


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
