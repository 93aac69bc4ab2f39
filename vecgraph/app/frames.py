"""Streams of many runs: frames of what the rows that moved have to show, as fast as they are read."""

from __future__ import annotations

import copy
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.app.many import ManyRuns
from vecgraph.engine.drive import amoves, moves, new_run
from vecgraph.engine.gather import Gatherer
from vecgraph.engine.run import TaskError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from vecgraph.app.many import Call
    from vecgraph.app.streaming import Form
    from vecgraph.config import RunnableConfig
    from vecgraph.streams import Chunk
    from vecgraph.typing import Rows

__all__ = ["Frame", "FrameStreams"]

IN_FLIGHT = 1024
"""Most runs that have begun and not ended."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What some rows of a batch show at once.

    Attributes
    ----------
    mode : str
        A stream mode; ``error`` for the exceptions of runs that have failed.
    ns : tuple of str
        Namespace of the graph that shows it; empty for the outermost.
    rows : int64 ndarray of shape (M,)
        Numbers of the runs, each at most once.
    payloads : list of length M
        What LangGraph's stream of each run alone would yield.
    """

    mode: str
    ns: tuple[str, ...]
    rows: Rows
    payloads: list[Any]

    def of(self, row: int) -> list[Any]:
        """Return what a run shows in this frame: nothing, or one payload."""
        return [self.payloads[at] for at in np.flatnonzero(self.rows == row).tolist()]


class FrameStreams(ManyRuns):
    """Streams of many runs."""

    def batch_stream(
        self,
        inputs: Any,
        config: RunnableConfig | None = None,
        *,
        stream_mode: Any = None,
        output_keys: Any = None,
        subgraphs: bool = False,
        context: Any = None,
        seed: int = 0,
        ids: Any = None,
        threads: Any = None,
        in_flight: int = IN_FLIGHT,
        **options: Any,
    ) -> Iterator[Frame]:
        """Run many inputs; yield frames of what they show, superstep by superstep.

        The frames of one row are what `stream` yields for it alone, chunk for chunk. Runs go
        one by one, a step each in turn, and only as far as the frames are read.

        Parameters
        ----------
        inputs : list, or a table
            As of `batch`.
        config, context, seed, ids, threads
            As of `batch`.
        stream_mode, output_keys, subgraphs
            As of `stream`.
        in_flight : int
            Most runs that have begun and not ended.
        **options
            As of `invoke`.

        Yields
        ------
        Frame
            One whose mode is ``error`` holds the exceptions of runs that have failed; the
            others go on.
        """
        form = self._form(stream_mode, (), False, subgraphs, "v1")
        call = self._call(inputs, config, context, seed, ids, threads, None, options, None)
        waiting = iter(range(call.part.m))
        values, running = call.part.rows(), deque[_Row]()
        while True:
            while len(running) < in_flight and (at := next(waiting, None)) is not None:
                running.append(self._row(call, at, values[at], form, output_keys))
            if not running:
                return
            _wait_for(running)
            for row in running:
                row.move()
            yield from _frames(running)
            running = deque(row for row in running if not row.ended)

    def _row(self, call: Call, at: int, value: Any, form: Form, output_keys: Any) -> _Row:
        shared = copy.copy(call.shared)
        row = _Row(int(call.numbers[at]))
        watcher = self._watcher(shared, form, output_keys, row.chunks.append)
        one = None if call.configs is None else call.configs[at]
        run = new_run(self.engine.tables, shared, row.number, one)
        row.moves = moves(self.engine.tables, run, value, shared, watcher)
        return row

    async def abatch_stream(
        self,
        inputs: Any,
        config: RunnableConfig | None = None,
        *,
        stream_mode: Any = None,
        output_keys: Any = None,
        subgraphs: bool = False,
        context: Any = None,
        seed: int = 0,
        ids: Any = None,
        threads: Any = None,
        in_flight: int = IN_FLIGHT,
        **options: Any,
    ) -> AsyncIterator[Frame]:
        """Run many inputs on the event loop; see `batch_stream`. No run waits for another one."""
        import asyncio

        form = self._form(stream_mode, (), False, subgraphs, "v1")
        call = self._call(inputs, config, context, seed, ids, threads, None, options, None)
        numbers, values = iter(range(call.part.m)), call.part.rows()
        shown: asyncio.Queue[_Row | None] = asyncio.Queue(in_flight)
        gatherer = Gatherer(self.engine.tables, call.shared)

        async def serve() -> None:
            for at in numbers:
                async for row in self._arow(call, at, values[at], form, output_keys, gatherer):
                    await shown.put(row)

        async def all_served() -> None:
            await asyncio.gather(*workers)
            await shown.put(None)

        workers = [asyncio.ensure_future(serve()) for _ in range(min(in_flight, call.part.m))]
        end = asyncio.ensure_future(all_served())
        try:
            async for moved in _arrived(shown, end):
                for frame in _frames(moved):
                    yield frame
        finally:
            for worker in (*workers, end):
                worker.cancel()
            await asyncio.gather(*workers, end, return_exceptions=True)
            gatherer.close()

    async def _arow(
        self, call: Call, at: int, value: Any, form: Form, output_keys: Any, gatherer: Gatherer
    ) -> AsyncGenerator[_Row, None]:
        """Run one row; yield what it has come to whenever it has something to show."""
        shared, number = copy.copy(call.shared), int(call.numbers[at])
        row = _Row(number)
        watcher = self._watcher(shared, form, output_keys, row.chunks.append)
        one = None if call.configs is None else call.configs[at]
        run = new_run(self.engine.tables, shared, number, one)
        moved = amoves(self.engine.tables, run, value, shared, gatherer, watcher)
        try:
            async for _ in moved:
                if row.chunks:
                    yield row.part()
        except TaskError as failed:
            row.fail(failed.error)
        except Exception as error:  # noqa: BLE001 - a run's failure is a result
            row.fail(error)
        if row.chunks:
            yield row.part()


