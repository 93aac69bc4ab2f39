"""The functions of the expression language on columns of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from vecgraph.nodes import _expr_arrow as arrow
from vecgraph.nodes._expr_frame import Frame, spread
from vecgraph.nodes._expr_vector import Vector, plain

__all__ = ["TEXT_FUNCTIONS"]

Function: TypeAlias = Callable[[list[Vector], Frame], Vector]

_CONVERT: Final[dict[str, Callable[[str], str]]] = {
    "lower": str.lower,
    "strip": str.strip,
    "upper": str.upper,
}
_TEST: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": str.__contains__,
    "endswith": str.endswith,
    "startswith": str.startswith,
}


def _len(arguments: list[Vector], frame: Frame) -> Vector:
    (argument,) = arguments
    if argument.kind == "t":
        values, nulls = arrow.length(argument.values)
        if nulls is not None:
            frame.mark(nulls)
        return Vector("i", values)
    if argument.kind != "s" or argument.scalar:
        return frame.dead()
    return Vector("i", np.fromiter(map(len, argument.values), np.int64, frame.n), own=True)


def _converter(name: str) -> Function:
    function = _CONVERT[name]

    def convert(arguments: list[Vector], frame: Frame) -> Vector:
        (argument,) = arguments
        if argument.kind == "t":
            values, doubtful = arrow.transform(name, argument.values)
            if doubtful is not None:
                frame.mark(doubtful)
            return Vector("t", values)
        if argument.kind != "s" or argument.scalar:
            return frame.dead()
        texts = np.fromiter(map(function, argument.values), object, frame.n)
        return Vector("s", texts, own=True)

    return convert


def _tester(name: str) -> Function:
    function = _TEST[name]

    def test(arguments: list[Vector], frame: Frame) -> Vector:
        text, part = arguments
        if text.kind == "t" and _is_literal(part):
            values, nulls = arrow.search(name, text.values, part.values)
            if nulls is not None:
                frame.mark(nulls)
            return Vector("b", values, own=True)
        if "t" in {text.kind, part.kind}:
            return spread(test, [plain(text), plain(part)], frame)
        if not text.kind == part.kind == "s" or (text.scalar and part.scalar):
            return frame.dead()
        pair = np.broadcast_arrays(*(np.asarray(each.values, object) for each in (text, part)))
        return Vector("b", np.fromiter(map(function, *pair), np.bool_, frame.n), own=True)

    return test


def _is_literal(vector: Vector) -> bool:
    """Tell whether a vector is one text that Arrow can take."""
    return vector.kind == "s" and vector.scalar and arrow.literal(vector.values) is not None


TEXT_FUNCTIONS: Final[dict[str, Function]] = {
    "len": _len,
    **{name: _converter(name) for name in _CONVERT},
    **{name: _tester(name) for name in _TEST},
}
