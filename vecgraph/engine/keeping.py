"""What lanes keep of their runs: after each superstep a checkpoint of every run, as one flush.

The checkpoints are those that single runs make, row by row: places in the thread, versions, and
nodes that ran follow from a few small columns, values are the channels' columns themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vecgraph.channels.log import Log
from vecgraph.columns import Column, objects
from vecgraph.constants import INPUT, INTERRUPT, MISSING, PULL, PUSH, RESUME, START, TASKS
from vecgraph.engine.flush import PUSHED, ColumnChange, Flush
from vecgraph.engine.forms import graph_form
from vecgraph.engine.ids import checkpoint_id, path_text, task_id
from vecgraph.engine.past import ANEW
from vecgraph.engine.pending import Beside, left_by
from vecgraph.engine.thread import tracked
from vecgraph.positions import compose, mask_of, positions, union, without
from vecgraph.state import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vecgraph.engine.answers import Answers
    from vecgraph.engine.control import Control
    from vecgraph.engine.lane import Lane
    from vecgraph.engine.past import Past
    from vecgraph.engine.shared import Shared
    from vecgraph.engine.superstep import Applied
    from vecgraph.engine.tables import Tables
    from vecgraph.engine.tasks import Due
    from vecgraph.engine.threads import Threads
    from vecgraph.state import Inputs, State
    from vecgraph.typing import Mask, Rows, Where

__all__ = ["Keeper"]

_Named = tuple[str, "Where"]
"""A node and the positions at which it ran or is due."""


class Keeper:
    """Keeps the checkpoints of a batch's runs.

    Parameters
    ----------
    tables, control : Tables, Control
    shared : Shared
    ids : int64 ndarray of shape (N,)
        Number of each run, as nodes see it.
    threads : Threads
        Config of each run.
    numbers : int64 ndarray of shape (N,)
        Thread of each run, as the saver numbers them.
    past : Past, optional
        The checkpoints that the runs go on from.

    Attributes
    ----------
    seq, clock : int64 ndarrays of shape (N,)
        What is added to a run's step to get the place of a checkpoint in its thread, and the
        version that it gives to what it changes.
    stamp : int64 ndarray of shape (N,)
        Time of each run's last checkpoint, microseconds since 1970.
    """

    def __init__(
        self,
        tables: Tables,
        control: Control,
        shared: Shared,
        ids: Rows,
        threads: Threads,
        numbers: Rows,
        past: Past | None = None,
    ) -> None:
        n = len(numbers)
        self.tables = tables
        self.control = control
        self.saver = shared.saver
        self.threads = threads
        self.numbers = numbers
        self.config = shared.config
        self._ids = ids
        self._place: dict[int, int] | None = None
        begun = _Begun.of(n) if past is None else _Begun.after(past)
        self.seq, self.clock, self.stamp = begun.seq, begun.clock, begun.stamp
        self._input_step, self._answers = begun.input_step, begun.answers
        self._sent = begun.sent
        self._resumed = begun.resumed
        self._known_ids = {} if past is None else past.ids
        self.form = graph_form(tables, control)
        self._growing = tuple(
            name
            for name, channel in tables.channels.items()
            if channel.grows and name not in control.names
        )
        self._before: dict[str, Column] = {}
        self._due: list[Due] = []
        self._taking: Where = None

    def place_of(self, run: int) -> int:
        """Return the place in the batch of the run with a number."""
        ids = self._ids
        if run < len(ids) and ids[run] == run:
            return run
        if self._place is None:
            self._place = {number: at for at, number in enumerate(ids.tolist())}
        return self._place[run]

    def id_of(self, run: int, step: int) -> str:
        """Return the id of a run's last checkpoint, which is that of `step`."""
        return self._id(self.place_of(run), step)

    def _id(self, at: int, step: int) -> str:
        if at in self._known_ids:
            return self._known_ids[at]
        seq = step + int(self.seq[at])
        return checkpoint_id(int(self.stamp[at]), step, int(self.numbers[at]), seq)

    def thread_of(self, run: int) -> str:
        """Return the id of a run's thread."""
        name: str = self.threads.name(self.place_of(run))
        return name

    def admit(self, state: State, inputs: Inputs) -> None:
        """Keep the inputs of runs that begin.

        Parameters
        ----------
        state : State
            Of the runs; its journal knows what became of the tasks that they let go.
        """
        rows, column = _begun(state.rows, inputs)
        if not len(rows):
            return
        changes = {START: [ColumnChange(None, column)]}
        if state.journal is not None:
            changes.update(self._changes(state, None))
        before = [(INPUT, None), *_ran(self._due)]
        ran, due, nodes = _coded(before, [(START, None)], None, len(rows))
        step = self._input_step[rows]
        self._flush(rows, step, nodes=nodes, ran=ran, due=due, changes=changes, source="input")
        self._end(state)

    def begin(self, lane: Lane) -> None:
        """Get ready for a superstep."""
        state = lane.state
        state.journal = Journal()
        self._due, self._taking = lane.due, lane.live
        self._before = {name: state.gather(name, None) for name in self._growing}

    def keep(self, lane: Lane, applied: Applied, step: Rows) -> None:
        """Keep the checkpoints of the runs that a superstep did not end with a failure.

        Parameters
        ----------
        step : int64 ndarray of shape (L,)
            Step of each row of the lane.
        """
        state = lane.state
        at = self._kept(applied, len(state))
        if at is None or len(at):
            changes = dict(self._changes(state, at))
            assert state.journal is not None
            after = _next(applied.due, state.journal.unsignalled, len(state))
            rows, steps = (state.rows, step) if at is None else (state.rows[at], step[at])
            before = [*_ran(self._due), *self._gone_on(state, rows)]
            ran, due, nodes = _coded(before, after, at, len(state))
            whole = self._snapshot(state, rows, steps, at)
            self._flush(rows, steps, nodes=nodes, ran=ran, due=due, changes=changes, whole=whole)
        if applied.failures or applied.asked:
            self._leave(state, applied, step)
        self._end(state)

    def _end(self, state: State) -> None:
        state.journal, self._before, self._due, self._taking = None, {}, [], None

    def _leave(self, state: State, applied: Applied, step: Rows) -> None:
        """Keep what the tasks of the runs that stop have left, beside their last checkpoints."""
        stopped = mask_of(np.array([*applied.failures, *applied.asked], np.intp), len(state))
        beside = Beside()
        for left in left_by(applied.stuck, stopped):
            at, now = int(state.rows[left.position]), int(step[left.position])
            found = self._id(at, now - 1)
            name, push = left.spec.name, left.push
            parts = (PULL, *sorted(left.spec.triggers)) if push is None else (PUSH, str(push))
            place = (PULL, name) if push is None else (PUSH, push, False)
            task = task_id(found, name, str(now), name, *parts)
            answers = self._answers.get(at)
            if answers is not None and task in answers.told:
                left.pairs.append((RESUME, answers.told[task]))
            where = int(self.numbers[at]), now - 1 + int(self.seq[at])
            beside.add(where, task, path_text(place), tracked(self.tables, left.pairs))
        beside.put(self.saver)

    def _gone_on(self, state: State, rows: Rows) -> list[_Named]:
        """Return where a superstep was the first of runs that went on from checkpoints."""
        if self._resumed is None:
            return []
        where = np.flatnonzero(self._resumed[state.rows])
        self._resumed[rows] = False
        if not self._resumed.any():
            self._resumed = None
        return [(INTERRUPT, where)] if len(where) else []

    def answers_of(self, run: int) -> Answers | None:
        """Return what the run with a number has been told."""
        return self._answers.get(self.place_of(run)) if self._answers else None

    def _kept(self, applied: Applied, n: int) -> Where:
        """Return the positions of the runs that took part and went through."""
        if not applied.failures and not applied.asked:
            return self._taking
        gone = [*applied.failures, *applied.asked]
        return np.setdiff1d(positions(self._taking, n), np.array(gone, np.intp))

    def _flush(
        self, rows: Rows, step: Rows, *, changes: dict[str, Any], whole: Any = None, **parts: Any
    ) -> None:
        flush = Flush(
            threads=self.numbers[rows],
            seq=(step + self.seq[rows]).astype(np.int32),
            step=step,
            clock=step + self.clock[rows],
            changes={name: found for name, found in changes.items() if found},
            config=self.config,
            metadata={"parents": {}},
            whole=None if whole is None else whole.__getitem__,
            channels=() if whole is None else tuple(whole),
            graph=self.form,
            **parts,
        )
        self._store(rows, flush)
        for known in (self._answers, self._known_ids):
            for place in rows.tolist() if known else ():
                known.pop(place, None)

    def _store(self, rows: Rows, flush: Flush) -> None:
        self.stamp[rows] = self.saver.write_columns(flush)

    def ended(self, rows: Rows) -> None:
        """Note that runs have ended."""

    def leave(self) -> None:
        """Note that the batch has ended, or has failed as a whole."""

    def _changes(self, state: State, at: Where) -> Iterator[tuple[str, list[ColumnChange]]]:
        assert state.journal is not None
        n = len(state)
        place = _Places(at, n)
        for name, parts in state.journal.changed.items():
            where, slots = place.of(union(parts, n))
            if where is not None and not len(where):
                continue
            if name in self.control.names:
                yield name, [ColumnChange(slots, self._control(state, name, where))]
            elif name in self._before:
                yield name, list(self._grown(state, name, where, slots))
            else:
                column = state.gather(name, where)
                kept = self.tables.channels[name].checkpoint_columns(column)
                yield name, [ColumnChange(slots, kept)]
        yield TASKS, list(self._packets(state, place))

    def _control(self, state: State, name: str, where: Where) -> Column:
        """Return the cells of a barrier or a deferred trigger channel."""
        column, journal = state.gather(name, where), state.journal
        barrier = self.control.barriers.get(name)
        if barrier is not None and not barrier.deferred:
            return column
        assert journal is not None
        n = len(state)
        opened = np.zeros(n, np.bool_)
        for part in journal.finished.get(name, ()):
            opened[slice(None) if part is None else part] = True
        flags = column.as_numpy().tolist()
        found = opened[positions(where, n)].tolist()
        if barrier is None:
            return Column.of_cells(
                [(None, f) if flag else MISSING for flag, f in zip(flags, found, strict=True)]
            )
        return Column(
            objects(
                [
                    ({s for s, flag in zip(barrier.sources, row, strict=True) if flag}, f)
                    for row, f in zip(flags, found, strict=True)
                ]
            )
        )

    def _grown(self, state: State, name: str, where: Where, slots: Where) -> Iterator[ColumnChange]:
        """Return what was appended to lists, and the lists that changed otherwise."""
        channel = self.tables.channels[name]
        before = self._before[name].take(where).tolist()
        after = state.gather(name, where).tolist()
        slots = np.arange(len(after)) if slots is None else slots
        lists = [
            new.appended_since(old) if isinstance(new, Log) and isinstance(old, Log) else None
            for old, new in zip(before, after, strict=True)
        ]
        grown = [i for i, items in enumerate(lists) if items is not None]
        if grown:
            base = np.fromiter((len(before[i]) for i in grown), np.int64, len(grown))
            items = Column(objects([lists[i] for i in grown]))
            yield ColumnChange(slots[grown], items, base)
        others = [i for i, items in enumerate(lists) if items is None]
        if others:
            cells = [channel.checkpoint(after[i]) for i in others]
            yield ColumnChange(slots[others], Column.of_cells(cells))

    def _packets(self, state: State, place: _Places) -> Iterator[ColumnChange]:
        """Return the Sends that runs have pending, and that others have no more."""
        journal, n = state.journal, len(state)
        assert journal is not None
        if not journal.packets and not self._sent.any():
            return
        sent: dict[int, list[tuple[int, Any]]] = {}
        for packets, index in journal.packets:
            at = packets.where.tolist()
            for position, i, send in zip(at, index.tolist(), packets.sends(), strict=True):
                sent.setdefault(position, []).append((i, send))
        now = np.array(sorted(sent), np.intp)
        where, slots = place.of(union([now, np.flatnonzero(self._sent[state.rows])], n))
        at = positions(where, n)
        self._sent[state.rows[at]] = mask_of(now, n)[at]
        if len(at):
            lists = [[s for _, s in sorted(sent.get(p, ()), key=_first)] for p in at.tolist()]
            yield ColumnChange(slots, Column(objects(lists)))

    def _snapshot(
        self, state: State, rows: Rows, step: Rows, at: Where
    ) -> dict[str, Column] | None:
        """Return all channels but lists, if the saver wants them now."""
        every = self.saver.snapshot_every
        if not every or not ((step + self.seq[rows]) % every == 0).any():
            return None
        names = [n for n in state.columns if n not in self._growing and n not in self.control.names]
        return {
            name: self.tables.channels[name].checkpoint_columns(state.gather(name, at))
            for name in names
        }


