"""A selection of checkpoints, and the tables that can be made of it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.frames.branching import Branches, branched, columns_of
from vecgraph.frames.convert import As, table_of
from vecgraph.frames.fixed import FIXED, STEPS, written
from vecgraph.frames.messages import message_columns
from vecgraph.frames.runs import RUNS, run_columns
from vecgraph.frames.sources import Source, source_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from vecgraph.checkpoint.past import Past
    from vecgraph.columns import Column
    from vecgraph.typing import Rows

__all__ = ["History", "checkpoints_df", "history", "messages_df", "runs_df", "steps_df"]

CHECKPOINTS = ("thread_id", "checkpoint_ns", "step", "ts", "source", "next")
"""Columns of `checkpoints_df` before those of the channels, if none are named."""


class History:
    """Some of a saver's checkpoints, sorted by thread and age.

    Nothing is read before it is needed. What is read stays the same: for what was stored since,
    make another one.

    Parameters
    ----------
    source : Source
    rows : int64 ndarray, optional
        Rows of its past; None: all that were asked for.

    Examples
    --------
    >>> from typing import TypedDict
    >>> from vecgraph.checkpoint.memory import InMemorySaver
    >>> from vecgraph.graph import START, StateGraph
    >>> State = TypedDict("State", {"x": int})
    >>> graph = StateGraph(State)
    >>> _ = graph.add_node("double", lambda state: {"x": 2 * state["x"]})
    >>> _ = graph.add_edge(START, "double")
    >>> app = graph.compile(checkpointer=InMemorySaver())
    >>> _ = app.batch([{"x": 1}, {"x": 2}], {"configurable": {"thread_id": "t"}})
    >>> past = history(app)
    >>> past.latest().checkpoints_df(["thread_id", "x"])
      thread_id  x
    0       t/0  2
    1       t/1  4
    """

    def __init__(self, source: Source, rows: Rows | None = None) -> None:
        self._source = source
        self._chosen = rows

    @cached_property
    def past(self) -> Past:
        """What the saver has."""
        return self._source.past()

    @property
    def saver(self) -> Any:
        """Where it is read from."""
        return self._source.saver

    @property
    def rows(self) -> Rows:
        """Rows of `past` that are selected; int64, shape (K,)."""
        return self.past.rows if self._chosen is None else self._chosen

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"History({len(self)} checkpoints of {len(np.unique(self.threads))} threads)"

    @property
    def threads(self) -> Rows:
        """Number of each checkpoint's thread, as the saver has it; int64, shape (K,)."""
        return self.past.timeline.threads[self.rows]

    @property
    def seq(self) -> npt.NDArray[np.int32]:
        """Place of each checkpoint in its thread; int32, shape (K,)."""
        return self.past.timeline.seq[self.rows]

    @property
    def step(self) -> npt.NDArray[np.int64]:
        """Step of each checkpoint; shape (K,)."""
        return self.past.timeline.numbers("step")[self.rows]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names that a table of checkpoints may have."""
        return (*FIXED, *(written(name) for name in self.past.channels))

    def _with(self, rows: Rows) -> History:
        made = History(self._source, rows)
        made.past = self.past
        return made

    def take(self, at: Any) -> History:
        """Return some of the checkpoints.

        Parameters
        ----------
        at : sequence of int, slice or bool ndarray of shape (K,)
            Places in this selection.
        """
        if not isinstance(at, slice):
            at = np.asarray(at, None if len(at) else np.intp)
        return self._with(self.rows[at])

    def at_step(self, step: int) -> History:
        """Return each thread's last checkpoint of a step; -1 is the input."""
        return self._with(_last_of_each(self.rows[self.step == step], self.past))

    def latest(self) -> History:
        """Return the last checkpoint of each thread."""
        return self._with(_last_of_each(self.rows, self.past))

    def run(self, thread_id: str, ns: str = "") -> History:
        """Return the checkpoints of one thread.

        Raises
        ------
        KeyError
            None of these is of such a thread.
        """
        numbers = self.saver.find_threads([thread_id], ns=ns)
        found = np.isin(self.threads, numbers)
        if not found.any():
            raise KeyError(thread_id)
        return self._with(self.rows[found])

    def branch(
        self, n: int = 1, update: Any = None, *, threads: Sequence[str] | None = None
    ) -> Branches:
        """Make `n` copies of each checkpoint, edited, each the begin of a thread of its own.

        The copies share the past of the checkpoint: it is not stored again. What is due there is
        due in them. Writes that are kept beside it (of tasks that failed or asked) are not
        taken along.

        Parameters
        ----------
        n : int
        update : mapping, or sequence of mappings, optional
            Written to the channels, by their rules: to one with a reducer, what is reduced. A
            mapping has for each channel one value for all copies, or an array of n (these for
            each checkpoint) or K * n, of which the copies of one checkpoint stand together. A
            sequence has a mapping for each copy, n or K * n of them.
        threads : sequence of K * n str, optional
            Ids of the new threads. None: ``thread@step/copy``.

        Returns
        -------
        Branches
            Ready to be run.

        Raises
        ------
        TypeError
            The checkpoints were not read from an app or from a batch's result.
        ValueError
            A thread exists already, or `update` has another number of values.

        Examples
        --------
        >>> from typing import TypedDict
        >>> from vecgraph.checkpoint.memory import InMemorySaver
        >>> from vecgraph.graph import START, StateGraph
        >>> State = TypedDict("State", {"x": int, "y": int})
        >>> graph = StateGraph(State)
        >>> _ = graph.add_node("double", lambda state: {"y": 2 * state["x"]})
        >>> _ = graph.add_edge(START, "double")
        >>> app = graph.compile(checkpointer=InMemorySaver())
        >>> _ = app.batch([{"x": 1}, {"x": 2}], {"configurable": {"thread_id": "t"}})
        >>> copies = app.history().at_step(0).branch(2, update=[{}, {"x": 10}])
        >>> copies.threads
        ['t/0@0/0', 't/0@0/1', 't/1@0/0', 't/1@0/1']
        >>> copies.run().values("y").tolist()
        [2, 20, 4, 20]
        """
        app = self._source.app
        if app is None:
            raise TypeError(
                "Only an app knows the rules of its channels.\n"
                "Hint: branch app.history(), not the history of a saver."
            )
        k = len(self)
        origin, copy = np.repeat(np.arange(k), n), np.tile(np.arange(n), k)
        given = {} if update is None else columns_of(update, k, n)
        names = self._branch_names(n) if threads is None else [str(name) for name in threads]
        if len(names) != k * n or len(set(names)) != k * n:
            raise ValueError(f"{k * n} copies need as many different threads, not {len(names)}.")
        if len(known := self.saver.find_threads(names)):
            name = self.saver.names_of(known[:1])[0]
            raise ValueError(f"Thread {name!r} exists.\nHint: name others with threads=.")
        if names:
            places = self.threads[origin], self.seq[origin]
            branched(self.saver, app, places, names, given)
        return Branches(app, names, origin, copy)

    def _branch_names(self, n: int) -> list[str]:
        ids, steps = self.column("thread_id").tolist(), self.step.tolist()
        pairs = zip(ids, steps, strict=True)
        return [f"{name}@{step}/{i}" for name, step in pairs for i in range(n)]

    def column(self, name: str) -> Column:
        """Return one column of these checkpoints.

        Parameters
        ----------
        name : str
            One of `columns`.

        Raises
        ------
        KeyError
            There is no such column; the message says which there are.
        """
        if name in FIXED:
            return FIXED[name](self.past, self.rows)
        channels = {written(channel): channel for channel in self.past.channels}
        if name not in channels:
            raise KeyError(f"no column {name!r}; there are {', '.join(self.columns)}")
        rows = None if self._chosen is None and self.past.is_whole else self.rows
        return self.past.cells(channels[name]).column(rows)

    def _table(self, columns: Sequence[str] | None, default: Sequence[str], as_: As) -> Any:
        names = default if columns is None else columns
        return table_of({name: self.column(name) for name in names}, as_)

    def _channels(self) -> list[str]:
        return [written(name) for name in self.past.channels]

    def checkpoints_df(self, columns: Sequence[str] | None = None, *, as_: As = "pandas") -> Any:
        """Return a row for each checkpoint; see `vecgraph.frames.checkpoints_df`."""
        return self._table(columns, [*CHECKPOINTS, *self._channels()], as_)

    def steps_df(self, columns: Sequence[str] | None = None, *, as_: As = "pandas") -> Any:
        """Return a row for each superstep; see `vecgraph.frames.steps_df`."""
        return self._table(columns, STEPS, as_)

    def runs_df(self, columns: Sequence[str] | None = None, *, as_: As = "pandas") -> Any:
        """Return a row for each thread; see `vecgraph.frames.runs_df`."""
        last = self.latest()
        names = [*RUNS, *self._channels()] if columns is None else columns
        made = run_columns(self, last, [name for name in names if name in RUNS])
        return table_of(
            {name: made[name] if name in made else last.column(name) for name in names}, as_
        )

    def messages_df(
        self,
        channel: str = "messages",
        columns: Sequence[str] | None = None,
        *,
        as_: As = "pandas",
    ) -> Any:
        """Return a row for each message; see `vecgraph.frames.messages_df`."""
        if channel not in self.past.channels:
            raise KeyError(f"no channel {channel!r}; there are {', '.join(self.past.channels)}")
        made = message_columns(self.past, self.latest().rows, channel)
        return table_of({name: made[name] for name in columns or made}, as_)


