"""Expressions over channels: `expr` computes updates, `when` routes, both without calling Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.columns import taken
from vecgraph.nodes._expr_columns import Evaluated, evaluate, fold
from vecgraph.nodes._expr_parse import parse
from vecgraph.nodes._expr_scalar import Scalar, compile_scalar, truth
from vecgraph.nodes._expr_tree import ExpressionError, Name, Node, children
from vecgraph.nodes._expr_ways import way_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    import numpy.typing as npt

__all__ = [
    "Cases",
    "Evaluated",
    "Expr",
    "Expression",
    "ExpressionError",
    "Routed",
    "When",
    "expr",
    "when",
]


@dataclass(frozen=True)
class Expression:
    """One parsed expression; its meaning on every row is Python's.

    Attributes
    ----------
    text : str
        As written.
    where : str
        Whose expression it is, for messages.

    Examples
    --------
    >>> import numpy as np
    >>> half = Expression.parse("n / 2 if n > 0 else 0")
    >>> half.evaluate({"n": np.array([3, 4])}, 2).values.tolist()
    [1.5, 2.0]
    >>> half.scalar({"n": -1})
    0
    """

    text: str
    where: str = field(default="", compare=False)
    _root: Node = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        given: object = self.text
        if not isinstance(given, str):
            place = f" in {self.where}" if self.where else ""
            raise TypeError(f"an expression is text, got {type(given).__name__}{place}")
        object.__setattr__(self, "_root", parse(self.text, self.where))

    def __reduce__(self) -> tuple[type[Expression], tuple[str, str]]:
        return Expression, (self.text, self.where)

    @classmethod
    def parse(cls, text: str, where: str = "") -> Expression:
        """Parse a text.

        Raises
        ------
        ExpressionError
            The text is not an expression of the language.
        """
        return cls(text, where)

    @cached_property
    def names(self) -> frozenset[str]:
        """The channels it reads."""
        return frozenset(self._places)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each name stands first in the text."""
        places: dict[str, int] = {}
        stack = [self._root]
        while stack:
            node = stack.pop()
            stack.extend(children(node))
            if isinstance(node, Name):
                places[node.name] = min(node.at, places.get(node.name, node.at))
        return places

    @cached_property
    def _scalar(self) -> Scalar:
        return compile_scalar(self._root)

    @cached_property
    def _folded(self) -> Node:
        return fold(self._root)

    def check(self, available: Iterable[str], where: str = "") -> None:
        """Refuse names that are not among the available channels.

        Raises
        ------
        ExpressionError
            Points at the first such name, and lists those that exist.
        """
        known = set(available)
        for name, at in sorted(self._places.items(), key=lambda place: place[1]):
            if name not in known:
                raise ExpressionError.unknown(
                    "name", name, known, self.text, at, where or self.where
                )

    def evaluate(self, columns: Mapping[str, Any], n: int, *, to_arrow: bool = False) -> Evaluated:
        """Evaluate on N rows at once.

        Parameters
        ----------
        columns : mapping of str to ndarray of shape (N,) or Arrow array of length N
            At least for each of `names`; not modified. A null is None.
        n : int
            Rows.
        to_arrow : bool
            Texts, and values beside None, may come as an Arrow array.

        Returns
        -------
        Evaluated
            Equal, row by row, to what `scalar` returns or raises.

        Raises
        ------
        ValueError
            A column has another length.
        """
        for name in self.names:
            if name in columns and len(columns[name]) != n:
                raise ValueError(f"column {name!r} has {len(columns[name])} rows, expected {n}")
        return evaluate(self._folded, self._scalar, columns, n, to_arrow=to_arrow)

    def scalar(self, row: Mapping[str, Any]) -> Any:
        """Evaluate on one row in plain Python, raising what Python raises."""
        return self._scalar(row)

    def way(self, types: Mapping[str, Any]) -> str:
        """Return in words how columns of these types are computed.

        Parameters
        ----------
        types : mapping of str to type or pyarrow DataType

        Examples
        --------
        >>> import pyarrow as pa
        >>> Expression("lower(s) == 'yes'").way({"s": pa.string()})
        'columns, by pyarrow.compute'
        """
        return way_of(self._folded, types)


