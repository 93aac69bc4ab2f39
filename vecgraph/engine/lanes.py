"""Many runs at once: a lane of rows goes through its supersteps while it is hot in cache.

A lane holds a bounded number of rows. Rows that end leave it at once; it is compacted when
few are left, or when all that are left stand at one node, and refilled from the rows that
wait. While every row of a lane is at one node no position is written down at all (`Where`
None), columns are handed to the node as they are and its results take their place.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np

from vecgraph.ambient import current_task
from vecgraph.columns import Column
from vecgraph.constants import START
from vecgraph.engine.archive import Archive
from vecgraph.engine.fan import Fan
from vecgraph.engine.halts import Halts
from vecgraph.engine.lane import Lane, alive, dense, drop, record_of, same, together
from vecgraph.engine.lane_scope import LaneScope
from vecgraph.engine.memory import keep_freed_memory
from vecgraph.engine.past import ANEW, GOES_ON, WAITS
from vecgraph.engine.read import Clock
from vecgraph.engine.records import Observer, Results, RowError, Superstep, status_of
from vecgraph.engine.site import LaneSite
from vecgraph.engine.solo import Moved, Solo, Unfinished, one_way
from vecgraph.engine.superstep import Applied, apply, execute, proceed, tick
from vecgraph.engine.tables import Tables, names_of
from vecgraph.engine.tasks import Due, Executed
from vecgraph.errors import GraphRecursionError
from vecgraph.positions import count, joined_apart, mask_of, positions, union
from vecgraph.state import Inputs, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.engine.control import Control
    from vecgraph.engine.keeping import Keeper
    from vecgraph.engine.past import Past
    from vecgraph.engine.shared import Shared
    from vecgraph.program import NodeSpec
    from vecgraph.typing import Rows, Where

__all__ = ["FLYING", "LANE", "Lanes"]

FLYING: WeakSet[Lanes] = WeakSet()
"""The loops that run now, of all graphs: for those who ask what is in memory."""

LANE = 131_072
"""Rows of a lane: a few columns of this length stay in a core's cache."""

_NOBODY = np.empty(0, np.intp)
_COMPACT = 0.75
_REFILL = 0.5
_NARROW = 8
"""Up to this many columns, compacting a lane is cheaper than gathering at every step."""


