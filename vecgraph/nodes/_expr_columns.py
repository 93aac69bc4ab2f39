"""Evaluate an expression over columns: typed vectors for most rows, the interpreter for the rest."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vecgraph.columns import taken
from vecgraph.nodes import _expr_arrow as arrow
from vecgraph.nodes._expr_frame import Frame, Run, merge, spread
from vecgraph.nodes._expr_functions import blend, call
from vecgraph.nodes._expr_kernels import binary, compare, negative, numeric
from vecgraph.nodes._expr_scalar import Scalar, compile_scalar
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
from vecgraph.nodes._expr_vector import DTYPES, Union, Vector, constant, fits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt
    import pyarrow as pa

    from vecgraph.typing import Values

__all__ = ["Evaluated", "evaluate", "fold", "member", "operations", "rows_of", "value_of"]

# Up to so many rows the interpreter is done before NumPy's calls have begun to pay.
_FEW: Final = 16


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The values of an expression, and the rows on which it raised.

    Attributes
    ----------
    values : ndarray of shape (N,), or an Arrow array if that was asked for
        bool, int64 or float64 when all values are of that type (ints must fit), otherwise
        object, each value of its exact Python type. Where a row failed: False, 0, 0.0 or None.
        Belongs to the caller.
    errors : list of (int, Exception)
        The position of each failed row, ascending, and what Python raises there.
    """

    values: Any
    errors: list[tuple[int, Exception]]


def evaluate(
    node: Node, scalar: Scalar, columns: Mapping[str, Any], n: int, *, to_arrow: bool = False
) -> Evaluated:
    """Evaluate a tree over columns.

    Parameters
    ----------
    node : Node
        The tree, folded or not.
    scalar : callable
        Its meaning on one row; computes the rows that the vectors cannot vouch for.
    columns : mapping of str to ndarray of shape (N,) or Arrow array of length N
        Not modified. A name that is missing fails every row that reads it with KeyError.
    n : int
        Rows.
    to_arrow : bool
        Texts, and values beside None, may come as an Arrow array: equal cells, dearer to read.
    """
    run = Run(columns, n)
    if 0 < n <= _FEW:
        vector = Vector("x", None)
    else:
        # Zero divisors are looked for only after the processor has reported one.
        with np.errstate(all="ignore", divide="call", invalid="call", call=run.flag):
            vector = value_of(node, Frame(run))
    suspects = run.suspicious()
    if vector.kind == "x" or (n and suspects.size == n):
        suspects = np.arange(n)
        vector = Vector("o", np.empty(n, object), own=True)
    names = {each.name for each in operations(node) if isinstance(each, Name)}
    redone = _interpret(scalar, rows_of(columns, names, suspects), suspects)
    if to_arrow:
        array = _to_arrow(vector, redone)
        if array is not None:
            return Evaluated(array, redone.errors)
    if vector.kind in "bifsn" and not suspects.size:
        return Evaluated(vector.array(n), [])
    return Evaluated(_exact(_patched(vector.array(n), redone), redone.errors), redone.errors)


def _to_arrow(vector: Vector, redone: _Redone) -> pa.Array[Any] | None:
    """Return a vector as an Arrow array, None where NumPy or objects hold it as well."""
    if vector.kind == "t":
        where, cells = redone.cells()
        return arrow.patched(vector.values, where, cells) if cells else vector.values
    if vector.kind != "u" or redone.where.size:
        return None
    return _nullable(vector.values)


def _nullable(union: Union) -> pa.Array[Any] | None:
    (kind, *others) = sorted(union.arrays, key="n".__eq__)
    if others != ["n"]:
        return None
    try:
        return arrow.with_nulls(union.arrays[kind], union.tags == ord("n"))
    except UnicodeEncodeError:
        return None


def fold(node: Node) -> Node:
    """Replace subtrees without names by their values; those that raise are left to the rows."""
    match node:
        case Constant() | Name():
            return node
    changes: dict[str, Any] = {}
    for each in fields(node):
        part = getattr(node, each.name)
        if isinstance(part, Node):
            changes[each.name] = fold(part)
        elif each.name in {"operands", "arguments"}:
            changes[each.name] = tuple(fold(item) for item in part)
    folded: Node = replace(node, **changes)
    if all(isinstance(child, Constant) for child in children(folded)):
        try:
            return Constant(compile_scalar(folded)({}))
        except Exception:  # noqa: BLE001, RUF100  (raised again by every row that gets there)
            return folded
    return folded


def rows_of(
    columns: Mapping[str, Any], names: Iterable[str], where: npt.NDArray[np.intp]
) -> list[dict[str, Any]]:
    """Return the rows at some positions as dicts of Python values."""
    if not where.size:
        return []
    present = [name for name in names if name in columns]
    cells = [_cells(taken(columns[name], where)) for name in present]
    if not cells:
        return [{} for _ in where]
    return [dict(zip(present, row, strict=True)) for row in zip(*cells, strict=True)]