@dataclass(frozen=True)
class Expr:
    """Named expressions that together compute a node's update; made by `expr`.

    All of them read the state before the node; none sees another's result.
    """

    expressions: Mapping[str, Expression]

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, ({name: each.text for name, each in self.expressions.items()},)

    def __hash__(self) -> int:
        return hash(tuple(self.expressions.items()))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The channels it writes, in the order given."""
        return tuple(self.expressions)

    @cached_property
    def names(self) -> frozenset[str]:
        """The channels it reads."""
        return frozenset().union(*(each.names for each in self.expressions.values()))

    def check(self, available: Iterable[str], where: str = "") -> None:
        """Refuse names that are not among the available channels; see `Expression.check`."""
        known = set(available)
        for name, each in self.expressions.items():
            each.check(known, f"{where}, expression {name!r}" if where else each.where)

    def evaluate(
        self, columns: Mapping[str, Any], n: int, to_arrow: Container[str] = ()
    ) -> tuple[dict[str, Any], list[tuple[int, Exception]]]:
        """Evaluate all on N rows.

        Parameters
        ----------
        columns : mapping of str to ndarray of shape (N,) or Arrow array of length N
        n : int
        to_arrow : container of str
            Which of `outputs` may come as Arrow arrays.

        Returns
        -------
        dict of str to ndarray of shape (N,) or Arrow array
            See `Evaluated.values`.
        list of (int, Exception)
            Failed rows, ascending; of a row that fails in several, the first one's exception.
        """
        values: dict[str, Any] = {}
        errors: dict[int, Exception] = {}
        for name, each in self.expressions.items():
            result = each.evaluate(columns, n, to_arrow=name in to_arrow)
            values[name] = result.values
            for row, error in result.errors:
                errors.setdefault(row, error)
        return values, sorted(errors.items(), key=lambda item: item[0])

    def scalar(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluate on one row in plain Python."""
        return {name: each.scalar(row) for name, each in self.expressions.items()}

    def ways(self, types: Mapping[str, Any]) -> dict[str, str]:
        """Return for each output how it is computed; see `Expression.way`."""
        return {name: each.way(types) for name, each in self.expressions.items()}


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a router sends each row.

    Attributes
    ----------
    codes : int64 ndarray of shape (N,)
        Index into `labels`; -1 where the row failed.
    labels : tuple of str
        The router's labels, each once, in the order of its cases.
    errors : list of (int, Exception)
        Failed rows, ascending.
    """

    codes: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    errors: list[tuple[int, Exception]]


@dataclass(frozen=True)
class Cases:
    """A router without its last word: add cases with `when`, finish with `otherwise`."""

    cases: tuple[tuple[Expression, str], ...]

    def when(self, condition: str, label: str) -> Cases:
        """Add a case, tried where none of those before it holds."""
        number = len(self.cases) + 1
        case = (Expression(condition, f"case {number} of when"), _label(label))
        return Cases((*self.cases, case))

    def otherwise(self, label: str) -> When:
        """Say where the rows go for which no case holds, and get the finished router."""
        return When(self.cases, _label(label))


@dataclass(frozen=True)
class When:
    """A router by expressions: the first case that holds gives the label; made by `when`."""

    cases: tuple[tuple[Expression, str], ...]
    default: str

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels it may give, each once, the default last unless a case has it."""
        return tuple(dict.fromkeys([*(label for _, label in self.cases), self.default]))

    @cached_property
    def names(self) -> frozenset[str]:
        """The channels it reads."""
        return frozenset().union(*(condition.names for condition, _ in self.cases))

    def check(self, available: Iterable[str], where: str = "") -> None:
        """Refuse names that are not among the available channels; see `Expression.check`."""
        known = set(available)
        for number, (condition, _) in enumerate(self.cases, 1):
            condition.check(known, f"{where}, case {number}" if where else condition.where)

    def evaluate(self, columns: Mapping[str, Any], n: int) -> Routed:
        """Route N rows; a case is evaluated on the rows that no earlier case has taken.

        Parameters
        ----------
        columns : mapping of str to ndarray of shape (N,) or Arrow array of length N
            As for `Expression.evaluate`.
        n : int
            Rows.
        """
        codes = np.full(n, self.labels.index(self.default), np.int64)
        errors: list[tuple[int, Exception]] = []
        rows: npt.NDArray[np.intp] | None = None
        for condition, label in self.cases:
            held, failed = _test(condition, columns, n if rows is None else rows.size, rows)
            codes[held] = self.labels.index(label)
            errors.extend(failed)
            rest = np.ones(n, np.bool_) if rows is None else np.bincount(rows, minlength=n) > 0
            rest[held] = False
            rest[[row for row, _ in failed]] = False
            rows = np.flatnonzero(rest)
            if not rows.size:
                break
        codes[[row for row, _ in errors]] = -1
        return Routed(codes, self.labels, sorted(errors, key=lambda item: item[0]))

    def ways(self, types: Mapping[str, Any]) -> dict[str, str]:
        """Return for each case, by its text, how it is computed; see `Expression.way`."""
        return {condition.text: condition.way(types) for condition, _ in self.cases}

    def scalar(self, row: Mapping[str, Any]) -> str:
        """Route one row in plain Python."""
        for condition, label in self.cases:
            if truth(condition.scalar(row)):
                return label
        return self.default


