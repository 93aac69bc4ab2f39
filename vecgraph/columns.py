"""A column: N values and a presence mask; the only file that branches on the kind of array.

A column follows its data. What comes out as a Python value is the value that went in, of
the same type: ``bool``, ``int`` (int64 while it fits, Python ints beyond), ``float``
(float64, NaN and -0.0 kept), a fixed-shape tensor a row, an Arrow type where the schema
declares one, and Python objects for everything else. A value that does not fit turns the
column into objects; nothing is cast, wrapped or rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vecgraph.constants import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vecgraph.typing import Mask, Values, Where

__all__ = ["Column", "concat", "taken"]

Array: TypeAlias = "Values | pa.Array[Any]"

_SCALARS: dict[type, np.dtype[Any]] = {
    bool: np.dtype(np.bool_),
    int: np.dtype(np.int64),
    float: np.dtype(np.float64),
}
_OBJECT = np.dtype(object)
_NOTHING = np.array(None, _OBJECT)
_NO = np.array(False)
_EXACT = frozenset([*_SCALARS.values(), _OBJECT])


@dataclass(slots=True, eq=False)
class Column:
    """N values and which of them are present.

    Never changed once it is made. (It is not a frozen dataclass because supersteps make
    many, and freezing makes that dearer.)

    Attributes
    ----------
    values : ndarray of shape (N, ...), or pyarrow Array of length N
        What stands at an absent position is unspecified.
    present : bool ndarray of shape (N,), or None
        None: all are present. An absent value was never written; None is a value.
    """

    values: Array
    present: Mask | None = None

    @classmethod
    def of(cls, values: Sequence[Any]) -> Column:
        """Build a column of present values, exact to the type of each.

        Examples
        --------
        >>> Column.of([1, 2]).kind, Column.of([1, 2.0]).kind, Column.of([2**70]).kind
        ('int', 'object', 'object')
        """
        return cls(_typed(values))

    @classmethod
    def of_cells(cls, cells: Sequence[Any]) -> Column:
        """Build a column from values in which `MISSING` marks absence."""
        if type(MISSING) not in set(map(type, cells)):
            return cls.of(cells)
        present = np.fromiter((cell is not MISSING for cell in cells), np.bool_, len(cells))
        if not present.any():
            return cls.absent(len(cells))
        known = _typed([cell for cell in cells if cell is not MISSING])
        values = _blank(len(cells), known)
        values[present] = known
        return cls(values, present)

    @classmethod
    def absent(cls, n: int) -> Column:
        """Return a column of `n` rows of which none is present; it takes no memory."""
        return cls(np.broadcast_to(_NOTHING, n), np.broadcast_to(_NO, n))

    @classmethod
    def full(cls, n: int, value: Any) -> Column:
        """Return a column with the same value in all `n` rows."""
        dtype = _SCALARS.get(type(value), _OBJECT)
        if dtype.kind == "i" and not -(2**63) <= value < 2**63:
            dtype = _OBJECT
        if dtype == _OBJECT:
            return cls(objects([value] * n))
        return cls(np.full(n, value, dtype))

    @classmethod
    def of_array(cls, values: Any, present: Mask | None = None) -> Column:
        """Adopt an array as it is; numbers narrower than a Python scalar are widened exactly."""
        if type(values) is np.ndarray and values.dtype in _EXACT:
            return cls(values, present)
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        if isinstance(values, pa.Array):
            return cls(values, present)
        return cls(_canonical(np.asarray(values)), present)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def kind(self) -> str:
        """Return ``bool``, ``int``, ``float``, ``object``, ``struct``, ``tensor`` or ``arrow``."""
        values = self.values
        if isinstance(values, pa.Array):
            return "arrow"
        if values.ndim > 1:
            return "tensor"
        return {"b": "bool", "i": "int", "f": "float", "V": "struct"}.get(
            values.dtype.kind, "object"
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers; objects count as their pointers."""
        return int(self.values.nbytes) + (0 if self.present is None else self.present.nbytes)

    @property
    def is_full(self) -> bool:
        """Whether every row is present."""
        return self.present is None or bool(self.present.all())

    def mask(self) -> Mask:
        """Return the presence of each row; shape (N,)."""
        return np.ones(len(self), np.bool_) if self.present is None else self.present

    def take(self, where: Where) -> Column:
        """Return the rows at `where`; a copy, or the column itself for None."""
        if where is None:
            return self
        present = None if self.present is None else self.present.take(where)
        if present is not None and present.all():
            present = None
        return Column(taken(self.values, where), present)

    def slice(self, begin: int, end: int) -> Column:
        """Return the rows from `begin` to `end`; a view."""
        present = None if self.present is None else self.present[begin:end]
        if present is not None and present.all():
            present = None
        return Column(self.values[begin:end], present)

    def put(self, where: Where, other: Column, *, owned: bool = False) -> Column:
        """Return the column with `other`'s rows at positions `where`.

        Parameters
        ----------
        where : intp ndarray of shape (M,), or None
            Unique. None replaces every row: the result is `other` itself.
        other : Column of M rows
        owned : bool
            Nobody else holds this column's arrays: they may be changed in place.

        Returns
        -------
        Column of N rows
            Of `other`'s kind or this one's if they agree, of Python objects if not.
        """
        if where is None:
            return other
        if self.present is not None and not self.present.any():
            return _scattered(len(self), where, other)
        if isinstance(self.values, pa.Array) or isinstance(other.values, pa.Array):
            return self._put_arrow(where, other)
        base, new = _alike(self.values, other.values)
        if base is self.values and not owned:
            base = base.copy()
        base[where] = new
        return Column(base, self._put_present(where, other, owned=owned))

    def _put_present(self, where: Any, other: Column, *, owned: bool) -> Mask | None:
        if self.present is None and other.present is None:
            return None
        present = self.mask()
        if not owned and self.present is not None:
            present = present.copy()
        present[where] = True if other.present is None else other.present
        return None if present.all() else present

    def _put_arrow(self, where: Any, other: Column) -> Column:
        base, new = _alike_arrow(self.values, other.values)
        index = np.arange(len(self))
        index[where] = len(self) + np.arange(len(other))
        present = self._put_present(where, other, owned=False)
        if isinstance(base, pa.Array):
            return Column(taken(pa.concat_arrays([base, new]), index), present)
        return Column(np.concatenate([base, new])[index], present)

    def tolist(self) -> list[Any]:
        """Return the values as Python objects of their exact types; `MISSING` where absent."""
        values = _pylist(self.values)
        if self.present is None:
            return values
        return [v if p else MISSING for v, p in zip(values, self.present.tolist(), strict=True)]

    def item(self, position: int) -> Any:
        """Return one value, or `MISSING`."""
        if self.present is not None and not self.present[position]:
            return MISSING
        return _pylist(self.values[position : position + 1])[0]

    def fitted(self, arrow_type: pa.DataType | None, shape: Any, dtype: Any) -> Column:
        """Return the column in the form that its schema declares, if that loses nothing.

        Parameters
        ----------
        arrow_type : pyarrow DataType or None
        shape : tuple of int, or None
            Of one row's tensor, whose elements have `dtype`.

        Returns
        -------
        Column
            Objects stay objects where a value is not of the declared form.
        """
        values = self.values
        if arrow_type is not None:
            return self._as_arrow(arrow_type)
        if isinstance(values, pa.Array) or values.dtype != _OBJECT:
            return self
        cells = values.tolist()
        if self.present is not None:
            return self
        if all(type(c) is np.ndarray and c.shape == shape and c.dtype == dtype for c in cells):
            return Column(np.stack(cells) if cells else np.zeros((0, *shape), dtype))
        return self

    def _as_arrow(self, arrow_type: pa.DataType) -> Column:
        values = self.values
        if isinstance(values, pa.Array) and values.type == arrow_type:
            return self
        if isinstance(values, pa.Array) or (values.ndim == 1 and values.dtype.kind in "bif"):
            array = _cast(values, arrow_type)
            if array is not None:
                return Column(array, self.present)
        cells = [None if cell is MISSING else cell for cell in self.tolist()]
        array = _arrow_of(cells, arrow_type)
        return self if array is None else Column(array, self.present)

    def as_objects(self) -> Column:
        """Return the column as an array of Python objects."""
        return Column(_as_objects(self.values), self.present)

    def as_numpy(self) -> Values:
        """Return the values as a NumPy array; Arrow values as objects."""
        return _as_objects(self.values) if isinstance(self.values, pa.Array) else self.values


