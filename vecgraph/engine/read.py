"""What tasks and routers of a lane read: channels, managed values, fresh state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import Column
from vecgraph.engine.tables import Tables, names_of
from vecgraph.managed import StepClock
from vecgraph.nodes.reading import keys_read
from vecgraph.state import Inputs, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.channels.base import Folded
    from vecgraph.nodes.action import Action
    from vecgraph.nodes.outcome import Outcome
    from vecgraph.program import Branch, NodeSpec, Reads
    from vecgraph.typing import Where

__all__ = ["Clock", "Fresh", "node_inputs"]


@dataclass(slots=True, eq=False)
class Clock:
    """The step of each run of a lane, whose runs may have started at different times.

    Attributes
    ----------
    tick : int
        Superstep of the lane.
    birth : int64 ndarray of shape (N,)
        Tick of each run's step 0.
    limit : int
        Recursion limit.
    stops : int64 ndarray of shape (N,), or None
        Last step that each run may take; None: `limit`, for all.
    """

    tick: int
    birth: np.ndarray
    limit: int
    stops: np.ndarray | None = None

    def steps(self, where: Where) -> np.ndarray:
        """Return the step of each run at `where`; int64."""
        return self.tick - (self.birth if where is None else self.birth[where])

    def stop(self, where: Where) -> Any:
        """Return the last step that each run at `where` may take; one for all, or int64."""
        if self.stops is None:
            return self.limit
        return self.stops if where is None else self.stops[where]


def node_inputs(
    tables: Tables, state: State, spec: NodeSpec, where: Where, m: int, clock: Clock
) -> Inputs:
    """Return what a triggered node gets: its channels at `where`."""

    def read(name: str) -> Column | None:
        return _value(tables, state, name, where, clock)

    bare = isinstance(spec.reads, str)
    names = _needed(spec.action, spec.reads, spec.mapper)
    return Inputs(m, names, read, mapper=spec.mapper, bare=bare)


def _needed(action: Action | None, reads: Reads, mapper: Any) -> tuple[str, ...]:
    """Return the channels that a function needs: those it looks up, where its code says so."""
    keys = _looked_up(action, reads, mapper)
    return tuple(name for name in names_of(reads) if keys is None or name in keys)


def _looked_up(action: Action | None, reads: Reads, mapper: Any) -> frozenset[str] | None:
    if action is None or action.tier != "rowwise" or mapper is not None or isinstance(reads, str):
        return None
    return keys_read(action.fn)


def _value(tables: Tables, state: State, name: str, where: Where, clock: Clock) -> Column | None:
    channel = tables.channels.get(name)
    if channel is None:
        return _managed(tables, name, where, clock)
    if name not in state.columns:
        return None
    cells = state.gather(name, where)
    return cells if channel.plain else channel.read_columns(cells)


def _managed(tables: Tables, name: str, where: Where, clock: Clock) -> Column:
    rule = tables.program.managed[name]
    return Column.of_array(rule.get(StepClock(clock.steps(where), clock.stop(where))))


class Fresh:
    """The state as a node's routers see it: with that node's own writes, and no other's.

    Parameters
    ----------
    outcome : Outcome
        Of the node; its failures are added to when a write breaks a channel's rule.

    Attributes
    ----------
    folded : dict of str to Folded
        What the writes make of each channel, in the task's positions; the superstep
        takes it over where no other task writes the channel.
    """

    def __init__(
        self, tables: Tables, state: State, where: Where, outcome: Outcome, clock: Clock
    ) -> None:
        self._tables = tables
        self._state = state
        self._where = where
        self._outcome = outcome
        self._clock = clock
        self._columns: dict[str, Column | None] = {}
        self.folded: dict[str, Folded] = {}

    def column(self, name: str) -> Column | None:
        """Return a channel's values for the rows of the task; None if no row has one."""
        if name not in self._columns:
            self._columns[name] = self._read(name)
        return self._columns[name]

    def _read(self, name: str) -> Column | None:
        channel = self._tables.channels.get(name)
        if channel is None:
            return _managed(self._tables, name, self._where, self._clock)
        if name not in self._state.columns:
            return None
        writes = [write for channel_name, write in self._outcome.writes if channel_name == name]
        cells = self._state.gather(name, self._where)
        if writes:
            folded = channel.fold_columns(cells, writes)
            self.folded[name] = folded
            self._outcome.failures += folded.failures
            fresh = cells.put(folded.where, channel.fit(folded.cells))
            if not channel.steady and folded.where is not None:
                untouched = np.setdiff1d(np.arange(len(cells)), folded.where)
                ticked, _ = channel.tick_columns(cells.take(untouched))
                fresh = fresh.put(untouched, ticked)
        else:
            fresh = cells if channel.steady else channel.tick_columns(cells)[0]
        return channel.read_columns(fresh)

    def inputs(self, branch: Branch, ok: Where, m: int) -> Inputs:
        """Return what a router gets for the rows at `ok`."""
        names = names_of(branch.reads)
        keys = _looked_up(branch.action, branch.reads, branch.mapper)
        bare = isinstance(branch.reads, str)
        raw = None if bare or not branch.passthrough else self._outcome.raw
        extra = self._extras(raw, names)
        # What the node returned comes first, whatever its values are by now.
        order = tuple(dict.fromkeys([*raw, *names])) if isinstance(raw, dict) else names
        if keys is not None:
            order = tuple(name for name in order if name in keys)

        def read(name: str) -> Column | None:
            column = extra[name] if name in extra and name not in names else self.column(name)
            return None if column is None else column.take(ok)

        inputs = Inputs(m, order, read, mapper=branch.mapper, bare=bare)
        if raw is None or extra:
            return inputs
        return self._merged(inputs, raw, ok, m, branch)

    def _extras(
        self, raw: dict[str, Column] | list[Any] | None, names: Sequence[str]
    ) -> dict[str, Column]:
        if isinstance(raw, dict) and not raw.keys() <= set(names):
            return raw
        return {}

    def _merged(self, inputs: Inputs, raw: Any, ok: Where, m: int, branch: Branch) -> Inputs:
        if isinstance(raw, dict):
            return inputs
        results = raw if ok is None else [raw[i] for i in ok.tolist()]
        if not any(isinstance(result, dict) for result in results):
            return inputs
        rows = [
            {**result, **row} if isinstance(result, dict) else row
            for result, row in zip(results, inputs.rows(), strict=True)
        ]
        return Inputs(m, objects=rows, mapper=branch.mapper)
