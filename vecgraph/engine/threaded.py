"""Runs with threads: new ones in lanes, and of those with a past all that lanes can take."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.constants import NULL_TASK, RESUME
from vecgraph.engine.flush import PUSHED
from vecgraph.engine.forms import graph_form
from vecgraph.engine.past import ANEW, GOES_ON, WAITS, Past
from vecgraph.engine.records import together
from vecgraph.engine.resume import ALONE, PassedOver, asked_inputs, sort_out
from vecgraph.nodes.writer import branch_channel
from vecgraph.state import Inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.engine.batch import Call
    from vecgraph.engine.records import Progress, Results
    from vecgraph.engine.resume import Sorted
    from vecgraph.typing import Rows

__all__ = ["Parts", "threaded"]

_SIGNAL = branch_channel("")


def threaded(call: Call, inputs: Inputs, progress: Progress | None, resume: Any) -> Results:
    """Run runs that each have a thread.

    Parameters
    ----------
    resume : None, True, or sequence of N objects
        See `Engine.run`.
    """
    saver = call.shared.saver
    numbers: Rows = call.configs.register(saver)
    places = saver.latest_places(numbers)
    old, new = np.flatnonzero(places >= 0), np.flatnonzero(places < 0)
    if not len(old):
        return call.in_lanes(inputs, None, progress, numbers)
    parts = Parts(progress)
    if len(new):
        parts.add(new, partial(call.in_lanes, inputs.take(new), new, numbers=numbers[new]))
    _with_past(call, inputs.take(old), old, numbers[old], places[old], _told(resume, old), parts)
    return parts.results()


def _told(resume: Any, old: Rows) -> Any:
    return resume if resume is None or resume is True else [resume[i] for i in old.tolist()]


def _with_past(
    call: Call,
    inputs: Inputs,
    old: Rows,
    numbers: Rows,
    places: Any,
    resume: Any,
    parts: Parts,
) -> None:
    """Run the runs at places `old` of the batch, whose threads have checkpoints."""
    tables, control = call.engine.tables, call.engine.control
    assert control is not None
    saver = call.shared.saver
    state = saver.read_columns(numbers, places, graph=graph_form(tables, control))
    writes = _beside(saver, state)
    if resume is not None:
        inputs = Inputs(len(old), objects=asked_inputs(len(old), resume, writes))
        _warn(call, state, old)
    found = sort_out(inputs, state, writes)
    # Under durability "exit" what a run with a past leaves says only what is new since.
    if _is_placed(call) or call.shared.durability == "exit":
        found.kinds[:] = ALONE
    _tell(saver, state, found)
    for kind in (ALONE, GOES_ON, ANEW, WAITS):
        at = np.flatnonzero(found.kinds == kind)
        if not len(at):
            continue
        part, where = inputs.take(at), old[at]
        if kind == ALONE:
            parts.add(where, partial(call.singly, part, where))
            continue
        past = Past(tables, control, state.take(at), found.answers_at(at), kind)
        parts.add(where, partial(call.in_lanes, part, where, numbers=numbers[at], past=past))


def _warn(call: Call, state: Any, old: Rows) -> None:
    """Warn of nodes that are due and that the graph has no more."""
    known, ids = call.engine.tables.nodes, call.ids[old].tolist()
    passed = PassedOver(call.engine.tables)
    for code, nodes in enumerate(state.nodes):
        for name in {name.removeprefix(PUSHED) for name in nodes} - known.keys():
            for at in np.flatnonzero(state.due == code).tolist():
                passed.note(ids[at], name)
    for name, column in state.columns.items():  # of checkpoints in row form
        for at in np.flatnonzero(column.mask()).tolist() if name.startswith(_SIGNAL) else ():
            passed.look(ids[at], [name])
    passed.warn()


def _is_placed(call: Call) -> bool:
    """Return whether the config says more of where runs go on than their threads."""
    config = call.shared.config
    given = config.get("configurable") or {}
    return bool(given.get("checkpoint_id") or "run_id" in (config.get("metadata") or {}))


def _beside(saver: Any, state: Any) -> dict[int, list[tuple[str, str, Any]]]:
    """Return the writes that are kept beside checkpoints."""
    at = np.flatnonzero(state.pending)
    found: dict[int, list[tuple[str, str, Any]]] = {place: [] for place in at.tolist()}
    if len(at):
        kept = saver.pending_of(state.threads[at], state.seq[at])
        writes = zip(kept.task_ids, kept.channels, kept.values, strict=True)
        for place, write in zip(at[kept.rows].tolist(), writes, strict=True):
            found[place].append(write)
    return found


def _tell(saver: Any, state: Any, found: Sorted) -> None:
    """Keep the answers that were given just now, before anybody acts on them."""
    told = [(at, value) for at, value in found.told.items() if found.kinds[at] != ALONE]
    if told:
        at = np.array([place for place, _ in told], np.intp)
        values = [value for _, value in told]
        ids = [NULL_TASK] * len(at)
        saver.put_writes_many(state.threads[at], state.seq[at], ids, "", RESUME, values)


class Parts:
    """Parts of a batch that are run one after the other."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._results: list[Results] = []
        self._places: list[Rows] = []

    def add(self, at: Rows, run: Callable[[Progress | None], Results]) -> None:
        """Run the runs at places of the batch."""
        self._results.append(run(self._shown()))
        self._places.append(at)

    def _shown(self) -> Progress | None:
        """Return a progress callback that adds what was done before."""
        progress, before = self._progress, self._results
        if progress is None or not before:
            return progress
        failed = sum(len(part.errors) for part in before)
        done = sum(map(len, before)) - failed
        steps = sum(part.run_steps for part in before)

        def shown(done_now: int, running: int, failed_now: int, steps_now: int) -> None:
            progress(done + done_now, running, failed + failed_now, steps + steps_now)

        return shown

    def results(self) -> Results:
        """Return the results of all, in the order of the batch."""
        return together(self._results, self._places)