@dataclass(frozen=True, slots=True)
class _Begun:
    """How N runs begin: see `Keeper`; `input_step` is that of the checkpoint of an input."""

    seq: Rows
    clock: Rows
    stamp: Rows
    input_step: Rows
    sent: Mask
    resumed: Mask | None
    answers: dict[int, Answers]

    @classmethod
    def of(cls, n: int) -> _Begun:
        """Return how new runs begin."""
        one = np.ones(n, np.int64)
        return cls(one, one * 2, one * 0, -one, np.zeros(n, np.bool_), None, {})

    @classmethod
    def after(cls, past: Past) -> _Begun:
        """Return how runs begin that have a past."""
        step = past.step
        resumed = None if past.kind == ANEW else np.ones(len(step), np.bool_)
        lead = past.seq - step, past.clock - step
        return cls(*lead, past.stamp.copy(), step + 1, past.sent(), resumed, past.answers)


def _begun(rows: Rows, inputs: Inputs) -> tuple[Rows, Column]:
    """Return the runs that begin, and their inputs; a run without an input does not."""
    if not inputs.is_objects:
        columns = {name: inputs.column(name) for name in inputs.names}
        known = {name: column for name, column in columns.items() if column is not None}
        if known and all(_is_typed(column) for column in known.values()):
            arrays: list[Any] = [pa.array(column.as_numpy()) for column in known.values()]
            return rows, Column(pa.StructArray.from_arrays(arrays, list(known)))
    given = inputs.rows()
    begun = [i for i, value in enumerate(given) if value is not None]
    if len(begun) < len(given):
        rows, given = rows[begun], [given[i] for i in begun]
    return rows, Column(objects(given))


