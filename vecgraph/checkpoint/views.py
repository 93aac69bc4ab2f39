"""Where the checkpoints of a thread are, and what each of them is made of."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint.chunks import damaged
from vecgraph.checkpoint.entries import entry_of
from vecgraph.checkpoint.rows import (
    Appended,
    ColumnCell,
    ColumnRow,
    EntryRow,
    Jump,
    Packed,
    Place,
    Resolved,
    Row,
    Signal,
    Source,
)
from vecgraph.checkpoint.typed import BLOB, PACKED
from vecgraph.errors import DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vecgraph.checkpoint.marks import Marks
    from vecgraph.checkpoint.shelf import Shelf
    from vecgraph.checkpoint.storage import Header

__all__ = ["View", "Views"]

_MOST_VIEWS = 4096
_MOST_STATES = 1024
_MOST_ROWS = 8192


class View:
    """Where the checkpoints of one thread are.

    Parameters
    ----------
    number : int
    shelf : Shelf
    """

    def __init__(self, number: int, shelf: Shelf) -> None:
        self.number = number
        self._shelf = shelf
        self.upto = -1
        self._places: dict[int, tuple[Header, int]] = {}
        self._ids: dict[str, int] = {}
        self._read: set[int] = set()

    def refresh(self) -> None:
        """Look for what was added."""
        number = self.number
        found = self._shelf.find(["entries", "columns"], number, number, after=self.upto)
        if not found:
            return
        for header in found:
            if header.kind == "entries" and header.rows == 1:
                self._places[header.seq_lo] = header, 0
        self._look_into([h for h in found if h.kind == "entries" and h.rows > 1])
        columns = [h for h in found if h.kind == "columns"]
        for chunk in self._shelf.columns(columns):
            for row in np.flatnonzero(chunk.threads == number).tolist():
                self._places[int(chunk.seq[row])] = chunk.header, row
        self.upto = found[-1].number

    def _look_into(self, headers: Sequence[Header]) -> None:
        for chunk in self._shelf.rows(headers):
            for row in chunk.of(self.number):
                self._places[int(chunk.seqs[row])] = chunk.header, row

    @property
    def seqs(self) -> list[int]:
        """Places of the checkpoints, deleted ones included, oldest first."""
        return sorted(self._places)

    def rows(self, seqs: Sequence[int]) -> Iterator[Row]:
        """Return checkpoints, in the order asked for; chunks are loaded a few at a time."""
        for begin in range(0, len(seqs), 64):
            part = [(seq, *self._places[seq]) for seq in seqs[begin : begin + 64]]
            entries = [header for _, header, _ in part if header.kind == "entries"]
            columns = [header for _, header, _ in part if header.kind == "columns"]
            loaded: dict[int, Any] = dict(
                zip([h.number for h in entries], self._shelf.rows(entries), strict=True)
            )
            loaded.update(
                zip([h.number for h in columns], self._shelf.columns(columns), strict=True)
            )
            for seq, header, row in part:
                yield self._row(seq, header, row, loaded[header.number])

    def _row(self, seq: int, header: Header, row: int, loaded: Any) -> Row:
        if header.kind == "entries":
            entry = entry_of(header, loaded.said(row), self._shelf.place)
            return EntryRow(header, self.number, seq, entry)
        return ColumnRow(loaded, row, self.number, seq, self._shelf.column)

    def row(self, seq: int) -> Row | None:
        """Return one checkpoint, None if there is none at that place."""
        return next(self.rows([seq])) if seq in self._places else None

    def seq_of(self, checkpoint_id: str) -> int | None:
        """Return the newest place of a checkpoint with this id."""
        known = self._ids.get(checkpoint_id, -1)
        unread = [seq for seq in reversed(self.seqs) if seq > known and seq not in self._read]
        for row in self.rows(unread):
            self._read.add(row.seq)
            self._ids[row.id] = max(row.seq, self._ids.get(row.id, -1))
            if row.id == checkpoint_id:
                return row.seq
        return self._ids.get(checkpoint_id)

    def latest(self, gone: set[int]) -> Row | None:
        """Return the checkpoint with the greatest id."""
        seqs = self.seqs
        if not seqs:
            return None
        if gone:
            left = self.rows([seq for seq in seqs if seq not in gone])
            return max(left, key=lambda row: (row.id, row.seq), default=None)
        last = self.row(seqs[-1])
        if isinstance(last, EntryRow) and last.entry.top is not None:
            return self.row(last.entry.top)
        return last


class Views:
    """The views of a storage's threads, and the states of their checkpoints.

    Parameters
    ----------
    shelf : Shelf
    marks : Marks
    load : callable
        Gets `PACKED` or `BLOB` and bytes; returns the value.
    """

    def __init__(self, shelf: Shelf, marks: Marks, load: Callable[[int, bytes], Any]) -> None:
        self._shelf = shelf
        self._marks = marks
        self._load = load
        self._views: OrderedDict[int, View] = OrderedDict()
        self._states: OrderedDict[Place, Resolved] = OrderedDict()
        self._rows: OrderedDict[Place, Row] = OrderedDict()

    def forget(self) -> None:
        """Look at everything again."""
        self._views.clear()
        self._states.clear()
        self._rows.clear()

    def forget_thread(self, number: int) -> None:
        """Look at a thread again."""
        self._views.pop(number, None)
        for known in (self._states, self._rows):
            for place in [place for place in known if place[0] == number]:
                known.pop(place)

    def view(self, number: int, *, fresh: bool = True) -> View:
        """Return a thread's view, with what was added since it was last used."""
        view = self._views.get(number)
        if view is None:
            view = self._views[number] = View(number, self._shelf)
            fresh = True
        self._views.move_to_end(number)
        if fresh:
            view.refresh()
        while len(self._views) > _MOST_VIEWS:
            self._views.popitem(last=False)
        return view

    def row(self, place: Place) -> Row:
        """Return the checkpoint at a place.

        Raises
        ------
        DamagedCheckpointError
            There is none, though another one builds on it.
        """
        known = self._rows.get(place)
        if known is not None:
            return known
        found = self.view(place[0], fresh=False).row(place[1])
        if found is None:
            found = self.view(place[0]).row(place[1])
        if found is None:
            raise DamagedCheckpointError.found(
                f"checkpoint {place[1]} is missing, and others build on it",
                self._shelf.place,
                threads=[place[0]],
            )
        if isinstance(found, EntryRow):  # the other form would keep a whole chunk
            self._rows[place] = found
        while len(self._rows) > _MOST_ROWS:
            self._rows.popitem(last=False)
        return found

    def state(self, place: Place) -> Resolved:
        """Return the state of the checkpoint at a place, not to be changed."""
        known = self._states.get(place)
        return self.resolve(self.row(place)) if known is None else known

    def resolve(self, row: Row) -> Resolved:
        """Return the state of a checkpoint, not to be changed."""
        known = self._states.get(row.place)
        if known is not None:
            return known
        chain, passed = [row], {row.place}
        while known is None and not chain[-1].is_base:
            parent = chain[-1].parent
            assert parent is not None
            known = self._states.get(parent)
            if known is None:
                if parent in passed:
                    raise self._broken(parent, "it is its own ancestor")
                chain.append(self.row(parent))
                passed.add(parent)
        state = Resolved() if known is None else known.copy()
        for step in reversed(chain):
            self.apply(state, step)
        self.know(row.place, state)
        return state

    def apply(self, state: Resolved, row: Row) -> None:
        """Make the state of a checkpoint out of its parent's."""
        try:
            row.apply(state)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            if isinstance(error, DamagedCheckpointError):
                raise
            reason = f"a checkpoint cannot be read ({error})"
            raise damaged(row.header, reason, self._shelf.place) from error

    def know(self, place: Place, state: Resolved) -> None:
        """Keep a state for a while."""
        self._states[place] = state
        self._states.move_to_end(place)
        while len(self._states) > _MOST_STATES:
            self._states.popitem(last=False)

    def value(self, source: Source) -> Any:
        """Return the value that a source leads to."""
        tails: list[tuple[int, list[Any]]] = []
        passed: set[Place] = set()
        found = self.grounded(source)
        while isinstance(found, Appended):
            if found.place in passed:
                raise self._broken(found.place, "a list goes on from itself")
            passed.add(found.place)
            tails.append((found.base, self._items(found.items)))
            if found.before is None:
                return self._joined(found, [], tails)
            found = self.grounded(found.before)
        return self._joined(found, self._held(found), tails)

    def grounded(self, source: Source) -> Packed | Appended | ColumnCell | Signal:
        """Return the source that a jump leads to."""
        passed: set[Jump] = set()
        while isinstance(source, Jump):
            if source in passed:
                raise self._broken(source.place, "it is its own ancestor")
            passed.add(source)
            source = self._jumped(source)
        return source

    def _jumped(self, jump: Jump) -> Source:
        row = self.row(jump.place)
        if isinstance(row, EntryRow):
            found = row.source_of(jump.channel)
        else:
            found = self.resolve(row).cells.get(jump.channel)
        if found is None:
            raise self._broken(jump.place, f"channel {jump.channel!r} has no value here")
        return found

    def _held(self, source: Packed | ColumnCell | Signal) -> Any:
        if isinstance(source, Packed):
            return self._load(BLOB if source.is_blob else PACKED, source.data)
        return None if isinstance(source, Signal) else self._cell(source)

    def _joined(self, source: Source, value: Any, tails: list[tuple[int, list[Any]]]) -> Any:
        """Return a list with what was appended to it; the newest is first in `tails`."""
        if not tails:
            return value
        if type(value) is not list:
            raise self._broken(source.place, "what was appended to is no list")
        whole = list(value)
        for base, items in reversed(tails):
            if len(whole) != base:
                raise self._broken(
                    source.place, f"a list of {len(whole)} items went on from {base}"
                )
            whole += items
        return whole

    def _cell(self, cell: ColumnCell) -> Any:
        chunk = self._shelf.column(cell.header)
        value = chunk.cells(cell.channel).column(np.array([cell.row]), self._load).item(0)
        graph = chunk.graph
        if graph is None or cell.channel not in graph.barriers:
            return value
        names = graph.barriers[cell.channel]
        return {name for name, flag in zip(names, value.tolist(), strict=True) if flag}

    def _items(self, items: Packed | ColumnCell) -> list[Any]:
        if isinstance(items, Packed):
            found = self._load(BLOB if items.is_blob else PACKED, items.data)
        else:
            cells = self._shelf.column(items.header).cells(items.channel)
            found = next(cells.items(np.array([items.row]), self._load))
        if not isinstance(found, list):
            raise self._broken(items.place, "what was appended is no list")
        return found

    def _broken(self, place: Place, reason: str) -> DamagedCheckpointError:
        return DamagedCheckpointError.found(
            f"checkpoint {place[1]}: {reason}", self._shelf.place, threads=[place[0]]
        )

    def length(self, source: Source) -> int | None:
        """Return how many items a list has, None if the value is no list."""
        if isinstance(source, Appended):
            return source.base + len(self._items(source.items))
        value = self.value(source)
        return len(value) if type(value) is list else None
