"""One superstep of many runs: plan, execute, apply."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.channels.base import Folded, Write
from vecgraph.columns import concat
from vecgraph.engine.execute import run_node, run_router
from vecgraph.engine.packets import queues
from vecgraph.engine.read import Clock, Fresh, node_inputs
from vecgraph.engine.single import warn_unknown
from vecgraph.engine.site import LaneSite, Site
from vecgraph.engine.tasks import Due, Executed, Queue
from vecgraph.errors import EmptyInputError, GraphInterrupt
from vecgraph.positions import compose, count, mask_of, positions, union, without
from vecgraph.state import Inputs, State

if TYPE_CHECKING:
    from vecgraph.engine.control import Control
    from vecgraph.engine.lane_scope import LaneScope
    from vecgraph.engine.tables import Tables
    from vecgraph.nodes.outcome import Outcome
    from vecgraph.program import NodeSpec
    from vecgraph.types import Interrupt
    from vecgraph.typing import Mask, Rows, Where

__all__ = ["Applied", "apply", "execute", "proceed", "tick"]

_NOBODY = np.empty(0, np.intp)


@dataclass(slots=True)
class Applied:
    """What a superstep left.

    Attributes
    ----------
    due : list of Due
        Tasks of the next superstep, in the order in which they start.
    failures : dict of int to (str or None, exception)
        Runs that failed, with the node it happened in.
    written : Where
        Positions at which an output channel was written and changed.
    exclusive : bool
        The tasks of `due` are known to share no row.
    asked : dict of int to list of Interrupt
        Runs that stop to ask something, with their questions.
    stuck : list of Executed
        The tasks, if some run failed or asks something.
    """

    due: list[Due]
    failures: dict[int, tuple[str | None, BaseException]]
    written: Where
    exclusive: bool = False
    asked: dict[int, list[Interrupt]] = field(default_factory=dict)
    stuck: list[Executed] = field(default_factory=list)


def execute(
    tables: Tables,
    state: State,
    due: Due,
    clock: Clock,
    scope: LaneScope,
    ids: Rows,
    inputs: Inputs | None = None,
) -> Executed:
    """Run a node, its edges and its routers on the rows of a task.

    Parameters
    ----------
    ids : int64 ndarray
        Number of each run of the batch, as its nodes see it.
    inputs : Inputs, optional
        What START gets.
    """
    m = count(due.where, len(state))
    site = LaneSite(tables, scope, state, due, clock, ids)
    if inputs is None:
        inputs = _inputs(tables, state, due, m, clock)
    outcome = run_node(due.spec, inputs, site)
    return proceed(tables, state, due, clock, site, outcome)


def proceed(
    tables: Tables, state: State, due: Due, clock: Clock, site: Site, outcome: Outcome
) -> Executed:
    """Run the edges and routers of a node that has run."""
    executed = Executed(due, outcome)
    for target in due.spec.targets:
        outcome.signal(target, outcome.ok)
    if due.spec.branches:
        fresh = Fresh(tables, state, due.where, outcome, clock)
        _route(executed, fresh, site, outcome.m)
    translate = tables.program.translate_error
    if translate is not None and outcome.failures:
        outcome.failures = [(at, translate(error)) for at, error in outcome.failures]
    site.note(due.spec.name, [f for f in outcome.failures if not _is_empty(due.spec, f[1])])
    return executed


def _is_empty(spec: NodeSpec, error: BaseException) -> bool:
    """Return whether a run has failed before its first task, for want of an input."""
    return spec.action is None and isinstance(error, EmptyInputError)


def _route(executed: Executed, fresh: Fresh, site: Site, m: int) -> None:
    """Run a node's routers, one after the other, for the rows that have not failed."""
    spec, outcome = executed.due.spec, executed.outcome
    executed.folded = fresh.folded
    for branch in spec.branches:
        ok = outcome.ok
        k = count(ok, m)
        if k:
            part = fresh.inputs(branch, ok, k)
            outcome.merge(run_router(spec, branch, part, ok, m, site.take(ok)))