def _is_typed(column: Column) -> bool:
    """Return whether Arrow has the column's values as they are."""
    if column.present is not None:
        return False
    if column.kind == "object":
        return all(type(value) is str for value in column.values.tolist())
    return column.kind in {"bool", "int", "float"}


class _Places:
    """Maps positions of a lane to places in a flush.

    Parameters
    ----------
    at : Where
        Positions of the rows that the flush is of.
    n : int
        Rows of the lane.
    """

    def __init__(self, at: Where, n: int) -> None:
        self._at = at
        self._n = n
        self._slots: Any = None

    def of(self, where: Where) -> tuple[Where, Where]:
        """Return the positions of `where` that are in the flush, and their places there."""
        at, n = self._at, self._n
        if at is None or where is at:
            return where, where if at is None else None
        if self._slots is None:
            self._slots = np.full(n, -1, np.intp)
            self._slots[at] = np.arange(len(at))
        slots = self._slots if where is None else self._slots[where]
        inside = slots >= 0
        if not inside.all():
            where, slots = compose(where, np.flatnonzero(inside)), slots[inside]
        return (at, None) if len(slots) == len(at) else (where, slots)


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]


def _coded(
    ran: Sequence[_Named], due: Sequence[_Named], at: Where, n: int
) -> tuple[Any, Any, list[tuple[str, ...]]]:
    """Return the nodes that ran and those that are due in each row: codes, and what they mean."""
    sets = _Sets()
    codes = [sets.codes(named, n) for named in (ran, due)]
    kind = np.int16 if len(sets.names) <= np.iinfo(np.int16).max else np.int32
    first, second = ((c if at is None else c[at]).astype(kind) for c in codes)
    return first, second, sets.names


