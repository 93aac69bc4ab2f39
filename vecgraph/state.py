"""The rows that tasks run on: a State of N runs, and the Batch of columns that a node sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from vecgraph.columns import Column, concat
from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from vecgraph.typing import Mask, Rows, Values, Where

__all__ = ["Batch", "Inputs", "Journal", "State", "dicts", "picker"]


class Placed(Protocol):
    """Whoever knows which runs a task serves."""

    @property
    def rows(self) -> Any:
        """Number of each run."""
        ...


class Batch(Mapping[str, Any]):
    """The read-only columns of the M rows that a vector node runs on.

    A mapping from the node's input channels to arrays of M values: NumPy (bool, int64,
    float64, a tensor a row, or objects) or, for a channel declared with an Arrow type,
    an Arrow array. A channel that no row has written is not in it. Columns are gathered
    when they are first asked for. The arrays belong to the engine: they cannot be
    written to, and the batch ends with the call.

    Attributes
    ----------
    rows : int64 ndarray of shape (M,)
        Number of each run in the whole batch; repeats after a `Send`.
    """

    __slots__ = ("_cache", "_m", "_names", "_place", "_read")

    def __init__(
        self, m: int, place: Placed, names: Sequence[str], read: Callable[[str], Column | None]
    ) -> None:
        self._m = m
        self._place = place
        self._names = names
        self._read: Callable[[str], Column | None] | None = read
        self._cache: dict[str, Column | None] = {}

    @property
    def rows(self) -> Rows:
        """Number of each run; read-only."""
        return _locked(np.asarray(self._place.rows))

    def column(self, name: str) -> Column | None:
        """Return a channel's column, None if no row has a value."""
        if name not in self._cache:
            if self._read is None:
                raise RuntimeError(
                    f"the batch has ended: read {name!r} during the call that it was passed to"
                )
            column = self._read(name) if name in self._names else None
            if column is not None and column.present is not None and not column.present.any():
                column = None
            self._cache[name] = column
        return self._cache[name]

    def __getitem__(self, name: str) -> Any:
        column = self._cache.get(name)
        if column is None:
            column = self.column(name)
            if column is None:
                raise KeyError(name)
        return _read_only(column)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.column(name) is not None

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names if name in self)

    def __len__(self) -> int:
        return self._m

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"Batch({len(self)} rows: {', '.join(self._names)})"

    def present(self, name: str) -> Mask:
        """Return which rows have a value for `name`; bool, shape (M,)."""
        column = self.column(name)
        return np.zeros(len(self), np.bool_) if column is None else column.mask().copy()

    def close(self) -> None:
        """End the batch: columns not read so far can no longer be."""
        self._read = None


def _read_only(column: Column) -> Any:
    values = column.values
    if isinstance(values, pa.Array):
        return values
    return _locked(values)


def _locked(values: Values) -> Values:
    view = values.view()
    view.setflags(write=False)
    return view


class Inputs:
    """What the M rows of a task get: columns or, where they came as objects, a list of those.

    Parameters
    ----------
    m : int
    names : sequence of str
        Channels, in schema order.
    read : callable, optional
        Gathers one channel's column; None where no row has it.
    objects : list, optional
        One object a row, instead of columns (payloads of Sends, inputs that are not dicts).
    mapper : callable, optional
        Builds the state's class from a row's dict; may raise.
    bare : bool
        A row's input is the value of the only channel, not a dict.
    """

    def __init__(
        self,
        m: int,
        names: Sequence[str] = (),
        read: Callable[[str], Column | None] | None = None,
        *,
        objects: list[Any] | None = None,
        mapper: Callable[[dict[str, Any]], Any] | None = None,
        bare: bool = False,
    ) -> None:
        self.m = m
        self.names = names
        self.mapper = mapper
        self.bare = bare
        self._objects = objects
        self._read = read

    @property
    def is_objects(self) -> bool:
        """Whether the rows came as objects."""
        return self._objects is not None

    def column(self, name: str) -> Column | None:
        """Return one channel's column; None if no row has it."""
        if self._objects is not None:
            cells = [
                o.get(name, MISSING) if isinstance(o, dict) else MISSING for o in self._objects
            ]
            return None if all(c is MISSING for c in cells) else Column.of_cells(cells)
        return None if self._read is None else self._read(name)

    def take(self, where: Any) -> Inputs:
        """Return the rows at `where`."""
        if self._objects is not None:
            return Inputs(len(where), objects=[self._objects[i] for i in where.tolist()])

        def read(name: str) -> Column | None:
            column = self.column(name)
            return None if column is None else column.take(where)

        return Inputs(len(where), self.names, read, mapper=self.mapper, bare=self.bare)

    def slice(self, begin: int, end: int) -> Inputs:
        """Return the rows from `begin` to `end`, without a copy."""
        if self._objects is not None:
            return Inputs(end - begin, objects=self._objects[begin:end])

        def read(name: str) -> Column | None:
            column = self.column(name)
            return None if column is None else column.slice(begin, end)

        return Inputs(end - begin, self.names, read, mapper=self.mapper, bare=self.bare)

    def batch(self, place: Placed) -> Batch:
        """Return the rows as a Batch."""
        names = self.names
        if self._objects is not None:
            names = list(dict.fromkeys(k for o in self._objects if isinstance(o, dict) for k in o))
        return Batch(self.m, place, names, self.column)

    def rows(self) -> list[Any]:
        """Return each row's input as its scalar node would get it, before the mapper."""
        if self._objects is not None:
            return self._objects
        columns = [(name, self.column(name)) for name in self.names]
        known = [(name, column) for name, column in columns if column is not None]
        if self.bare:
            return known[0][1].tolist() if known else [MISSING] * self.m
        names = tuple(name for name, _ in known)
        values = [column.tolist() for _, column in known]
        if not names:
            return [{} for _ in range(self.m)]
        if all(column.present is None for _, column in known):
            return dicts(names, values)
        return [
            {k: v for k, v in zip(names, row, strict=True) if v is not MISSING}
            for row in zip(*values, strict=True)
        ]


