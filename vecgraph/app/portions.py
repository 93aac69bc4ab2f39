"""Batches that are larger than memory: rows in, results out, some at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.app.many import ManyRuns
from vecgraph.app.memory import Memory, in_flight
from vecgraph.intake import portions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from vecgraph.result import BatchResult

__all__ = ["ManyBatches"]

SIZE = 262_144
"""Runs of a portion: two lanes, so that a lane is refilled while others end."""


class ManyBatches(ManyRuns):
    """Runs batches that come, or are cut, one after the other."""

    def stream_batches(
        self, inputs: Any, config: Any = None, *, size: int = SIZE, ids: Any = None, **options: Any
    ) -> Iterator[BatchResult]:
        """Run a batch of any length in portions; yield the result of each as it is there.

        Together they are what one `batch` of all rows gives, in its order. One portion is in
        memory at a time, and its result for as long as the caller keeps it: a reader of
        record batches that is larger than memory can be written to a file as it is run.

        Parameters
        ----------
        inputs : iterator of tables, pyarrow.RecordBatchReader, or a table
            Small record batches are put together, large ones divided.
        config : RunnableConfig, optional
        size : int
            Runs of a portion; the last may be shorter.
        ids : str, optional
            Column that holds the number of each run (default: its position among all rows).
        **options
            As of `batch`; ``threads`` may name a column.

        Yields
        ------
        BatchResult

        Raises
        ------
        BatchInputError
            The rows do not fit the graph, or two tables have different columns.
        ValueError
            `size` is not positive.
        """
        for part, numbers in _numbered(self, inputs, size, ids):
            yield self.batch(part, config, ids=numbers, **options)

    def memory(self) -> Memory:
        """Return what this graph's batches and its checkpointer keep in memory now.

        Callable at any time: from a progress callback, an observer, or another thread.
        """
        return in_flight(self.engine.tables, self.checkpointer)

    async def astream_batches(
        self, inputs: Any, config: Any = None, *, size: int = SIZE, ids: Any = None, **options: Any
    ) -> AsyncIterator[BatchResult]:
        """Run a batch of any length in portions on the event loop; see `stream_batches`."""
        for part, numbers in _numbered(self, inputs, size, ids):
            yield await self.abatch(part, config, ids=numbers, **options)


def _numbered(app: ManyRuns, inputs: Any, size: int, ids: Any) -> Iterator[tuple[Any, Any]]:
    """Yield portions with the number of each run."""
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    if ids is not None and not isinstance(ids, str):
        raise TypeError("ids must name a column: the rows are not all there when the first run")
    begin = 0
    for part in portions(inputs, app.program.channels, size):
        end = begin + max(map(len, part.values()), default=0)
        yield part, np.arange(begin, end) if ids is None else ids
        begin = end
