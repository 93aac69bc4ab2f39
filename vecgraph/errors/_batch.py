"""The errors of batches, vector nodes, and of what is not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.errors._langgraph import InvalidUpdateError, first_few

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = [
    "BatchError",
    "BatchInputError",
    "InPlaceChangeError",
    "TracingError",
    "UnsupportedError",
    "VectorNodeError",
    "WorkerError",
]


class BatchError(Exception):
    """What only a batch can get wrong.

    Attributes
    ----------
    channel : str or None
        Column or channel concerned.
    node : str or None
        Node concerned.
    """

    channel: str | None = None
    node: str | None = None


class TracingError(BatchError, ValueError):
    """A function without a column form, in a graph that is compiled with ``tracing="require"``.

    Attributes
    ----------
    what, reason : str
        Which function, and what stands in the way.
    """

    what: str = ""
    reason: str = ""

    @classmethod
    def refused(cls, what: str, reason: str) -> TracingError:
        """Build the error of a function that is not traced."""
        error = cls(
            f"The function of {what} is not traced: {reason}.\n"
            "Hint: docs/reference/tracing.md says what is; or compile with tracing='auto'."
        )
        error.what, error.reason = what, reason
        return error


class BatchInputError(BatchError, ValueError):
    """Columns that cannot be a batch: lengths, types, row ids or missing columns.

    Attributes
    ----------
    rows : tuple of int
        Rows concerned, as far as they are known.
    """

    rows: tuple[int, ...] = ()

    @classmethod
    def length(cls, channel: str, got: int, expected: int) -> BatchInputError:
        """Build the error of a column that is longer or shorter than the others."""
        error = cls(
            f"Column '{channel}' has {got} rows, but the batch has {expected}.\n"
            "Hint: give every column the same length, one value a run."
        )
        error.channel = channel
        return error

    @classmethod
    def dtype(cls, channel: str, got: Any, expected: Any) -> BatchInputError:
        """Build the error of a column whose values cannot be those of its channel."""
        error = cls(
            f"Column '{channel}' has type {got}, but its channel holds {expected}.\n"
            "Hint: cast the column, or change the annotation in the state schema."
        )
        error.channel = channel
        return error

    @classmethod
    def many_configs(cls, got: int) -> BatchInputError:
        """Build the error of a config a run for a table."""
        return cls(
            f"A table takes one config for all of its runs, but got a list of {got}.\n"
            "Hint: pass one config, or a list of inputs with a list of configs."
        )

    @classmethod
    def no_past(cls) -> BatchInputError:
        """Build the error of a batch that is to go on though nothing was kept of it."""
        return cls(
            "resume: the graph has no checkpointer, so no run has a past to go on from.\n"
            "Hint: compile(checkpointer=...), and call with the thread_id that the batch had."
        )

    @classmethod
    def many_calls(cls) -> BatchInputError:
        """Build the error of a batch to resume whose runs are calls of their own."""
        return cls(
            "resume: takes one config for all runs, and no option that changes what each "
            "returns.\nHint: pass `threads` for threads of any name, and one config."
        )

    @classmethod
    def not_a_table(cls, got: Any) -> BatchInputError:
        """Build the error of an input that is no table."""
        return cls(
            f"Cannot read rows from {type(got).__name__}.\n"
            "Hint: pass an Arrow table, a data frame, a dict of arrays, an iterator of record "
            "batches, or a list of inputs."
        )

    @classmethod
    def not_a_column(cls, channel: str, got: Any) -> BatchInputError:
        """Build the error of a table's entry that is one value and no column."""
        error = cls(
            f"Column '{channel}' is a {type(got).__name__}, not an array or a list.\n"
            "Hint: give every column one value a run; np.full(n, value) repeats one."
        )
        error.channel = channel
        return error

    @classmethod
    def no_ids(cls, channel: str, available: Sequence[str]) -> BatchInputError:
        """Build the error of a table without the column that ids are to come from."""
        error = cls(
            f"The table lacks the column '{channel}' of row ids; it has {first_few(available)}.\n"
            "Hint: pass ids=<a column that is there>, an array of ids, or leave it out."
        )
        error.channel = channel
        return error

    @classmethod
    def bad_ids(cls, channel: str, got: str) -> BatchInputError:
        """Build the error of row ids that are not integers from 0 on."""
        error = cls(
            f"Row ids in column '{channel}' must be integers from 0 on, one a run, "
            f"but have {got}.\nHint: number the runs, e.g. ids=np.arange(n)."
        )
        error.channel = channel
        return error

    @classmethod
    def duplicate_ids(cls, channel: str, rows: Sequence[int]) -> BatchInputError:
        """Build the error of row ids that occur more than once; `rows` hold a repetition."""
        error = cls(
            f"Row ids in column '{channel}' must be unique, but rows "
            f"{first_few(rows)} repeat an earlier id.\n"
            "Hint: drop the duplicates, or number the rows."
        )
        error.channel, error.rows = channel, tuple(rows)
        return error

    @classmethod
    def one_thread(cls, thread: str, rows: tuple[int, ...]) -> BatchInputError:
        """Build the error of several runs that would write to one thread."""
        error = cls(
            f"Runs {', '.join(map(str, rows))} have the same thread {thread!r}: each run of a batch "
            "needs a thread of its own.\nHint: make the names in `threads` unique, or leave it out."
        )
        error.rows = rows
        return error

    @classmethod
    def missing(cls, columns: Sequence[str], available: Sequence[str]) -> BatchInputError:
        """Build the error of a table without the columns that the graph's input needs."""
        names = ", ".join(repr(name) for name in columns)
        error = cls(
            f"The table lacks the column(s) {names}; it has {first_few(available)}.\n"
            "Hint: add the column(s), or make the key(s) NotRequired in the input schema."
        )
        error.channel = columns[0]
        return error


