"""All checkpoints of many threads at once, each with the place where its values are.

Rows are sorted by thread and place. A channel's value at a row is found by filling forward: the
last row at or before it, along the parents, that says something of the channel. Where each
checkpoint goes on from the one before it, that is a running maximum; where threads branch, the
runs of such rows are linked by doubling pointers.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.checkpoint.arrays import from_texts
from vecgraph.checkpoint.columnform import ColumnChunk
from vecgraph.checkpoint.columnwrites import keys_of
from vecgraph.checkpoint.entries import entry_of
from vecgraph.checkpoint.id import checkpoint_ids
from vecgraph.checkpoint.threads import printable
from vecgraph.engine.flush import PUSHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from vecgraph.checkpoint.arrays import Array
    from vecgraph.checkpoint.chunks import RowsChunk
    from vecgraph.checkpoint.entries import Entry
    from vecgraph.typing import Mask, Rows, Values

__all__ = ["Entries", "Part", "Texts", "Timeline"]

Texts = tuple[Any, list[str]]
"""Codes, int64 of shape (N,), and the texts that they are positions of."""

_NODES = ", "
"""Between the names of nodes in a text."""


class Entries:
    """Chunks of checkpoints in row form as one, with the face of a `ColumnChunk`."""

    def __init__(self, chunks: Sequence[RowsChunk]) -> None:
        self.chunks = chunks
        self.threads: Values = _joined([chunk.threads for chunk in chunks], np.int64)
        self.seq: Values = _joined([chunk.seqs for chunk in chunks], np.int32)

    def __len__(self) -> int:
        return len(self.threads)

    @cached_property
    def entries(self) -> list[Entry]:
        """What the rows say."""
        return [
            entry_of(chunk.header, said, chunk.place)
            for chunk in self.chunks
            for _, _, said in chunk
        ]

    @property
    def is_linear(self) -> bool:
        """Whether that can be told without a look at the rows: no."""
        return False

    @cached_property
    def parent(self) -> Values:
        """Place of each parent; -1: there is none."""
        found = [e.parent if isinstance(e.parent, int) else -1 for e in self.entries]
        return np.array(found, np.int32)

    @cached_property
    def parent_thread(self) -> Values:
        """Thread of each parent."""
        named = zip(self.entries, self.threads.tolist(), strict=True)
        found = [t if e.parent_thread is None else e.parent_thread for e, t in named]
        return np.array(found, np.int64)

    @cached_property
    def step(self) -> Values:
        """Step, 0 where a checkpoint has none."""
        return np.array([entry.step or 0 for entry in self.entries], np.int64)

    @cached_property
    def ts(self) -> Values:
        """Microseconds since 1970."""
        return np.array([entry.ts for entry in self.entries], np.int64)

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Channels that the rows say something of."""
        return tuple(dict.fromkeys(name for e in self.entries for name in e.changes))


Part = ColumnChunk | Entries


