"""From what a user passes to `batch` to the engine's Inputs: tables, frames, arrays, dicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vecgraph.columns import Column, objects
from vecgraph.constants import MISSING
from vecgraph.errors import BatchInputError
from vecgraph.state import Inputs

if TYPE_CHECKING:
    from vecgraph.channels.base import Channel
    from vecgraph.typing import Rows

__all__ = ["ids_of", "inputs_of", "is_columnar"]


def is_columnar(inputs: Any) -> bool:
    """Return whether `inputs` is a table of any kind, and not a list of runs' inputs."""
    if isinstance(inputs, Mapping | pa.Table | pa.RecordBatch | pa.RecordBatchReader):
        return True
    return _is_frame(inputs) or isinstance(inputs, Iterator)


def _is_frame(value: Any) -> bool:
    return (hasattr(value, "columns") and hasattr(value, "__dataframe__")) or hasattr(
        value, "__arrow_c_stream__"
    )


def inputs_of(
    inputs: Any, channels: Mapping[str, Channel], names: Sequence[str], required: Sequence[str] = ()
) -> Inputs:
    """Return a table's rows as Inputs.

    Parameters
    ----------
    inputs : Arrow table, data frame, mapping of arrays, record batches, or sequence of dicts
    channels : mapping of str to Channel
    names : sequence of str
        Channels of the input schema; other columns are dropped.
    required : sequence of str
        Columns that must be there.

    Raises
    ------
    BatchInputError
        Columns differ in length, one cannot be converted, or a required one is missing.
    """
    columns = dict(_columns(inputs, channels))
    missing = [name for name in required if name not in columns]
    if missing:
        raise BatchInputError.missing(missing, list(columns))
    lengths = {name: len(column) for name, column in columns.items()}
    m = next(iter(lengths.values()), 0)
    for name, length in lengths.items():
        if length != m:
            raise BatchInputError.length(name, length, m)
    known = {name: columns[name] for name in names if name in columns}
    if columns and not known and names:
        raise BatchInputError.missing(list(names), list(columns))
    return Inputs(m, tuple(known), known.get)


def _columns(inputs: Any, channels: Mapping[str, Channel]) -> Iterator[tuple[str, Column]]:
    if isinstance(inputs, Mapping):
        for name, values in inputs.items():
            yield name, _of_values(name, values, channels.get(name))
        return
    if _is_pandas(inputs):
        for name in inputs.columns:
            yield str(name), _of_series(str(name), inputs[name], channels.get(name))
        return
    if isinstance(inputs, Sequence):
        yield from _of_dicts(inputs)
        return
    table = _as_table(inputs)
    for name in table.column_names:
        yield name, _of_arrow(name, table.column(name), channels.get(name))


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "pandas" and hasattr(value, "iloc")


def _as_table(inputs: Any) -> pa.Table:
    if isinstance(inputs, pa.Table):
        return inputs
    if isinstance(inputs, pa.RecordBatch):
        return pa.Table.from_batches([inputs])
    if isinstance(inputs, pa.RecordBatchReader):
        return inputs.read_all()
    if hasattr(inputs, "__arrow_c_stream__"):
        return pa.table(inputs)
    if isinstance(inputs, Iterable):
        batches = [pa.table(b) if isinstance(b, Mapping) else _as_table(b) for b in inputs]
        return pa.concat_tables(batches) if batches else pa.table({})
    raise BatchInputError.not_a_table(inputs)


def _of_dicts(rows: Sequence[Any]) -> Iterator[tuple[str, Column]]:
    names = dict.fromkeys(name for row in rows for name in row)
    for name in names:
        yield name, Column.of_cells([row.get(name, MISSING) for row in rows])


def _of_values(name: str, values: Any, channel: Channel | None) -> Column:
    if isinstance(values, Column):
        return values
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return _of_arrow(name, values, channel)
    if hasattr(values, "iloc"):
        return _of_series(name, values, channel)
    if hasattr(values, "to_arrow"):
        return _of_arrow(name, values.to_arrow(), channel)
    if isinstance(values, np.ndarray):
        if values.ndim == 0:
            raise BatchInputError.dtype(name, "one value", "an array with a value a run")
        return _declared(name, Column.of_array(values), channel)
    if isinstance(values, list | tuple | range):
        return _declared(name, Column.of(list(values)), channel)
    raise BatchInputError.dtype(name, type(values).__name__, "an array or a list")


def _of_series(name: str, series: Any, channel: Channel | None) -> Column:
    if isinstance(series.dtype, np.dtype):
        values = series.to_numpy()
        if values.dtype.kind in "mM":
            values = objects(series.tolist())
        return _declared(name, Column.of_array(values), channel)
    return _of_arrow(name, pa.array(series, from_pandas=True), channel)


def _of_arrow(name: str, values: Any, channel: Channel | None) -> Column:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    wanted = getattr(channel, "arrow_type", None)
    if wanted is not None:
        return _declared(name, Column(values), channel)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if plain and not values.null_count:
        return Column.of_array(values.to_numpy(zero_copy_only=False))
    return Column.of(values.to_pylist())


def _declared(name: str, column: Column, channel: Channel | None) -> Column:
    """Convert a column to the Arrow type that its channel declares."""
    wanted = getattr(channel, "arrow_type", None)
    if wanted is None:
        return column
    try:
        if isinstance(column.values, pa.Array):
            return Column(column.values.cast(wanted))
        return Column(pa.array(column.tolist(), type=wanted))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        found = getattr(column.values, "type", column.kind)
        raise BatchInputError.dtype(name, found, wanted) from error


def ids_of(ids: Any, inputs: Any, m: int) -> Rows:
    """Return the number of each run.

    Parameters
    ----------
    ids : None, sequence of int, or str
        None: 0 to M - 1. A string names a column of `inputs`.

    Raises
    ------
    BatchInputError
        A wrong number of ids, ids that are not integers from 0 on, or duplicates.
    """
    if ids is None:
        return np.arange(m, dtype=np.int64)
    name = ids if isinstance(ids, str) else "ids"
    if isinstance(ids, str):
        columns = dict(_columns(inputs, {}))
        if ids not in columns:
            raise BatchInputError.missing([ids], list(columns))
        ids = columns[ids].as_numpy()
    numbers = np.asarray(ids)
    if len(numbers) != m:
        raise BatchInputError.length(name, len(numbers), m)
    if numbers.size and (numbers.dtype.kind not in "iu" or int(numbers.min()) < 0):
        raise BatchInputError.dtype(name, numbers.dtype, "integers from 0 on")
    numbers = numbers.astype(np.int64, copy=False)
    order = np.argsort(numbers, kind="stable")
    again = np.flatnonzero(numbers[order][1:] == numbers[order][:-1]) + 1
    if len(again):
        raise BatchInputError.duplicate_ids(name, numbers[order][again].tolist())
    return numbers
