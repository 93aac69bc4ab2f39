"""Sixteen single-rule faults, each seeded into both of the engine's paths where both have the rule.

A fault is a function that patches one rule through a ``pytest.MonkeyPatch``. They exist to show
that the differential suite would notice; `docs/design/0002-seeded-faults.md` says which test did.
A patch that no longer finds its rule fails loudly, so that the list follows the engine.
"""

from __future__ import annotations

import builtins
from itertools import count

import numpy as np

from vecgraph import columns
from vecgraph.channels import (
    BinaryOperatorAggregate,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
    operators,
)
from vecgraph.channels.base import Channel
from vecgraph.channels.replace import Replace
from vecgraph.constants import MISSING, TASKS
from vecgraph.engine import (
    attempt,
    control,
    loop,
    packets,
    quick,
    quick_node,
    read,
    run,
    serve,
    shared,
    single,
    superstep,
    tasks,
)
from vecgraph.errors import GraphRecursionError
from vecgraph.graph import lower
from vecgraph.nodes.outcome import Outcome
from vecgraph.types import get_overwrite


def last_write_wins(patch) -> None:
    """A reducer forgets all writes of a superstep but the last."""
    fold = BinaryOperatorAggregate.fold
    patch.setattr(BinaryOperatorAggregate, "fold", lambda s, cell, ws: fold(s, cell, ws[-1:]))
    patch.setattr(BinaryOperatorAggregate, "fold_columns", Channel.fold_columns)


def reversed_task_order(patch) -> None:
    """Writes are applied from the last task to the first."""
    for module, key in ((single, single._place), (superstep, superstep._path)):
        _sort_tasks(patch, module, key, lambda tasks, key: builtins.sorted(tasks, key=key)[::-1])
    quick_step = quick.Quick._superstep

    def backwards(self, run, scope, due, values):
        return quick_step(self, run, scope, due[::-1], values[::-1])

    patch.setattr(quick.Quick, "_superstep", backwards)


def completion_order(patch) -> None:
    """Writes are applied in the order in which tasks ended."""
    ended, ticket, execute = {}, count(), serve.Server.attempts

    async def executed(self, task, scope) -> None:
        await execute(self, task, scope)
        ended[id(task)] = next(ticket)

    writes = superstep._writes

    def sends_first(state, ordered, gone):
        # Packets start first, so they end first; the rule is that their writes come last.
        parts = [
            [e for e in ordered if (e.due.queue is None) is pulled] for pulled in (False, True)
        ]
        found = [writes(state, part, gone) for part in parts]
        names = dict.fromkeys(name for part in found for name in part)
        return {name: [w for part in found for w in part.get(name, [])] for name in names}

    patch.setattr(serve.Server, "attempts", executed)
    patch.setattr(superstep, "_writes", sends_first)
    _sort_tasks(
        patch,
        single,
        single._place,
        lambda tasks, key: builtins.sorted(tasks, key=lambda t: ended.get(id(t), 0)),
    )


def _sort_tasks(patch, module, by, order) -> None:
    def sort(items, *, key=None):
        return builtins.sorted(items) if key is not by else order(items, key)

    patch.setattr(module, "sorted", sort, raising=False)


def sticky_ephemerals(patch) -> None:
    """An ephemeral value outlives its superstep."""
    patch.setattr(EphemeralValue, "tick", lambda s, cell: (cell, False))
    still = lambda s, column: (column, np.zeros(len(column), np.bool_))
    patch.setattr(EphemeralValue, "tick_columns", still)


def barrier_not_reset(patch) -> None:
    """A barrier stays full after its node has run."""
    kept = lambda s, cell: (cell, False)
    patch.setattr(NamedBarrierValue, "consume", kept)
    patch.setattr(NamedBarrierValueAfterFinish, "consume", kept)
    close = control.Control._close

    def spare_barriers(self, state, name, where) -> None:
        if name not in self.barriers:
            close(self, state, name, where)

    patch.setattr(control.Control, "_close", spare_barriers)


def defer_ignored(patch) -> None:
    """A deferred node runs as soon as it is reached."""
    patch.setattr(lower, "LastValueAfterFinish", lambda typ: EphemeralValue(typ, guard=False))
    patch.setattr(lower, "NamedBarrierValueAfterFinish", NamedBarrierValue)


def limit_off_by_one(patch) -> None:
    """A run gets one superstep more than its recursion limit; the text stays the same."""
    limit = shared.Shared.limit.fget
    patch.setattr(shared.Shared, "limit", property(lambda s: limit(s) + 1))
    at = GraphRecursionError.at
    patch.setattr(GraphRecursionError, "at", staticmethod(lambda n: at(n - 1)))


def step_off_by_one(patch) -> None:
    """Supersteps are numbered from one too many."""
    init, steps = run.Run.__init__, read.Clock.steps

    def late(self, *args) -> None:
        init(self, *args)
        self.step += 1

    patch.setattr(run.Run, "__init__", late)
    patch.setattr(read.Clock, "steps", lambda s, where: steps(s, where) + 1)


def branch_reads_stale_state(patch) -> None:
    """A router does not see what its node has just written."""
    fresh, column, short = single.read_fresh, read.Fresh._read, quick_node.Router._fresh
    patch.setattr(attempt, "read_fresh", lambda t, run, branch, pairs: fresh(t, run, branch, []))
    patch.setattr(quick_node.Router, "_fresh", lambda s, run, pairs: short(s, run, []))

    def stale(self, name):
        outcome = self._outcome
        self._outcome = Outcome(outcome.m)
        try:
            return column(self, name)
        finally:
            self._outcome = outcome

    patch.setattr(read.Fresh, "_read", stale)


