"""A superstep in which every run is at one node: no writes meet, so nothing needs ordering.

Where the tasks of a superstep share no row, each may be applied as soon as it has run: no
other task reads or writes its rows. For a vector or a traced node with steady channels most of the
general path is then known to do nothing, and is skipped: there is one write a channel, the
routers' view of the state is the state to come, and no barrier, deferred node or packet
takes part. Whatever does not fit (an exception, `Updates`, `Sends`, a returned list) goes
the general way, from where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from vecgraph.channels.base import Write
from vecgraph.columns import Column
from vecgraph.constants import END
from vecgraph.engine.execute import answered, end_of, routed
from vecgraph.nodes.outcome import Outcome
from vecgraph.nodes.vector import labels_of, normalise, says_more
from vecgraph.nodes.writer import StateWriter
from vecgraph.positions import compose
from vecgraph.state import Batch, Inputs, State
from vecgraph.tracing.outcomes import labels_of_answer, whole_columns
from vecgraph.typing import Where

if TYPE_CHECKING:
    from vecgraph.engine.control import Control
    from vecgraph.engine.lane_scope import LaneScope
    from vecgraph.engine.site import Site
    from vecgraph.engine.tables import Tables
    from vecgraph.program import Branch, NodeSpec
    from vecgraph.tracing.traced import Traced

__all__ = ["Moved", "Solo", "Unfinished", "as_outcome", "one_way"]

Moved = list[tuple[str, Where]]
"""Nodes that rows go to next, with their positions in the State."""

_SHORT = frozenset({"traced", "vector"})
_NOBODY = np.empty(0, np.intp)


@dataclass(slots=True)
class Unfinished:
    """A task that must go the general way; the State is as before.

    Attributes
    ----------
    outcome : Outcome
        In the task's positions.
    routed : bool
        Its edges and routers have run.
    """

    outcome: Outcome
    routed: bool = False


class Solo:
    """A vector or traced node whose supersteps may be short.

    Attributes
    ----------
    spec : NodeSpec
    targets : tuple of str
        Nodes of its static edges.
    exclusive : bool
        A row goes to one node at most.
    """

    def __init__(self, tables: Tables, control: Control, spec: NodeSpec) -> None:
        self._tables = tables
        self.spec = spec
        self._fn: Any = spec.action and spec.action.fn
        options = spec.action.options if spec.action else {}
        self._traced: Traced | None = options.get("traced")
        self._inject = spec.action.inject if spec.action else {}
        self.targets = tuple(control.target[channel] for channel in spec.targets)
        assert isinstance(spec.writer, StateWriter)
        self._keys = frozenset(spec.writer.keys)
        marked = ("arrow_type", "tensor")
        self._declared = frozenset(
            name for name, c in tables.channels.items() if any(mark in vars(c) for mark in marked)
        )
        self.exclusive = len(self.targets) + len(spec.branches) <= 1

    @classmethod
    def of(cls, tables: Tables, control: Control, spec: NodeSpec) -> Self | None:
        """Return the short form of a node, None if it has none."""
        action = spec.action
        if action is None or action.tier not in _SHORT or not isinstance(spec.writer, StateWriter):
            return None
        if (
            (action.options and action.tier == "vector")
            or spec.retry_policy
            or spec.joins
            or spec.name in control.consumed
            or control.finishing
        ):
            return None
        if control.unsteady or not tables.steady_outputs or isinstance(spec.reads, str):
            return None
        reads = [*spec.reads, *(n for b in spec.branches for n in b.reads)]
        if any(name not in tables.channels for name in reads):
            return None
        routers = spec.branches
        if len(routers) > 1 or any(b.action.tier not in _SHORT for b in routers):
            return None
        if any(isinstance(b.reads, str) for b in routers):
            return None
        return cls(tables, control, spec)

    def run(
        self, state: State, where: Where, m: int, site: Site, scope: LaneScope
    ) -> tuple[Moved, Where] | Unfinished:
        """Run the node on the M rows at `where`, apply its writes, and route.

        Returns
        -------
        list of (str, Where), Where
            Where the rows go, and those that wrote an output; the State holds the writes.
        Unfinished
            It does not fit.
        """
        spec = self.spec
        call = self._called if self._traced is None else self._answered
        news = call(state, where, m, site, scope)
        if isinstance(news, Outcome):
            return Unfinished(news)
        folded = self._folded(state, where, news)
        if folded is None:
            return Unfinished(as_outcome(news, m))
        cells, changed = folded
        moved: Moved = [(target, where) for target in self.targets]
        for branch in spec.branches:
            chosen = self._choose(branch, state, where, m, site, cells)
            if isinstance(chosen, Outcome):
                return self._routed(news, chosen, m)
            moved += [(end, compose(where, at)) for end, at in chosen if end != END]
        if where is None and not changed:
            state.change_all(cells)
        else:
            for name, column in cells.items():
                state.change(name, where, column, compose(where, changed.get(name)))
        return moved, self._shown(cells, where)

    def _shown(self, cells: dict[str, Column], where: Where) -> Where:
        """Return the rows that wrote an output."""
        return _NOBODY if self._tables.outputs.isdisjoint(cells) else where

    def _called(
        self, state: State, where: Where, m: int, site: Site, scope: LaneScope
    ) -> dict[str, Column] | Outcome:
        """Return what a function of columns gives: full columns, or an Outcome for all else."""
        scope.enter(self.spec.name, site, vectorised=True)
        batch = Batch(m, site, self.spec.reads, lambda name: self._read(state, name, where))
        return self._returned(batch, m, scope)

    def _returned(self, batch: Batch, m: int, scope: LaneScope) -> dict[str, Column] | Outcome:
        """Call the function of columns; return likewise what it gives."""
        try:
            returned = self._fn(batch, **(scope.arguments(self._inject) if self._inject else {}))
        except Exception as error:  # noqa: BLE001 - the rows of the call fail, no other does
            return _failed(m, error)
        batch.close()
        news = self._news(returned, m)
        return self._general(returned, m) if news is None else news

    def _answered(
        self, state: State, where: Where, m: int, site: Site, _scope: LaneScope
    ) -> dict[str, Column] | Outcome:
        """Return likewise what a traced function gives."""
        assert self._traced is not None
        inputs = Inputs(m, self.spec.reads, lambda name: self._read(state, name, where))
        answer = self._traced.answer(inputs)
        news = None if answer is None else whole_columns(answer)
        if news is None or not self._keys.issuperset(news) or not self._is_plain(news):
            return answered(self.spec, inputs, site, answer)
        return news

    def _is_plain(self, news: dict[str, Column]) -> bool:
        """Return whether columns are arrays, and the routers need not see what was returned."""
        if any(type(column.values) is not np.ndarray for column in news.values()):
            return False
        return all(not b.passthrough or set(b.reads).issuperset(news) for b in self.spec.branches)

    def _routed(self, news: dict[str, Column], chosen: Outcome, m: int) -> Unfinished:
        outcome = as_outcome(news, m)
        for channel in self.spec.targets:
            outcome.signal(channel, None)
        outcome.merge(chosen)
        return Unfinished(outcome, routed=True)

    def _read(self, state: State, name: str, where: Where) -> Column | None:
        channel = self._tables.channels[name]
        column = state.gather(name, where)
        return column if channel.plain else channel.read_columns(column)

    def _news(self, returned: Any, m: int) -> dict[str, Column] | None:
        """Return what was returned as full columns, None if it is anything else."""
        if type(returned) is not dict:
            return None
        news = {}
        for name, value in returned.items():
            if type(value) is not np.ndarray or name not in self._keys or value.shape[:1] != (m,):
                return None
            news[name] = Column.of_array(value)
        return news

    def _general(self, returned: Any, m: int) -> Outcome:
        assert isinstance(self.spec.writer, StateWriter)
        try:
            return normalise(self.spec.name, returned, m, self.spec.writer.keys, self._tables.goals)
        except Exception as error:  # noqa: BLE001 - the rows of the call fail, no other does
            return _failed(m, error)

    def _folded(
        self, state: State, where: Where, news: dict[str, Column]
    ) -> tuple[dict[str, Column], dict[str, Where]] | None:
        """Return the new cells of the rows, and which of them count as changed if not all.

        None: a write breaks a rule.
        """
        cells, changed = {}, {}
        for name, column in news.items():
            channel = self._tables.channels[name]
            if channel.replaces:
                cells[name] = channel.fit(column) if name in self._declared else column
                continue
            base = state.gather(name, where)
            folded = channel.fold_columns(base, [Write(None, column)])
            if folded.failures or folded.where is not None:
                return None
            cells[name], changed[name] = folded.cells, folded.changed
        return cells, changed

    def _choose(
        self,
        branch: Branch,
        state: State,
        where: Where,
        m: int,
        site: Site,
        cells: dict[str, Column],
    ) -> Moved | Outcome:
        """Return where the router sends each row, or an Outcome if it says more than that."""

        def read(name: str) -> Column | None:
            if name not in cells:
                return self._read(state, name, where)
            channel = self._tables.channels[name]
            return cells[name] if channel.plain else channel.read_columns(cells[name])

        action, goals = branch.action, self._tables.goals
        assert action.fn is not None
        if action.tier == "traced":
            return self._choose_traced(branch, Inputs(m, branch.reads, read), site)
        batch = Batch(m, site, branch.reads, read)
        try:
            extra = site.scope.arguments(action.inject) if action.inject else {}
            returned = action.fn(batch, **extra)
            if says_more(returned):
                return normalise(self.spec.name, returned, m, (), goals)
            return labels_of(action.name, returned, m, branch.ends, goals)
        except Exception as error:  # noqa: BLE001 - the rows of the call fail, no other does
            return _failed(m, error)

    def _choose_traced(self, branch: Branch, inputs: Inputs, site: Site) -> Moved | Outcome:
        answer = branch.action.options["traced"].answer(inputs)
        if answer is not None and not len(answer.suspects):
            labels, where, _ = labels_of_answer(answer)
            ends = [(end_of(branch, label, self._tables), at) for label, at in labels]
            known = [(end, at) for end, at in ends if end is not None]
            if not len(where) and len(known) == len(ends):
                return known
        return routed(self.spec, branch, inputs, site, answer)


def as_outcome(news: dict[str, Column], m: int) -> Outcome:
    """Return full columns as what a task has written."""
    return Outcome(m, [(name, Write(None, column)) for name, column in news.items()])


def _failed(m: int, error: BaseException) -> Outcome:
    return Outcome(m, failures=[(i, error) for i in range(m)])


def one_way(moved: Moved) -> str | None:
    """Return the node that every row goes to, None if there is no such node."""
    if len(moved) == 1 and moved[0][1] is None:
        return moved[0][0]
    return None
