"""What every channel is: a stateless rule that says how writes change a run's cell."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from vecgraph.channels.holding import BaseChannel
from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.positions import Spans, spans_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.typing import Where

__all__ = ["BaseChannel", "Channel", "Failure", "Folded", "Write"]

Cell = Any
"""A run's state in one channel: what the rule keeps between supersteps, or `MISSING`."""

Failure = tuple[int, BaseException]
"""A position whose run fails, and why."""


IMMUTABLE = (bool, int, float, complex, str, bytes, tuple, frozenset, type(None))
"""Types of cells that runs may share."""


@dataclass(slots=True, eq=False)
class Write:
    """Values for some rows of one channel, from one task.

    Attributes
    ----------
    where : intp ndarray of shape (M,), or None
        Position written by each value; unique unless `repeats`. None: all N, in order.
    values : Column of M rows
        All present.
    repeats : bool
        A position may occur several times (Send); its values stand in task order.
    known : Spans or None
        Of `where`, if somebody knows them.
    """

    where: Where
    values: Column
    repeats: bool = False
    known: Spans | None = None

    def spans(self) -> Spans | None:
        """Return the values of each position; None if they do not stand together."""
        if self.known is None and self.where is not None:
            self.known = spans_of(self.where)
        return self.known


@dataclass(slots=True, eq=False)
class Folded:
    """What one superstep's writes make of a channel.

    Attributes
    ----------
    where : intp ndarray of shape (K,), or None
        Positions written, sorted and unique; None: all N.
    cells : Column of K rows
        The cells there after the superstep.
    changed : intp ndarray or None
        Those of `where` that count as changed; usually `where` itself.
    failures : list of (position, exception)
        Runs that break the rule; their cells in `cells` mean nothing.
    """

    where: Where
    cells: Column
    changed: Where
    failures: list[Failure] = field(default_factory=list)


