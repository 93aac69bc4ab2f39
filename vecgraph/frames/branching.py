"""Copies of many checkpoints, edited: threads of their own that share the past of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.channels.base import Write
from vecgraph.channels.log import Log
from vecgraph.columns import Column, objects
from vecgraph.constants import MISSING
from vecgraph.engine.flush import ColumnChange, Flush
from vecgraph.engine.forms import graph_form

if TYPE_CHECKING:
    from vecgraph.channels.base import Channel
    from vecgraph.checkpoint.bulk import BulkSaver
    from vecgraph.checkpoint.columnwalk import ColumnState
    from vecgraph.engine.flush import GraphForm
    from vecgraph.typing import Rows

__all__ = ["Branches", "branched", "columns_of"]


@dataclass(frozen=True)
class Branches:
    """Threads that go on from checkpoints of others.

    Attributes
    ----------
    app : App
    threads : list of M str
        Their ids.
    origin : int64 ndarray of shape (M,)
        Place of each one's checkpoint in the selection that was branched.
    copy : int64 ndarray of shape (M,)
        Which copy of it, from 0.
    """

    app: Any
    threads: list[str]
    origin: Rows
    copy: Rows

    def __len__(self) -> int:
        return len(self.threads)

    def __repr__(self) -> str:
        return f"Branches({len(self)} threads of {len(np.unique(self.origin))} checkpoints)"

    def run(self, config: Any = None, **options: Any) -> Any:
        """Run all of them to their end, as one batch.

        Parameters
        ----------
        config : RunnableConfig, optional
        **options
            Of `App.batch`.

        Returns
        -------
        BatchResult
            Of M rows, in the order of `threads`.
        """
        place = {"thread_id": "branches", **((config or {}).get("configurable") or {})}
        config = {**(config or {}), "configurable": place}
        inputs = [None] * len(self)
        return self.app.batch(inputs, config, threads=self.threads, columns=True, **options)


def columns_of(update: Any, k: int, n: int) -> dict[str, Column]:
    """Return an update as a column of k * n values for each channel.

    Parameters
    ----------
    update : mapping, or sequence of mappings
        A mapping has for each channel one value, which all copies get, or an array of k * n of
        them (NumPy, Arrow, or a series), or of n: each checkpoint's copies get these. A sequence
        has a mapping for each copy, k * n or n of them.

    Raises
    ------
    ValueError
        There are other numbers of values.
    """
    if isinstance(update, Mapping):
        return {name: _column(name, value, k, n) for name, value in update.items()}
    rows = [dict(row) for row in update]
    names = dict.fromkeys(name for row in rows for name in row)
    cells = {name: objects([row.get(name, MISSING) for row in rows]) for name in names}
    return {
        name: Column.of_cells(_repeated(name, Column(values), k, n).values.tolist())
        for name, values in cells.items()
    }


def _column(name: str, value: Any, k: int, n: int) -> Column:
    if isinstance(value, np.ndarray) and value.ndim:
        return _repeated(name, Column.of_array(value), k, n)
    if hasattr(value, "to_pylist"):
        return _repeated(name, Column.of(value.to_pylist()), k, n)
    if hasattr(value, "to_numpy"):
        return _repeated(name, Column.of(value.to_numpy().tolist()), k, n)
    return Column.full(k * n, value)


def _repeated(name: str, column: Column, k: int, n: int) -> Column:
    if len(column) == k * n:
        return column
    if len(column) == n:
        return column.take(np.tile(np.arange(n), k))
    raise ValueError(
        f"update: {len(column)} values of {name!r} for {n} copies of {k} checkpoints.\n"
        f"Hint: pass {k * n}, or {n} that each checkpoint's copies get, or one for all."
    )


def branched(
    saver: BulkSaver,
    app: Any,
    places: tuple[Rows, Any],
    names: list[str],
    update: dict[str, Column],
) -> None:
    """Store the first checkpoint of threads that go on from others.

    Parameters
    ----------
    places : int64 ndarray and int32 ndarray of shape (M,)
        Thread and place of each one's origin.
    names : list of M str
        Ids of the new threads.
    update : dict of str to Column of M rows
        What is written to channels, by their rules; absent: nothing.

    Raises
    ------
    KeyError
        There is no such channel.
    ValueError
        The threads were begun by another library, or a channel keeps nothing.
    """
    channels = {name: _known(app, name) for name in update}
    tables, control = app.engine.tables, app.engine.control
    form = None if control is None else graph_form(tables, control)
    state = _origins(saver, places, form)
    changes = {
        name: list(_changed(channels[name], state, column)) for name, column in update.items()
    }
    new = saver.register_threads(names)
    saver.write_columns(
        Flush(
            threads=new,
            seq=np.zeros(len(new), np.int32),
            parent=places[1].astype(np.int32),
            parent_thread=places[0],
            step=state.step + 1,
            clock=state.clock + 1,
            ran=np.full(len(new), len(state.nodes), np.int32),
            due=state.due,
            nodes=[*state.nodes, ()],
            changes={name: parts for name, parts in changes.items() if parts},
            metadata={"parents": {}},
            source="update" if update else "fork",
            graph=form,
        )
    )


def _origins(saver: BulkSaver, places: tuple[Rows, Any], form: GraphForm | None) -> ColumnState:
    state = saver.read_columns(*places, graph=form)
    if state.foreign.any():
        at = int(np.flatnonzero(state.foreign)[0])
        name = saver.names_of(places[0][at : at + 1])[0]
        raise ValueError(
            f"Thread {name!r} numbers its versions with texts, as another library's savers do.\n"
            "Hint: copy it with copy_thread, and edit the copy with update_state."
        )
    return state


def _known(app: Any, name: str) -> Channel:
    channels = app.program.channels
    shown = [c for c in channels if not c.startswith(("__", "branch:to:", "join:"))]
    if name not in shown:
        raise KeyError(f"update: no channel {name!r}; there are {', '.join(shown)}")
    channel: Channel = channels[name]
    if not channel.tracked:
        raise ValueError(f"update: channel {name!r} is not kept in checkpoints")
    return channel


def _changed(channel: Channel, state: ColumnState, written: Column) -> list[ColumnChange]:
    """Return what writes make of a channel."""
    mask = written.mask()
    where = None if mask.all() else np.flatnonzero(mask)
    held = state.columns.get(channel.key) or Column.absent(len(state))
    before = channel.restore_columns(held)
    values = Column(written.take(where).values)
    folded = channel.fold_columns(before, [Write(where, values)])
    if folded.failures:
        raise folded.failures[0][1]
    at = np.arange(len(state)) if folded.where is None else folded.where
    if not channel.grows:
        return [ColumnChange(at, channel.checkpoint_columns(folded.cells))]
    return list(_grown(channel, before.take(at).tolist(), folded.cells.tolist(), at))


def _grown(channel: Channel, before: list[Any], after: list[Any], at: Any) -> list[ColumnChange]:
    """Return what came to the end of lists, and the lists that changed otherwise."""
    lists = [
        new.appended_since(old) if isinstance(new, Log) and isinstance(old, Log) else None
        for old, new in zip(before, after, strict=True)
    ]
    grown = [i for i, items in enumerate(lists) if items is not None]
    others = [i for i, items in enumerate(lists) if items is None]
    made = []
    if grown:
        base = np.array([len(before[i]) for i in grown], np.int64)
        made.append(ColumnChange(at[grown], Column(objects([lists[i] for i in grown])), base))
    if others:
        cells = [channel.checkpoint(after[i]) for i in others]
        made.append(ColumnChange(at[others], Column.of_cells(cells)))
    return made