def _cells(column: Any) -> list[Any]:
    if not isinstance(column, np.ndarray):
        return list(column.to_pylist())
    return column.tolist() if column.ndim == 1 else list(column)


def operations(node: Node) -> Iterable[Node]:
    """Return a tree's nodes, each before its operands."""
    yield node
    for child in children(node):
        yield from operations(child)


@dataclass(frozen=True, slots=True)
class _Redone:
    """What the interpreter made of some rows.

    Attributes
    ----------
    where : intp ndarray
        Positions of those that gave a value, ascending.
    results : list
        Their values.
    errors : list of (int, Exception)
        Positions of the others, and what was raised.
    """

    where: npt.NDArray[np.intp]
    results: list[Any]
    errors: list[tuple[int, Exception]]

    @property
    def failed(self) -> npt.NDArray[np.intp]:
        """Positions that raised."""
        return np.array([position for position, _ in self.errors], np.intp)

    def cells(self) -> tuple[npt.NDArray[np.intp], list[Any]]:
        """Return all positions, ascending, with their values, None for what raised."""
        at = np.concatenate([self.where, self.failed])
        cells = [*self.results, *(None for _ in self.errors)]
        order = np.argsort(at, kind="stable")
        return at[order], [cells[i] for i in order.tolist()]


def _interpret(scalar: Scalar, rows: list[dict[str, Any]], where: npt.NDArray[np.intp]) -> _Redone:
    good: list[int] = []
    results: list[Any] = []
    errors: list[tuple[int, Exception]] = []
    for position, row in zip(where.tolist(), rows, strict=True):
        try:
            results.append(scalar(row))
            good.append(position)
        except Exception as error:  # noqa: BLE001, RUF100  (a row's exception is its result)
            errors.append((position, error))
    return _Redone(np.array(good, np.intp), results, errors)


def _patched(values: Values, redone: _Redone) -> Values:
    """Put the interpreter's values in their places, as objects where they need that."""
    results = redone.results
    if values.dtype != object and _type(results) not in {values.dtype, None}:
        values = values.astype(object)
    if results:
        values[redone.where] = np.fromiter(results, values.dtype, len(results))
    values[redone.failed] = None if values.dtype == object else values.dtype.type(0)
    return values


def _type(results: list[Any]) -> np.dtype[Any] | None:
    """Return the dtype that holds Python values exactly, None when there are none."""
    types = set(map(type, results))
    if not types:
        return None
    if types == {int} and fits(min(results), max(results)):
        return DTYPES["i"]
    if types == {float}:
        return DTYPES["f"]
    return DTYPES["b"] if types == {bool} else DTYPES["o"]


def _exact(values: Values, errors: list[tuple[int, Exception]]) -> Values:
    """Turn an object array whose values are all of one type into an array of that type."""
    if values.dtype != object:
        return values
    failed = {position for position, _ in errors}
    cells = values.tolist()
    kept = [cell for i, cell in enumerate(cells) if i not in failed] if failed else cells
    dtype = _type(kept)
    if dtype is None or dtype == object:
        return values
    zero = dtype.type(0)
    return np.fromiter((zero if i in failed else c for i, c in enumerate(cells)), dtype, len(cells))


def value_of(node: Node, frame: Frame) -> Vector:
    """Compute a subexpression on the rows of a frame."""
    match node:
        case Constant(value):
            return constant(value)
        case Name(name):
            return frame.column(name)
        case Compare():
            return _chain(node.ops, node.operands, frame)
        case Logic():
            return _logic(node.op, node.left, node.right, frame)
        case Conditional():
            return _branch(node.test, node.then, node.other, frame)
        case _:
            return _operate(node, frame)


def _operate(node: Unary | Binary | Call | Member | IsNone, frame: Frame) -> Vector:
    """Compute an operation that needs all its operands on all rows."""
    vectors = [value_of(child, frame) for child in children(node)]
    match node:
        case Unary(op):
            return spread(lambda v, part: _unary(op, v[0], part), vectors, frame)
        case Binary(op):
            return binary(op, vectors[0], vectors[1], frame)
        case Call(function):
            return call(function, vectors, frame)
        case Member():
            return spread(lambda v, part: member(node, v[0], part), vectors, frame)
        case IsNone():
            return spread(lambda v, part: _is_none(node.negated, v[0], part), vectors, frame)


def _unary(op: str, operand: Vector, frame: Frame) -> Vector:
    if op == "-":
        return negative(operand, frame)
    if op == "+":
        plus = operand.to("i") if operand.kind == "b" and not operand.scalar else operand
        return plus if numeric(operand) else frame.dead()
    if operand.kind != "b" or operand.scalar:
        return frame.dead()
    return Vector("b", np.logical_not(operand.values), own=True)


