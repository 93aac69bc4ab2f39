"""The reference meaning of an expression: Python's, on one row, as a tree of closures."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np

from vecgraph.constants import MISSING
from vecgraph.nodes._expr_tree import (
    Binary,
    Call,
    Compare,
    Conditional,
    Constant,
    IsNone,
    Logic,
    Member,
    Name,
    Node,
    Unary,
    children,
)

__all__ = ["Scalar", "clip", "compile_scalar", "power", "truth"]

Scalar: TypeAlias = Callable[[Mapping[str, Any]], Any]
"""A row's channels -> the value, or the exception that Python's evaluation raises."""

# x ** y on unbounded ints can ask for more memory than there is; Python would try.
_POWER_BITS: Final = 1 << 20


def truth(value: object) -> bool:
    """Return a bool as it is; anything else is refused, there is no truthiness here."""
    if value is True or value is False:
        return value
    raise TypeError(
        f"a condition must be True or False, got {type(value).__name__}; "
        "write the test out, e.g. x != 0"
    )


def power(base: Any, exponent: Any) -> Any:
    """Raise to a power as Python does, refusing ints of more than a million bits."""
    if isinstance(base, int) and isinstance(exponent, int):
        bits = base.bit_length()
        if bits > 1 and bits * exponent > _POWER_BITS:
            raise OverflowError(f"integer power of more than {_POWER_BITS} bits")
    return base**exponent


def clip(value: Any, low: Any, high: Any) -> Any:
    """Limit a value to an interval: ``min(max(value, low), high)``."""
    return min(max(value, low), high)


_BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": power,
}
_UNARY: Final[dict[str, Callable[[Any], Any]]] = {
    "+": operator.pos,
    "-": operator.neg,
    "not": lambda value: not truth(value),
}
_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_CALL: Final[dict[str, Callable[..., Any]]] = {
    "abs": abs,
    "bool": bool,
    "ceil": math.ceil,
    "clip": clip,
    "contains": operator.contains,
    "cos": math.cos,
    "endswith": str.endswith,
    "exp": math.exp,
    "expm1": math.expm1,
    "float": float,
    "floor": math.floor,
    "int": int,
    "isfinite": math.isfinite,
    "isnan": math.isnan,
    "len": len,
    "log": math.log,
    "log10": math.log10,
    "log1p": math.log1p,
    "lower": str.lower,
    "max": max,
    "min": min,
    "round": round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "startswith": str.startswith,
    "strip": str.strip,
    "tan": math.tan,
    "upper": str.upper,
}


def compile_scalar(node: Node) -> Scalar:
    """Turn a tree into a function of one row.

    Parameters
    ----------
    node : Node
        What `parse` returned.

    Returns
    -------
    callable
        Takes a mapping of channel names to values; NumPy scalars among them count as the
        Python values they hold. Operands are evaluated left to right, as in Python.
    """
    match node:
        case Constant(value):
            return lambda row: value
        case Name(name):
            return _read(name)
        case Compare():
            ops = [_COMPARE[op] for op in node.ops]
            return _chain(ops, [compile_scalar(each) for each in node.operands])
        case Logic():
            left, right = compile_scalar(node.left), compile_scalar(node.right)
            return _logic(node.op == "or", left, right)
        case Conditional():
            return _branch(*map(compile_scalar, children(node)))
        case _:
            return _apply(_function(node), *map(compile_scalar, children(node)))


def _function(node: Unary | Binary | Call | Member | IsNone) -> Callable[..., Any]:
    """Return what an operation does to the values of its operands."""
    match node:
        case Unary(op):
            return _UNARY[op]
        case Binary(op):
            return _BINARY[op]
        case Call(function):
            return _CALL[function]
        case Member(_, items, negated):
            return lambda value: (value in items) is not negated
        case IsNone(_, negated):
            return lambda value: (value is None) is not negated


def _read(name: str) -> Scalar:
    def read(row: Mapping[str, Any]) -> Any:
        value = row[name]
        if value is MISSING:
            raise KeyError(name)
        # NumPy's scalars wrap, warn and give inf where Python's raise.
        if isinstance(value, np.bool_ | np.integer | np.floating | np.str_):
            return value.item()
        return value

    return read


def _apply(function: Callable[..., Any], *operands: Scalar) -> Scalar:
    if len(operands) == 1:
        (only,) = operands
        return lambda row: function(only(row))
    if len(operands) == 2:
        first, second = operands
        return lambda row: function(first(row), second(row))
    return lambda row: function(*[operand(row) for operand in operands])


def _chain(ops: list[Callable[[Any, Any], Any]], operands: list[Scalar]) -> Scalar:
    if len(ops) == 1:
        return _apply(ops[0], *operands)

    def chain(row: Mapping[str, Any]) -> Any:
        left, result = operands[0](row), True
        for op, operand in zip(ops, operands[1:], strict=True):
            if not truth(result):
                return False
            right = operand(row)
            left, result = right, op(left, right)
        return result

    return chain


def _logic(decided: bool, left: Scalar, right: Scalar) -> Scalar:
    def logic(row: Mapping[str, Any]) -> bool:
        return decided if truth(left(row)) is decided else truth(right(row))

    return logic


def _branch(test: Scalar, then: Scalar, other: Scalar) -> Scalar:
    return lambda row: then(row) if truth(test(row)) else other(row)
