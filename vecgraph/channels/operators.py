"""Operators that are data: the NumPy form of a binary operator, equal to Python row by row.

A form takes two arrays of one value a row (bool, int64 or float64, or tensors of one
shape and type) and returns what the Python operator gives for each row, with its type, or
None where no array can hold that (ints beyond int64, a mix of types): then the rows are
folded one by one.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from vecgraph.channels.base import IMMUTABLE
from vecgraph.typing import Values

__all__ = ["Form", "concatenates", "form_of", "step_of", "sum_of"]

Form: TypeAlias = Callable[[Values, Values], Values | None]
"""The operator on arrays; None: these arrays have to be folded row by row."""

Step: TypeAlias = Callable[[Any, Any], Any]
"""The operator on one value and one write."""

_INT = np.dtype(np.int64)
_FLOAT = np.dtype(np.float64)
_LOW, _HIGH = -(2**63), 2**63 - 1

_Bounds: TypeAlias = tuple[int, int]


def _bounds(values: Values) -> _Bounds:
    return (int(values.min()), int(values.max())) if len(values) else (0, 0)


def _arithmetic(ufunc: np.ufunc, corners: Callable[[_Bounds, _Bounds], list[int]]) -> Form:
    """Return a form of `ufunc` that gives up if an int could leave int64.

    `corners` gives the extreme results for the extremes of both sides: four reductions
    are cheaper than a check of each row, and exact enough that rows rarely pay for it.
    """

    def form(a: Values, b: Values) -> Values | None:
        if a.ndim > 1 or b.ndim > 1:
            return _of_tensors(ufunc, a, b)
        if "f" in a.dtype.kind + b.dtype.kind:
            with np.errstate(all="ignore"):  # Python's float arithmetic warns of nothing
                return np.asarray(ufunc(a, b, dtype=_FLOAT))
        ints = a.astype(_INT, copy=False), b.astype(_INT, copy=False)
        extremes = corners(_bounds(ints[0]), _bounds(ints[1]))
        if min(extremes) < _LOW or max(extremes) > _HIGH:
            return None
        return np.asarray(ufunc(*ints))

    return form


def _of_tensors(ufunc: np.ufunc, a: Values, b: Values) -> Values | None:
    # One type and shape: the stacked rows give what each row alone would.
    if a.dtype != b.dtype or a.shape[1:] != b.shape[1:] or a.dtype.kind not in "iuf":
        return None
    with np.errstate(all="ignore"):
        return np.asarray(ufunc(a, b))


def _bitwise(ufunc: np.ufunc) -> Form:
    def form(a: Values, b: Values) -> Values | None:
        if a.ndim > 1 or b.ndim > 1 or "f" in a.dtype.kind + b.dtype.kind:
            return None
        return np.asarray(ufunc(a, b))

    return form


def _selection(better: np.ufunc) -> Form:
    # Python's max and min keep the first of two values unless the second is better, which
    # also settles NaN and -0.0. Two kinds compare exactly in Python but not in NumPy.
    def form(a: Values, b: Values) -> Values | None:
        if a.dtype != b.dtype or a.ndim > 1 or b.ndim > 1:
            return None
        return np.where(better(b, a), b, a)

    return form


def _extremum(at_least: np.ufunc) -> Form:
    # NumPy's maximum and minimum: a NaN wins, the first of equal values stays. The sign
    # of zero in the ufunc itself depends on the processor, so it is spelled out.
    def form(a: Values, b: Values) -> Values | None:
        if a.ndim > 1 or b.ndim > 1:
            return None
        dtype = np.result_type(a, b)
        a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
        return np.where(at_least(a, b) | (a != a), a, b)  # noqa: PLR0124 - a NaN

    return form


_ADD = _arithmetic(np.add, lambda a, b: [a[0] + b[0], a[1] + b[1]])
_SUBTRACT = _arithmetic(np.subtract, lambda a, b: [a[0] - b[1], a[1] - b[0]])
_MULTIPLY = _arithmetic(np.multiply, lambda a, b: [x * y for x in a for y in b])
_AND, _OR, _XOR = map(_bitwise, (np.bitwise_and, np.bitwise_or, np.bitwise_xor))


def _unless_bools(form: Form) -> Form:
    # np.add(True, True) is True where Python's is 2: bools go through the ufunc itself.
    def guarded(a: Values, b: Values) -> Values | None:
        return None if a.dtype.kind == b.dtype.kind == "b" else form(a, b)

    return guarded


_FORMS: tuple[tuple[Any, Form], ...] = (
    (operator.add, _ADD),
    (operator.iadd, _ADD),
    (operator.sub, _SUBTRACT),
    (operator.isub, _SUBTRACT),
    (operator.mul, _MULTIPLY),
    (operator.imul, _MULTIPLY),
    (operator.and_, _AND),
    (operator.iand, _AND),
    (operator.or_, _OR),
    (operator.ior, _OR),
    (operator.xor, _XOR),
    (operator.ixor, _XOR),
    (max, _selection(np.greater)),
    (min, _selection(np.less)),
    (np.add, _unless_bools(_ADD)),
    (np.subtract, _unless_bools(_SUBTRACT)),
    (np.multiply, _unless_bools(_MULTIPLY)),
    (np.bitwise_and, _AND),
    (np.bitwise_or, _OR),
    (np.bitwise_xor, _XOR),
    (np.maximum, _extremum(np.greater_equal)),
    (np.minimum, _extremum(np.less_equal)),
)
# Compared by identity: a callable need not be hashable.

_SUMS: tuple[tuple[Any, np.ufunc], ...] = (
    (operator.add, np.add),
    (operator.iadd, np.add),
    (operator.sub, np.subtract),
    (operator.isub, np.subtract),
    (np.add, np.add),
    (np.subtract, np.subtract),
)


def _chooser(at_least: Step) -> Step:
    def choose(a: Any, b: Any) -> Any:
        kinds = {type(a), type(b)}
        kind: type = float if float in kinds else int if int in kinds else bool
        a, b = kind(a), kind(b)
        return a if at_least(a, b) or a != a else b  # noqa: PLR0124 - a NaN

    return choose


_ON_NUMBERS: dict[np.ufunc, Step] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.bitwise_and: operator.and_,
    np.bitwise_or: operator.or_,
    np.bitwise_xor: operator.xor,
    np.maximum: _chooser(operator.ge),
    np.minimum: _chooser(operator.le),
}
"""What a ufunc means for Python numbers, ints of any size included."""

_IN_PLACE = (
    operator.iadd,
    operator.iand,
    operator.iconcat,
    operator.imul,
    operator.ior,
    operator.isub,
    operator.ixor,
)

_CONCATENATIONS = (operator.add, operator.concat, operator.iadd, operator.iconcat)


def form_of(function: Step) -> Form | None:
    """Return the array form of an operator, if it has one."""
    return next((form for known, form in _FORMS if known is function), None)


def step_of(function: Step) -> Step:
    """Return the operator as it is applied to one value: a function of its arguments.

    Operators that work in place get a copy of a mutable value, since an earlier state may
    hold the original. A ufunc gives Python numbers for Python numbers, and ints of any size.
    """
    if isinstance(function, np.ufunc):
        return _ufunc_step(function)
    if not any(function is known for known in _IN_PLACE):
        return function

    def step(value: Any, write: Any) -> Any:
        return function(value if isinstance(value, IMMUTABLE) else copy.copy(value), write)

    return step


def sum_of(function: Step) -> np.ufunc | None:
    """Return the ufunc of an operator that adds or subtracts."""
    return next((ufunc for known, ufunc in _SUMS if known is function), None)


def concatenates(function: Step) -> bool:
    """Return whether the operator appends a list to a list."""
    return any(function is known for known in _CONCATENATIONS)


def _ufunc_step(ufunc: np.ufunc) -> Step:
    on_numbers = _ON_NUMBERS.get(ufunc)

    def step(value: Any, write: Any) -> Any:
        kinds = {type(value), type(write)}
        if not kinds <= {bool, int, float}:
            return ufunc(value, write)
        if on_numbers is not None and kinds != {bool}:
            return on_numbers(value, write)
        return ufunc(value, write).item()

    return step