def _last_of_each(rows: Rows, past: Past) -> Rows:
    threads = past.timeline.threads[rows]
    if (np.diff(threads) < 0).any():
        order = np.argsort(threads, kind="stable")
        rows, threads = rows[order], threads[order]
    is_last = np.ones(len(rows), np.bool_)
    is_last[:-1] = threads[1:] != threads[:-1]
    found: Rows = rows[is_last]
    return found


def history(source: Any, threads: Sequence[str] | None = None, *, ns: str | None = None) -> History:
    """Return the checkpoints of a saver, an app or a batch's result.

    Parameters
    ----------
    source : saver of vecgraph, compiled graph or BatchResult
        Of a graph, its checkpointer is meant; of a result, the threads of that batch.
    threads : sequence of str, optional
        Ids; None: all.
    ns : str, optional
        Namespace: empty for the graph itself, others for its subgraphs; None: all.

    Raises
    ------
    TypeError
        The source keeps no checkpoints, or not in a saver of vecgraph.
    """
    return History(source_of(source, threads, ns))


def checkpoints_df(
    source: Any,
    columns: Sequence[str] | None = None,
    *,
    threads: Sequence[str] | None = None,
    ns: str | None = None,
    as_: As = "pandas",
) -> Any:
    """Return a table with a row for each checkpoint: the states, filled forward.

    Parameters
    ----------
    source, threads, ns
        See `history`.
    columns : sequence of str, optional
        Only these are decoded: ``thread_id``, ``checkpoint_ns``, ``checkpoint_id``,
        ``parent_id``, ``seq`` (place in the thread), ``step``, ``ts``, ``source``, ``ran`` and
        ``next`` (names of nodes), ``seconds`` since the parent, ``changed`` (names of channels),
        and the channels. A channel that has the name of another column is called
        ``channel:name``. None: all channels, and what says which state it is.
    as_ : {'pandas', 'polars', 'arrow'}

    Returns
    -------
    DataFrame or Table
        Sorted by thread and age. Numbers are NumPy's in pandas where all rows have one and
        nullable otherwise: a channel that never got a value is null. In Arrow, a column whose
        values no Arrow type holds is text (``repr``), and says so in the metadata of its field.
    """
    return history(source, threads, ns=ns).checkpoints_df(columns, as_=as_)


