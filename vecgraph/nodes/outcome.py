"""What a task's M rows produced, as columns: writes, next nodes, Sends and failures.

Positions in an Outcome are local: 0 to M - 1, the rows of the task.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.channels.base import Failure, Write
from vecgraph.columns import Column
from vecgraph.constants import END, TASKS
from vecgraph.nodes.writer import Pairs, StateWriter, Writer
from vecgraph.positions import Spans, Turns, compose, count, positions, spans_of
from vecgraph.state import Inputs
from vecgraph.types import Send

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vecgraph.typing import Where

__all__ = [
    "Outcome",
    "Packets",
    "joined",
    "of_columns",
    "of_pairs",
    "of_results",
    "sent_by_rows",
    "unpacked",
    "unpacked_at",
]


class Packets:
    """Sends of some rows: no object per packet.

    Parameters
    ----------
    where : intp ndarray of shape (S,), or None
        Row that each packet comes from; a row's packets stand in the order in which it sent
        them. None: `turns` says it.
    nodes : str, or list of S str
        Target, one for all or one each.
    payload : dict of str to Column, or list
        What the targets get: columns of S rows, or S objects.
    known : Spans, optional
        Of `where`, if somebody has asked.
    turns : Turns, optional
        The packets stand turn by turn: the first of each row, then the second of each. They do
        until somebody asks for them who knows nothing of that.
    """

    __slots__ = ("_payload", "_stays", "_where", "known", "nodes", "turns")

    def __init__(
        self,
        where: Any,
        nodes: str | list[str],
        payload: dict[str, Column] | list[Any],
        known: Spans | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._where = where
        self.nodes = nodes
        self._payload = payload
        self.known = known
        self.turns = turns
        self._stays = False

    @property
    def where(self) -> Any:
        """Row that each packet comes from."""
        if self._where is None:
            self._spell()
        return self._where

    @property
    def payload(self) -> dict[str, Column] | list[Any]:
        """What the targets get."""
        if self._where is None and not self._stays:
            self._spell()
        return self._payload

    def _spell(self) -> None:
        """Say of each packet which row it comes from; the packets of a row come together."""
        turns, columns = self.turns, self._payload
        assert turns is not None
        heads = positions(turns.heads, turns.m)
        if self._stays:
            self._where = np.tile(heads, turns.each)
            return
        assert isinstance(columns, dict)
        at = np.arange(turns.n).reshape(turns.each, turns.m).T.ravel()
        self._payload = {name: column.take(at) for name, column in columns.items()}
        self._where = np.repeat(heads, turns.each)
        self.known = Spans(heads, np.arange(0, turns.n, turns.each), turns.n, turns.each)
        self.turns = None

    def stay(self) -> None:
        """Let packets that stand turn by turn do so for good."""
        self._stays = self.turns is not None

    def __len__(self) -> int:
        return len(self._where) if self.turns is None else self.turns.n

    def spans(self) -> Spans | None:
        """Return each row's packets; None if they do not stand by row."""
        if self.known is None and not self._stays:
            self.known = spans_of(self.where)
        return self.known

    def placed(self, outer: Where) -> Packets:
        """Return the packets of the rows at `outer`, which is sorted and unique."""
        if outer is None:
            return self
        if self.turns is not None:
            return Packets(None, self.nodes, self._payload, turns=self.turns.at(outer))
        known = None if self.known is None else self.known.at(outer)
        return Packets(outer[self.where], self.nodes, self.payload, known)

    def names(self) -> list[str]:
        """Return the target of each packet."""
        return [self.nodes] * len(self.where) if isinstance(self.nodes, str) else self.nodes

    def objects(self) -> list[Any]:
        """Return the input of each packet as a scalar node gets it."""
        if isinstance(self.payload, list):
            return self.payload
        return Inputs(len(self.where), tuple(self.payload), self.payload.get).rows()

    def take(self, at: Any) -> Packets:
        """Return the packets at positions `at` of the whole."""
        nodes, payload = self.nodes, self.payload
        if not isinstance(nodes, str):
            nodes = [nodes[i] for i in at.tolist()]
        if isinstance(payload, list):
            payload = [payload[i] for i in at.tolist()]
        else:
            payload = {name: column.take(at) for name, column in payload.items()}
        return Packets(self.where[at], nodes, payload)

    def sends(self) -> list[Send]:
        """Return each packet as a Send."""
        pairs = zip(self.names(), self.objects(), strict=True)
        return [Send(node, value) for node, value in pairs]