def concat(columns: Sequence[Column]) -> Column:
    """Return the rows of `columns`, one after the other."""
    # Rows decide the kind: a column without rows says nothing about it.
    columns = [c for c in columns if len(c)] or columns[:1]
    if len(columns) == 1:
        return columns[0]
    present = None
    if any(c.present is not None for c in columns):
        present = np.concatenate([c.mask() for c in columns])
    known = [c for c in columns if c.present is None or c.present.any()]
    if not known:
        return Column.absent(sum(map(len, columns)))
    like: Any = known[0].values
    unknown = {id(c) for c in columns} - {id(c) for c in known}
    parts: list[Any] = [_blank(len(c), like) if id(c) in unknown else c.values for c in columns]
    if all(isinstance(p, pa.Array) and p.type == like.type for p in parts):
        return Column(pa.concat_arrays(parts), present)
    if any(_form(p) != _form(like) for p in parts):
        parts = [_as_objects(p) for p in parts]
    return Column(np.concatenate(parts), present)


def objects(values: Iterable[Any]) -> Values:
    """Return an object array with one element a value, also where values are sequences."""
    values = values if isinstance(values, list | tuple) else list(values)
    return np.fromiter(values, _OBJECT, len(values))


def _typed(values: Sequence[Any]) -> Values:
    kinds = set(map(type, values))
    dtype = _SCALARS.get(kinds.pop(), _OBJECT) if len(kinds) == 1 else _OBJECT
    if dtype != _OBJECT:
        try:
            return np.array(values, dtype)
        except OverflowError:
            pass  # an int beyond int64 stays a Python int
    return objects(values)