def steps_df(
    source: Any,
    columns: Sequence[str] | None = None,
    *,
    threads: Sequence[str] | None = None,
    ns: str | None = None,
    as_: As = "pandas",
) -> Any:
    """Return a table with a row for each superstep: what ran, how long, and what it changed.

    Parameters
    ----------
    source, columns, threads, ns, as_
        See `checkpoints_df`; without `columns`, those that say what happened.
    """
    return history(source, threads, ns=ns).steps_df(columns, as_=as_)


def runs_df(
    source: Any,
    columns: Sequence[str] | None = None,
    *,
    threads: Sequence[str] | None = None,
    ns: str | None = None,
    as_: As = "pandas",
) -> Any:
    """Return a table with a row for each thread: where it stands, and its latest state.

    Parameters
    ----------
    source, threads, ns, as_
        See `checkpoints_df`.
    columns : sequence of str, optional
        ``checkpoints`` (how many), ``begun``, ``ended``, ``status``, and the columns of
        `checkpoints_df`, of the latest checkpoint. The status is ``done``, ``due`` (nodes run
        next), ``interrupted`` or ``error``.
    """
    return history(source, threads, ns=ns).runs_df(columns, as_=as_)


def messages_df(
    source: Any,
    channel: str = "messages",
    columns: Sequence[str] | None = None,
    *,
    threads: Sequence[str] | None = None,
    ns: str | None = None,
    as_: As = "pandas",
) -> Any:
    """Return a table with a row for each message of each thread's latest state.

    Parameters
    ----------
    source, threads, ns, as_
        See `checkpoints_df`.
    channel : str
        Channel with a list of messages.
    columns : sequence of str, optional
        ``thread_id``, ``checkpoint_ns``, ``position`` in the list, ``step`` and ``ts`` of the
        checkpoint that first had the message there as it is, ``role``, ``name``, ``content``,
        ``tool_calls`` (JSON), ``tool_call_id``, ``id``.

    Raises
    ------
    KeyError
        No checkpoint has such a channel.
    """
    return history(source, threads, ns=ns).messages_df(channel, columns, as_=as_)
