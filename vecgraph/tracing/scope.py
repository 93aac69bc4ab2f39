"""What a traced function works on: the rows that reach a statement, and the values of its names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vecgraph.nodes._expr_frame import Frame, Run, merge
from vecgraph.nodes._expr_vector import Vector
from vecgraph.positions import positions
from vecgraph.tracing.values import Value, taken_value, vector_of_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from vecgraph.typing import Mask, Values, Where

    Positions: TypeAlias = npt.NDArray[np.intp]

__all__ = ["Loop", "Returned", "Scope", "States", "join"]


@dataclass(slots=True)
class Returned:
    """What a return statement gives.

    Attributes
    ----------
    rows : intp ndarray, or None
        Rows that reached it, ascending; None: all.
    value : Value
        Of as many rows.
    line : int
        Where it stands; 0 for the end of the function.
    """

    rows: Where
    value: Value
    line: int


@dataclass(slots=True)
class Loop:
    """Rows that left an iteration, or the whole loop, before its end."""

    broken: list[Scope] = field(default_factory=list)
    skipped: list[Scope] = field(default_factory=list)


@dataclass(slots=True)
class States:
    """One call of a traced function: its rows, and what they have returned.

    Attributes
    ----------
    run : Run
        The columns that it reads, without those of which no row has a value.
    absent : dict of str to bool ndarray
        Rows that lack a value, for columns that only some rows have.
    returned : list of Returned
    loops : list of Loop
        Those that the statement stands in, the innermost last.
    """

    run: Run
    absent: dict[str, Mask]
    returned: list[Returned] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)


class Scope:
    """The rows that reach a statement.

    Names are taken from the scope above, at the rows that are left, when they are first read.

    Attributes
    ----------
    states : States
    frame : Frame
    at : Where
        Positions of the rows in the scope above.
    """

    __slots__ = ("_above", "_names", "at", "frame", "states")

    def __init__(
        self, states: States, frame: Frame, above: Scope | None = None, at: Where = None
    ) -> None:
        self.states = states
        self.frame = frame
        self._above = above
        self.at = at
        self._names: dict[str, Value | None] = {}

    def read(self, name: str) -> Value:
        """Return a name's value; rows on which it is unbound are suspect."""
        found = self._find(name)
        return self.frame.dead() if found is None else found

    def _find(self, name: str) -> Value | None:
        if name not in self._names:
            above = None if self._above is None else self._above._find(name)
            if above is not None and self.at is not None:
                above = shared(taken_value(above, self.at))
            self._names[name] = above
        return self._names[name]

    def bind(self, name: str, value: Value | None) -> None:
        """Set a name; None: it may be unbound."""
        self._names[name] = value if value is None else shared(value)

    def narrow(self, at: Positions) -> Scope:
        """Return the scope of some of these rows."""
        return Scope(self.states, self.frame.narrow(at), self, at)

    def give(self, value: Value, line: int) -> None:
        """Note what these rows return."""
        self.states.returned.append(Returned(self.frame.rows, value, line))

    def result(self) -> Value:
        """Return what a function that was called with these rows returned."""
        parts = [(self._place(each.rows), each.value) for each in self.states.returned]
        if len(parts) == 1 and parts[0][0] is None:
            return shared(parts[0][1])
        known = [(positions(at, self.frame.n), value) for at, value in parts]
        if not known:
            return Vector("x", None)
        vectors = [(at, vector_of_value(value, len(at))) for at, value in known]
        return shared(merge(self.frame, vectors))

    def _place(self, rows: Where) -> Where:
        """Return rows of the run as positions of this scope; None: all of them."""
        if rows is None or len(rows) == self.frame.n:
            return None
        return rows if self.frame.rows is None else np.searchsorted(self.frame.rows, rows)

    def lacks(self, name: str) -> Mask | bool:
        """Return which rows have no value for a channel."""
        if name not in self.states.run.columns:
            return True
        absent = self.states.absent.get(name)
        if absent is None:
            return False
        here: Mask = absent if self.frame.rows is None else absent.take(self.frame.rows)
        return here if bool(here.any()) else False


def shared(value: Value) -> Value:
    """Return a value that several may read: no operation writes into its array."""
    if isinstance(value, Vector) and value.own:
        return Vector(value.kind, value.values, bounds=value.bounds, tight=value.tight)
    return value


def join(above: Scope, parts: list[Scope], names: Iterable[str]) -> Scope | None:
    """Return the scope of the rows of all parts, which come from `above`; None if there are none.

    Parameters
    ----------
    above : Scope
    parts : list of Scope
        They share no row.
    names : iterable of str
        Names that may have been bound since they parted.
    """
    parts = [part for part in parts if part.frame.n]
    if len(parts) <= 1:
        return parts[0] if parts else None
    at = _places(above.frame, parts)
    n = sum(part.frame.n for part in parts)
    order = np.sort(np.concatenate(at))
    whole = n == above.frame.n
    frame = above.frame if whole else above.frame.narrow(order)
    joined = Scope(above.states, frame, above, None if whole else order)
    where = at if whole else [np.searchsorted(order, each) for each in at]
    for name in names:
        joined.bind(name, _merged(frame, where, [part._find(name) for part in parts]))
    return joined


def _places(above: Frame, parts: list[Scope]) -> list[Any]:
    rows: list[Values] = [part.frame.rows for part in parts if part.frame.rows is not None]
    if above.rows is None:
        return rows
    return [np.searchsorted(above.rows, each) for each in rows]


def _merged(frame: Frame, where: list[Any], values: list[Value | None]) -> Value | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    vectors = [vector_of_value(v, len(at)) for v, at in zip(known, where, strict=True)]
    return merge(frame, list(zip(where, vectors, strict=True)))