def _canonical(values: Values) -> Values:
    kind = values.dtype.kind
    if kind == "O" or values.ndim > 1 or kind == "V":
        return values
    if kind in "bif" and values.itemsize <= 8:
        return values.astype(_CANONICAL[kind], copy=False)
    if kind == "u":
        fits = values.size == 0 or int(values.max()) < 2**63
        return values.astype(np.int64 if fits else _OBJECT)
    if kind in "STU":
        return values.astype(_OBJECT)
    return objects(list(values))


_CANONICAL = {"b": np.dtype(np.bool_), "i": np.dtype(np.int64), "f": np.dtype(np.float64)}


def _form(values: Array) -> tuple[Any, ...]:
    if isinstance(values, pa.Array):
        return ("arrow", values.type)
    return (values.dtype, values.shape[1:])


def _blank(n: int, like: Array) -> Any:
    if isinstance(like, pa.Array):
        return pa.nulls(n, like.type)
    return np.zeros((n, *like.shape[1:]), like.dtype)


def taken(values: Any, where: npt.NDArray[np.intp]) -> Any:
    """Return the rows at `where` of a NumPy or Arrow array."""
    if not isinstance(values, pa.Array):
        return values.take(where, axis=0)
    at = pa.array(where, pa.int64())
    if values.type == pa.string_view():  # the one type for which Arrow has no such kernel
        return values.cast(pa.large_string()).take(at).cast(values.type)
    return values.take(at)


def _scattered(n: int, where: Any, other: Column) -> Column:
    values = _blank(n, other.values)
    present = np.zeros(n, np.bool_)
    present[where] = True if other.present is None else other.present
    if isinstance(values, pa.Array):
        filled = Column(values)._put_arrow(where, other)
        return Column(filled.values, None if present.all() else present)
    values[where] = other.values
    return Column(values, None if present.all() else present)


def _alike(base: Values, new: Values) -> tuple[Values, Values]:
    if base.dtype == new.dtype and base.shape[1:] == new.shape[1:]:
        return base, new
    return _as_objects(base), _as_objects(new)


def _alike_arrow(base: Array, new: Array) -> tuple[Any, Any]:
    if isinstance(base, pa.Array):
        if isinstance(new, pa.Array) and new.type == base.type:
            return base, new
        made = _arrow_of(_pylist(new), base.type)
        if made is not None:
            return base, made
    return _as_objects(base), _as_objects(new)


def _arrow_of(values: list[Any], kind: Any) -> Any:
    """Return `values` as an Arrow array of type `kind`, or None if it cannot hold them exactly."""
    try:
        made = pa.array(values, type=kind)
        back = made.to_pylist()  # may fail too: Arrow takes any int for a moment
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return None
    # Arrow takes 2.0 for an int, False for a float and "" for a list: what comes out decides.
    return made if all(map(_is_same, values, back)) else None


def _cast(values: Array, kind: pa.DataType) -> Any:
    """Return numbers or texts as an Arrow array of type `kind`; None if that is not exact."""
    array = values if isinstance(values, pa.Array) else pa.array(values)
    if not any(test(array.type) and test(kind) for test in _FAMILIES):
        return None
    try:
        cast = array.cast(kind)
    except pa.ArrowInvalid:
        return None
    if not pa.types.is_floating(kind) or kind.bit_width >= array.type.bit_width:
        return cast
    # A narrower float rounds without a word; what comes back decides.
    wide, back = (each.to_numpy(zero_copy_only=False) for each in (array, cast.cast(array.type)))
    return cast if np.array_equal(wide, back, equal_nan=True) else None


_FAMILIES = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
)


def _is_same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_is_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_is_same(a[key], b[key]) for key in a)
    if isinstance(a, datetime | time) and (a.fold != b.fold or a.tzinfo != b.tzinfo):
        return False  # moments are equal that show another hour
    return bool(a == b or (isinstance(a, float) and a != a and b != b))  # noqa: PLR0124 - NaN


def _as_objects(values: Array) -> Values:
    if isinstance(values, pa.Array):
        return objects(values.to_pylist())
    if values.dtype == _OBJECT and values.ndim == 1:
        return values
    if values.ndim == 1 and values.dtype.kind in "bif":
        return values.astype(_OBJECT)
    return objects(_pylist(values))


def _pylist(values: Array) -> list[Any]:
    if isinstance(values, pa.Array) or values.ndim == 1:
        listed: list[Any] = values.tolist()
        return listed
    return [row.copy() for row in values]
