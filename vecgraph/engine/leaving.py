"""Checkpoints of runs in lanes of which only the last is kept: durability ``exit``.

Until a run ends, what each of its supersteps leaves goes to a saver in memory; what that holds of it
then is put into the saver that the graph has, as one checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.engine.flush import ColumnChange, Flush
from vecgraph.engine.ids import checkpoint_id
from vecgraph.engine.keeping import Keeper
from vecgraph.engine.stories import Stories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vecgraph.typing import Rows

__all__ = ["Leaver"]

_TOGETHER = 1 << 16
"""So many runs that have ended are written together, if there are more to come."""


class Leaver(Keeper):
    """Keeps the last checkpoint of each of a batch's runs, none of which has a past.

    Parameters
    ----------
    args
        As for `Keeper`.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        n = len(self.numbers)
        self._real, self._threads_there = self.saver, self.numbers
        self.saver = self._real.scratch()
        self.numbers = self.saver.register_threads(count=n)
        self._stories = Stories(n, self.form)
        self._ended: list[Rows] = []
        self._left = np.zeros(n, np.bool_)

    def _id(self, at: int, step: int) -> str:
        # As if this were the only one: it may be the last.
        return checkpoint_id(int(self.stamp[at]), step, int(self._threads_there[at]), 0)

    def _store(self, rows: Rows, flush: Flush) -> None:
        super()._store(rows, flush)
        self._stories.go_on(rows, flush)

    def ended(self, rows: Rows) -> None:
        """Note that runs have ended; write what there is of them once there are many."""
        self._ended.append(rows)
        if sum(map(len, self._ended)) >= _TOGETHER:
            self._write(np.concatenate(self._ended))
            self._ended = []

    def leave(self) -> None:
        """Write what there is of all runs that were not written yet."""
        self._write(np.flatnonzero(~self._left))

    def _write(self, rows: Rows) -> None:
        self._left[rows] = True
        places = self.saver.latest_places(self.numbers[rows])
        rows, places = rows[places >= 0], places[places >= 0]
        state = self.saver.read_columns(self.numbers[rows], places, graph=self.form)
        is_input = state.step < 0
        for source, where in (("input", is_input), ("loop", ~is_input)):
            at = np.flatnonzero(where)
            if len(at):
                self._real.write_columns(self._flush_of(rows[at], state.take(at), source))
        kept = self.saver.pending_of(self.numbers[rows], places)
        if len(kept):
            threads = self._threads_there[rows[kept.rows]]
            there = np.zeros(len(kept), np.int32)
            named = kept.task_ids, kept.paths, kept.channels
            self._real.put_writes_many(threads, there, *named, kept.values, idx=kept.idx)

    def _flush_of(self, rows: Rows, state: Any, source: str) -> Flush:
        stories, told = self._stories.told(rows)
        return Flush(
            threads=self._threads_there[rows],
            seq=np.zeros(len(rows), np.int32),
            step=state.step,
            clock=state.clock,
            ran=state.ran,
            due=state.due,
            nodes=state.nodes,
            changes=dict(_values(state)),
            config=self.config,
            metadata={"parents": {}},
            source=source,
            graph=self.form,
            stamps=self.stamp[rows],
            stories=stories,
            told=told,
        )


def _values(state: Any) -> Iterator[tuple[str, list[ColumnChange]]]:
    """Return the channels that have a value, as if all had just got it."""
    for name, column in state.columns.items():
        where = np.flatnonzero(column.mask())
        if len(where) == len(state):
            yield name, [ColumnChange(None, column)]
        elif len(where):
            yield name, [ColumnChange(where, column.take(where))]