def _inputs(tables: Tables, state: State, due: Due, m: int, clock: Clock) -> Inputs:
    if due.queue is None:
        return node_inputs(tables, state, due.spec, due.where, m, clock)
    payload = due.queue.packets.payload
    if isinstance(payload, list):
        return Inputs(m, objects=payload)
    return Inputs(m, tuple(payload), payload.get)


def apply(
    tables: Tables, control: Control, state: State, live: Where, done: list[Executed]
) -> Applied:
    """Apply a superstep's writes; the State changes in place, columns that others hold do not.

    Parameters
    ----------
    live : Where
        Runs that take part: all but those that ended before.
    done : list of Executed
        In the order in which the tasks started.
    """
    n = len(state)
    failures, asked = _collected(done)
    ordered = done if len(done) == 1 else sorted(done, key=_path)
    gone = _gone(failures, n)
    folds, broken = _fold(tables, state, ordered, gone)
    while broken:
        for position, refusals in broken.items():
            error = _spoken(position, refusals, ordered)
            failures.setdefault(position, (None, error))
        gone = _gone(failures, n)
        folds, broken = _fold(tables, state, ordered, gone)
    if control.consumed:
        control.consume(state, [executed.due for executed in done])
    _put(tables, state, folds)
    updated = {name: folded.changed for name, folded in folds.items()}
    written = union([updated[name] for name in updated if name in tables.outputs], n)
    active = live if gone is None else without(live, gone)
    if control.unsteady:
        tick(tables, control, state, active, updated)
    due = _plan(tables, control, state, active, ordered, gone)
    return Applied(due, failures, written, asked=asked, stuck=done if failures or asked else [])


def _put(tables: Tables, state: State, folds: dict[str, Folded]) -> None:
    for name, folded in folds.items():
        cells = tables.channels[name].fit(folded.cells)
        state.change(name, folded.where, cells, folded.changed)


def _collected(
    done: list[Executed],
) -> tuple[dict[int, tuple[str | None, BaseException]], dict[int, list[Interrupt]]]:
    """Return the runs that failed and those that ask something; an error beats a question."""
    failures: dict[int, tuple[str | None, BaseException]] = {}
    asked: dict[int, list[Interrupt]] = {}
    for executed in done:
        if executed.outcome.failures:
            _collect(failures, asked, executed)
    for position in asked.keys() & failures.keys():
        del asked[position]
    return failures, asked


def _collect(
    failures: dict[int, tuple[str | None, BaseException]],
    asked: dict[int, list[Interrupt]],
    executed: Executed,
) -> None:
    """Tell the runs that failed in a task from those that ask something."""
    where = executed.due.where
    for position, error in executed.outcome.failures:
        at = position if where is None else int(where[position])
        spec = executed.due.spec
        if isinstance(error, GraphInterrupt):
            asked.setdefault(at, []).extend(error.args[0] if error.args else ())
            continue
        failures.setdefault(at, (None if _is_empty(spec, error) else spec.name, error))


def _gone(failures: dict[int, Any], n: int) -> Mask | None:
    return mask_of(np.fromiter(failures, np.intp, len(failures)), n) if failures else None


def _path(executed: Executed) -> tuple[int, str]:
    due = executed.due
    return (0, due.spec.name) if due.queue is None else (1, "")


def _writes(state: State, ordered: list[Executed], gone: Mask | None) -> dict[str, list[Write]]:
    """Return each channel's writes in task order, at positions of the State."""
    writes: dict[str, list[Write]] = {}
    pushed: dict[str, list[tuple[Write, Queue, Where]]] = {}
    for executed in ordered:
        due = executed.due
        for name, write in executed.outcome.writes:
            if name not in state.columns:
                continue
            if due.queue is None:
                writes.setdefault(name, []).append(_placed(write, due.where, gone))
            else:
                placed = _of_push(write, due.where, due.queue)
                pushed.setdefault(name, []).append((placed, due.queue, write.where))
    for name, parts in pushed.items():
        writes.setdefault(name, []).append(_merged(parts, gone))
    return {name: kept for name, ws in writes.items() if (kept := [w for w in ws if _counts(w)])}


