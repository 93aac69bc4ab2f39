"""Which runs of a batch can go on from their checkpoints in lanes, and which go one by one.

Source of the rules: how a single run begins (`vecgraph.engine.begin`). Lanes take those that
begin in one of three ways; whatever else a thread may hold is left to single runs.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.constants import ERROR, INTERRUPT, MISSING, NULL_TASK, RESUME, START
from vecgraph.engine.answers import Answers
from vecgraph.engine.begin import is_map
from vecgraph.engine.past import ANEW, GOES_ON, WAITS, sending
from vecgraph.nodes.writer import branch_channel
from vecgraph.state import Inputs
from vecgraph.types import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from vecgraph.engine.tables import Tables
    from vecgraph.typing import Mask, Rows

__all__ = ["ALONE", "PassedOver", "Sorted", "asked_inputs", "resumed_inputs", "sort_out"]

ALONE = 0
"""The kind of a run that lanes do not take; see `vecgraph.engine.past` for the others."""

_Writes = dict[int, list[tuple[str, str, Any]]]


@dataclass(slots=True)
class Sorted:
    """How N runs begin.

    Attributes
    ----------
    kinds : int8 ndarray of shape (N,)
    answers : dict of int to Answers
        What runs that go on have been told.
    told : dict of int to object
        Answers that were given just now.
    """

    kinds: npt.NDArray[np.int8]
    answers: dict[int, Answers] = field(default_factory=dict)
    told: dict[int, Any] = field(default_factory=dict)

    def answers_at(self, at: Rows) -> dict[int, Answers]:
        """Return the answers of the runs at some places, by their order there."""
        if not self.answers:
            return {}
        pairs = ((i, self.answers.get(place)) for i, place in enumerate(at.tolist()))
        return {i: answers for i, answers in pairs if answers is not None}


def sort_out(inputs: Inputs, state: Any, writes: _Writes) -> Sorted:
    """Say how each of N runs with a past begins.

    Parameters
    ----------
    inputs : Inputs
        What each gets now.
    state : ColumnState
        Where each stands.
    writes : dict of int to list of (str, str, object)
        Writes that are kept beside it: (id of the task, channel, value).
    """
    due = _due(state)
    starts = np.array([START in nodes for nodes in state.nodes], np.bool_)[state.due]
    kinds = np.where(starts, ALONE, ANEW).astype(np.int8)
    found = Sorted(kinds)
    if inputs.is_objects:
        for at, value in enumerate(inputs.rows()):
            if value is None:
                kinds[at] = WAITS if starts[at] else GOES_ON
            elif type(value) is Command:
                kinds[at] = _answered(found, at, value) if due[at] and not starts[at] else ALONE
    kinds[state.foreign | state.behind] = ALONE
    for at, kept in writes.items():
        if not _is_known(found, at, kept):
            kinds[at] = ALONE
    return found


def _is_known(found: Sorted, at: int, kept: Sequence[tuple[str, str, Any]]) -> bool:
    """Return whether lanes know what to do with the writes that are kept beside a checkpoint."""
    if found.kinds[at] == ANEW:  # what its tasks left is dropped with them
        return all(task != NULL_TASK for task, _, _ in kept)
    return _take_up(found, at, kept)


def _due(state: Any) -> Mask:
    """Return which runs have something to run."""
    due: Mask = np.array([bool(nodes) for nodes in state.nodes], np.bool_)[state.due]
    return due | sending(state)


def _answered(found: Sorted, at: int, command: Command[Any]) -> int:
    """Note the answer of a command; return how its run begins."""
    if command.resume is None or command.goto or command.update or command.graph is not None:
        return ALONE
    answers = found.answers.setdefault(at, Answers())
    if is_map(command.resume):
        answers.mapped = command.resume
    else:
        answers.given = found.told[at] = command.resume
    return GOES_ON


def _take_up(found: Sorted, at: int, kept: Sequence[tuple[str, str, Any]]) -> bool:
    """Note the answers that a run has got before; return whether there is nothing else."""
    if any(channel not in {ERROR, INTERRUPT, RESUME} for _, channel, _ in kept):
        return False  # tasks have ended: they are not run again
    questions = {q.id for task, c, asked in kept if c == INTERRUPT for q in _listed(asked)}
    if at in found.told and len(questions) > 1:
        return False  # it is refused: which one is meant?
    answers = found.answers.get(at) or Answers()
    for task, channel, value in kept:
        if channel == RESUME and task != NULL_TASK:
            answers.known[task] = list(_listed(value))
        elif channel == RESUME and answers.given is MISSING:
            answers.given = value
    if answers.given is not MISSING or answers.known:
        found.answers[at] = answers
    return True


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def asked_inputs(n: int, given: Any, writes: _Writes) -> list[Any]:
    """Return the inputs of runs that go on: None, or the answer to what a run has asked.

    Parameters
    ----------
    given : True, or sequence of N objects
        Answers; None: the run is not answered.
    """
    inputs: list[Any] = [None] * n
    if given is not True:
        for at, kept in writes.items():
            if given[at] is not None and any(channel == INTERRUPT for _, channel, _ in kept):
                inputs[at] = Command(resume=given[at])
    return inputs


class PassedOver:
    """Nodes that are due in runs that go on, and that the graph has no more.

    Parameters
    ----------
    tables : Tables
    """

    def __init__(self, tables: Tables) -> None:
        self._nodes = tables.nodes
        self._found: dict[str, list[int]] = {}

    def look(self, run: int, channels: Iterable[str]) -> None:
        """Look at the channels that have a value where a run goes on."""
        prefix = branch_channel("")
        for name in channels:
            if name.startswith(prefix):
                self.note(run, name.removeprefix(prefix))

    def note(self, run: int, node: str) -> None:
        """Note that a node is due in a run."""
        if node not in self._nodes:
            self._found.setdefault(node, []).append(run)

    def warn(self) -> None:
        """Say what is passed over, for nobody would see it else."""
        for node, runs in self._found.items():
            some = ", ".join(map(str, runs[:5])) + (", ..." if len(runs) > 5 else "")
            n = f"{len(runs)} runs are" if len(runs) > 1 else "1 run is"
            warnings.warn(
                f"{n} due at node {node!r}, which the graph has no more: it is passed over, and "
                f"what comes after it too (runs {some}).\n"
                "Hint: give the node its old name, or let these threads begin anew.",
                stacklevel=2,
            )


def resumed_inputs(
    inputs: Inputs, configs: Any, saver: Any, given: Any, tables: Tables, ids: Rows
) -> Inputs:
    """Return the inputs of runs that are resumed one by one; those without a past keep theirs.

    Warns of nodes that are due and that the graph has no more.

    Parameters
    ----------
    configs : sequence of N RunnableConfig
    given : True, or sequence of N objects
        See `asked_inputs`.
    ids : int64 ndarray of shape (N,)
        Number of each run.
    """
    passed = PassedOver(tables)
    rows = list(inputs.rows())
    for at in range(inputs.m):
        saved = saver.get_tuple(configs[at])
        if saved is not None:
            writes = {0: [(task, c, v) for task, c, v in saved.pending_writes or ()]}
            rows[at] = asked_inputs(1, True if given is True else [given[at]], writes)[0]
            passed.look(int(ids[at]), saved.checkpoint["channel_values"])
    passed.warn()
    return Inputs(inputs.m, objects=rows)