class InPlaceChangeError(RuntimeError):
    """A node changed its input in place and did not return the change; see ``compile(debug=)``.

    Attributes
    ----------
    node : str
    keys : tuple of str
    """

    node: str = ""
    keys: tuple[str, ...] = ()

    @classmethod
    def of(cls, node: str, keys: Sequence[str]) -> InPlaceChangeError:
        """Build the error of a node that changed the values of `keys`."""
        shown = ", ".join(map(repr, keys))
        error = cls(
            f"Node {node!r} changed {shown} of its input in place and did not return it. What becomes "
            "of such a change is undefined.\nHint: return the new value, "
            f"e.g. {{{keys[0]!r}: [*state[{keys[0]!r}], item]}}."
        )
        error.node, error.keys = node, tuple(keys)
        return error


class VectorNodeError(BatchError, InvalidUpdateError):
    """A vector node or router returned what does not fit the rows that it was given."""

    @classmethod
    def length(cls, node: str, channel: str, got: int, expected: int) -> VectorNodeError:
        """Build the error of an array with the wrong number of rows."""
        error = cls(
            f"Vector node '{node}' returned {got} values for '{channel}', "
            f"but ran on {expected} rows.\n"
            "Hint: return one value a row or a scalar, or vg.Updates(where, {...}) for some rows."
        )
        error.node, error.channel = node, channel
        return error

    @classmethod
    def each(cls, node: str, got: Any) -> VectorNodeError:
        """Build the error of a number of packets that is none."""
        return cls(
            f"Vector node '{node}' returned Sends with each={got!r}.\n"
            "Hint: it is how many packets every row sends, an int from 0 on."
        )

    @classmethod
    def turns(
        cls, node: str, name: str, got: tuple[int, ...], expected: tuple[int, int]
    ) -> VectorNodeError:
        """Build the error of packets that are too few or too many for their rows."""
        return cls(
            f"Vector node '{node}' returned Sends whose {name!r} has the shape {got}, for "
            f"{expected[0]} packets of each of {expected[1]} rows.\n"
            f"Hint: return an array of shape {expected}, or one of {expected[1]} that is repeated."
        )

    @classmethod
    def unfit(cls, node: str, result: Any) -> VectorNodeError:
        """Build the error of a returned object that vector nodes do not return."""
        error = cls(
            f"Vector node '{node}' returned {type(result).__name__}.\n"
            "Hint: return a dict of arrays, vg.Updates, vg.Goto, vg.Sends, or a list of those."
        )
        error.node, error.value = node, result
        return error

    @classmethod
    def positions(cls, node: str, got: Any, m: int) -> VectorNodeError:
        """Build the error of a `where` that names no rows of the batch."""
        error = cls(
            f"Vector node '{node}' returned positions ({got}) that are not integers from 0 "
            f"to {m - 1}.\nHint: `where` counts rows of the batch, not of the whole table."
        )
        error.node = node
        return error

    @classmethod
    def unknown_channel(cls, node: str, channel: str, known: Collection[str]) -> VectorNodeError:
        """Build the error of a returned name that is no channel of the graph."""
        error = cls(
            f"Vector node '{node}' returned the unknown channel '{channel}'; "
            f"the graph has {first_few(list(known))}.\n"
            "Hint: add the key to the state schema, or leave it out."
        )
        error.node, error.channel = node, channel
        return error

    @classmethod
    def unknown_node(cls, node: str, goal: Any, known: Collection[str]) -> VectorNodeError:
        """Build the error of a `Goto` or `Sends` to a node that the graph does not have."""
        error = cls(
            f"Vector node '{node}' goes to the unknown node {goal!r}; "
            f"the graph has {first_few(list(known))}.\n"
            "Hint: add the node to the graph, or go to one that is there."
        )
        error.node, error.value = node, goal
        return error

    @classmethod
    def unknown_label(cls, node: str, label: Any, known: Collection[Any]) -> VectorNodeError:
        """Build the error of a router's label or code that is not in its path map."""
        error = cls(
            f"Router '{node}' returned {label!r}, which its path map lacks; "
            f"it has {first_few(list(known))}.\n"
            "Hint: add the label to the path map, or return one that is there."
        )
        error.node, error.value = node, label
        return error