def _counts(write: Write) -> bool:
    return write.where is None or len(write.where) > 0


def _placed(write: Write, where: Where, gone: Mask | None) -> Write:
    at = compose(where, write.where)
    if gone is None:
        return write if at is write.where else Write(at, write.values, write.repeats)
    if at is None:
        kept = np.flatnonzero(~gone)
        return Write(kept, write.values.take(kept))
    keep = np.flatnonzero(~gone[at])
    return Write(at[keep], write.values.take(keep), write.repeats)


def _of_push(write: Write, where: Where, queue: Queue) -> Write:
    known = queue.packets.spans() if write.where is None else None
    return Write(compose(where, write.where), write.values, repeats=True, known=known)


def _merged(parts: list[tuple[Write, Queue, Where]], gone: Mask | None) -> Write:
    """Return the writes of all packets as one, each run's in the order of its packets."""
    if len(parts) == 1:
        return _placed(parts[0][0], None, gone)
    where = np.concatenate([write.where for write, _, _ in parts])
    values = concat([write.values for write, _, _ in parts])
    index = [q.index if at is None else q.index[at] for _, q, at in parts]
    order = np.argsort(np.concatenate(index), kind="stable")
    return _placed(Write(where[order], values.take(order), repeats=True), None, gone)


def _fold(
    tables: Tables, state: State, ordered: list[Executed], gone: Mask | None
) -> tuple[dict[str, Folded], dict[int, dict[str, BaseException]]]:
    """Return what the writes make of each channel, and the runs whose writes break a rule."""
    folds: dict[str, Folded] = {}
    broken: dict[int, dict[str, BaseException]] = {}
    only = (
        ordered[0] if len(ordered) == 1 and gone is None and ordered[0].due.queue is None else None
    )
    for name, parts in _writes(state, ordered, gone).items():
        if only is not None and name in only.folded:
            folded = only.folded[name]
            where, changed = compose(only.due.where, folded.where), folded.changed
            changed = where if changed is folded.where else compose(only.due.where, changed)
            folded = Folded(where, folded.cells, changed)
        else:
            folded = tables.channels[name].fold_columns(state.columns[name], parts)
        folds[name] = folded
        for position, error in folded.failures:
            broken.setdefault(position, {})[name] = error
    return folds, broken


def _spoken(
    position: int, refusals: dict[str, BaseException], ordered: list[Executed]
) -> BaseException:
    """Return the refusal that a run fails with: of the channel that it wrote first."""
    if len(refusals) == 1:
        return next(iter(refusals.values()))
    written = (
        name
        for executed in ordered
        for name, write in executed.outcome.writes
        if name in refusals
        and ((at := compose(executed.due.where, write.where)) is None or position in at)
    )
    return refusals[next(written)]


def tick(
    tables: Tables, control: Control, state: State, active: Where, updated: dict[str, Where]
) -> None:
    """Let the channels that nobody wrote pass a superstep."""
    n = len(state)
    for name in control.unsteady:
        channel, column = tables.channels[name], state.columns[name]
        if column.present is not None and not column.present.any():
            continue
        quiet = positions(active, n)
        if name in updated:
            quiet = without(quiet, mask_of(updated[name], n))
        cells, changed = channel.tick_columns(column.take(quiet))
        if changed.any():
            at = np.flatnonzero(changed)
            state.change(name, quiet[at], cells.take(at), quiet[at])
            available = channel.available_columns(cells.take(at))
            shown = at if available is None else at[available]
            if len(shown):
                updated[name] = union([updated.get(name, _NOBODY), quiet[shown]], n)