@dataclass(slots=True)
class Outcome:
    """Result of one task.

    Attributes
    ----------
    m : int
        Rows of the task.
    writes : list of (str, Write)
        In the order in which the task made them.
    signals : dict of str to list of Where
        Trigger channels set by goto's, edges and routers.
    packets : list of Packets
    failures : list of (int, exception)
    raw : dict of str to Column, list of M objects, or None
        What the node returned, for routers that see it beside the state.
    """

    m: int
    writes: list[tuple[str, Write]] = field(default_factory=list)
    signals: dict[str, list[Where]] = field(default_factory=dict)
    packets: list[Packets] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    raw: dict[str, Column] | list[Any] | None = None

    def signal(self, channel: str, where: Where) -> None:
        """Add positions that set a trigger channel."""
        if where is None or len(where):
            self.signals.setdefault(channel, []).append(where)

    def merge(self, other: Outcome) -> None:
        """Add another outcome's writes, signals, packets and failures."""
        self.writes += other.writes
        self.packets += other.packets
        self.failures += other.failures
        for channel, parts in other.signals.items():
            for where in parts:
                self.signal(channel, where)

    @property
    def ok(self) -> Where:
        """Return the positions that did not fail."""
        if not self.failures:
            return None
        alive = np.ones(self.m, np.bool_)
        alive[[position for position, _ in self.failures]] = False
        return np.flatnonzero(alive)


def unpacked(outcome: Outcome) -> list[Pairs | BaseException]:
    """Return what each row wrote, or the exception that it failed with."""
    rows: list[Any] = unpacked_at(outcome, None)
    for position, error in outcome.failures:
        rows[position] = error
    return rows


def unpacked_at(outcome: Outcome, at: Where) -> list[Pairs]:
    """Return what each of the rows at `at` wrote, those that failed included."""
    m = outcome.m
    rows: list[Pairs] = [[] for _ in range(count(at, m))]
    place = None
    if at is not None:
        place = np.full(m, -1, np.intp)
        place[at] = np.arange(len(at))
    for position, pair in _pairs(outcome, place):
        rows[position].append(pair)
    return rows


def _pairs(outcome: Outcome, place: Any) -> Iterator[tuple[int, tuple[str, Any]]]:
    """Yield the writes, signals and packets of the rows that have a place, with that."""
    m = outcome.m
    for name, write in outcome.writes:
        kept, at = _placed(positions(write.where, m), place)
        values = write.values if kept is None else write.values.take(kept)
        for position, value in zip(at.tolist(), values.tolist(), strict=True):
            yield position, (name, value)
    for channel, parts in outcome.signals.items():
        for where in parts:
            for position in _placed(positions(where, m), place)[1].tolist():
                yield position, (channel, None)
    for packets in outcome.packets:
        kept, at = _placed(packets.where, place)
        sends = (packets if kept is None else packets.take(kept)).sends()
        for position, send in zip(at.tolist(), sends, strict=True):
            yield position, (TASKS, send)


def _placed(where: Any, place: Any) -> tuple[Where, Any]:
    """Return which of the positions have a place (None: all), and those places."""
    if place is None:
        return None, where
    found = place[where]
    kept = np.flatnonzero(found >= 0)
    return kept, found[kept]


def joined(parts: Sequence[tuple[Where, Outcome]], m: int) -> Outcome:
    """Return the outcome of M rows of which each part covers the positions beside it."""
    if len(parts) == 1 and parts[0][0] is None:
        return parts[0][1]
    whole = Outcome(m)
    for where, part in parts:
        for name, write in part.writes:
            at = compose(where, write.where)
            whole.writes.append((name, Write(at, write.values, write.repeats)))
        for channel, wheres in part.signals.items():
            for at in wheres:
                whole.signal(channel, compose(where, at))
        for packets in part.packets:
            at = compose(where, packets.where)
            whole.packets.append(Packets(at, packets.nodes, packets.payload))
        outer = positions(where, m)
        whole.failures += [(int(outer[position]), error) for position, error in part.failures]
    return whole