def sends_reversed(patch) -> None:
    """The Sends of a superstep are numbered from the last to the first."""
    pushed, numbered, queue = single._pushed, packets._numbered, packets._queue

    def reverse(tables, run):
        cell = run.cells[TASKS]
        run.cells[TASKS] = list(cell or ())[::-1]
        try:
            return pushed(tables, run)
        finally:
            run.cells[TASKS] = cell

    def backwards(where):
        index = numbered(where)
        return np.array([index[where == row].max() for row in where], np.int64) - index

    patch.setattr(single, "_pushed", reverse)

    def in_that_order(tables, name, parts):
        due = queue(tables, name, parts)
        index = due.queue.index
        order = np.lexsort((index, due.where))
        ordered = due.queue.packets.take(order)
        return tasks.Due(due.spec, ordered.where, tasks.Queue(index[order], ordered))

    patch.setattr(single, "_pushed", reverse)
    patch.setattr(packets, "_numbered", backwards)
    patch.setattr(packets, "_queue", in_that_order)


def concurrent_write_not_refused(patch) -> None:
    """Two writes to a plain channel in one superstep: the last wins."""
    patch.setattr(LastValue, "_refusal", lambda s: None)


def seen_not_updated(patch) -> None:
    """What a node has seen is not noted when it runs."""
    apply = loop.apply

    def forget(tables, run, tasks):
        written = apply(tables, run, tasks)
        run.seen.clear()
        return written

    patch.setattr(loop, "apply", forget)


def overwrite_order(patch) -> None:
    """Writes after an Overwrite are folded into the new value instead of being lost."""

    def fold(self, cell, writes):
        for value in writes:
            is_overwrite, new = get_overwrite(value)
            cell = new if is_overwrite or cell is MISSING else self.operator(cell, value)
        return cell, True

    def start(self, cell, writes):
        if any(get_overwrite(value)[0] for value in writes):
            return fold(self, cell, writes)
        return original(self, cell, writes)

    original = BinaryOperatorAggregate.fold
    patch.setattr(BinaryOperatorAggregate, "fold", start)
    patch.setattr(BinaryOperatorAggregate, "fold_columns", Channel.fold_columns)


def unequal_diamond_merged(patch) -> None:
    """A node that two branches of different length reach runs for the first of them only."""
    plan, of_columns, short = loop.plan, superstep._plan, quick.Quick._superstep

    def once(tables, run):
        ran = {task.spec.name for task in run.tasks if task.push is None}
        return [t for t in plan(tables, run) if t.push is not None or t.spec.name not in ran]

    def once_shortly(self, run, scope, due, values):
        ran = {node.spec.name for node in due}
        return [name for name in short(self, run, scope, due, values) if name not in ran]

    def once_each(tables, control, state, active, ordered, gone):
        ran = {e.due.spec.name: e.due.where for e in ordered if e.due.queue is None}
        kept = []
        for due in of_columns(tables, control, state, active, ordered, gone):
            if due.queue is None and due.spec.name in ran:
                here = superstep.positions(due.where, len(state))
                before = superstep.positions(ran[due.spec.name], len(state))
                due = tasks.Due(due.spec, np.setdiff1d(here, before))
            if due.where is None or len(due.where):
                kept.append(due)
        return kept

    patch.setattr(loop, "plan", once)
    patch.setattr(quick.Quick, "_superstep", once_shortly)
    patch.setattr(superstep, "_plan", once_each)


def ints_wrap(patch) -> None:
    """A sum beyond int64 wraps around."""
    apply = BinaryOperatorAggregate._apply

    def wrapped(self, cell, value, fresh):
        result, owned = apply(self, cell, value, fresh)
        return ((result + 2**63) % 2**64 - 2**63 if type(result) is int else result), owned

    patch.setattr(BinaryOperatorAggregate, "_apply", wrapped)
    patch.setattr(operators, "_LOW", -(2**200))
    patch.setattr(operators, "_HIGH", 2**200)


def special_floats_lost(patch) -> None:
    """-0.0 becomes 0.0 and NaN becomes 0.0 when a plain channel or a column takes them."""
    fold, typed = Replace.fold, columns._typed

    def plain(self, cell, writes):
        value, changed = fold(self, cell, writes)
        return (_cleaned(value) if type(value) is float else value), changed

    def clean(values):
        array = typed(values)
        return (
            np.nan_to_num(array, posinf=np.inf, neginf=-np.inf) + 0.0
            if array.dtype.kind == "f"
            else array
        )

    patch.setattr(Replace, "fold", plain)
    patch.setattr(columns, "_typed", clean)


def _cleaned(value):
    return 0.0 if value != value else value + 0.0  # noqa: PLR0124  NaN


FAULTS = {
    "last-write-wins": last_write_wins,
    "reversed-task-order": reversed_task_order,
    "completion-order": completion_order,
    "sticky-ephemerals": sticky_ephemerals,
    "barrier-not-reset": barrier_not_reset,
    "defer-ignored": defer_ignored,
    "limit-off-by-one": limit_off_by_one,
    "step-off-by-one": step_off_by_one,
    "stale-branch": branch_reads_stale_state,
    "sends-reversed": sends_reversed,
    "concurrent-write": concurrent_write_not_refused,
    "seen-not-updated": seen_not_updated,
    "overwrite-order": overwrite_order,
    "diamond-merged": unequal_diamond_merged,
    "ints-wrap": ints_wrap,
    "special-floats-lost": special_floats_lost,
}