def member(node: Member, operand: Vector, frame: Frame) -> Vector:
    """Tell which rows are one of a list of constants."""
    items = node.items
    if operand.kind == "t":
        found = arrow.member(operand.values, items)
    elif operand.kind == "n":
        found = np.full(frame.n, None in items)
    elif operand.kind == "s" and not operand.scalar:
        texts = {item for item in items if isinstance(item, str)}
        found = np.fromiter((text in texts for text in operand.values), np.bool_, frame.n)
    elif numeric(operand):
        return _member_of_numbers(node, operand, frame)
    else:
        return frame.dead()
    return Vector("b", ~found if node.negated else found, own=True)


def _member_of_numbers(node: Member, operand: Vector, frame: Frame) -> Vector:
    found = np.zeros(frame.n, np.bool_)
    for item in node.items:
        if not isinstance(item, bool | int | float):
            continue
        equal = compare("==", operand, constant(item), frame)
        if equal.kind == "x":
            return equal
        found |= equal.values
    return Vector("b", ~found if node.negated else found, own=True)


def _is_none(negated: bool, operand: Vector, frame: Frame) -> Vector:
    if operand.kind == "t":
        none = arrow.is_none(operand.values)
    elif operand.kind != "o":
        none = np.full(frame.n, operand.kind == "n")
    elif operand.scalar:
        return frame.dead()
    else:
        none = np.fromiter((cell is None for cell in operand.values), np.bool_, frame.n)
    return Vector("b", ~none if negated else none, own=True)


def _condition(node: Node, frame: Frame, *, single: bool = False) -> Vector:
    """Compute a condition, `single` if one bool may stand for all; other rows are suspect."""
    vector = value_of(node, frame)
    if vector.kind == "u" and "b" in vector.values.arrays:
        frame.mark(vector.values.tags != ord("b"))
        return Vector("b", vector.values.arrays["b"])
    if vector.kind == "x" or (vector.kind == "b" and (single or not vector.scalar)):
        return vector
    return frame.dead()


def _chain(ops: tuple[str, ...], operands: tuple[Node, ...], frame: Frame) -> Vector:
    """Compare every pair on all rows: a pair that Python would not reach cannot change a row."""
    vectors = [value_of(operand, frame) for operand in operands]
    result: Vector | None = None
    for op, left, right in zip(ops, vectors, vectors[1:], strict=False):
        if left.kind == "x" or right.kind == "x":
            return Vector("x", None)
        pair = compare(op, left, right, frame)
        if pair.kind == "x":
            return pair
        if result is None:
            result = pair
        else:
            np.logical_and(result.values, pair.values, out=result.values)
    assert result is not None
    return result


def _simple(node: Node, frame: Frame, budget: int = 8) -> bool:
    """Tell whether computing a tree on rows that do not need it is cheap and marks few rows."""
    for seen, each in enumerate(operations(node), 1):
        if seen > budget or isinstance(each, Call | Conditional):
            return False
        if isinstance(each, Binary) and each.op not in {"+", "-", "*"}:
            return False
        # None is nothing to compute with; the other side may be there to keep it away.
        if isinstance(each, Name) and each is not node and frame.has_none(each.name):
            return False
    return True


def _logic(op: str, left: Node, right: Node, frame: Frame) -> Vector:
    """Compute ``and`` / ``or``; a right side that may raise, only where the left leaves it open."""
    first = _condition(left, frame)
    if first.kind == "x":
        return first
    join = np.logical_and if op == "and" else np.logical_or
    if _simple(right, frame):
        second = _condition(right, frame, single=True)
        if second.kind == "x":
            return second
        return Vector("b", join(first.values, second.values), own=True)
    result = first.array(frame.n)
    open_ = np.flatnonzero(result if op == "and" else ~result)
    if open_.size:
        second = _condition(right, frame.narrow(open_), single=True)
        result[open_] = False if second.kind == "x" else second.values
    return Vector("b", result, own=True)


def _branch(test: Node, then: Node, other: Node, frame: Frame) -> Vector:
    """Compute each branch on the rows that take it, or both on all rows where that is cheaper."""
    condition = _condition(test, frame)
    if condition.kind == "x":
        return condition
    mask = condition.values
    if _simple(then, frame, 3) and _simple(other, frame, 3):
        return blend(mask, value_of(then, frame), value_of(other, frame), frame)
    taken = np.flatnonzero(mask)
    if taken.size == frame.n:
        return value_of(then, frame)
    if not taken.size:
        return value_of(other, frame)
    parts = []
    for positions, branch in ((taken, then), (np.flatnonzero(~mask), other)):
        parts.append((positions, value_of(branch, frame.narrow(positions))))
    return merge(frame, parts)
