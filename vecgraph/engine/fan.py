"""A superstep of packets that stand turn by turn: every run has sent as many to one node.

No position is written down then: a turn of a channel's writes is an array of one write a run,
and what a node does with its packets is as much as what their columns hold. Whatever does not
fit goes the general way, from where it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from vecgraph.engine.solo import Moved, Solo, Unfinished, as_outcome
from vecgraph.nodes.outcome import joined
from vecgraph.state import Batch

if TYPE_CHECKING:
    from vecgraph.columns import Column
    from vecgraph.engine.control import Control
    from vecgraph.engine.lane_scope import LaneScope
    from vecgraph.engine.site import Site
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.tasks import Due
    from vecgraph.nodes.outcome import Outcome
    from vecgraph.positions import Turns
    from vecgraph.program import NodeSpec
    from vecgraph.state import State
    from vecgraph.typing import Where

__all__ = ["Fan"]


class Fan(Solo):
    """A vector node without routers, whose supersteps of packets may be short."""

    @classmethod
    def of(cls, tables: Tables, control: Control, spec: NodeSpec) -> Self | None:
        """Return the short form of a node, None if it has none."""
        action = spec.action
        if action is None or action.tier != "vector" or spec.branches:
            return None
        return super().of(tables, control, spec)

    def serve(
        self, state: State, due: Due, site: Site, scope: LaneScope
    ) -> tuple[Moved, Where] | Unfinished:
        """Run the node on packets that stand turn by turn, and apply its writes; see `Solo.run`."""
        assert due.queue is not None
        packets = due.queue.packets
        turns = packets.turns
        assert turns is not None
        packets.stay()
        payload: Any = packets.payload
        step = turns.m * max(1, _CALL // turns.m)
        done: list[tuple[slice, dict[str, Column] | Outcome]] = []
        cells: dict[str, Column] | None = {}
        for begin in range(0, turns.n, step):
            part = slice(begin, min(begin + step, turns.n))
            news = self._call(payload, part, site, scope)
            done.append((part, news))
            if cells is not None:
                cells = self._fold(state, turns, cells, news)
        if cells is None:
            return Unfinished(_whole(done, turns.n))
        for name, column in cells.items():
            state.change(name, turns.heads, column, turns.heads)
        moved: Moved = [(target, turns.heads) for target in self.targets]
        return moved, self._shown(cells, turns.heads)

    def _call(
        self, payload: dict[str, Column], part: slice, site: Site, scope: LaneScope
    ) -> dict[str, Column] | Outcome:
        """Call the node on some turns."""
        place = site.take(part)
        scope.enter(self.spec.name, place, vectorised=True)
        m = part.stop - part.start

        def read(name: str) -> Column:
            return payload[name].slice(part.start, part.stop)

        return self._returned(Batch(m, place, tuple(payload), read), m, scope)

    def _fold(
        self,
        state: State,
        turns: Turns,
        cells: dict[str, Column],
        news: dict[str, Column] | Outcome,
    ) -> dict[str, Column] | None:
        """Fold what some turns wrote into the cells so far, which are changed; None: it does not fit."""
        if not isinstance(news, dict):
            return None
        for name, column in news.items():
            owned = name in cells
            base = cells[name] if owned else state.gather(name, turns.heads)
            each = len(column) // turns.m
            folded = self._tables.channels[name].fold_turns(base, column, each, owned=owned)
            if folded is None:
                return None
            cells[name] = folded
        return cells


_CALL = 131_072
"""Packets of a call, so that what it computes stays in cache until it is folded; a turn at least."""


def _whole(done: list[tuple[slice, dict[str, Column] | Outcome]], n: int) -> Outcome:
    """Return what all calls together gave, as the general way has it."""
    parts = []
    for part, news in done:
        m = part.stop - part.start
        outcome = as_outcome(news, m) if isinstance(news, dict) else news
        parts.append((np.arange(part.start, part.stop), outcome))
    return parts[0][1] if len(parts) == 1 else joined(parts, n)
