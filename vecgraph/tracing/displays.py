"""Dicts, lists, tuples and f-strings of traced functions."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from vecgraph.tracing.calls import Called
from vecgraph.tracing.choices import DEAD, Code, flattened, spread_over
from vecgraph.tracing.kernels import made, per_row
from vecgraph.tracing.values import spelled

if TYPE_CHECKING:
    from vecgraph.tracing.expressions import Expressions
    from vecgraph.tracing.scope import Scope
    from vecgraph.tracing.values import Value

__all__ = ["has_star", "mapping", "sequence", "text"]


def has_star(node: ast.List | ast.Tuple) -> bool:
    """Return whether an item of a list or tuple is spread out."""
    return any(isinstance(item, ast.Starred) for item in node.elts)


def mapping(expressions: Expressions, node: ast.Dict) -> Code:
    """Translate a dict whose keys are constants."""
    if any(key is None for key in node.keys):
        return _spread(expressions, node)
    keys = []
    for key in node.keys:
        assert key is not None
        try:
            keys.append(expressions.constant_of(key))
        except LookupError:
            raise expressions.refuse(key, "a dict with computed keys is not traced") from None
    if len(set(keys)) != len(keys):
        raise expressions.refuse(node, "a dict with a key twice is not traced")
    return expressions.struct("dict", tuple(keys), node.values)


def _spread(expressions: Expressions, node: ast.Dict) -> Code:
    """Translate ``{**state, "key": value, ...}``."""
    first = node.values[0]
    is_state = isinstance(first, ast.Name) and first.id == expressions.state
    if node.keys[0] is not None or not is_state or None in node.keys[1:]:
        raise expressions.refuse(
            node, "a dict with ** is traced for the state alone, at its beginning"
        )
    rest = mapping(expressions, ast.copy_location(ast.Dict(node.keys[1:], node.values[1:]), node))
    expressions.whole = True
    return lambda scope: spread_over(scope, rest(scope))


def sequence(expressions: Expressions, node: ast.List | ast.Tuple) -> Code:
    """Translate a list or a tuple."""
    kind = "list" if isinstance(node, ast.List) else "tuple"
    if not has_star(node):
        return expressions.struct(kind, (), node.elts)
    starred = [isinstance(item, ast.Starred) for item in node.elts]
    items = [item.value if isinstance(item, ast.Starred) else item for item in node.elts]
    codes = [expressions.code(item) for item in items]
    make = flattened(list if kind == "list" else tuple, starred)

    def code(scope: Scope) -> Value:
        vectors = [spelled(each(scope), scope.frame.n) for each in codes]
        if any(vector.kind == "x" for vector in vectors):
            return DEAD
        return made(make, vectors, scope.frame)

    return code


def text(expressions: Expressions, node: ast.JoinedStr) -> Code:
    """Translate an f-string whose formats are constants."""
    template, codes = "", []
    for part in node.values:
        if isinstance(part, ast.Constant):
            template += str(part.value).replace("{", "{{").replace("}", "}}")
            continue
        assert isinstance(part, ast.FormattedValue)
        template += "{" + _format(expressions, part) + "}"
        codes.append(expressions.code(part.value))
    called = Called(template.format, lambda v, frame: per_row(template.format, v, frame), 0, 99)
    return lambda scope: called([code(scope) for code in codes], scope.frame)


def _format(expressions: Expressions, part: ast.FormattedValue) -> str:
    conversion = "" if part.conversion < 0 else "!" + chr(part.conversion)
    if part.format_spec is None:
        return conversion
    assert isinstance(part.format_spec, ast.JoinedStr)
    spec = ""
    for each in part.format_spec.values:
        if not isinstance(each, ast.Constant) or {"{", "}"} & set(str(each.value)):
            raise expressions.refuse(part, "a computed format is not traced")
        spec += str(each.value)
    return f"{conversion}:{spec}"