def dicts(names: tuple[str, ...], values: list[list[Any]]) -> list[dict[str, Any]]:
    """Return one dict a row."""
    if len(names) > _MOST_NAMES:
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    made: list[dict[str, Any]] = _maker(names)(*values)
    return made


_MOST_NAMES = 255


@lru_cache(maxsize=1024)
def _maker(names: tuple[str, ...]) -> Callable[..., list[dict[str, Any]]]:
    """Return a function from lists of values to dicts with keys `names`.

    It is compiled for them: a display of constant keys is built without a call a row.
    """
    if len(names) == 1:
        (name,) = names
        return lambda values: [{name: value} for value in values]
    each = ", ".join(f"v{i}" for i in range(len(names)))
    pairs = ", ".join(f"{name!r}: v{i}" for i, name in enumerate(names))
    source = f"lambda *values: [{{{pairs}}} for {each} in zip(*values, strict=True)]"
    made: Callable[..., list[dict[str, Any]]] = eval(source, {"zip": zip})
    return made


def picker(
    names: tuple[str, ...], reads: Mapping[str, Callable[[Any], Any]] | None = None
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return a function that returns the items `names` of a mapping; KeyError: one is missing.

    Parameters
    ----------
    reads : mapping of str to callable, optional
        What is made of the items that are not returned as they are.
    """
    known = {f"read{i}": reads[n] for i, n in enumerate(names) if reads and n in reads}
    pairs = (
        f"{name!r}: read{i}(given[{name!r}])"
        if f"read{i}" in known
        else f"{name!r}: given[{name!r}]"
        for i, name in enumerate(names)
    )
    source = f"lambda given: {{{', '.join(pairs)}}}"
    made: Callable[[Mapping[str, Any]], dict[str, Any]] = eval(source, known)
    return made


class Journal:
    """What a superstep changes of a State, noted while it is applied.

    Attributes
    ----------
    changed : dict of str to list of Where
        Channels, and the positions whose version of them goes up.
    finished : dict of str to list of Where
        Deferred trigger channels that it opens.
    packets : list of (Packets, int64 ndarray)
        What it sends, to whomever, with the place of each packet among those of its run.
    unsignalled : list of (str, intp ndarray)
        Nodes that are due without their own signal: a barrier opened, or the run was to end.
    """

    __slots__ = ("changed", "finished", "packets", "unsignalled")

    def __init__(self) -> None:
        self.packets: list[tuple[Any, Any]] = []
        self.unsignalled: list[tuple[str, Any]] = []
        self.changed: dict[str, list[Where]] = {}
        self.finished: dict[str, list[Where]] = {}

    def note(self, name: str, where: Where) -> None:
        """Note that a channel changes."""
        if where is None or len(where):
            self.changed.setdefault(name, []).append(where)

    def open(self, name: str, where: Where) -> None:
        """Note that a deferred channel opens."""
        self.finished.setdefault(name, []).append(where)
        self.note(name, where)


class State:
    """N runs as a struct of arrays: a column per channel.

    Readers hold columns and never see them change: `put` copies a column before it
    writes to it in place, unless nothing was handed out since its last copy.

    Attributes
    ----------
    rows : int64 ndarray of shape (N,)
        Number of each run in the whole batch.
    columns : dict of str to Column
        Cells of each channel.
    journal : Journal or None
        Is told which cells a superstep changes; None: nobody keeps them.
    """

    __slots__ = ("_owned", "columns", "journal", "rows")

    def __init__(self, rows: Rows, columns: dict[str, Column]) -> None:
        self.rows = rows
        self.columns = columns
        self.journal: Journal | None = None
        self._owned: set[str] = set()

    def __len__(self) -> int:
        return len(self.rows)

    def gather(self, name: str, where: Where) -> Column:
        """Return a channel's cells at `where`; for None the column itself, shared."""
        if where is None:
            self._owned.discard(name)
        return self.columns[name].take(where)

    def change(self, name: str, where: Where, cells: Column, changed: Where) -> None:
        """Replace a channel's cells at `where`; those at `changed` count as changed."""
        if self.journal is not None:
            self.journal.note(name, changed)
        self.put(name, where, cells)

    def change_all(self, cells: dict[str, Column]) -> None:
        """Replace whole columns; every cell of them counts as changed."""
        if self.journal is not None:
            for name in cells:
                self.journal.note(name, None)
        self.columns.update(cells)
        self._owned.difference_update(cells)

    def open(self, name: str, where: Where) -> None:
        """Let a deferred trigger channel count as opened; its cells stay."""
        if self.journal is not None:
            self.journal.open(name, where)

    def put(self, name: str, where: Where, cells: Column) -> None:
        """Replace a channel's cells at `where` (unique positions)."""
        column = self.columns[name]
        self.columns[name] = column.put(where, cells, owned=name in self._owned)
        if where is None:
            self._owned.discard(name)
        else:
            self._owned.add(name)

    def take(self, where: Values) -> State:
        """Return the rows at `where` as a new State that owns its arrays."""
        taken = State(self.rows[where], {k: c.take(where) for k, c in self.columns.items()})
        taken._owned = set(self.columns)
        return taken

    @staticmethod
    def concat(states: Sequence[State]) -> State:
        """Return the rows of `states`, one after the other."""
        if len(states) == 1:
            return states[0]
        names = states[0].columns
        joined = {name: concat([s.columns[name] for s in states]) for name in names}
        return State(np.concatenate([s.rows for s in states]), joined)
