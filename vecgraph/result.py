"""What a batch gives back: a table of results, a status a row, and the errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vecgraph.columns import Column, objects
from vecgraph.constants import MISSING
from vecgraph.engine.records import STATUSES, Results, RowError
from vecgraph.footprint import footprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from vecgraph.types import Interrupt

__all__ = ["BatchResult"]


class BatchResult:
    """Results of N runs, in the order of their inputs.

    A run that failed has a row like any other: the values it had before the superstep
    that failed, its status, and an entry in `errors`.

    Attributes
    ----------
    errors : list of RowError
        ``row``, ``node``, ``step``, ``exception`` of each run that did not end well.
    interrupts : dict of int to tuple of Interrupt
        Questions of each run that waits for an answer, by its number; empty at a breakpoint.
    stats : dict of str to object
        ``runs``, ``supersteps``, ``run_steps``, ``seconds``, and ``path``: how it ran.
    app : App
        What ran.
    """

    def __init__(
        self,
        results: Results,
        stats: Mapping[str, Any],
        app: Any = None,
        observer: Any = None,
        threads: Any = None,
    ) -> None:
        self._results = results
        self.app, self._observer = app, observer
        self._threads = threads
        self._table: pa.Table | None = None
        self.errors: list[RowError] = results.errors
        self.interrupts: dict[int, tuple[Interrupt, ...]] = results.interrupts
        self.stats = dict(stats)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        words, counts = np.unique(self.status, return_counts=True)
        parts = [f"{n} {word}" for word, n in zip(words.tolist(), counts.tolist(), strict=True)]
        return f"BatchResult({len(self)} runs: {', '.join(parts) or 'none'})"

    @property
    def status(self) -> npt.NDArray[np.str_]:
        """What became of each run: ``done``, ``error``, ``recursion``, ...; shape (N,)."""
        return np.array(STATUSES)[self._results.status]

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """Supersteps that each run took, its input's not counted; shape (N,)."""
        return self._results.steps

    def memory(self) -> dict[str, int]:
        """Return the bytes that each column of the result keeps in memory.

        Measured from the buffers. Python objects count with all that is in their lists and
        dicts; an object that several runs share counts once in each column.
        """
        columns = self._results.columns.items()
        return {name: footprint(column.values, column.present) for name, column in columns}

    @property
    def threads(self) -> list[str] | None:
        """Id of each run's thread; None: the graph has no checkpointer."""
        if self._threads is None:
            return None
        return [self._threads.name(at) for at in range(len(self))]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the output channels."""
        return tuple(self._results.columns)

    def values(self, name: str) -> Any:
        """Return an output channel as an array of N values, exact in type.

        Raises
        ------
        KeyError
            The graph has no such output.
        """
        return self._column(name).values

    def present(self, name: str) -> npt.NDArray[np.bool_]:
        """Return which runs have a value for `name`: None is one, never written is not."""
        return self._column(name).mask().copy()

    def _column(self, name: str) -> Column:
        if name not in self._results.columns:
            raise KeyError(f"no output {name!r}; the outputs are {', '.join(self.columns)}")
        return self._results.columns[name]

    @property
    def table(self) -> pa.Table:
        """The outputs as an Arrow table; absent values and None are null.

        A column whose values no Arrow type holds is text (``repr``), and says so in the
        metadata of its field; `to_pandas` and `to_list` keep the objects.
        """
        if self._table is None:
            arrays, fields = [], []
            for name, column in self._results.columns.items():
                array, metadata = arrow_of(column)
                arrays.append(array)
                fields.append(pa.field(name, array.type, metadata=metadata))
            self._table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
        return self._table

    def to_pandas(self) -> pd.DataFrame:
        """Return the outputs as a data frame: numbers as NumPy, everything else as objects.

        Raises
        ------
        ImportError
            pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas: pip install 'vecgraph[pandas]'") from error
        frame = {name: _series(column) for name, column in self._results.columns.items()}
        return pd.DataFrame(frame)

    def to_list(self) -> list[Any]:
        """Return each run's result as `invoke` would; of a failed run, its exception."""
        outputs = self._results.outputs()
        place = {e.row: e.exception for e in self.errors}
        if place:
            ids = self._results.ids.tolist()
            outputs = [place.get(row, out) for row, out in zip(ids, outputs, strict=True)]
        return outputs

    def get_graph(self, *, xray: int | bool = False) -> Any:
        """Return the app's graph with the errors of this batch on its nodes.

        Of a batch whose observer was a `vecgraph.drawing.Traffic`, edges say how many runs took
        them, and nodes how many runs and how long.
        """
        traffic = self._observer if hasattr(self._observer, "taken") else None
        return self.app.get_graph(xray=xray, result=self, traffic=traffic)

    def raise_first(self) -> BatchResult:
        """Raise the exception of the first run that failed; return self if none did."""
        if self.errors:
            raise self.errors[0].exception
        return self


def arrow_of(column: Column) -> tuple[pa.Array[Any], dict[str, str] | None]:
    """Return a column as an Arrow array, with metadata if its values had to become text."""
    values = column.values
    if isinstance(values, pa.Array):
        return values, None
    absent = None if column.present is None else ~column.present
    if values.ndim == 1 and values.dtype.kind in "bif":
        return pa.array(values, mask=absent), None
    if values.ndim > 1:
        return _tensor(values, absent), {"vecgraph.shape": str(values.shape[1:])}
    cells = [None if cell is MISSING else cell for cell in column.tolist()]
    try:
        return pa.array(cells, from_pandas=False), None
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        text = [None if cell is None else repr(cell) for cell in cells]
        return pa.array(text, pa.large_string()), {"vecgraph.codec": "repr"}


def _tensor(values: npt.NDArray[Any], absent: Any) -> pa.Array[Any]:
    flat = pa.array(values.reshape(-1))
    width = int(np.prod(values.shape[1:]))
    if absent is None:
        return pa.FixedSizeListArray.from_arrays(flat, width)
    return pa.FixedSizeListArray.from_arrays(flat, width, mask=pa.array(absent))


def _series(column: Column) -> Any:
    if column.present is None and column.kind in {"bool", "int", "float"}:
        return column.values
    return column_objects(column)


def column_objects(column: Column) -> npt.NDArray[Any]:
    """Return a column as an object array with None where absent."""
    return objects([None if cell is MISSING else cell for cell in column.tolist()])