def _ran(tasks: Sequence[Due]) -> list[_Named]:
    return [(f"{PUSHED}{t.spec.name}" if t.queue else t.spec.name, t.where) for t in tasks]


def _next(tasks: Sequence[Due], unsignalled: list[tuple[str, Any]], n: int) -> list[_Named]:
    named: list[_Named] = []
    apart_of: dict[str, list[Where]] = {}
    for name, where in unsignalled:
        apart_of.setdefault(name, []).append(where)
    for task in tasks:
        if task.queue is not None:
            continue
        name = task.spec.name
        apart = positions(union(apart_of.get(name, []), n), n)
        if not len(apart):
            named.append((name, task.where))
            continue
        named.append((name, without(positions(task.where, n), mask_of(apart, n))))
        named.append((f"{PUSHED}{name}", apart))
    return named


class _Sets:
    """Numbers sets of nodes."""

    def __init__(self) -> None:
        self.names: list[tuple[str, ...]] = [()]
        self._code: dict[tuple[str, ...], int] = {(): 0}

    def codes(self, named: Iterable[_Named], n: int) -> Any:
        """Return the number of the set of nodes that each of `n` rows is at."""
        codes: Any = np.zeros(n, np.intp)
        for name, where in named:
            held = codes if where is None else codes[where]
            found = np.flatnonzero(np.bincount(held, minlength=len(self.names)))
            news = np.zeros(len(self.names), np.intp)
            for code in found.tolist():
                news[code] = self._with(code, name)
            if where is None:
                codes = news[held]
            else:
                codes[where] = news[held]
        return codes

    def _with(self, code: int, name: str) -> int:
        names = tuple(sorted({*self.names[code], name}))
        if names not in self._code:
            self._code[names] = len(self.names)
            self.names.append(names)
        return self._code[names]