class Channel:
    """A rule for one named slot; it holds no values.

    A run's state in a channel is a *cell*: an immutable value (or one that only the
    engine may change) that starts as `initial` and changes only through `fold`,
    `tick`, `consume` and `finish`. Subclass it, implement `fold` (and what else
    differs from a plain value), and pass an instance in ``Annotated[T, MyChannel()]``:
    it then works for one run and, row by row, for a batch.

    Parameters
    ----------
    typ : type
        Annotation of the values; guides the column kind, is never enforced.
    key : str
        Name of the slot; set when the channel is attached to a schema.

    Attributes
    ----------
    steady : bool
        The cell changes through `fold` alone: `tick`, `consume` and `finish` do nothing.
    plain : bool
        The cell is the value itself: `read` returns it and `available` is presence.
    tracked : bool
        The cell is saved in checkpoints.
    replaces : bool
        One write in a superstep becomes the cell, whatever stood there.
    grows : bool
        Cells may be `Log`s: checkpoints keep what is appended to them.
    """

    steady: ClassVar[bool] = True
    plain: bool = True
    tracked: ClassVar[bool] = True
    replaces: ClassVar[bool] = False
    grows: bool = False

    def __init__(self, typ: Any = Any, key: str = "") -> None:
        self.typ = typ
        self.key = key

    @property
    def ValueType(self) -> Any:
        """Type of what a node reads."""
        return self.typ

    @property
    def UpdateType(self) -> Any:
        """Type of what a node writes."""
        return self.typ

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({getattr(self.typ, '__name__', self.typ)})"

    def declared(self, typ: Any) -> Channel:
        """Return the rule of a key that is annotated with this channel and a type.

        A copy: the annotation's own object may serve other keys and graphs.
        """
        return copy.copy(self)

    def initial(self) -> Cell:
        """Return the cell of a run that has not written to this channel."""
        return MISSING

    def fold(self, cell: Cell, writes: Sequence[Any]) -> tuple[Cell, bool]:
        """Apply one superstep's writes, in task order.

        Parameters
        ----------
        cell : Cell
            State before the superstep. Must not be modified.
        writes : sequence
            At least one value.

        Returns
        -------
        Cell
            State after the superstep.
        bool
            Whether the channel counts as changed (its version is bumped).

        Raises
        ------
        InvalidUpdateError
            The writes break the channel's rule; the run fails, no other does.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement fold()")

    def fold_one(self, cell: Cell, value: Any) -> Cell:
        """Return the cell after a superstep that wrote one value; see `fold`."""
        return self.fold(cell, [value])[0]

    @property
    def reader(self) -> Callable[[Cell], Any]:
        """A function that does what `read` does."""
        return self.read

    def available(self, cell: Cell) -> bool:
        """Return whether nodes can read the channel and be triggered by it."""
        return cell is not MISSING

    def read(self, cell: Cell) -> Any:
        """Return what a node reads; only asked when `available`."""
        return cell

    def tick(self, cell: Cell) -> tuple[Cell, bool]:
        """Pass a superstep in which nothing was written; asked when `available`."""
        return cell, False

    def consume(self, cell: Cell) -> tuple[Cell, bool]:
        """Note that a node that this channel triggers has run."""
        return cell, False

    def finish(self, cell: Cell) -> tuple[Cell, bool]:
        """Note that the run is about to end: no channel that triggers a node has changed."""
        return cell, False

    def checkpoint(self, cell: Cell) -> Any:
        """Return what a checkpoint keeps of a cell, in LangGraph's form; `MISSING`: nothing.

        A cell that is the value itself is kept as it is. Undone by `restore`.
        """
        return cell

    def restore(self, value: Any) -> Cell:
        """Return the cell of which a checkpoint kept `value`; of `MISSING` the initial one."""
        return self.initial() if value is MISSING else value

    def checkpoint_columns(self, column: Column) -> Column:
        """Return what checkpoints keep of many cells, row by row; absent: nothing."""
        if type(self).checkpoint is Channel.checkpoint:
            return column
        return Column.of_cells([self.checkpoint(cell) for cell in column.tolist()])

    def restore_columns(self, column: Column) -> Column:
        """Return the cells of what checkpoints kept, row by row."""
        if type(self).restore is Channel.restore and column.is_full:
            return column
        return Column.of_cells([self.restore(value) for value in column.tolist()])

    def fit(self, column: Column) -> Column:
        """Return cells in the form that the schema declares (an Arrow type, a tensor)."""
        marks = self.__dict__
        arrow_type, tensor = marks.get("arrow_type"), marks.get("tensor")
        if arrow_type is None and tensor is None:
            return column
        if tensor is None:
            return column.fitted(arrow_type, None, None)
        return column.fitted(None, tensor.shape, tensor.dtype)

    def empty(self, n: int) -> Column:
        """Return the column of `n` runs that have not written: `initial` in each."""
        cell = self.initial()
        if cell is MISSING:
            return Column.absent(n)
        if isinstance(cell, IMMUTABLE):
            return Column.full(n, cell)
        return Column.of([self.initial() for _ in range(n)])  # no two runs share a list

    def fold_columns(self, column: Column, writes: Sequence[Write]) -> Folded:
        """Apply one superstep's writes to many runs: `fold`, row by row.

        A subclass may override this with vectorised code that gives the same cells,
        changes and failures; the property tests hold it to that.

        Parameters
        ----------
        column : Column of N rows
            The cells before the superstep. Not modified.
        writes : sequence of Write
            At least one, in task order.
        """
        values_of: dict[int, list[Any]] = {}
        for write in writes:
            where = range(len(column)) if write.where is None else write.where.tolist()
            for position, value in zip(where, write.values.tolist(), strict=True):
                values_of.setdefault(position, []).append(value)
        where = np.array(sorted(values_of), np.intp)
        cells, moved = [], []
        failures: list[Failure] = []
        for position, cell in zip(where.tolist(), column.take(where).tolist(), strict=True):
            try:
                cell, changed = self.fold(cell, values_of[position])
            except Exception as error:  # noqa: BLE001 - any failure of a rule belongs to its run
                failures.append((position, error))
                changed = False
            cells.append(cell)
            moved.append(changed)
        changed_at = where if all(moved) else where[np.array(moved, np.bool_)]
        return Folded(where, Column.of_cells(cells), changed_at, failures)

    def fold_turns(
        self, column: Column, values: Column, each: int, *, owned: bool = False
    ) -> Column | None:
        """Apply a superstep in which every run wrote as often; `fold`, run by run.

        Parameters
        ----------
        column : Column of N rows
            The cells before the superstep. Not modified.
        values : Column of ``each * N`` rows
            The first value of every run, then the second of every run, and so on.
        owned : bool
            Nobody else holds the array of `column`: it may be changed.

        Returns
        -------
        Column or None
            The cells after it, all of them changed. None: `fold_columns` has to look closer.
        """
        return None

    def available_columns(self, column: Column) -> npt.NDArray[np.bool_] | None:
        """Return which rows are `available`; None: all of them."""
        if self.plain:
            return None if column.is_full else column.mask()
        return np.fromiter(map(self.available, column.tolist()), np.bool_, len(column))

    def read_columns(self, column: Column) -> Column:
        """Return what nodes read, row by row; absent where not `available`."""
        if self.plain:
            return column
        return Column.of_cells(
            [self.read(c) if self.available(c) else MISSING for c in column.tolist()]
        )

    def tick_columns(self, column: Column) -> tuple[Column, npt.NDArray[np.bool_]]:
        """Apply `tick` to the available rows; return the cells and which rows changed."""
        cells, changed = [], np.zeros(len(column), np.bool_)
        for position, cell in enumerate(column.tolist()):
            if self.available(cell):
                cell, changed[position] = self.tick(cell)
            cells.append(cell)
        return Column.of_cells(cells), changed

    def consume_columns(self, column: Column) -> tuple[Column, npt.NDArray[np.bool_]]:
        """Apply `consume` to every row; return the cells and which rows changed."""
        return self._notified(column, self.consume)

    def finish_columns(self, column: Column) -> tuple[Column, npt.NDArray[np.bool_]]:
        """Apply `finish` to every row; return the cells and which rows changed."""
        return self._notified(column, self.finish)

    def _notified(
        self, column: Column, notify: Callable[[Cell], tuple[Cell, bool]]
    ) -> tuple[Column, npt.NDArray[np.bool_]]:
        changed = np.zeros(len(column), np.bool_)
        if self.steady:
            return column, changed
        cells = column.tolist()
        for position, cell in enumerate(cells):
            cells[position], changed[position] = notify(cell)
        return (Column.of_cells(cells) if changed.any() else column), changed
