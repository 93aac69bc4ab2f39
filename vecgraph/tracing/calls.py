"""Functions and methods that traced functions may call; all others are refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vecgraph.nodes._expr_functions import call
from vecgraph.nodes._expr_vector import Vector
from vecgraph.tracing.kernels import BINARY, operate, per_object, per_row, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.nodes._expr_frame import Frame
    from vecgraph.tracing.values import Value

__all__ = ["FUNCTIONS", "METHODS", "OF_ITEMS", "Called"]

Columns = "Callable[[list[Vector], Frame], Vector]"


class Called:
    """A function that may be called.

    Attributes
    ----------
    scalar : callable
        The function.
    columns : callable
        What it does to columns.
    least, most : int
        Arguments that its column form takes.
    """

    __slots__ = ("columns", "least", "most", "scalar")

    def __init__(
        self,
        scalar: Callable[..., Any],
        columns: Callable[[list[Vector], Frame], Vector],
        least: int = 1,
        most: int = 1,
    ) -> None:
        self.scalar, self.columns = scalar, columns
        self.least, self.most = least, most

    def __call__(self, values: list[Value], frame: Frame) -> Vector:
        """Call it for every row of a frame."""
        return operate(self.scalar, self.columns, values, frame)


def _expression(name: str) -> Callable[[list[Vector], Frame], Vector]:
    """Return the column form that expressions have."""
    return lambda vectors, frame: call(name, vectors, frame)


def _each(function: Callable[..., Any], accepts: str) -> Callable[[list[Vector], Frame], Vector]:
    return lambda vectors, frame: per_row(function, vectors, frame, accepts)


def _numbers_or_rows(
    name: str, function: Callable[..., Any], accepts: str
) -> Callable[[list[Vector], Frame], Vector]:
    """Return a column form for numbers that calls the function for each row of other kinds."""

    def columns(vectors: list[Vector], frame: Frame) -> Vector:
        if all(vector.kind in "bif" for vector in vectors):
            return call(name, vectors, frame)
        return per_row(function, vectors, frame, accepts)

    return columns


def _bool(vectors: list[Vector], frame: Frame) -> Vector:
    found = truth(vectors[0], frame)
    if found is None:
        return Vector("x", None)
    return Vector("b", np.full(frame.n, found) if isinstance(found, bool) else found)


def _sized(vectors: list[Vector], frame: Frame) -> Vector:
    if vectors[0].kind in "st":
        return call("len", vectors, frame)
    return per_object(len, vectors, frame)


def _infinite(vectors: list[Vector], frame: Frame) -> Vector:
    (vector,) = vectors
    if vector.kind == "f":
        return Vector("b", np.isinf(vector.values), own=True)
    return per_row(math.isinf, vectors, frame, "bif")


def _whole(name: str) -> Callable[[list[Vector], Frame], Vector]:
    return _numbers_or_rows(name, getattr(math, name, int), "bif")


def _sum(*cells: Any) -> Any:
    return sum(cells)


def _total(vectors: list[Vector], frame: Frame) -> Vector:
    """Add ints from the left; of floats only `sum` knows what it does in this Python."""
    if any(vector.kind not in "bi" for vector in vectors):
        return per_row(_sum, vectors, frame, "bif")
    scalar, columns = BINARY["Add"]
    result = Vector("i", 0)
    for vector in vectors:
        result = operate(scalar, columns, [result, vector], frame)
    return result


def _math() -> dict[Any, Called]:
    one = ("exp", "log10", "log1p", "expm1", "sin", "cos", "tan", "sqrt", "isfinite", "isnan")
    named = {getattr(math, n): Called(getattr(math, n), _expression(n)) for n in one}
    named[math.log] = Called(math.log, _logarithm, 1, 2)
    named[math.floor] = Called(math.floor, _whole("floor"))
    named[math.ceil] = Called(math.ceil, _whole("ceil"))
    named[math.trunc] = Called(math.trunc, _expression("int"))
    named[math.isinf] = Called(math.isinf, _infinite)
    for name in ("acos", "asin", "atan", "cosh", "sinh", "tanh", "log2", "fabs", "degrees"):
        function = getattr(math, name)
        named[function] = Called(function, _each(function, "bif"))
    for name in ("atan2", "copysign", "fmod", "hypot", "pow", "gcd"):
        function = getattr(math, name)
        named[function] = Called(function, _each(function, "bif"), 2, 2)
    named[math.radians] = Called(math.radians, _each(math.radians, "bif"))
    return named


def _logarithm(vectors: list[Vector], frame: Frame) -> Vector:
    if len(vectors) == 1:
        return call("log", vectors, frame)
    return per_row(math.log, vectors, frame, "bif")


FUNCTIONS: Final[dict[Any, Called]] = {
    abs: Called(abs, _expression("abs")),
    bool: Called(bool, _bool),
    float: Called(float, _numbers_or_rows("float", float, "bifs")),
    int: Called(int, _numbers_or_rows("int", int, "bifs")),
    len: Called(len, _sized),
    max: Called(max, _numbers_or_rows("max", max, "bifs"), 2, 8),
    min: Called(min, _numbers_or_rows("min", min, "bifs"), 2, 8),
    round: Called(round, _numbers_or_rows("round", round, "bif"), 1, 2),
    str: Called(str, _each(str, "bifsn")),
    **_math(),
}
"""By the function itself."""

OF_ITEMS: Final[dict[Any, Called]] = {
    max: Called(max, FUNCTIONS[max].columns, 2, 99),
    min: Called(min, FUNCTIONS[min].columns, 2, 99),
    sum: Called(_sum, _total, 0, 99),
}
"""Functions of one list or tuple that is written out, called with its items."""

_TEXT: Final[dict[str, tuple[int, int]]] = {
    "capitalize": (0, 0),
    "casefold": (0, 0),
    "count": (1, 1),
    "endswith": (1, 1),
    "find": (1, 1),
    "isalpha": (0, 0),
    "isdigit": (0, 0),
    "isspace": (0, 0),
    "lower": (0, 0),
    "lstrip": (0, 1),
    "removeprefix": (1, 1),
    "removesuffix": (1, 1),
    "replace": (2, 2),
    "rfind": (1, 1),
    "rstrip": (0, 1),
    "startswith": (1, 1),
    "strip": (0, 1),
    "title": (0, 0),
    "upper": (0, 0),
}
_OF_EXPRESSIONS: Final = {"endswith": 1, "lower": 0, "startswith": 1, "strip": 0, "upper": 0}


def _method(name: str) -> Called:
    function = getattr(str, name)
    least, most = _TEXT[name]

    def columns(vectors: list[Vector], frame: Frame) -> Vector:
        if _OF_EXPRESSIONS.get(name) == len(vectors) - 1 and vectors[0].kind == "t":
            return call(name, vectors, frame)
        return per_row(function, vectors, frame, "sin")

    return Called(function, columns, least + 1, most + 1)


def _of_dict(cell: Any, *arguments: Any) -> Any:
    if type(cell) is not dict:
        raise TypeError("left to the function")
    return cell.get(*arguments)


METHODS: Final[dict[str, Called]] = {
    "get": Called(_of_dict, lambda vectors, frame: per_object(_of_dict, vectors, frame), 2, 3),
    **{name: _method(name) for name in _TEXT},
}
"""Methods of str, and of dict, by name; they take the text or the dict first."""