def expr(**expressions: str) -> Expr:
    """Compute channels from channels by expressions, a node without a function.

    Parameters
    ----------
    **expressions : str
        Channel to write = what to write: arithmetic (``+ - * / // % **``), comparisons,
        ``and or not``, ``a if test else b``, ``in [...]``, ``is None``, and the functions
        abs, bool, ceil, clip, cos, exp, expm1, float, floor, int, isfinite, isnan, len, log,
        log10, log1p, max, min, round, sin, sqrt, tan, where; for texts contains, endswith,
        lower, startswith, strip, upper.

    Returns
    -------
    Expr
        Pass it to ``add_node``.

    Raises
    ------
    ExpressionError
        A text is not an expression.

    Notes
    -----
    A row's result, type and exception are those of the same text in Python: ints do not wrap,
    ``/`` by zero raises ZeroDivisionError for that row alone. Only bools are conditions.

    Examples
    --------
    >>> node = expr(y="(x - mean) / sd", z="where(x > 0, x, -x)")
    >>> node.scalar({"x": -3.0, "mean": 1.0, "sd": 2.0})
    {'y': -2.0, 'z': 3.0}
    """
    if not expressions:
        raise ValueError("expr() needs at least one expression, e.g. expr(y='x + 1')")
    return _rebuild(expressions)


def when(condition: str, label: str) -> Cases:
    """Begin a router: rows for which `condition` holds go to `label`.

    Parameters
    ----------
    condition : str
        An expression that gives True or False.
    label : str
        A node, or a key of the path map, or END.

    Returns
    -------
    Cases
        Add further cases with ``.when``; ``.otherwise(label)`` gives the finished `When`.

    Examples
    --------
    >>> route = when("score > 0.5", "accept").when("score > 0.2", "maybe").otherwise("retry")
    >>> route.scalar({"score": 0.3})
    'maybe'
    """
    return Cases(()).when(condition, label)


def _rebuild(texts: Mapping[str, str]) -> Expr:
    parsed = {name: Expression(text, f"expression {name!r}") for name, text in texts.items()}
    return Expr(MappingProxyType(parsed))


def _label(label: object) -> str:
    if not isinstance(label, str):
        raise TypeError(f"a label of when() is a string, got {type(label).__name__}")
    return label


def _test(
    condition: Expression,
    columns: Mapping[str, Any],
    n: int,
    rows: npt.NDArray[np.intp] | None,
) -> tuple[npt.NDArray[np.intp], list[tuple[int, Exception]]]:
    """Return the rows on which a condition holds, and those on which it fails."""
    if rows is not None:
        columns = {name: taken(columns[name], rows) for name in condition.names if name in columns}
    result = condition.evaluate(columns, n)
    errors = dict(result.errors)
    held = np.zeros(n, np.bool_)
    if result.values.dtype == np.bool_:
        held |= result.values
    else:
        cells = result.values.tolist()  # of Python's types, which errors name
        for position in sorted({*range(n)} - errors.keys()):
            try:
                held[position] = truth(cells[position])
            except TypeError as error:
                errors[position] = error
    where = np.flatnonzero(held)
    if rows is None:
        return where, list(errors.items())
    return rows[where], [(int(rows[position]), error) for position, error in errors.items()]