class WorkerError(BatchError, RuntimeError):
    """A batch cannot be run by other processes, or one of them has ended."""

    @classmethod
    def died(cls, code: int) -> WorkerError:
        """Build the error of a process that ended with `code`."""
        how = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
        return cls(
            f"A worker process ended {how} while it ran a part of the batch.\n"
            "Hint: it may have run out of memory, or a node may have ended it; "
            "run the batch with workers=1 to see."
        )

    @classmethod
    def unsendable(cls, error: BaseException) -> WorkerError:
        """Build the error of a graph that cannot be sent to another process."""
        return cls(
            "A function of the graph, its context or its config cannot be sent to a worker "
            f"process: {error}\n"
            "Hint: install cloudpickle (pip install 'vecgraph[workers]') for lambdas, closures "
            "and functions of a script; keep locks, files and connections out of closures; or "
            "run the batch with workers=1."
        )


class UnsupportedError(NotImplementedError):
    """A feature of LangGraph's that vecgraph does not have yet; refused rather than left out."""

    @classmethod
    def feature(cls, what: str) -> UnsupportedError:
        """Build the error of a parameter."""
        return cls(
            f"vecgraph does not run {what} yet.\n"
            "Hint: leave it out, or run this graph with LangGraph."
        )

    @classmethod
    def stream_mode(cls, mode: Any, known: Sequence[str]) -> UnsupportedError:
        """Build the error of a stream mode."""
        return cls(f"vecgraph does not stream {mode!r} yet; it has {', '.join(known)}.")