class _Row:
    """A run on its way, and what it has shown that nobody has taken yet."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.chunks: deque[Chunk] = deque()
        self.moves: Any = None
        self.due = 0.0
        self.ended = False

    def move(self) -> None:
        """Let the run take its next step, unless it waits for a later attempt."""
        if self.due > time.monotonic():
            return
        try:
            pause = next(self.moves, _ENDED)
        except TaskError as failed:
            self.fail(failed.error)
        except Exception as error:  # noqa: BLE001 - a run's failure is a result
            self.fail(error)
        else:
            self.ended = pause is _ENDED
            self.due = time.monotonic() + pause if pause and not self.ended else 0.0

    def fail(self, error: BaseException) -> None:
        """Show what the run has failed with."""
        self.ended = True
        self.chunks.append(((), "error", error))

    def part(self) -> _Row:
        """Return what there is to show, and begin anew."""
        part = _Row(self.number)
        part.chunks.extend(self.chunks)
        self.chunks.clear()
        return part


_ENDED: Any = object()


def _wait_for(running: deque[_Row]) -> None:
    """Wait until some run may go on."""
    left = min(row.due for row in running) - time.monotonic()
    if left > 0:
        time.sleep(left)


def _frames(rows: deque[_Row] | list[_Row]) -> Iterator[Frame]:
    """Take what rows have to show: their first chunks by mode and graph, their second, ..."""
    rows = [row for row in rows if row.chunks]
    while rows:
        found: dict[tuple[str, tuple[str, ...]], tuple[list[int], list[Any]]] = {}
        for row in rows:
            ns, mode, payload = row.chunks.popleft()
            numbers, payloads = found.setdefault((mode, ns), ([], []))
            numbers.append(row.number)
            payloads.append(payload)
        for (mode, ns), (numbers, payloads) in found.items():
            yield Frame(mode, ns, np.array(numbers, np.int64), payloads)
        rows = [row for row in rows if row.chunks]


async def _arrived(shown: Any, end: Any) -> AsyncGenerator[list[_Row], None]:
    """Yield the rows that have something to show, each at most once; to the end of all."""
    while True:
        moved: dict[int, _Row] = {}
        row = await shown.get()
        while row is not None:
            if row.number in moved:
                moved[row.number].chunks.extend(row.chunks)
            else:
                moved[row.number] = row
            if shown.empty():
                break
            row = shown.get_nowait()
        if moved:
            yield list(moved.values())
        if row is None:
            end.result()
            return
