"""A scalar function that runs in columns: exceptional rows by itself, some rows both ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vecgraph.nodes._expr_frame import Frame, Run
from vecgraph.nodes._expr_vector import Vector
from vecgraph.positions import mask_of, positions
from vecgraph.tracing.compare import is_same
from vecgraph.tracing.plan import plan_of
from vecgraph.tracing.scope import Returned, Scope, States
from vecgraph.tracing.source import Refused
from vecgraph.tracing.values import cell_of, taken_value

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from vecgraph.state import Inputs
    from vecgraph.tracing.plan import Plan
    from vecgraph.typing import Mask

__all__ = ["Answer", "Traced"]

FEW: Final = 16
"""Up to this many rows the function itself is done before NumPy's calls have begun to pay."""

_FIRST: Final = 24
_LATER: Final = 3
_PATIENCE: Final = 3


@dataclass(slots=True)
class Answer:
    """What the column form of a function gives for M rows.

    Attributes
    ----------
    m : int
    returned : list of Returned
        Without suspect rows; they share no row.
    suspects : intp ndarray
        Rows that are left to the function, ascending.
    """

    m: int
    returned: list[Returned]
    suspects: npt.NDArray[np.intp]

    @property
    def whole(self) -> Returned | None:
        """What all rows return, if they return it at one place."""
        only = self.returned[0] if len(self.returned) == 1 else None
        return only if only is not None and only.rows is None else None


class Traced:
    """A function with its column form.

    Parameters
    ----------
    fn : callable
        Of one run's state.

    Attributes
    ----------
    fn : callable
    refused : Refused or None
        Why it has no column form.
    broken : str or None
        Why its column form is not used any more.
    """

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self.fn = fn
        self.refused: Refused | None = None
        self.broken: str | None = None
        self._plan: Plan | None = None
        self._seen: set[Any] = set()
        self._calls = 0
        self._wasted = 0
        self._translate()

    @property
    def plan(self) -> Plan | None:
        """The column form; None if there is none, or none that may be used."""
        return None if self.broken is not None else self._plan

    def begin(self) -> None:
        """Take note that a batch begins: its first calls are compared with the function."""
        self._calls = self._wasted = 0

    def _translate(self) -> None:
        self._plan, self.refused = None, None
        try:
            self._plan = plan_of(self.fn)
        except Refused as refused:
            self.refused = refused
        except RecursionError:
            self.refused = Refused("it is nested too deeply")

    def answer(self, inputs: Inputs) -> Answer | None:
        """Compute M rows in columns.

        Returns
        -------
        Answer or None
            None: they are to be given to the function one by one, all of them.
        """
        if inputs.m <= FEW or self.broken is not None or self._wasted >= _PATIENCE:
            return None
        if self._plan is not None and not self._plan.outside.holds():
            self._translate()
        plan = self._plan
        if plan is None or (plan.whole and inputs.is_objects):
            return None
        try:
            states = _computed(plan, inputs)
        except Exception as error:  # noqa: BLE001 - a fault of this library, never of a run's
            self.broken = f"its column form failed: {type(error).__name__}: {error}"
            return None
        answer = _answer(states)
        self._wasted = self._wasted + 1 if 2 * len(answer.suspects) > answer.m else 0
        return answer if self._is_sound(answer, states, inputs) else None

    def _is_sound(self, answer: Answer, states: States, inputs: Inputs) -> bool:
        """Compare some rows with the function; a difference ends the use of the column form."""
        self._calls += 1
        places, keys = self._places(answer, states)
        if not places:
            return True
        places.sort(key=lambda place: place[0])
        rows = inputs.take(np.array([place for place, _, _ in places], np.intp)).rows()
        for row, (_, returned, at) in zip(rows, places, strict=True):
            found = cell_of(returned.value, at)
            try:
                expected = self.fn(row)
            except Exception as error:  # noqa: BLE001 - the column form did not see it coming
                expected = error
            if not is_same(found, expected):
                self.broken = f"a row gave {found!r} in columns and {expected!r} in the function"
                return False
        # Not before: another thread that meets the same must not take it as compared.
        self._seen.update(keys)
        return True

    def _places(
        self, answer: Answer, states: States
    ) -> tuple[list[tuple[int, Returned, int]], list[Any]]:
        """Return the rows to compare: many at a new place or of new types, later a few.

        Beside them, what is new.
        """
        columns = states.run.columns.items()
        signature = tuple((n, c.dtype if type(c) is np.ndarray else c.type) for n, c in columns)
        regular = self._calls & (self._calls - 1) == 0
        places: list[tuple[int, Returned, int]] = []
        keys = []
        for returned in answer.returned:
            key = (signature, returned.line)
            if key in self._seen and not regular:
                continue
            most = _LATER if key in self._seen else _FIRST
            keys.append(key)
            n = answer.m if returned.rows is None else len(returned.rows)
            # An odd step, so that rows that repeat with a period of two are not missed.
            step = max(n // most, 1) | 1
            for at in range(self._calls % min(step, 7), n, step):
                place = at if returned.rows is None else int(returned.rows[at])
                places.append((place, returned, at))
        return places, keys


def _computed(plan: Plan, inputs: Inputs) -> States:
    columns: dict[str, Any] = {}
    absent: dict[str, Mask] = {}
    names = inputs.names if plan.whole else plan.reads
    for name in names:
        column = inputs.column(name) if inputs.is_objects or name in inputs.names else None
        if column is None or (column.present is not None and not column.present.any()):
            continue
        columns[name] = column.values
        if column.present is not None:
            absent[name] = ~column.present
    run = Run(columns, inputs.m)
    for name in columns:
        # Now, since cells of a rare type are suspect even if what reads them first is undone.
        run.vector(name)
    if inputs.is_objects:
        # What is no plain dict may answer as it likes.
        odd = [position for position, row in enumerate(inputs.rows()) if type(row) is not dict]
        run.suspects.append(np.array(odd, np.intp))
    states = States(run, absent)
    with np.errstate(all="ignore", divide="call", invalid="call", call=run.flag):
        plan.run(Scope(states, Frame(run)))
    return states


def _answer(states: States) -> Answer:
    n, suspects = states.run.n, states.run.suspicious()
    known = [
        each
        for each in states.returned
        if not (isinstance(each.value, Vector) and each.value.kind == "x")
    ]
    if not len(suspects) and len(known) == 1 and known[0].rows is None:
        return Answer(n, known, suspects)
    trusted = ~mask_of(suspects, n) if len(suspects) else np.ones(n, np.bool_)
    left = trusted.copy()
    kept = []
    for each in known:
        rows = positions(each.rows, n)
        left[rows] = False
        at = np.flatnonzero(trusted[rows])
        if len(at) == n:
            kept.append(each)
        elif len(at) == len(rows):
            kept.append(Returned(rows, each.value, each.line))
        elif len(at):
            kept.append(Returned(rows[at], taken_value(each.value, at), each.line))
    if left.any():  # rows that nothing was returned for
        suspects = np.flatnonzero(left | ~trusted)
    return Answer(n, kept, suspects)
