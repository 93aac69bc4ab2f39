"""BinaryOperatorAggregate: fold each write into the value, left to right."""

from __future__ import annotations

import collections.abc
from typing import TYPE_CHECKING, Any, NotRequired, Required

import numpy as np

from vecgraph.channels.accumulate import accumulated, accumulated_turns
from vecgraph.channels.base import Cell, Channel, Folded, Write
from vecgraph.channels.log import Log, extended_all, list_of, lists_of
from vecgraph.channels.merging import Positions, Round, local_positions, rounds_of, rows_written
from vecgraph.channels.operators import Form, concatenates, form_of, step_of, sum_of
from vecgraph.channels.overwriting import has_overwrite
from vecgraph.channels.rowwise import Failed, apply_all, apply_at
from vecgraph.columns import Column, objects
from vecgraph.constants import MISSING
from vecgraph.errors import InvalidUpdateError
from vecgraph.types import get_overwrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vecgraph.typing import Values, Where

__all__ = ["BinaryOperatorAggregate", "concrete"]

# The types of collections.abc cannot be made; these stand for them.
_CONCRETE: dict[Any, type] = {
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}


class BinaryOperatorAggregate(Channel):
    """Fold the writes of a superstep into the value with a binary operator, in task order.

    The value starts as ``typ()``; where that fails, the first write is stored as it is.
    An `Overwrite` replaces the value and hides the writes after it; two are an error.

    Parameters
    ----------
    typ : type
        Annotation of the value; its first value is ``typ()`` (for an abstract
        collection that of ``list``, ``set`` or ``dict``).
    operator : callable
        ``operator(value, write) -> value``. Must not change its arguments.

    Examples
    --------
    >>> import operator
    >>> BinaryOperatorAggregate(int, operator.add).fold(1, [2, 3])
    (6, True)
    """

    def __init__(self, typ: Any, operator: Callable[[Any, Any], Any]) -> None:
        super().__init__(typ)
        self.operator = operator
        self._derive()

    def _derive(self) -> None:
        self._make = _maker(self.typ)
        self._step = step_of(self.operator)
        self._form = form_of(self.operator)
        self._sum = sum_of(self.operator)
        self._appends = concatenates(self.operator)
        # Lists are kept as logs, so that appending is linear in what is appended.
        self._logs = self._appends and self._make is list
        self.plain = not self._logs
        self.grows = self._logs
        self._is_plain = type(self)._apply is BinaryOperatorAggregate._apply

    def __getstate__(self) -> dict[str, Any]:
        derived = {"_make", "_step", "_form", "_sum", "_appends", "_logs", "plain", "grows"}
        derived.add("_is_plain")
        return {name: value for name, value in vars(self).items() if name not in derived}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._derive()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BinaryOperatorAggregate):
            return False
        # Lambdas cannot be told apart by name; LangGraph takes any two to be equal.
        if "<lambda>" in (_name(self.operator), _name(other.operator)):
            return True
        return self.operator is other.operator

    def __hash__(self) -> int:
        return hash(BinaryOperatorAggregate)

    def initial(self) -> Cell:
        """Return a new ``typ()``, or `MISSING` where the type cannot be called."""
        if self._logs:
            return Log([])
        return MISSING if self._make is None else self._make()

    @property
    def reader(self) -> Callable[[Cell], Any]:
        """A function that does what `read` does."""
        return list_of if type(self).read is BinaryOperatorAggregate.read else self.read

    def read(self, cell: Cell) -> Any:
        """Return the value; of a log a list of its own."""
        return cell.tolist() if type(cell) is Log else cell

    def checkpoint(self, cell: Cell) -> Any:
        """Return the value; of a log its list."""
        return self.read(cell)

    def restore(self, value: Any) -> Cell:
        """Return the cell of a value; of a list a log, where the operator appends."""
        if self._logs and type(value) is list:
            return Log(value.copy())
        return super().restore(value)

    def checkpoint_columns(self, column: Column) -> Column:
        """Return the values; of logs their lists."""
        return column if self.plain else super().checkpoint_columns(column)

    def restore_columns(self, column: Column) -> Column:
        """Return the cells of values."""
        return column if self.plain and column.is_full else super().restore_columns(column)

    def read_columns(self, column: Column) -> Column:
        """Return the values; of logs lists of their own."""
        if self.plain:
            return column
        cells = column.as_numpy().tolist()
        if type(self).read is BinaryOperatorAggregate.read:
            return Column(objects(lists_of(cells)), column.present)
        return Column(objects([self.read(cell) for cell in cells]), column.present)

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Return ``op(op(cell, w1), w2) ...``, honouring one `Overwrite`."""
        if not writes:
            return cell, False
        values = iter(writes)
        if cell is MISSING:
            cell = next(values)
        seen, fresh = False, 0
        for value in values:
            is_overwrite, new = get_overwrite(value)
            if is_overwrite:
                if seen:
                    raise InvalidUpdateError.two_overwrites(self.key)
                cell, seen = new, True
            elif not seen:
                cell, fresh = self._apply(cell, value, fresh)
        return cell, True

    def fold_one(self, cell: Cell, value: Any) -> Cell:
        """Return the cell after a superstep that wrote one value."""
        kind = type(value)
        if kind is list and self._is_plain and type(cell) is Log:
            return cell.extended(value)
        if cell is MISSING or kind not in _PLAIN:
            return self.fold(cell, [value])[0]
        return self._apply(cell, value, 0)[0]

    def _apply(self, cell: Cell, value: Any, fresh: int) -> tuple[Cell, int]:
        """Return the operator's result, and whether it is a list that nobody else holds."""
        if type(cell) is Log:
            if type(value) is list:
                return cell.extended(value), 0
            return self._step(cell.tolist(), value), 0
        if self._logs and type(cell) is list and type(value) is list:
            return Log(cell + value), 0
        if self._appends and type(cell) is list and type(value) is list:
            if not fresh:
                return cell + value, 1
            cell += value  # linear in what a superstep writes, however many tasks write it
            return cell, 1
        return self._step(cell, value), 0

    def _append(self, cell: Cell, value: Any) -> Cell:
        return self._apply(cell, value, 0)[0]

    def fold_columns(self, column: Column, writes: Sequence[Write]) -> Folded:
        """Fold in the writes: as arrays where the operator and the kinds allow it."""
        where = rows_written(len(column), writes)
        base = column.take(where)
        folded = self._fold_arrays(base, where, writes)
        if folded is not None:
            return Folded(where, Column(folded), where)
        if any(has_overwrite(write.values) for write in writes):
            return super().fold_columns(column, writes)
        return self._fold_objects(base, where, writes)

    def fold_turns(
        self, column: Column, values: Column, each: int, *, owned: bool = False
    ) -> Column | None:
        """Fold in as many writes of every run: turns of numbers are arrays of one write a run."""
        if self._form is None or not (_is_numeric(column) and _is_numeric(values)):
            return None
        if not column.is_full or not values.is_full:
            return None
        start, table = column.as_numpy(), values.as_numpy()
        table = table.reshape(each, len(column), *table.shape[1:])
        summed = None
        if self._sum is not None:
            summed = accumulated_turns(self._sum, start, table, owned=owned)
        if summed is None:
            summed = _fold_rounds(self._form, start, [(None, turn) for turn in table])
        return None if summed is None else Column(summed)

    def _fold_arrays(self, base: Column, where: Where, writes: Sequence[Write]) -> Values | None:
        if self._form is None or not all(_is_numeric(write.values) for write in writes):
            return None
        n = len(base)
        if base.is_full:
            return self._fold_writes(base, where, writes)
        if any(_is_long(write) for write in writes):
            return None
        # What was never written takes the first write as it is.
        rounds = [
            r for write in writes for r in rounds_of(where, write, write.values.as_numpy(), n)
        ]
        start = None if base.mask().any() else _stored(n, *rounds.pop(0))
        return None if start is None else _fold_rounds(self._form, start, rounds)

    def _fold_writes(self, base: Column, where: Where, writes: Sequence[Write]) -> Values | None:
        """Fold writes into a full column, one after the other."""
        if not _is_numeric(base):
            return None
        assert self._form is not None
        folded: Values | None = base.as_numpy()
        for write in writes:
            assert folded is not None
            summed = None
            if self._sum is not None and write.repeats:
                summed = accumulated(self._sum, folded, where, write)
            if summed is None and not _is_long(write):
                rounds = rounds_of(where, write, write.values.as_numpy(), len(base))
                summed = _fold_rounds(self._form, folded, rounds)
            folded = summed
            if folded is None:
                break
        return folded

    def _fold_objects(self, base: Column, where: Where, writes: Sequence[Write]) -> Folded:
        if len(writes) == 1 and not writes[0].repeats:
            at, values = local_positions(where, writes[0]), writes[0].values
            values = values if at is None else values.take(np.argsort(at))
            if self._is_plain and self._logs and base.present is None and values.kind == "object":
                logs = extended_all(base.values.tolist(), values.values.tolist())
                if logs is not None:
                    return Folded(where, Column(objects(logs)), where)
            step = self._append if self._logs else self._step
            cells, failed = apply_all(step, base.tolist(), values.tolist())
            return _folded(where, Column.of_cells(cells), failed)
        cells = base.tolist()
        failed = apply_at(self._apply, cells, (_places(where, base, write) for write in writes))
        return _folded(where, Column.of_cells(cells), failed)


