"""The values of a traced function: columns, picks from a table of constants, and structures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vecgraph.columns import Column
from vecgraph.nodes._expr_cells import vector_of
from vecgraph.nodes._expr_vector import DTYPES, ZEROS, Union, Vector, constant
from vecgraph.types import Command, Send

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from vecgraph.nodes._expr_frame import Frame

__all__ = [
    "Pick",
    "Struct",
    "Value",
    "cell_of",
    "cells_of",
    "column_of",
    "is_scalar",
    "spelled",
    "taken_value",
    "typed",
    "vector_of_value",
]


@dataclass(slots=True)
class Pick:
    """An item of a table of constants a row, by its number.

    Attributes
    ----------
    codes : int ndarray of shape (M,)
        Places in the table, from 0.
    table : tuple
    """

    codes: npt.NDArray[Any]
    table: tuple[Any, ...]


@dataclass(slots=True)
class Struct:
    """A dict, list, tuple, Command or Send a row, of the same form on all rows.

    Attributes
    ----------
    kind : {'dict', 'list', 'tuple', 'Command', 'Send'}
    keys : tuple of str
        Of a dict; of a Command and a Send the names of the arguments.
    items : tuple of Value
    """

    kind: str
    keys: tuple[Any, ...]
    items: tuple[Value, ...]


Value: TypeAlias = Vector | Pick | Struct


def is_scalar(value: Value) -> bool:
    """Return whether one Python value stands for all rows."""
    return type(value) is Vector and value.kind not in "ux" and value.scalar


def taken_value(value: Value, at: npt.NDArray[np.intp]) -> Value:
    """Return a value's rows at some positions."""
    if isinstance(value, Pick):
        return Pick(value.codes.take(at), value.table)
    if isinstance(value, Struct):
        return Struct(value.kind, value.keys, tuple(taken_value(v, at) for v in value.items))
    return value.take(at)


def vector_of_value(value: Value, n: int) -> Vector:
    """Return a value as a column of `n` rows, or a scalar of one of the plain kinds."""
    if isinstance(value, Vector):
        if value.kind == "o" and value.scalar:
            return Vector("o", _objects([value.values] * n), own=True)
        return value
    if isinstance(value, Struct):
        return Vector("o", _objects(cells_of(value, n)), own=True)
    return _table_of(value.table).take(value.codes)


def spelled(value: Value, n: int) -> Vector:
    """Return a value as a column of `n` rows, also if it is the same on all rows."""
    vector = vector_of_value(value, n)
    if not is_scalar(vector):
        return vector
    return Vector("o", _objects([vector.values] * n), own=True)


def _table_of(table: tuple[Any, ...]) -> Vector:
    """Return constants as a column, of one type or a union of those that it can hold."""
    kinds = [constant(item).kind for item in table]
    if "o" in kinds:
        return Vector("o", _objects(table))
    arrays = {
        kind: np.fromiter(
            (item if k == kind else ZEROS[kind] for item, k in zip(table, kinds, strict=True)),
            DTYPES[kind],
            len(table),
        )
        for kind in dict.fromkeys(kinds)
    }
    if len(arrays) == 1 and kinds[0] != "n":
        return Vector(kinds[0], arrays[kinds[0]])
    return Vector("u", Union(np.array([ord(kind) for kind in kinds], np.uint8), arrays))


def _objects(cells: Sequence[Any]) -> npt.NDArray[Any]:
    return np.fromiter(cells, np.dtype(object), len(cells))


def typed(cells: list[Any], frame: Frame) -> Vector:
    """Return Python values as a column of their type; cells that it does not stand for, suspect."""
    vector, strange = vector_of(Column.of(cells).as_numpy())
    if strange.size:
        mask = np.zeros(frame.n, np.bool_)
        mask[strange] = True
        frame.mark(mask)
    vector.own = False
    return vector


def column_of(value: Value, n: int) -> Column:
    """Return a value as a column of `n` present rows, each of its exact Python type."""
    # A scalar of a rare type stays one: spelled out, its rows would be asked for their types.
    vector = value if isinstance(value, Vector) and is_scalar(value) else vector_of_value(value, n)
    if is_scalar(vector):
        return Column.full(n, vector.values)
    if isinstance(vector.values, Union):
        return Column(vector.values.boxed())
    return Column(vector.values)


def cells_of(value: Value, n: int) -> list[Any]:
    """Return a value's `n` rows as Python objects, a structure a new one each."""
    if isinstance(value, Struct):
        parts = [cells_of(item, n) for item in value.items]
        rows = zip(*parts, strict=True) if parts else repeat((), n)
        make = _maker(value.kind, value.keys)
        return [make(row) for row in rows]
    if isinstance(value, Pick):
        return [value.table[code] for code in value.codes.tolist()]
    if is_scalar(value):
        return [value.values] * n
    if isinstance(value.values, Union):
        cells: list[Any] = value.values.boxed().tolist()
        return cells
    return list(value.values.to_pylist() if value.kind == "t" else value.values.tolist())


def cell_of(value: Value, at: int) -> Any:
    """Return one row of a value as a Python object."""
    return cells_of(taken_value(value, np.array([at])), 1)[0]


def _maker(kind: str, keys: tuple[Any, ...]) -> Callable[[tuple[Any, ...]], Any]:
    if kind == "dict":
        return lambda row: dict(zip(keys, row, strict=True))
    if kind == "list":
        return list
    if kind == "tuple":
        return tuple
    if kind == "Send":
        return lambda row: Send(*row)
    return lambda row: Command(**dict(zip(keys, row, strict=True)))