def of_results(results: Sequence[Any], where: Where, writer: Writer, m: int) -> Outcome:
    """Turn what a scalar node returned for the rows at `where` into columns."""
    kinds = set(map(type, results))
    if isinstance(writer, StateWriter) and not writer.is_root:
        if kinds == {NoneType} or not results:
            return Outcome(m)
        if kinds == {dict}:
            columns = _uniform(results)
            if columns is not None:
                outcome = of_columns(columns, where, writer.keys, m)
                outcome.raw = {name: _spread(column, where, m) for name, column in columns.items()}
                return outcome
    outcome = _of_mixed(results, where, writer, m)
    outcome.raw = list(results) if where is None else _spread_list(results, where, m)
    return outcome


def _spread(column: Column, where: Where, m: int) -> Column:
    """Return `column` with absent rows where the task failed, so that positions fit."""
    return column if where is None else Column.absent(m).put(where, column)


def _spread_list(results: Sequence[Any], where: Any, m: int) -> list[Any]:
    spread: list[Any] = [None] * m
    for position, result in zip(where.tolist(), results, strict=True):
        spread[position] = result
    return spread


def _uniform(results: Sequence[dict[str, Any]]) -> dict[str, Column] | None:
    """Return columns if all dicts have the same keys, else None."""
    keys = tuple(results[0])
    if len(set(map(len, results))) != 1:
        return None
    try:
        if len(keys) < 2:
            return {key: Column.of(list(map(itemgetter(key), results))) for key in keys}
        # Row by row: the values of a dict lie together.
        values = zip(*map(itemgetter(*keys), results), strict=True)
    except KeyError:
        return None
    return {key: Column.of(column) for key, column in zip(keys, values, strict=True)}


def of_columns(columns: dict[str, Column], where: Where, keys: Sequence[str], m: int) -> Outcome:
    """Turn columns into one write a channel; keys that the node may not write are dropped."""
    outcome = Outcome(m)
    for name, column in columns.items():
        if name not in keys:
            continue
        at = where
        if column.present is not None:
            known = np.flatnonzero(column.present)
            if not len(known):
                continue
            column, at = column.take(known), compose(where, known)
        outcome.writes.append((name, Write(at, column)))
    return outcome


def _of_mixed(results: Sequence[Any], where: Where, writer: Writer, m: int) -> Outcome:
    rows: list[tuple[int, Pairs]] = []
    failures: list[Failure] = []
    at = positions(where, m).tolist()
    for position, result in zip(at, results, strict=True):
        try:
            rows.append((position, writer(result)))
        except Exception as error:  # noqa: BLE001 - belongs to the row, as in LangGraph
            failures.append((position, error))
    outcome = of_pairs(rows, m)
    outcome.failures += failures
    return outcome


def of_pairs(rows: Sequence[tuple[int, Pairs]], m: int) -> Outcome:
    """Group the writes of each row (position, pairs) by channel, keeping each row's order."""
    values: dict[str, tuple[list[int], list[Any]]] = {}
    sends: tuple[list[int], list[Send]] = ([], [])
    for position, pairs in rows:
        for name, value in pairs:
            at, column = sends if name == TASKS else values.setdefault(name, ([], []))
            at.append(position)
            column.append(value)
    outcome = Outcome(m)
    for name, (at, column) in values.items():
        where = np.array(at, np.intp)
        repeats = bool((where[1:] <= where[:-1]).any())
        if name.startswith("branch:to:"):
            outcome.signal(name, np.unique(where) if repeats else where)
        else:
            outcome.writes.append((name, Write(where, Column.of(column), repeats)))
    if sends[0]:
        outcome.packets.append(packets_of(*sends))
    return outcome


def sent_by_rows(results: Sequence[Any], where: Any) -> Packets | None:
    """Return the packets of rows that each returned a list of Sends; None: some did not.

    Parameters
    ----------
    results : sequence of K results
    where : intp ndarray of shape (K,)
    """
    if set(map(type, results)) != {list}:
        return None
    sends = list(chain.from_iterable(results))
    if set(map(type, sends)) != {Send} or any(send.node == END for send in sends):
        return None
    lengths = np.fromiter(map(len, results), np.intp, len(results))
    packets = packets_of([], sends)
    return Packets(np.repeat(where, lengths), packets.nodes, packets.payload)


def packets_of(at: list[int], sends: Sequence[Send]) -> Packets:
    """Return Send objects as Packets."""
    names = [send.node for send in sends]
    target: str | list[str] = names[0] if len(set(names)) == 1 else names
    return Packets(np.array(at, np.intp), target, [send.arg for send in sends])