def _places(where: Where, base: Column, write: Write) -> tuple[Iterable[int], list[Any]]:
    at = local_positions(where, write)
    return (range(len(base)) if at is None else at.tolist()), write.values.tolist()


def _name(operator: Callable[..., Any]) -> str:
    return getattr(operator, "__name__", "")


def concrete(typ: Any) -> Any:
    """Return the class that an annotation is about; for an abstract collection one to be made."""
    typ = _bare(typ)
    return _CONCRETE.get(typ, typ) if isinstance(typ, collections.abc.Hashable) else typ


def _maker(typ: Any) -> Callable[[], Any] | None:
    typ = concrete(typ)
    try:
        typ()
    except Exception:  # noqa: BLE001 - whatever fails, the type has no first value
        return None
    made: Callable[[], Any] = typ
    return made


def _bare(typ: Any) -> Any:
    while hasattr(typ, "__origin__"):
        qualified = typ.__origin__ in (Required, NotRequired)
        typ = typ.__args__[0] if qualified else typ.__origin__
    return typ


_PLAIN = frozenset({bool, int, float, str, list})
"""Types of which no value is an `Overwrite`."""

_LONG = 1_000
"""From this many rounds on a round for each value costs more than the values themselves."""


def _is_long(write: Write) -> bool:
    """Return whether some rows have so many values that rounds would hold few rows each."""
    spans = write.spans() if write.repeats else None
    if spans is None:
        return False
    most = spans.each or int(spans.lengths().max())
    return most > _LONG and spans.n < most * 8


def _is_numeric(column: Column) -> bool:
    return column.kind in {"bool", "int", "float", "tensor"}


def _stored(k: int, at: Positions | None, values: Values) -> Values | None:
    """Return `values` as the column of `k` rows, if they are all of its rows."""
    if at is None:
        return values
    if len(at) < k:
        return None
    stored = np.empty_like(values)
    stored[at] = values
    return stored


def _fold_rounds(form: Form, start: Values, rounds: list[Round]) -> Values | None:
    values, owned = start, False
    for at, written in rounds:
        new = form(values if at is None else values[at], written)
        stored = None if new is None else _stored(len(values), at, new)
        if new is None:
            return None
        if stored is not None:
            values, owned = stored, True
        elif new.dtype != values.dtype or new.shape[1:] != values.shape[1:]:
            return None
        else:
            values = values if owned else values.copy()
            values[at], owned = new, True
    return values


def _folded(where: Where, cells: Column, failed: Failed) -> Folded:
    if not failed:
        return Folded(where, cells, where)
    places = np.arange(len(cells)) if where is None else where
    failures = [(int(places[i]), failed[i]) for i in sorted(failed)]
    return Folded(where, cells, np.delete(places, list(failed)), failures)