def _plan(
    tables: Tables,
    control: Control,
    state: State,
    active: Where,
    ordered: list[Executed],
    gone: Mask | None,
) -> list[Due]:
    """Return the tasks of the next superstep: packets first, then nodes by name."""
    n = len(state)
    opened = _opened(control, state, active, ordered, gone)
    if state.journal is not None:
        state.journal.unsignalled += _unsignalled(control, opened, n)
    by_node: dict[str, list[Where]] = {}
    for channel, parts in opened.items():
        by_node.setdefault(control.target[channel], []).extend(parts)
    due = queues(tables, ordered, gone, state.journal)
    for name in sorted(by_node):
        where = union(by_node[name], n)
        spec = tables.nodes[name]
        if isinstance(spec.reads, str):
            where = _readable(tables, state, spec.reads, where)
        if where is None or len(where):
            due.append(Due(spec, where))
    return due


def _opened(
    control: Control, state: State, active: Where, ordered: list[Executed], gone: Mask | None
) -> dict[str, list[Where]]:
    """Return which trigger channels open at which positions, deferred ones last."""
    opened: dict[str, list[Where]] = {}
    for executed in ordered:
        _open(control, state, executed, gone, opened)
    if control.finishing:
        n = len(state)
        quiet = _quiet(active, [w for parts in opened.values() for w in parts], n)
        for channel, parts in control.finish(state, quiet).items():
            opened.setdefault(channel, []).extend(parts)
    return opened


def _unsignalled(
    control: Control, opened: dict[str, list[Where]], n: int
) -> list[tuple[str, np.ndarray]]:
    """Return the nodes and positions that are due, but not because of a signal."""
    signalled = {
        control.target[channel]: mask_of(union(parts, n), n)
        for channel, parts in opened.items()
        if channel in control.signals
    }
    found = []
    for channel, parts in opened.items():
        if channel not in control.signals:
            name, where = control.target[channel], positions(union(parts, n), n)
            found.append((name, without(where, signalled[name]) if name in signalled else where))
    return found


def _open(
    control: Control,
    state: State,
    executed: Executed,
    gone: Mask | None,
    opened: dict[str, list[Where]],
) -> None:
    """Set what a task's rows trigger: signals, deferred signals, barriers."""
    where, outcome, spec = executed.due.where, executed.outcome, executed.due.spec
    queue = executed.due.queue
    for channel, parts in outcome.signals.items():
        for part in parts:
            at = _left(where, part, gone, queue)
            if channel in control.deferred:
                control.set_deferred(state, channel, at)
            elif channel in control.signals:
                opened.setdefault(channel, []).append(at)
            else:
                warn_unknown(spec.name, channel)
    for channel in spec.joins:
        at = _left(where, outcome.ok, gone, queue)
        found = control.arrive(state, channel, spec.name, at)
        if found is not None and len(found):
            opened.setdefault(channel, []).append(found)


def _left(where: Where, part: Where, gone: Mask | None, queue: Queue | None) -> Where:
    """Return the positions that have not failed, each once (a run may run a node many times)."""
    spans = queue.packets.spans() if queue is not None and part is None else None
    at = compose(where, part) if spans is None else spans.heads
    if gone is not None:
        at = without(at, gone)
    return at if queue is None or spans is not None or at is None else np.unique(at)


def _quiet(active: Where, parts: list[Where], n: int) -> np.ndarray:
    """Return the active runs for which no trigger changed: they are about to end."""
    busy = union(parts, n)
    if busy is None:
        return _NOBODY
    return without(active, mask_of(busy, n))


def _readable(tables: Tables, state: State, name: str, where: Where) -> Where:
    """Return the positions at which a node's only channel has a value; the others skip it."""
    available = tables.channels[name].available_columns(state.columns[name].take(where))
    if available is None:
        return where
    return positions(where, len(state))[available]