class Lanes:
    """The loop over lanes for one batch.

    Parameters
    ----------
    tables, control : Tables, Control
    shared : Shared
    ids : int64 ndarray of shape (N,)
        Number of each run, as nodes and records see it.
    size : int
        Rows of a lane.
    apart : bool
        Whether tasks that share no row may go the short way.
    observer : callable, optional
        Gets each `Superstep`.
    on_step : callable, optional
        Gets the archive after each superstep, for progress.
    keeper : Keeper, optional
        Keeps a checkpoint of every run after each superstep.
    past : Past, optional
        The checkpoints that the runs go on from.
    """

    def __init__(
        self,
        tables: Tables,
        control: Control,
        shared: Shared,
        ids: Rows,
        *,
        size: int = LANE,
        apart: bool = True,
        observer: Observer | None = None,
        on_step: Callable[[int, int, int, int], None] | None = None,
        keeper: Keeper | None = None,
        past: Past | None = None,
    ) -> None:
        self.tables = tables
        self.control = control
        self.shared = shared
        self.ids = ids
        self.size = size
        self.apart = apart
        self._solos: dict[str, Solo | None] = {}
        self._fans: dict[str, Fan | None] = {}
        self.observer = observer
        self.on_step = on_step
        self.keeper = keeper
        self.halts = Halts(shared)
        self.past = past
        self.scope = LaneScope(shared, tables, keeper)
        self.tick = 0
        self.supersteps = 0
        self.run_steps = 0
        self.ended = 0
        names = names_of(tables.program.outputs)
        self.archive = Archive(names, ids)
        self.now: Lane | None = None
        self._positions = np.arange(len(ids))

    def run(self, inputs: Inputs) -> Results:
        """Run every row of `inputs` to its end."""
        keep_freed_memory()
        FLYING.add(self)
        self._inputs, self._next, self._waiting = inputs, 0, inputs.m
        token = current_task.set(self.scope)
        try:
            lane = self.now = self._refill(None)
            while lane is not None:
                self._march(lane)
                if lane.due:
                    lane = self.now = self._compact(lane)
                    self._step(lane)
                lane = self.now = self._refill(self._compact(lane))
        finally:
            current_task.reset(token)
            if self.keeper is not None:
                self.keeper.leave()
        # The scope's last place holds the state and the scope: free both without the collector.
        self.scope.leave()
        FLYING.discard(self)
        results = self.archive.results()
        results.supersteps, results.run_steps = self.supersteps, self.run_steps
        if isinstance(self.tables.program.outputs, str):
            results.bare = self.tables.program.outputs
        return results

    def _refill(self, lane: Lane | None) -> Lane | None:
        live = 0 if lane is None else count(lane.live, len(lane.state))
        while self._waiting and live <= self.size * _REFILL:
            fresh = self._admit(self._share(live))
            lane = fresh if lane is None or not live else together(dense(lane), fresh)
            live = count(lane.live, len(lane.state))
        return lane if live else None

    def _share(self, live: int) -> int:
        """Return how many waiting runs to admit: an even share of what is left, to fill a lane."""
        room = self.size - live
        lanes = -(-self._waiting // room)
        return -(-self._waiting // lanes)

    def _admit(self, n: int) -> Lane:
        """Start the next `n` waiting runs: their input, and the superstep of START."""
        begin, end = self._next, self._next + n
        self._next, self._waiting = end, self._waiting - n
        part = self._inputs if n == len(self.ids) else self._inputs.slice(begin, end)
        if self.past is not None:
            return self._compact(self._go_on(self.past, begin, end, part))
        tables = self.tables
        columns = {
            name: channel.empty(n)
            for name, channel in tables.channels.items()
            if name not in self.control.names and name != START
        }
        columns.update(self.control.empty(n))
        lane = Lane(State(self._positions[begin:end], columns), same(self.tick, n))
        self._start(lane, part)
        lane.oldest = self.tick - 1  # the lane's next superstep is step 1 of these runs
        lane.birth = same(lane.oldest, len(lane.state))
        return self._compact(lane)

    def _start(self, lane: Lane, inputs: Inputs, *, keeps: bool = True) -> None:
        """Run the superstep of START; keep the inputs first, if they are not kept yet."""
        tables = self.tables
        if not tables.steady_outputs:
            names = names_of(tables.program.outputs)
            lane.shown = {name: Column.absent(len(lane.state)) for name in names}
        lane.due = [Due(tables.nodes[START], None)]
        if self.keeper is not None and keeps:
            self.keeper.admit(lane.state, inputs)
        self._step(lane, inputs)

    def _go_on(self, past: Past, begin: int, end: int, inputs: Inputs) -> Lane:
        """Put runs where their checkpoints left them, and give them their inputs, if any."""
        step = past.step[begin:end]
        first = step + (2 if past.kind == ANEW else 1)
        lane = Lane(State(self._positions[begin:end], past.columns(begin, end)), self.tick - first)
        lane.stops = step + self.shared.limit + 2
        if past.kind != GOES_ON:
            waits = past.kind == WAITS
            if not waits:
                self._let_go(lane, past.due(begin, end))
            inputs = past.inputs(begin, end) if waits else inputs
            self._start(lane, inputs, keeps=not waits)
            lane.birth = lane.birth - 1  # that was no tick
            return lane
        lane.due = past.due(begin, end)
        if not self.tables.steady_outputs:
            lane.shown = {
                name: self.tables.channels[name].read_columns(lane.state.gather(name, None))
                for name in names_of(self.tables.program.outputs)
            }
        lane.emitted = None
        self._retire(lane, Applied(lane.due, {}, _NOBODY), self._clock(lane, self.tick - 1))
        return lane

    def _let_go(self, lane: Lane, due: list[Due]) -> None:
        """Drop the tasks that are due: they count as having run, and wrote nothing."""
        if not due:
            return
        lane.due = due
        if self.keeper is not None:
            self.keeper.begin(lane)
        self.control.consume(lane.state, due)
        active = union([task.where for task in due], len(lane.state))
        tick(self.tables, self.control, lane.state, active, {})

    def _clock(self, lane: Lane, tick: int) -> Clock:
        return Clock(tick, lane.birth, self.shared.limit, lane.stops)

    def _step(self, lane: Lane, inputs: Inputs | None = None) -> None:
        """Run one superstep of a lane and retire the runs that it ends."""
        begin = perf_counter()
        state, tables = lane.state, self.tables
        started = inputs is not None
        clock = self._clock(lane, self.tick)
        record = None if self.observer is None or started else record_of(lane, clock, self.ids)
        if self.keeper is not None:
            self.keeper.begin(lane)
        if self._is_fan(lane):
            applied = self._fanned(lane, clock)
        elif self._is_apart(lane):
            applied = self._apart(lane, clock)
        else:
            done = [
                execute(tables, state, due, clock, self.scope, self.ids, inputs) for due in lane.due
            ]
            applied = apply(tables, self.control, state, lane.live, done)
        if self.keeper is not None:
            self.keeper.keep(lane, applied, clock.steps(None))
        self._finish(lane, applied, clock, started=started)
        if self.observer is not None and record is not None:
            self.observer(Superstep(*record, perf_counter() - begin))
        if self.on_step is not None:
            running = count(lane.live, len(lane.state))
            failed = len(self.archive.errors)
            self.on_step(self.ended - failed, running, failed, self.run_steps)

    def _finish(self, lane: Lane, applied: Applied, clock: Clock, *, started: bool = False) -> None:
        """Take over what a superstep left."""
        self._emit(lane, applied.written)
        ran, lane.due = lane.due, applied.due
        if not started:
            self._count(count(lane.live, len(lane.state)))
        self._retire(lane, applied, clock, ran)

    def _count(self, runs: int) -> None:
        self.supersteps += 1
        self.run_steps += runs
        self.tick += 1

    def _march(self, lane: Lane) -> None:
        """Run supersteps while all rows of a lane go from one node to one node.

        Nothing has to be decided between two of those but where the rows go. The first
        superstep that is different (runs end or part, a call fails, the limit is near) is
        finished like any other. Nobody may be watching.
        """
        watched = self.observer is not None or self.on_step is not None
        if not self.apart or watched or self.halts or self.keeper is not None:
            return
        n, limit = len(lane.state), self.shared.limit
        clock, known = self._clock(lane, self.tick), None
        while len(lane.due) == 1 and lane.due[0].queue is None and lane.due[0].where is None:
            due = lane.due[0]
            if due is not known:
                solo, known = self._solo(due.spec), due
                site = LaneSite(self.tables, self.scope, lane.state, due, clock, self.ids)
            if solo is None or self.tick - lane.oldest >= limit:
                return
            clock.tick = self.tick
            result = solo.run(lane.state, None, n, site, self.scope)
            ahead = None if isinstance(result, Unfinished) else one_way(result[0])
            if ahead is None or isinstance(result, Unfinished):
                self._finish(lane, self._settled(lane, clock, [(due, result)]), clock)
                return
            if lane.emitted is not None:
                self._emit(lane, result[1])
            self._count(n)
            if ahead != due.spec.name:
                lane.due = [Due(self.tables.nodes[ahead], None)]

    def _is_fan(self, lane: Lane) -> bool:
        """Return whether all there is are packets that stand turn by turn, for a short form."""
        queue = lane.due[0].queue if len(lane.due) == 1 else None
        if queue is None or queue.packets.turns is None or not self.apart:
            return False
        watched = self.observer is not None or self.keeper is not None
        name = lane.due[0].spec.name
        if name not in self._fans:
            self._fans[name] = Fan.of(self.tables, self.control, lane.due[0].spec)
        return not watched and self._fans[name] is not None

    def _fanned(self, lane: Lane, clock: Clock) -> Applied:
        """Run and apply the packets of a superstep."""
        due = lane.due[0]
        fan = self._fans[due.spec.name]
        assert fan is not None
        site = LaneSite(self.tables, self.scope, lane.state, due, clock, self.ids)
        served = fan.serve(lane.state, due, site, self.scope)
        return self._settled(lane, clock, [(due, served)])

    def _is_apart(self, lane: Lane) -> bool:
        """Return whether every run is at one node only, and each node has a short form."""
        if not self.apart or any(
            due.queue is not None or self._solo(due.spec) is None for due in lane.due
        ):
            return False
        if len(lane.due) == 1:
            return True
        n = len(lane.state)
        return sum(count(due.where, n) for due in lane.due) == count(lane.live, n)

    def _solo(self, spec: NodeSpec) -> Solo | None:
        if spec.name not in self._solos:
            self._solos[spec.name] = Solo.of(self.tables, self.control, spec)
        return self._solos[spec.name]

    def _apart(self, lane: Lane, clock: Clock) -> Applied:
        """Run and apply the tasks of a superstep one after the other: they share no row."""
        results = [(due, self._short(lane, due, clock)) for due in lane.due]
        return self._settled(lane, clock, results)

    def _short(self, lane: Lane, due: Due, clock: Clock) -> tuple[Moved, Where] | Unfinished:
        solo = self._solo(due.spec)
        assert solo is not None
        site = LaneSite(self.tables, self.scope, lane.state, due, clock, self.ids)
        return solo.run(lane.state, due.where, count(due.where, len(lane.state)), site, self.scope)

    def _settled(
        self,
        lane: Lane,
        clock: Clock,
        results: list[tuple[Due, tuple[Moved, Where] | Unfinished]],
    ) -> Applied:
        """Return what tasks that share no row leave together."""
        n = len(lane.state)
        whole = Applied([], {}, _NOBODY, exclusive=True)
        going: dict[str, list[Where]] = {}
        wrote: list[Where] = []
        for due, result in results:
            solo = self._solo(due.spec)
            whole.exclusive = whole.exclusive and solo is not None and solo.exclusive
            if isinstance(result, Unfinished):
                whole.exclusive = False
                result = self._general(lane, due, clock, result, whole)
            moved, written = result
            wrote.append(written)
            for name, where in moved:
                going.setdefault(name, []).append(where)
        join = joined_apart if whole.exclusive else union
        for name in sorted(going):
            where = join(going[name], n)
            if where is None or len(where):
                whole.due.append(Due(self.tables.nodes[name], where))
        whole.written = joined_apart(wrote, n)
        return whole

    def _general(
        self, lane: Lane, due: Due, clock: Clock, left: Unfinished, whole: Applied
    ) -> tuple[Moved, Where]:
        """Apply one of several tasks that share no row, the general way."""
        site = LaneSite(self.tables, self.scope, lane.state, due, clock, self.ids)
        if left.routed:
            executed = Executed(due, left.outcome)
            site.note(due.spec.name, left.outcome.failures)
        else:
            executed = proceed(self.tables, lane.state, due, clock, site, left.outcome)
        applied = apply(self.tables, self.control, lane.state, due.where, [executed])
        whole.failures.update(applied.failures)
        whole.asked.update(applied.asked)
        whole.stuck += applied.stuck
        whole.due += [d for d in applied.due if d.queue is not None]
        moved = [(d.spec.name, d.where) for d in applied.due if d.queue is None]
        return moved, applied.written

    def _emit(self, lane: Lane, written: Where) -> None:
        if lane.emitted is not None:
            if written is None:
                lane.emitted = None
            elif len(written):
                lane.emitted[written] = True
                if lane.emitted.all():
                    lane.emitted = None
        if lane.shown and (written is None or len(written)):
            for name, column in lane.shown.items():
                values = self.tables.channels[name].read_columns(lane.state.gather(name, written))
                lane.shown[name] = column.put(written, values)

    def _retire(self, lane: Lane, applied: Applied, clock: Clock, ran: Sequence[Due] = ()) -> None:
        """Take out the runs that end; those that go on from a checkpoint pass its breakpoint."""
        n = len(lane.state)
        going = alive(lane, n, exclusive=applied.exclusive)
        self.halts.after(ran, applied, n)
        spent = self._spent(lane, clock, applied)
        if len(spent):
            error = GraphRecursionError.at(clock.limit)
            applied.failures.update(
                (int(p), (None, error))
                for p in spent.tolist()
                if p not in applied.failures and p not in applied.asked
            )
        self.halts.before(lane.due if ran else (), applied, n)
        if not applied.failures and not applied.asked:
            if going is None:
                return
            if lane.live is None and not len(going):
                self._archive(lane, None, applied, clock)
                lane.live = going
                return
        ended = mask_of(lane.live, n)
        if going is None or len(going):
            ended[slice(None) if going is None else going] = False
        ended[[*applied.failures, *applied.asked]] = True
        gone = np.flatnonzero(ended)
        if not len(gone):
            lane.live = going
            return
        self._archive(lane, gone, applied, clock)
        if applied.failures or applied.asked:
            drop(lane, ended, n)
        else:
            lane.live = going

    def _spent(self, lane: Lane, clock: Clock, applied: Applied) -> np.ndarray:
        """Return the runs that would need a step beyond the limit."""
        if clock.tick - lane.oldest < clock.limit:
            return np.empty(0, np.intp)
        live = positions(lane.live, len(lane.state))
        spent: np.ndarray = live[clock.steps(live) >= clock.stop(live)]
        return spent

    def _archive(self, lane: Lane, gone: Where, applied: Applied, clock: Clock) -> None:
        archive, state = self.archive, lane.state
        at = None if gone is None or len(gone) == len(state) else gone
        rows = state.rows if at is None else state.rows[at]
        # A lane's rows are a part of the batch until it is compacted or joined by others.
        steps = clock.tick - lane.oldest if lane.is_uniform else clock.steps(at)
        archive.add(rows, steps, is_part=rows.base is self._positions)
        for name in archive.names:
            if lane.shown:
                archive.columns[name].append(lane.shown[name].take(at))
            else:
                cells = state.columns[name].take(at)
                archive.columns[name].append(self.tables.channels[name].read_columns(cells))
        if lane.emitted is None:
            emitted = np.ones(len(rows), np.bool_)
        else:
            emitted = lane.emitted if at is None else lane.emitted[at]
        archive.emitted.append(emitted)
        for position, (node, error) in applied.failures.items():
            row = int(state.rows[position])
            step = int(clock.steps(np.array([position]))[0])
            archive.status[row] = status_of(error, node)
            archive.errors.append(RowError(int(self.ids[row]), node, step, error))
        for position, asked in applied.asked.items():
            row = int(state.rows[position])
            archive.status[row] = status_of("interrupted")
            archive.interrupts[int(self.ids[row])] = tuple(asked)
        self.ended += len(rows)
        if self.keeper is not None:
            self.keeper.ended(rows)

    def _compact(self, lane: Lane) -> Lane:
        """Drop ended rows if few rows are left, or if those left stand at one node."""
        if lane.live is None:
            return lane
        n = len(lane.state)
        narrow = len(lane.due) == 1 and lane.due[0].queue is None
        narrow = narrow and len(lane.state.columns) <= _NARROW
        if len(lane.live) < n * _COMPACT or narrow:
            return dense(lane)
        return lane
