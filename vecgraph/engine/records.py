"""What the engine leaves for those who watch: supersteps while it runs, results when it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import concat
from vecgraph.constants import INTERRUPT, MISSING
from vecgraph.errors import GraphDrained, GraphRecursionError, NodeTimeoutError
from vecgraph.positions import is_sorted_unique
from vecgraph.state import dicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from vecgraph.columns import Column
    from vecgraph.types import Interrupt
    from vecgraph.typing import Mask, Rows

__all__ = [
    "STATUSES",
    "Observer",
    "Progress",
    "Results",
    "RowError",
    "Superstep",
    "TaskRecord",
    "status_of",
    "together",
]

STATUSES = ("done", "error", "recursion", "interrupted", "timeout", "cancelled")
"""What can become of a run; a status code is an index into this."""


def status_of(what: str | BaseException, node: str | None = None) -> int:
    """Return the code of a status, or of what a run came to that raised an exception.

    Parameters
    ----------
    node : str, optional
        Where it was raised; None: not in a node.
    """
    if isinstance(what, str):
        return STATUSES.index(what)
    if isinstance(what, GraphRecursionError) and node is None:
        return STATUSES.index("recursion")
    if isinstance(what, NodeTimeoutError) or (isinstance(what, TimeoutError) and node is None):
        return STATUSES.index("timeout")
    return STATUSES.index("cancelled" if isinstance(what, GraphDrained) else "error")


Progress = Callable[[int, int, int, int], None]
"""Called after each superstep with the numbers of runs done, running, failed, and run-steps."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One node's part of a superstep.

    Attributes
    ----------
    node : str
    rows : int64 ndarray of shape (M,)
        Runs it served; a run repeats after a `Send`.
    step : int64 ndarray of shape (M,)
        Each run's step.
    """

    node: str
    rows: Rows
    step: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Superstep:
    """Record of one superstep of a set of runs.

    Attributes
    ----------
    rows : int64 ndarray of shape (K,)
        Runs that took part.
    step : int64 ndarray of shape (K,)
        Each one's step.
    tasks : list of TaskRecord
        In the order in which they started.
    seconds : float
        Wall time.
    """

    rows: Rows
    step: npt.NDArray[np.int64]
    tasks: list[TaskRecord]
    seconds: float


Observer = Callable[[Superstep], None]


@dataclass(frozen=True, slots=True)
class RowError:
    """A run that failed.

    Attributes
    ----------
    row : int
    node : str or None
        Where; None if the writes of a superstep, not a node, broke a rule.
    step : int
    exception : BaseException
        The original, with its traceback.
    """

    row: int
    node: str | None
    step: int
    exception: BaseException


@dataclass(slots=True)
class Results:
    """Outcome of N runs, in their order.

    Attributes
    ----------
    columns : dict of str to Column
        Each output channel; of a failed run, the values before its failing superstep.
    emitted : bool ndarray of shape (N,)
        Whether the run wrote any output at all; if not its result is None.
    status : int8 ndarray of shape (N,)
        Index into `STATUSES`.
    steps : int64 ndarray of shape (N,)
        Supersteps that each run took, the input's not counted.
    ids : int64 ndarray of shape (N,)
        Number of each run; `RowError.row` is one of them.
    errors : list of RowError
        By row.
    interrupts : dict of int to tuple of Interrupt
        Questions that each interrupted run waits for, by its number; empty at a breakpoint.
    bare : str or None
        The output channel whose value alone is the result; None: a dict of all.
    supersteps, run_steps : int
        Supersteps of lanes; steps summed over runs.
    """

    columns: dict[str, Column]
    emitted: Mask
    status: npt.NDArray[np.int8]
    steps: npt.NDArray[np.int64]
    ids: Rows
    errors: list[RowError] = field(default_factory=list)
    interrupts: dict[int, tuple[Interrupt, ...]] = field(default_factory=dict)
    bare: str | None = None
    supersteps: int = 0
    run_steps: int = 0

    def __len__(self) -> int:
        return len(self.status)

    def outputs(self) -> list[Any]:
        """Return each run's result as LangGraph would: a dict, a bare value, or None."""
        values = self._values()
        if self.interrupts:
            place = {row: at for at, row in enumerate(self.ids.tolist())}
            for row, asked in self.interrupts.items():
                if asked:
                    at, questions = place[row], {INTERRUPT: list(asked)}
                    value = values[at]
                    values[at] = {**value, **questions} if isinstance(value, dict) else questions
        return values

    def _values(self) -> list[Any]:
        if self.bare is not None:
            values = self.columns[self.bare].tolist()
            return [None if value is MISSING else value for value in values]
        names = tuple(self.columns)
        if not names:
            return [{} if shown else None for shown in self.emitted.tolist()]
        lists = [self.columns[name].tolist() for name in names]
        if all(column.present is None for column in self.columns.values()) and self.emitted.all():
            return dicts(names, lists)
        return [
            {k: v for k, v in zip(names, row, strict=True) if v is not MISSING} if shown else None
            for shown, row in zip(self.emitted.tolist(), zip(*lists, strict=True), strict=True)
        ]


def together(parts: Sequence[Results], places: Sequence[Rows]) -> Results:
    """Return the results of parts of a batch in its order; each run of a part has a place in it."""
    at = np.concatenate(places)
    order = None if is_sorted_unique(at) else np.argsort(at)
    arrays: dict[str, Any] = {}
    for name in ("emitted", "status", "steps", "ids"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        arrays[name] = joined if order is None else joined[order]
    whole = Results(
        {n: concat([part.columns[n] for part in parts]).take(order) for n in parts[0].columns},
        errors=sorted((e for part in parts for e in part.errors), key=lambda error: error.row),
        bare=parts[0].bare,
        **arrays,
    )
    for part in parts:
        whole.interrupts.update(part.interrupts)
        whole.supersteps += part.supersteps
        whole.run_steps += part.run_steps
    return whole
