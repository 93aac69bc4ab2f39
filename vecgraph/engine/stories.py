"""What no single number tells of a checkpoint: all versions, and what each node has seen.

They follow from what a run has gone through, superstep by superstep. Runs that went the same way
share a story, so a batch has few of them. The rules are those by which a checkpoint in column
form is read after its parents: `vecgraph.checkpoint.rows.ColumnRow.apply`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.engine.flush import PUSHED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vecgraph.engine.flush import ColumnChange, Flush, GraphForm
    from vecgraph.typing import Rows, Values

__all__ = ["Stories"]

_VALUE, _EMPTY = 1, 2
"""What a superstep does to a channel of a run; 0: nothing."""

_Step = tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, int], ...]]
"""Nodes that ran, nodes that are due, and what was done to channels."""


@dataclass(slots=True)
class _Story:
    """Versions, what nodes have seen of them, and the channels that have a value."""

    versions: dict[str, int] = field(default_factory=dict)
    seen: dict[str, dict[str, int]] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)

    def after(self, step: _Step, now: int, graph: GraphForm) -> _Story:
        """Return the story that goes on with a superstep whose version is `now`."""
        ran, due, done = step
        made = _Story(dict(self.versions), dict(self.seen), set(self.present))
        for node in ran:
            made._ran(node, now, graph)
        for channel, what in done:
            made.versions[channel] = now
            (made.present.add if what == _VALUE else made.present.discard)(channel)
        for channel, node in graph.signals.items():
            if node in due and channel not in made.present:
                made.present.add(channel)
                made.versions[channel] = now
        return made

    def _ran(self, node: str, now: int, graph: GraphForm) -> None:
        if node.startswith(PUSHED):
            self.seen.setdefault(node.removeprefix(PUSHED), {})
            return
        triggers = graph.triggers.get(node, ())
        seen = self.seen.get(node, {})
        if not self.present.isdisjoint(triggers):
            met = {c: self.versions[c] for c in triggers if c in self.versions}
            seen = {**seen, **met}
        self.seen[node] = seen
        for channel in triggers:
            if channel in graph.signals and channel in self.present:
                self.present.discard(channel)
                self.versions[channel] = now


class Stories:
    """The stories of N runs that begin anew.

    Parameters
    ----------
    n : int
    graph : GraphForm

    Attributes
    ----------
    codes : int64 ndarray of shape (N,)
        The story of each run, as a position.
    """

    def __init__(self, n: int, graph: GraphForm) -> None:
        self.codes = np.zeros(n, np.int64)
        self._graph = graph
        self._stories = [_Story()]
        self._next: dict[tuple[int, _Step], int] = {}

    def go_on(self, rows: Rows, flush: Flush) -> None:
        """Take in a superstep of some runs."""
        channels = list(flush.changes)
        codes = self.codes[rows]
        done = [_done(flush.changes[name], len(rows)) for name in channels]
        first, group = _grouped([codes, flush.ran, flush.due, *done])
        clock, nodes = flush.clock, flush.nodes
        news = np.empty(len(first), np.int64)
        for i, at in enumerate(first.tolist()):
            changed = tuple(
                (name, int(what[at])) for name, what in zip(channels, done, strict=True) if what[at]
            )
            step = nodes[int(flush.ran[at])], nodes[int(flush.due[at])], changed
            news[i] = self._after(int(codes[at]), step, int(clock[at]))
        self.codes[rows] = news[group]

    def _after(self, code: int, step: _Step, now: int) -> int:
        found = self._next.get((code, step))
        if found is None:
            found = self._next[code, step] = len(self._stories)
            self._stories.append(self._stories[code].after(step, now, self._graph))
        return found

    def told(self, rows: Rows) -> tuple[Values, list[tuple[str, str]]]:
        """Return the stories of some runs as positions, and the texts of what is there.

        Returns
        -------
        int64 ndarray of shape (M,)
        list of (str, str)
            Versions, and what nodes have seen: JSON.
        """
        known, codes = np.unique(self.codes[rows], return_inverse=True)
        stories = [self._stories[code] for code in known.tolist()]
        return codes, [(json.dumps(s.versions), json.dumps(s.seen)) for s in stories]


def _done(parts: Sequence[ColumnChange], n: int) -> Values:
    """Return what was done to a channel of each of `n` runs."""
    done = np.zeros(n, np.int64)
    for part in parts:
        present = True if part.base is not None else part.values.mask()
        done[slice(None) if part.where is None else part.where] = np.where(present, _VALUE, _EMPTY)
    return done


def _grouped(features: list[Any]) -> tuple[Values, Values]:
    """Return the first of each group of runs that have all features alike, and each run's group."""
    n = len(features[0])
    first, group = np.zeros(min(n, 1), np.intp), np.zeros(n, np.int64)
    for feature in features:
        values = feature.astype(np.int64)
        if not n or (values == values[0]).all():
            continue  # most often
        keys = group * (int(values.max()) + 1) + values
        _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    return first, group
