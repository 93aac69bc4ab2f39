"""A program's whole runs as one compiled loop: where that may be, and what goes the ordinary way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vecgraph.channels import LastValue
from vecgraph.columns import Column
from vecgraph.constants import MISSING, START
from vecgraph.engine.records import Results
from vecgraph.engine.threaded import Parts
from vecgraph.jit.build import compiled, require_numba
from vecgraph.jit.kernel import OTHER, Graph
from vecgraph.tracing.compare import is_same
from vecgraph.tracing.source import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.engine.batch import Call
    from vecgraph.engine.records import Progress
    from vecgraph.engine.traced import Tracing
    from vecgraph.jit.kernel import Kernel
    from vecgraph.program import Program
    from vecgraph.state import Inputs
    from vecgraph.typing import Mask, Rows, Values

__all__ = ["Jitted"]

_DTYPES: Final = {"b": np.dtype(bool), "i": np.dtype(np.int64), "f": np.dtype(np.float64)}
_PART: Final = 1 << 16
"""Runs of one call of a loop, which nothing can interrupt."""
_FIRST: Final = 24
_LATER: Final = 3
_PATIENCE: Final = 3

_Loop = tuple["Kernel", "Callable[..., None]"]


class Jitted:
    """Runs batches by compiled loops.

    Rows that a loop gives up (an int beyond 64 bits, a division by zero, the recursion limit) go
    the ordinary way, and some rows of each batch go both ways.

    Parameters
    ----------
    program : Program
    tracing : Tracing
        Knows which functions are pure.

    Attributes
    ----------
    refused : str or None
        Why no batch is run by a loop.

    Raises
    ------
    ImportError
        Numba is not installed.
    """

    def __init__(self, program: Program, tracing: Tracing) -> None:
        require_numba()
        self._program = program
        self._tracing = tracing
        self.refused: str | None = None
        self._begin()

    def _begin(self) -> None:
        self._loops: dict[tuple[tuple[str, str], ...], _Loop | str] = {}
        self._seen: set[Any] = set()
        self._wasted = 0
        self._graph: Graph | None = None
        try:
            self._tracing.must_all_be_pure()
            self._graph = Graph(self._program)
        except Refused as refused:
            self.refused = str(refused)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the loops behind: a process compiles its own."""
        return {"_program": self._program, "_tracing": self._tracing, "refused": self.refused}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start anew."""
        self.__dict__.update(state)
        self._begin()

    def run(self, call: Call, inputs: Inputs, progress: Progress | None) -> Results | None:
        """Run a batch; None: it is to go the ordinary way, as a whole."""
        if self.refused is not None or self._wasted >= _PATIENCE or _is_watched(call):
            return None
        columns = _columns(self._program, inputs)
        if columns is None:
            return None
        if self._graph is not None and not self._graph.holds():
            self._begin()
        loop = self._loop(columns)
        if loop is None:
            return None
        try:
            done, failed = self._done(loop, columns, call, inputs.m)
        except Exception as error:  # noqa: BLE001 - Numba's, which compiles at the first call
            self.refused = f"Numba: {type(error).__name__}: {error}"
            return None
        if done is None:
            return None
        at = np.flatnonzero(failed)
        self._wasted = self._wasted + 1 if 2 * len(at) > inputs.m else 0
        if not self._is_sound(call, inputs, done, failed):
            return None
        return _whole(call, inputs, done, failed, at, progress)

    def _loop(self, columns: dict[str, Column]) -> _Loop | None:
        """Return the loop for columns of their types, None if there is none."""
        key = tuple((name, _kind(column) or OTHER) for name, column in columns.items())
        found = self._loops.get(key)
        if found is None:
            try:
                assert self._graph is not None
                kernel = self._graph.kernel(dict(key))
                found = kernel, compiled(kernel.source)
            except Refused as refused:
                found = str(refused)
            except Exception as error:  # noqa: BLE001 - Numba's, never a run's
                found = f"Numba: {type(error).__name__}: {error}"
            self._loops[key] = found
        return None if isinstance(found, str) else found

    def why_not(self) -> str | None:
        """Return why the last batches were not run by a loop, None if they were."""
        if self.refused is not None:
            return self.refused
        reasons = [found for found in self._loops.values() if isinstance(found, str)]
        return reasons[-1] if reasons else None

    def _done(
        self, loop: _Loop, columns: dict[str, Column], call: Call, m: int
    ) -> tuple[Results | None, Mask]:
        """Run the loop; return the results and which runs were given up."""
        kernel, run = loop
        taken = [np.ascontiguousarray(columns[name].values) for name in kernel.inputs]
        made: list[Values] = [np.empty(m, _DTYPES[kind]) for kind in kernel.written.values()]
        flags: list[Values] = [np.empty(m, np.bool_) for _ in kernel.flagged]
        steps, failed = np.empty(m, np.int64), np.empty(m, np.bool_)
        arrays = [steps, failed, *taken, *made, *flags]
        for begin in range(0, m, _PART):
            run(call.shared.limit, *(array[begin : begin + _PART] for array in arrays))
        present = dict(zip(kernel.flagged, flags, strict=True))
        written = {
            name: Column(values, _present(present.get(name)))
            for name, values in zip(kernel.written, made, strict=True)
        }
        steps[failed] = 0
        return self._results(written, columns, steps, call), failed

    def _results(
        self, written: dict[str, Column], columns: dict[str, Column], steps: Rows, call: Call
    ) -> Results | None:
        """Return the results of all runs, None if only the ordinary way knows some output."""
        m = len(steps)
        outputs: dict[str, Column] = {}
        for name in self._program.outputs:
            column = self._output(name, written, columns, m)
            if column is None:
                return None
            outputs[name] = column
        if all(column.present is not None for column in outputs.values()):
            return None  # what a run without any output gives is not said here
        return Results(
            outputs,
            np.ones(m, np.bool_),
            np.zeros(m, np.int8),
            steps,
            call.ids,
            supersteps=int(steps.max(initial=0)),
            run_steps=int(steps.sum()),
        )

    def _output(
        self, name: str, written: dict[str, Column], columns: dict[str, Column], m: int
    ) -> Column | None:
        """Return the column of a channel at the end, None if only the ordinary way knows it."""
        if name in written:
            return written[name]
        rule: Any = self._program.channels[name]
        if type(rule) is LastValue:
            return columns.get(name) or Column.absent(m)
        start = rule.initial()
        if name in columns or start is MISSING or type(start) not in {bool, int, float}:
            return None
        return Column.full(m, start)

    def _is_sound(self, call: Call, inputs: Inputs, done: Results, failed: Mask) -> bool:
        """Run some rows the ordinary way too; a difference ends the use of loops."""
        key = tuple((name, _kind(column)) for name, column in done.columns.items())
        most = _LATER if key in self._seen else _FIRST
        self._seen.add(key)
        good = np.flatnonzero(~failed)
        if not len(good):
            return True
        step = max(len(good) // most, 1) | 1
        at = good[::step][:most]
        expected = call.singly(inputs.take(at), at, None)
        found = _taken(done, at)
        same = expected.steps.tolist() == found.steps.tolist() and not expected.errors
        for row, (one, other) in enumerate(zip(found.outputs(), expected.outputs(), strict=True)):
            if not same or not is_same(one, other):
                self.refused = f"run {int(at[row])} gave {one!r} in the loop and {other!r} alone"
                return False
        return True


def _is_watched(call: Call) -> bool:
    """Return whether somebody looks at, or can stop, runs while they are on their way."""
    shared = call.shared
    around = (shared.write, shared.sink, shared.parent, shared.control, shared.mail)
    return call.observer is not None or any(one is not None for one in around)


def _columns(program: Program, inputs: Inputs) -> dict[str, Column] | None:
    """Return the columns of a batch's inputs, None if they are not the same in all rows."""
    if inputs.mapper is not None or inputs.bare:
        return None
    if inputs.is_objects and any(type(row) is not dict for row in inputs.rows()):
        return None
    writer: Any = program.nodes[START].writer
    columns = {}
    for name in writer.keys:
        if not inputs.is_objects and name not in inputs.names:
            continue
        column = inputs.column(name)
        if column is None:
            continue
        if column.present is not None and not column.present.all():
            return None
        kind = _kind(column)
        rule: Any = program.channels[name]
        if kind is None and type(rule) is not LastValue:
            return None
        columns[name] = column
    return columns


