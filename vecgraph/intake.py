"""From what a user passes to `batch` to the engine's Inputs: tables, frames, arrays, dicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vecgraph.columns import Column, concat
from vecgraph.constants import MISSING
from vecgraph.errors import BatchInputError
from vecgraph.state import Inputs

if TYPE_CHECKING:
    from vecgraph.channels.base import Channel
    from vecgraph.typing import Rows

__all__ = ["at_rest", "ids_of", "inputs_of", "is_columnar", "portions"]


def is_columnar(inputs: Any) -> bool:
    """Return whether `inputs` is a table of any kind, and not a list of runs' inputs."""
    if isinstance(inputs, Mapping | pa.Table | pa.RecordBatch | pa.RecordBatchReader):
        return True
    return _is_frame(inputs) or not hasattr(inputs, "__len__")


def _is_frame(value: Any) -> bool:
    return (hasattr(value, "columns") and hasattr(value, "__dataframe__")) or hasattr(
        value, "__arrow_c_stream__"
    )


def at_rest(inputs: Any, channels: Mapping[str, Channel]) -> Any:
    """Return what can be read once only as columns, anything else as it is.

    Raises
    ------
    BatchInputError
        Two of its parts have different columns.
    """
    if isinstance(inputs, pa.RecordBatchReader):
        return inputs.read_all()
    if not isinstance(inputs, Iterator):
        return inputs
    parts = [dict(_columns(part, channels)) for part in inputs]
    for part in parts:
        if part.keys() != parts[0].keys():
            raise BatchInputError.missing(sorted(part.keys() ^ parts[0].keys()), [*parts[0]])
    names = parts[0] if parts else ()
    return {name: concat([part[name] for part in parts]) for name in names}


def portions(
    inputs: Any, channels: Mapping[str, Channel], size: int
) -> Iterator[dict[str, Column]]:
    """Yield the rows of a table, or of tables that come one after the other, `size` at a time.

    Small tables are put together and large ones divided; no more of `inputs` is read than the
    next portion takes.

    Raises
    ------
    BatchInputError
        Two tables have different columns.
    """
    held: list[dict[str, Column]] = []
    names: list[str] | None = None
    missing = size
    for part in inputs if _is_many(inputs) else [inputs]:
        columns = dict(_columns(part, channels))
        names = names or list(columns)
        if columns.keys() != set(names):
            raise BatchInputError.missing(sorted(columns.keys() ^ set(names)), names)
        rows, begin = max(map(len, columns.values()), default=0), 0
        while rows - begin >= missing:
            held.append({n: c.slice(begin, begin + missing) for n, c in columns.items()})
            yield _joined(held)
            begin, missing, held = begin + missing, size, []
        if begin < rows:
            held.append({n: c.slice(begin, len(c)) for n, c in columns.items()})
            missing -= rows - begin
    if held:
        yield _joined(held)


def _is_many(inputs: Any) -> bool:
    return isinstance(inputs, Iterator | pa.RecordBatchReader)


def _joined(parts: list[dict[str, Column]]) -> dict[str, Column]:
    return {name: concat([part[name] for part in parts]) for name in parts[0]}


