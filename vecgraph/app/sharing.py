"""A batch on several cores: which of its parts run where."""

from __future__ import annotations

import dataclasses
import pickle
import sys
import traceback
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vecgraph.ambient import current_task
from vecgraph.engine.records import together
from vecgraph.errors import WorkerError
from vecgraph.state import Inputs
from vecgraph.workers import can_start, cores, dumps, ran_in_processes, ran_in_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vecgraph.columns import Column
    from vecgraph.engine.batch import Engine
    from vecgraph.engine.records import Observer, Progress, Results, Superstep
    from vecgraph.engine.shared import Shared
    from vecgraph.typing import Rows

__all__ = ["Division", "Workers", "check_workers"]

Workers = int | Literal["auto"]
"""How many workers run a batch; ``"auto"``: as many as there are cores, if that pays."""

_Bounds = tuple[int, int]

_COLUMNAR = frozenset({"vector", "expr", "traced"})
_PROBE = 0.02
_LEAST = 64
_THREADS_PAY = 0.05
_PROCESSES_PAY = 1.0
"""Seconds of work from which on threads, or new processes, are worth their start."""
_GAIN = 0.85
"""Part of the time alone that two threads may take at most for the others to go on."""


def check_workers(workers: Any) -> None:
    """Raise ValueError unless `workers` is a positive int or ``"auto"``."""
    if workers != "auto" and (type(workers) is not int or workers < 1):
        raise ValueError(
            f"workers must be 'auto' or a positive int, not {workers!r}.\n"
            "Hint: leave it out to run the batch in this thread."
        )