def _kind(column: Column) -> str | None:
    """Return the kind of numbers that a column holds, None for anything else."""
    values = column.values
    if type(values) is not np.ndarray or values.ndim != 1:
        return None
    return next((kind for kind, dtype in _DTYPES.items() if values.dtype == dtype), None)


def _present(flags: Mask | None) -> Mask | None:
    return None if flags is None or flags.all() else flags


def _taken(done: Results, at: Values) -> Results:
    return Results(
        {name: column.take(at) for name, column in done.columns.items()},
        done.emitted[at],
        done.status[at],
        done.steps[at],
        done.ids[at],
    )


def _whole(
    call: Call,
    inputs: Inputs,
    done: Results,
    failed: Mask,
    at: Values,
    progress: Progress | None,
) -> Results:
    """Return the results of all, after the ordinary way for those that were given up."""
    if not len(at):
        if progress is not None:
            progress(len(done), 0, 0, done.run_steps)
        return done
    parts = Parts(progress)
    good = np.flatnonzero(~failed)
    if len(good):
        taken = _taken(done, good)
        taken.run_steps, taken.supersteps = done.run_steps, done.supersteps
        parts.add(good, lambda _shown: taken)
    parts.add(at, lambda shown: call.in_lanes(inputs.take(at), at, shown))
    return parts.results()
