"""Tables of other libraries in and out: what the conversion adds to a batch of one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from benchmarks.axis import sizes
from benchmarks.baselines import assert_equal
from benchmarks.forms import columns_of
from benchmarks.graphs import COUNTER


def _to_pandas(table: pa.Table) -> Any:
    return table.to_pandas()


def _to_polars(table: pa.Table) -> Any:
    try:
        import polars
    except ImportError as error:
        raise NotImplementedError("polars is not installed") from error
    return polars.from_arrow(table)


def _to_arrays(table: pa.Table) -> Any:
    return {name: table.column(name).to_numpy() for name in table.column_names}


IN: dict[str, Callable[[pa.Table], Any]] = {
    "arrow": lambda table: table,
    "arrays": _to_arrays,
    "pandas": _to_pandas,
    "polars": _to_polars,
    "list": lambda table: table.to_pylist(),
}
OUT: dict[str, Callable[[Any], Any]] = {
    "arrow": lambda result: result.table,
    "pandas": lambda result: result.to_pandas(),
    "polars": lambda result: _to_polars(result.table),
    "list": lambda result: result.to_list(),
}


class FramesIn:
    """A batch of one superstep whose input is a table of some library; seconds per batch."""

    params = (list(IN), sizes(1_000, 100_000))
    param_names = ("kind", "n_runs")
    version = "1"

    def setup(self, kind: str, n_runs: int) -> None:
        """Make the input, and what one step makes of it."""
        self.app = COUNTER.build(vector=True)
        columns = COUNTER.columns(n_runs, n_steps=1)
        self.input = IN[kind](pa.table(columns))
        self.expected = COUNTER.vector_nodes["step"](columns)

    def time_batch(self, kind: str, n_runs: int) -> None:
        """Run it, to a BatchResult."""
        assert_equal(columns_of(self.app.batch(self.input, columns=True)), self.expected)


class FramesOut:
    """A BatchResult as a table of some library; seconds per table."""

    params = (list(OUT), sizes(1_000, 100_000))
    param_names = ("kind", "n_runs")
    version = "1"
    number = 1
    """A result keeps the tables that it has made, so each is converted once."""

    def setup(self, kind: str, n_runs: int) -> None:
        """Run a batch."""
        OUT[kind](COUNTER.build(vector=True).batch(COUNTER.table(2)))
        self.result = COUNTER.build(vector=True).batch(COUNTER.table(n_runs))

    def time_convert(self, kind: str, n_runs: int) -> None:
        """Convert it."""
        assert len(OUT[kind](self.result)) == n_runs
