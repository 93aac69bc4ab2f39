"""Many runs, one at a time: in this thread, or side by side on an event loop."""

from __future__ import annotations

import heapq
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.ambient import current_task
from vecgraph.columns import Column
from vecgraph.constants import MISSING, PREVIOUS
from vecgraph.engine.drive import arun_one, moves, new_run, quickly, quickly_on
from vecgraph.engine.gather import Gatherer
from vecgraph.engine.quick import can_be_quick
from vecgraph.engine.records import Results, RowError, Superstep, TaskRecord, status_of
from vecgraph.engine.ride import RideScope
from vecgraph.engine.run import Run, TaskError
from vecgraph.engine.single import output
from vecgraph.engine.tables import Tables, names_of
from vecgraph.errors import GraphRecursionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vecgraph.engine.records import Observer, Progress
    from vecgraph.engine.ride import Left
    from vecgraph.engine.run import Task
    from vecgraph.engine.shared import Shared
    from vecgraph.typing import Rows

__all__ = ["Singly"]

IN_FLIGHT = 10_000
"""Runs that an event loop serves at once."""


class Singly:
    """Runs inputs one at a time and gathers what becomes of each.

    Parameters
    ----------
    tables : Tables
    shared : Shared
    ids : int64 ndarray of shape (N,)
        Number of each run.
    configs : sequence of RunnableConfig, optional
        Of each run, if they differ.
    observer, progress : callable, optional

    Attributes
    ----------
    slow : int
        Runs that began in the loop of the short way, and had to go on on the general one.
    """

    def __init__(
        self,
        tables: Tables,
        shared: Shared,
        ids: Rows,
        *,
        configs: Any = None,
        observer: Observer | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.slow = 0
        self._tables = tables
        self._shared = shared
        self._configs = configs
        self._observer = observer
        self._tally = _Tally(tables, ids, progress)
        self._numbers = ids.tolist()

    def _begin(self, at: int) -> tuple[Run, _Recorder | None]:
        config = None if self._configs is None else self._configs[at]
        run = new_run(self._tables, self._shared, self._numbers[at], config)
        return run, None if self._observer is None else _Recorder(self._observer)

    def run(self, inputs: Iterable[Any]) -> Results:
        """Run each input to its end, in this thread; those that must wait let others go first."""
        if PREVIOUS in self._tables.channels and self._observer is None:
            return self._in_threads(inputs)
        sleeping: list[tuple[float, int, Run, Iterator[float | None]]] = []
        waiting = enumerate(inputs)
        first = self._ridden if self._rides() else _next
        while (one := first(waiting, sleeping)) is not None:
            at, value = one
            self._wake(sleeping, time.monotonic())
            run, watcher = self._begin(at)
            self._go_on(at, run, self._moved(run, value, watcher), sleeping)
        while sleeping:
            time.sleep(max(0.0, sleeping[0][0] - time.monotonic()))
            self._wake(sleeping, time.monotonic())
        return self._tally.results()

    def _rides(self) -> bool:
        """Return whether runs may go the short way, and stay in its loop."""
        quick = self._tables.quick
        if quick is None or not quick.rides or quick.ride.first is None:
            return False
        run = Run(self._tables, 0, self._shared.limit)
        plain = self._observer is None and self._configs is None
        return plain and can_be_quick(self._tables, run, None, self._shared)

    def _ridden(
        self, waiting: Iterator[tuple[int, Any]], sleeping: list[Any]
    ) -> tuple[int, Any] | None:
        """Run inputs the short way, up to one that cannot begin there: return it and its place."""
        tables, shared, tally = self._tables, self._shared, self._tally
        ride: Any = tables.quick and tables.quick.ride
        token, run = current_task.set(None), None
        try:
            for at, value in waiting:
                cells = ride.begin(value)
                if cells is None:
                    return at, value
                if run is None:
                    run = Run(tables, 0, shared.limit)
                    scope = RideScope(shared, tables, run)
                    current_task.set(scope)
                run.row, run.cells, run.step, run.emitted = self._numbers[at], cells, 1, True
                left = ride.run(run, scope, ride.first)
                if left is None:
                    tally.done(at, run)
                else:
                    self._go_on(at, run, self._left(run, scope, left), sleeping)
                    run = None  # it is no longer empty, and neither is its scope
        finally:
            current_task.reset(token)
        return None

    def _left(self, run: Run, scope: RideScope, left: Left) -> Iterator[float | None]:
        if not quickly_on(self._tables, run, scope, left):
            self.slow += 1
            yield from moves(self._tables, run, MISSING, self._shared)

    def _in_threads(self, inputs: Iterable[Any]) -> Results:
        """Run each input in one of some threads: workflows are functions, which may wait."""
        waiting, lock = enumerate(inputs), threading.Lock()

        def serve() -> None:
            while True:
                with lock:
                    taken = next(waiting, None)
                if taken is None:
                    return
                self._one(*taken, lock)

        limit = self._shared.config.get("max_concurrency") or min(32, (os.cpu_count() or 1) + 4)
        workers = max(1, min(limit, len(self._numbers)))
        with ThreadPoolExecutor(workers, "vecgraph-run") as pool:
            for ended in [pool.submit(copy_context().run, serve) for _ in range(workers)]:
                ended.result()
        return self._tally.results()

    def _one(self, at: int, value: Any, lock: threading.Lock) -> None:
        run, watcher = self._begin(at)
        failure: Exception | None = None
        try:
            for pause in self._moved(run, value, watcher):
                if pause:
                    time.sleep(pause)
        except Exception as error:  # noqa: BLE001 - a run's failure is a result
            failure = error
        with lock:
            if failure is None:
                self._tally.end(at, run)
            else:
                self._tally.fail(at, run, failure)

    def _moved(self, run: Run, value: Any, watcher: Any) -> Iterator[float | None]:
        if watcher is None and can_be_quick(self._tables, run, value, self._shared):
            return self._quick(run, value)
        return moves(self._tables, run, value, self._shared, watcher)

    def _quick(self, run: Run, value: Any) -> Iterator[float | None]:
        if not quickly(self._tables, run, value, self._shared):
            yield from moves(self._tables, run, MISSING, self._shared)

    def _wake(self, sleeping: list[Any], now: float) -> None:
        while sleeping and sleeping[0][0] <= now:
            _, at, run, moved = heapq.heappop(sleeping)
            self._go_on(at, run, moved, sleeping)

    def _go_on(self, at: int, run: Run, moved: Iterator[float | None], sleeping: list[Any]) -> None:
        try:
            for pause in moved:
                if pause:
                    heapq.heappush(sleeping, (time.monotonic() + pause, at, run, moved))
                    return
        except _ObserverError as broken:
            raise broken.error from None
        except Exception as error:  # noqa: BLE001 - a run's failure is a result
            self._tally.fail(at, run, error)
        else:
            self._tally.end(at, run)

    async def arun(self, inputs: Iterable[Any], n: int) -> Results:
        """Run each of N inputs on the event loop; none waits for another one's node."""
        import asyncio

        gatherer = Gatherer(self._tables, self._shared)
        waiting = enumerate(inputs)

        async def serve() -> None:
            for at, value in waiting:
                run, watcher = self._begin(at)
                try:
                    await arun_one(self._tables, run, value, self._shared, gatherer, watcher)
                except Exception as error:  # noqa: BLE001 - a run's failure is a result
                    self._tally.fail(at, run, error)
                else:
                    self._tally.end(at, run)

        workers = [asyncio.ensure_future(serve()) for _ in range(min(IN_FLIGHT, n))]
        try:
            await asyncio.gather(*workers)
        except _ObserverError as broken:
            raise broken.error from None
        finally:
            for worker in workers:
                worker.cancel()
            gatherer.close()
            await asyncio.gather(*workers, return_exceptions=True)
        return self._tally.results()


def _next(waiting: Iterator[tuple[int, Any]], _sleeping: list[Any]) -> tuple[int, Any] | None:
    return next(waiting, None)


class _Tally:
    """Gathers what becomes of single runs."""

    def __init__(self, tables: Tables, ids: Rows, progress: Progress | None) -> None:
        n = len(ids)
        self._tables = tables
        self._progress = progress
        self._ids = ids
        self.outputs: list[Any] = [None] * n
        self.emitted = [True] * n
        self.status = bytearray(n)
        self.steps = [0] * n
        self.errors: list[RowError] = []
        self.interrupts: dict[int, tuple[Any, ...]] = {}
        self._ended = 0
        self._run_steps = 0
        channels = tables.channels
        self._read = [(name, channels[name]) for name in tables.outputs if not channels[name].plain]

    def done(self, at: int, run: Run) -> None:
        """Note that a run has ended that never left the loop; its cells are its output."""
        cells = run.cells
        for name, channel in self._read:
            if name in cells:
                cells[name] = channel.read(cells[name])
        self.outputs[at] = cells
        self.steps[at] = run.step - 1
        if self._progress is not None:
            self._tell(at)

    def end(self, at: int, run: Run) -> None:
        """Note that a run has ended well, or stopped to be gone on with."""
        if run.ended.startswith("interrupt"):
            self.status[at] = status_of("interrupted")
            self.interrupts[int(self._ids[at])] = tuple(run.interrupts)
            self.steps[at] = max(run.step - (run.ended != "interrupt"), 0)
        else:
            self.steps[at] = run.step - 1
        self._note(at, run)

    def fail(self, at: int, run: Run, error: Exception) -> None:
        """Note that a run has failed; its last good values are its output."""
        node: str | None = None
        cause: BaseException = error
        if isinstance(error, TaskError):
            node, cause = error.node, error.error
        is_limit = node is None and isinstance(cause, GraphRecursionError)
        self.status[at] = status_of(cause, node)
        self.steps[at] = run.step - 1 if is_limit else max(run.step, 0)
        self.errors.append(RowError(int(self._ids[at]), node, int(self.steps[at]), cause))
        self._note(at, run)

    def _note(self, at: int, run: Run) -> None:
        self.outputs[at] = output(self._tables, run)
        self.emitted[at] = run.emitted is not MISSING
        if self._progress is not None:
            self._tell(at)

    def _tell(self, at: int) -> None:
        assert self._progress is not None
        self._ended += 1
        self._run_steps += self.steps[at]
        failed = len(self.errors)
        running = len(self.outputs) - self._ended
        self._progress(self._ended - failed, running, failed, self._run_steps)

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
        steps = np.array(self.steps, np.int64)
        return Results(
            columns,
            np.array(self.emitted, np.bool_),
            np.frombuffer(self.status, np.int8).copy(),
            steps,
            self._ids,
            sorted(self.errors, key=lambda error: error.row),
            interrupts=self.interrupts,
            bare=outputs if isinstance(outputs, str) else None,
            run_steps=int(steps.sum()),
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

    def planned(self, run: Run, tasks: list[Task]) -> None:
        """Pass over checkpoints: they are no records."""

    def started(self, run: Run, tasks: list[Task]) -> None:
        """Note the tasks before they run."""
        self._begin = perf_counter()
        self._tasks = tasks

    def finished(self, run: Run, task: Task) -> None:
        """Tasks are recorded together, when the superstep ends."""

    def stopped(self, run: Run) -> None:
        """Pass over a breakpoint: it is no record."""

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