class Timeline:
    """The checkpoints of some threads.

    Parameters
    ----------
    parts : sequence of ColumnChunk or Entries
        All that the threads, and those in which they have ancestors, are in.

    Attributes
    ----------
    threads : int64 ndarray of shape (N,)
    seq : int32 ndarray of shape (N,)
        Sorted by thread and place.
    parent : int64 ndarray of shape (N,)
        Row of each parent, -1 where it is not there.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        threads = _joined([part.threads for part in parts], np.int64)
        seq = _joined([part.seq for part in parts], np.int32)
        self._keys = keys_of(threads, seq)
        order = np.argsort(self._keys, kind="stable")
        self._keys = self._keys[order]
        self.threads: Rows = threads[order]
        self.seq = seq[order]
        self._order = order
        at = np.empty(len(order), np.int64)
        at[order] = np.arange(len(order))
        self._ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        self._at = np.split(at, self._ends[:-1]) if parts else []
        self._last: tuple[Mask, Values] | None = None
        self.parent = self._parents()

    def __len__(self) -> int:
        return len(self.threads)

    def spread(self) -> Iterator[tuple[Part, Values]]:
        """Return each part with the rows that its own rows are."""
        return zip(self.parts, self._at, strict=True)

    def part_of(self, row: int) -> tuple[Part, int]:
        """Return the part that a row is in, and which of its rows it is."""
        at = int(self._order[row])
        i = int(np.searchsorted(self._ends, at, "right"))
        return self.parts[i], at - (int(self._ends[i - 1]) if i else 0)

    def rows_of(self, threads: Values, seq: Values) -> Values:
        """Return the rows of places, -1 where there is none."""
        if not len(self):
            return np.full(len(threads), -1)
        wanted = keys_of(threads, seq)
        found = np.minimum(np.searchsorted(self._keys, wanted), len(self) - 1)
        rows: Values = np.where(self._keys[found] == wanted, found, -1)
        return rows

    def _parents(self) -> Values:
        n = len(self)
        parent = np.arange(-1, n - 1)
        follows = np.zeros(n, np.bool_)
        follows[1:] = (self.threads[1:] == self.threads[:-1]) & (self.seq[1:] == self.seq[:-1] + 1)
        parent[~follows] = -1
        for part, at in self.spread():
            if not part.is_linear:
                parent[at] = self.rows_of(part.parent_thread, part.parent)
                parent[at[part.parent < 0]] = -1
        return parent

    @cached_property
    def _heads(self) -> tuple[Values, Values]:
        """Rows that do not go on from the row before, and the number of each row's head."""
        is_head = self.parent != np.arange(-1, len(self) - 1)
        is_head[:1] = True
        return np.flatnonzero(is_head), np.cumsum(is_head) - 1

    def filled(self, says: Mask) -> Values:
        """Return for each row the last one along its ancestors, itself included, that says.

        Parameters
        ----------
        says : bool ndarray of shape (N,)

        Returns
        -------
        int64 ndarray of shape (N,)
            -1 where none does.
        """
        # Channels that change together are the rule: the last answer is often this one's.
        if self._last is None or not np.array_equal(self._last[0], says):
            self._last = says, self._filled(says)
        return self._last[1]

    def _filled(self, says: Mask) -> Values:
        if says.all():
            return np.arange(len(self))
        heads, head = self._heads
        last = np.maximum.accumulate(np.where(says, np.arange(len(self)), -1))
        first = heads[head]
        open_ = last < first
        last[open_] = -1
        above = self.parent[heads]
        if (above >= 0).any():
            inherited = _inherited(above, last, head)
            last[open_] = inherited[head[open_]]
        return last

    def numbers(self, name: str) -> Values:
        """Return ``step`` or ``ts`` of each row, int64."""
        return self._joined([getattr(part, name) for part in self.parts], np.int64)

    def _joined(self, arrays: list[Values], dtype: Any) -> Values:
        joined: Values = _joined(arrays, dtype)[self._order]
        return joined

    def source(self) -> Texts:
        """Return what made each checkpoint."""
        return self._texts(_sources)

    def ran(self) -> Texts:
        """Return the nodes that ran before each checkpoint."""
        return self._texts(_ran)

    def due(self, more: Mapping[int, Iterable[str]]) -> Texts:
        """Return the nodes that run after each checkpoint.

        Parameters
        ----------
        more : mapping of int to names
            Nodes to add at some rows.
        """
        return self._texts(_due, more)

    def _texts(
        self,
        of: Callable[[Part], tuple[Values, list[tuple[str, ...]]]],
        more: Mapping[int, Iterable[str]] | None = None,
    ) -> Texts:
        table: dict[tuple[str, ...], int] = {}
        codes = []
        for part in self.parts:
            own, names = of(part)
            new = [table.setdefault(_plain(name), len(table)) for name in names]
            codes.append(np.array(new or [0], np.int64)[own])
        whole = self._joined(codes, np.int64)
        names = list(table)
        for row, added in (more or {}).items():
            key = tuple(sorted({*names[whole[row]], *added}))
            whole[row] = table.setdefault(key, len(table))
            names += [key] * (len(table) - len(names))
        return whole, [_NODES.join(found) for found in table] or [""]

    def ids(self) -> Array:
        """Return the id of each checkpoint, as texts."""
        made = checkpoint_ids(self.numbers("ts"), self.numbers("step"), self.threads, self.seq)
        own = {
            int(at[i]): printable(entry.id)
            for part, at in self.spread()
            if isinstance(part, Entries)
            for i, entry in enumerate(part.entries)
            if entry.id is not None
        }
        if not own:
            return made
        texts = made.to_pylist()
        for row, text in own.items():
            texts[row] = text
        return from_texts(texts)


def _joined(arrays: list[Values], dtype: Any) -> Values:
    return np.concatenate(arrays).astype(dtype, copy=False) if arrays else np.empty(0, dtype)


def _inherited(above: Values, last: Values, head: Values) -> Values:
    """Return for each head the row from which its run of rows has what it does not say itself."""
    known = above >= 0
    found = np.where(known, last[above], -1)
    link = np.where(known & (found < 0), head[above], -1)
    # Each round doubles how far a link reaches; more than 64 would be a circle.
    for _ in range(64):
        at = np.flatnonzero(link >= 0)
        if not len(at):
            break
        found[at] = found[link[at]]
        link[at] = np.where(found[at] >= 0, -1, link[link[at]])
    return found


def _sources(part: Part) -> tuple[Values, list[tuple[str, ...]]]:
    if isinstance(part, Entries):
        return _numbered([(entry.source or "",) for entry in part.entries])
    codes, texts = part.named("source")
    return codes, [(text,) for text in texts]


def _ran(part: Part) -> tuple[Values, list[tuple[str, ...]]]:
    if isinstance(part, Entries):
        return _numbered([tuple(sorted(entry.seen)) for entry in part.entries])
    return part.ran


def _due(part: Part) -> tuple[Values, list[tuple[str, ...]]]:
    return (np.zeros(len(part), np.int64), [()]) if isinstance(part, Entries) else part.due


def _numbered(names: list[tuple[str, ...]]) -> tuple[Values, list[tuple[str, ...]]]:
    table: dict[tuple[str, ...], int] = {}
    codes = np.array([table.setdefault(name, len(table)) for name in names], np.int64)
    return codes, list(table)


def _plain(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(name.removeprefix(PUSHED) for name in names))
