"""Columns as tables of the libraries that people use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from vecgraph.columns import Column, objects
from vecgraph.constants import MISSING
from vecgraph.result import arrow_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["As", "table_of"]

As = Literal["pandas", "polars", "arrow"]
"""Of which library a table is."""


def table_of(columns: Mapping[str, Column], as_: As) -> Any:
    """Return columns of one length as a table.

    Raises
    ------
    ImportError
        The library is not installed.
    ValueError
        `as_` is none that there is.
    """
    if as_ == "arrow":
        return _arrow(columns)
    if as_ == "pandas":
        return _pandas(columns)
    if as_ == "polars":
        try:
            import polars as pl
        except ImportError as error:
            raise ImportError("this needs polars: pip install 'vecgraph[polars]'") from error
        return pl.from_arrow(_arrow(columns))
    raise ValueError(f"as_ is 'pandas', 'polars' or 'arrow', not {as_!r}")


def _arrow(columns: Mapping[str, Column]) -> pa.Table:
    arrays, fields = [], []
    for name, column in columns.items():
        array, metadata = _array(column)
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata=metadata))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _array(column: Column) -> tuple[Any, dict[str, str] | None]:
    values: Any = column.values
    if isinstance(values, pa.Array):
        if column.present is not None:
            values = values.filter(pa.array(column.present)).take(_slots(column))
        return values, None
    texts = _texts(column)
    return arrow_of(column) if texts is None else (texts, None)


def _slots(column: Column) -> pa.Array[Any]:
    """Return the place of each present value among those, null where it is absent."""
    present = column.mask()
    slots: pa.Array[Any] = pa.array(np.cumsum(present) - 1, mask=~present)
    return slots


def _texts(column: Column) -> pa.Array[Any] | None:
    """Return a column as texts if it holds nothing else."""
    if column.kind != "object":
        return None
    cells = _cells(column)
    if not set(map(type, cells)) <= {str, type(None)}:
        return None
    try:
        return pa.array(cells, pa.large_string())
    except UnicodeEncodeError:
        return None


def _cells(column: Column) -> list[Any]:
    return [None if cell is MISSING else cell for cell in column.tolist()]


def _pandas(columns: Mapping[str, Column]) -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("this needs pandas: pip install 'vecgraph[pandas]'") from error
    made = {name: _series(pd, column) for name, column in columns.items()}
    return pd.DataFrame(made, copy=False)


def _series(pd: Any, column: Column) -> Any:
    """Return a column for pandas: NumPy's numbers where all are present, else nullable ones."""
    if column.kind in {"bool", "int", "float"}:
        values = column.as_numpy()
        if column.is_full:
            return values
        arrays = pd.arrays
        kind = {"bool": arrays.BooleanArray, "int": arrays.IntegerArray}
        return kind.get(column.kind, arrays.FloatingArray)(values, ~column.mask())
    array = _array(column)[0] if column.kind == "arrow" else _texts(column)
    if array is not None:
        return pa.table({"x": array}).to_pandas()["x"]
    return objects(_cells(column))