def inputs_of(
    inputs: Any, channels: Mapping[str, Channel], names: Sequence[str], required: Sequence[str] = ()
) -> Inputs:
    """Return a table's rows as Inputs.

    Parameters
    ----------
    inputs : Arrow table, data frame, mapping of arrays, record batches, or sequence of inputs
        Not kept: what is done to its arrays afterwards changes nothing.
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
    inputs = at_rest(inputs, channels)
    if _is_rows(inputs):
        return Inputs(len(inputs), objects=list(inputs))
    raw = dict(_raw(inputs))
    missing = [name for name in required if name not in raw]
    if missing and raw:
        raise BatchInputError.missing(missing, list(raw))
    known = {name: _column(name, raw[name], channels.get(name)) for name in names if name in raw}
    if raw and not known and names:
        raise BatchInputError.missing(list(names), list(raw))
    m = next((len(known[name]) for name in raw if name in known), 0)
    for name, values in raw.items():
        length = len(values) if hasattr(values, "__len__") else m
        if length != m:
            raise BatchInputError.length(name, length, m)
    return Inputs(m, tuple(known), known.get)


def _is_rows(inputs: Any) -> bool:
    return isinstance(inputs, Sequence) and not isinstance(inputs, str | bytes)


def _columns(inputs: Any, channels: Mapping[str, Channel]) -> Iterator[tuple[str, Column]]:
    for name, values in _raw(inputs):
        yield name, _column(name, values, channels.get(name))


def _raw(inputs: Any) -> Iterator[tuple[str, Any]]:
    """Yield the columns of a table as they are."""
    if isinstance(inputs, Mapping):
        yield from inputs.items()
    elif _is_pandas(inputs):
        for name in inputs.columns:
            yield str(name), inputs[name]
    elif _is_rows(inputs):
        yield from _of_dicts(inputs)
    else:
        table = _as_table(inputs)
        yield from zip(table.column_names, table.columns, strict=True)


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "pandas" and hasattr(value, "iloc")


def _as_table(inputs: Any) -> pa.Table:
    if isinstance(inputs, pa.Table):
        return inputs
    if isinstance(inputs, pa.RecordBatch):
        return pa.Table.from_batches([inputs])
    if hasattr(inputs, "__arrow_c_stream__"):
        return pa.table(inputs)
    raise BatchInputError.not_a_table(inputs)


def _of_dicts(rows: Sequence[Any]) -> Iterator[tuple[str, Column]]:
    found = [row if isinstance(row, Mapping) else {} for row in rows]
    for name in dict.fromkeys(name for row in found for name in row):
        yield name, Column.of_cells([row.get(name, MISSING) for row in found])


def _column(name: str, values: Any, channel: Channel | None) -> Column:
    if isinstance(values, Column):
        return values
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return _of_arrow(name, values, channel)
    if hasattr(values, "iloc"):
        return _of_series(name, values, channel)
    if hasattr(values, "to_arrow"):
        return _of_arrow(name, values.to_arrow(), channel)
    if isinstance(values, np.ndarray) and values.ndim:
        return _of_array(name, values, channel)
    if isinstance(values, list | tuple | range):
        return _declared(name, Column.of(list(values)), channel)
    raise BatchInputError.not_a_column(name, values)


def _of_array(name: str, values: Any, channel: Channel | None) -> Column:
    column = Column.of_array(values)
    if isinstance(column.values, np.ndarray) and np.may_share_memory(column.values, values):
        column = Column(column.values.copy())  # the caller may write to the array again
    return _declared(name, column, channel)


def _of_series(name: str, series: Any, channel: Channel | None) -> Column:
    kind = series.dtype
    if not isinstance(kind, np.dtype) or kind.kind in "mM":
        return _of_arrow(name, pa.array(series, from_pandas=True), channel)
    if kind.kind == "O":
        series = series.where(series.notna(), None)  # NaN, NaT and NA mark what is not there
    return _of_array(name, series.to_numpy(), channel)


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
        return Column(_whole(column.tolist(), wanted))
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        OverflowError,
    ) as error:
        found = getattr(column.values, "type", column.kind)
        raise BatchInputError.dtype(name, found, wanted) from error


def _whole(values: list[Any], wanted: pa.DataType) -> pa.Array[Any]:
    """Return an Arrow array; Arrow itself would cut the fraction of a float off."""
    made: Any = pa.array(values, type=wanted)
    if pa.types.is_integer(wanted) and made.to_pylist() != values:
        raise pa.ArrowInvalid("a value is not whole")
    return made  # type: ignore[no-any-return]


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
        columns = dict(_raw(inputs))
        if ids not in columns:
            raise BatchInputError.no_ids(ids, list(columns))
        ids = _column(ids, columns[ids], None).as_numpy()
    numbers = np.asarray(ids)
    if numbers.ndim != 1:
        raise BatchInputError.bad_ids(name, f"shape {numbers.shape}")
    if len(numbers) != m:
        raise BatchInputError.length(name, len(numbers), m)
    if numbers.size and (numbers.dtype.kind not in "iu" or int(numbers.min()) < 0):
        found = "negative numbers" if numbers.dtype.kind == "i" else f"type {numbers.dtype}"
        raise BatchInputError.bad_ids(name, found)
    numbers = numbers.astype(np.int64)
    order = np.argsort(numbers, kind="stable")
    again = np.flatnonzero(numbers[order][1:] == numbers[order][:-1]) + 1
    if len(again):
        raise BatchInputError.duplicate_ids(name, numbers[order][again].tolist())
    return numbers