class Division:
    """A batch that may be divided among workers; its results do not depend on how.

    Parameters
    ----------
    engine : Engine
    part : Inputs
    numbers : int64 ndarray of shape (N,)
        Number of each run.
    shared : Shared
    observer, progress : callable, optional
        Called by one thread at a time, with a part's supersteps in order.
    """

    def __init__(
        self,
        engine: Engine,
        part: Inputs,
        numbers: Rows,
        shared: Shared,
        observer: Observer | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._engine = engine
        self._part = part
        self._numbers = numbers
        self._shared = shared
        self._observer = observer
        self._progress = progress
        self._told = _Told(observer, progress, part.m)
        self.used = 1

    def run(self, workers: Workers) -> Results:
        """Run the batch.

        Raises
        ------
        WorkerError
            Several workers were asked for, and a function cannot be sent to another process,
            or a process has ended.
        """
        n = self._most(workers)
        kind = None if n == 1 else _kind(self._engine, self._shared)
        if kind is None:
            return self._alone()
        if workers != "auto":
            return self._together(self._on(kind, (0, self._part.m), n))
        return self._together(self._measured(kind, n))

    def _most(self, workers: Workers) -> int:
        """Return how many workers there may be: one inside a node, which has a core already."""
        if workers == 1 or self._part.m < 2 or current_task.get() is not None:
            return 1
        limit = self._shared.config.get("max_concurrency")
        most = cores() if workers == "auto" else workers
        return most if limit is None else max(1, min(most, limit))

    def _alone(self) -> Results:
        return self._engine.run(
            self._part,
            self._numbers,
            self._shared,
            observer=self._observer,
            progress=self._progress,
        )

    def _measured(self, kind: str, n: int) -> list[Results]:
        """Run a first part alone, and the rest on several cores if it will take long enough."""
        m, lane = self._part.m, self._engine.lane
        first = lane if kind == "threads" else max(_LEAST, int(m * _PROBE))
        if m < 2 * first:
            return [self._alone()]
        begin = perf_counter()
        done = [self._one((0, first))]
        alone = perf_counter() - begin
        ahead = alone / first * (m - first)
        if kind == "threads" and ahead > _THREADS_PAY and m >= 3 * first:
            begin = perf_counter()
            done += self._on(kind, (first, 3 * first), 2)
            kind = kind if perf_counter() - begin < _GAIN * 2 * alone else "one"
            first *= 3
        elif ahead < (_THREADS_PAY if kind == "threads" else _PROCESSES_PAY):
            kind = "one"
        if first == m:
            return done
        if kind == "processes" and not self._can_send():
            kind = "one"
        return done + self._on(kind, (first, m), n)

    def _on(self, kind: str, whole: _Bounds, n: int) -> list[Results]:
        """Run the runs between two bounds in `n` threads or processes, or in this one."""
        begin, end = whole
        rows = (end - begin) // n
        if kind == "one":
            return [self._one(whole)]
        self.used = max(self.used, n)
        if kind == "threads":
            each = max(1, min(4, rows // (2 * self._engine.lane)))
            return ran_in_threads(self._one, _even(begin, end, n * each), n)
        each = max(1, min(4, rows // _LEAST))
        parts = _even(begin, end, n * each)
        packed = [_Packing(self, bounds) for bounds in parts]
        done = ran_in_processes(self._job(), packed, n)
        for bounds, (results, records) in zip(parts, done, strict=True):
            self._told.replay(bounds, results, records)
        return [results for results, _ in done]

    def _one(self, bounds: _Bounds) -> Results:
        """Run the runs from one bound to the other in this thread."""
        begin, end = bounds
        told = self._told
        return self._engine.run(
            self._part.slice(begin, end),
            self._numbers[begin:end],
            self._shared,
            observer=told.observer,
            progress=told.progress(bounds),
        )

    def payload(self, bounds: _Bounds) -> _Payload:
        """Return the runs between two bounds as what can be sent."""
        begin, end = bounds
        part, numbers = self._part.slice(begin, end), self._numbers[begin:end]
        if part.is_objects:
            return _Payload(numbers, part.rows(), {})
        columns = {name: part.column(name) for name in part.names}
        return _Payload(numbers, None, {n: c for n, c in columns.items() if c is not None})

    def _job(self) -> bytes:
        """Return what each process runs."""
        try:
            return dumps(_Job(self._engine, self._shared, self._observer is not None))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise WorkerError.unsendable(error) from error

    def _can_send(self) -> bool:
        try:
            self._job()
        except WorkerError:
            return False
        return True

    def _together(self, results: list[Results]) -> Results:
        if len(results) == 1:
            return results[0]
        ends = np.cumsum([0, *map(len, results)])
        return together(results, [np.arange(a, b) for a, b in pairwise(ends)])


def _even(begin: int, end: int, n: int) -> list[_Bounds]:
    """Return `n` parts of nearly the same length; fewer if there are fewer rows."""
    cuts = np.linspace(begin, end, min(n, end - begin) + 1).astype(int).tolist()
    return list(pairwise(cuts))


def _kind(engine: Engine, shared: Shared) -> str | None:
    """Return what kind of workers a batch can have, None if it has to run in one thread."""
    if engine.is_async or shared.saver is not None or shared.parent is not None:
        return None
    if set(_tiers(engine)) <= _COLUMNAR or not getattr(sys, "_is_gil_enabled", _yes)():
        return "threads"
    kept = (shared.store, shared.cache, shared.control, shared.write, shared.sink)
    return "processes" if can_start() and all(one is None for one in kept) else None


def _yes() -> bool:
    return True


def _tiers(engine: Engine) -> Iterator[str]:
    """Yield the tier of every function as it will run, those of graphs inside included."""
    # Functions that have a column form run in it, and leave the interpreter to others.
    for node in engine.tracing.tables(engine.tables).nodes.values():
        actions = [] if node.action is None else [node.action]
        for action in [*actions, *(branch.action for branch in node.branches)]:
            if action.tier == "subgraph":
                inner: Any = action.fn
                yield from _tiers(inner.engine)
            else:
                yield action.tier


@dataclass(frozen=True, slots=True)
class _Payload:
    """Runs, as they are sent to a process."""

    numbers: Rows
    objects: list[Any] | None
    columns: dict[str, Column]

    def inputs(self) -> Inputs:
        """Return the runs' inputs."""
        m = len(self.numbers)
        if self.objects is not None:
            return Inputs(m, objects=self.objects)
        return Inputs(m, tuple(self.columns), self.columns.get)


@dataclass(frozen=True, slots=True)
class _Packing:
    """Makes what is sent when its turn comes."""

    division: Division
    bounds: _Bounds

    def __call__(self) -> _Payload:
        """Return the runs."""
        return self.division.payload(self.bounds)


@dataclass(frozen=True, slots=True)
class _Job:
    """What a process does with a part of a batch."""

    engine: Engine
    shared: Shared
    records: bool

    def __call__(self, payload: _Payload) -> tuple[Results, list[Superstep]]:
        """Run it; return the results and the records of the supersteps, if they are wanted."""
        records: list[Superstep] = []
        observer = records.append if self.records else None
        inputs = payload.inputs()
        results = self.engine.run(inputs, payload.numbers, self.shared, observer=observer)
        results.errors = [
            dataclasses.replace(error, exception=_sendable(error.exception))
            for error in results.errors
        ]
        return results, records


def _sendable(error: BaseException) -> BaseException:
    """Return an exception that another process can raise, with this one's traceback as text."""
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever fails, the text can be sent
        return RuntimeError(f"{type(error).__name__}: {error}\n\n{text}")
    return _WithText(error, text)  # type: ignore[return-value]


class _WithText:
    """Becomes the exception again where it arrives, caused by the text of its traceback."""

    def __init__(self, error: BaseException, text: str) -> None:
        self._error, self._text = error, text

    def __reduce__(self) -> Any:
        return _restored, (self._error, self._text)


class _RemoteTraceback(Exception):
    """The traceback of an exception in a worker process, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def _restored(error: BaseException, text: str) -> BaseException:
    error.__cause__ = _RemoteTraceback(text)
    return error


class _Told:
    """Tells those who watch what parts do: one part at a time, sums for progress."""

    def __init__(self, observer: Observer | None, progress: Progress | None, n: int) -> None:
        self._lock = Lock()
        self._observer = observer
        self._progress = progress
        self._n = n
        self._parts: dict[_Bounds, tuple[int, int, int, int]] = {}

    @property
    def observer(self) -> Observer | None:
        """What gets the records of a part."""
        return None if self._observer is None else self._observe

    def _observe(self, record: Superstep) -> None:
        assert self._observer is not None
        with self._lock:
            self._observer(record)

    def progress(self, part: _Bounds) -> Progress | None:
        """Return what gets the numbers of a part."""
        if self._progress is None:
            return None

        def told(done: int, running: int, failed: int, steps: int) -> None:
            self._add(part, (done, running, failed, steps))

        return told

    def _add(self, part: _Bounds, numbers: tuple[int, int, int, int]) -> None:
        assert self._progress is not None
        with self._lock:
            self._parts[part] = numbers
            done, running, failed, steps = map(sum, zip(*self._parts.values(), strict=True))
            self._progress(done, running, failed, steps)

    def replay(self, part: _Bounds, results: Results, records: list[Superstep]) -> None:
        """Tell what a part did that ran elsewhere."""
        for record in records:
            self._observe(record)
        if self._progress is not None:
            failed = len(results.errors)
            self._add(part, (len(results) - failed, 0, failed, results.run_steps))
