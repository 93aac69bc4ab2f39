"""Find the syntax tree of a function, and be sure that it is the function's."""

from __future__ import annotations

import ast
import functools
import linecache
import warnings
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Definition", "Refused", "definition_of"]

Definition: TypeAlias = ast.FunctionDef | ast.Lambda


class Refused(Exception):
    """A function has no column form.

    Attributes
    ----------
    reason : str
        What stands in the way.
    line : int or None
        Line of the file that it stands in.
    text : str
        That line.
    """

    def __init__(self, reason: str, line: int | None = None, text: str = "") -> None:
        self.reason, self.line, self.text = reason, line, text
        super().__init__(reason, line, text)

    def __str__(self) -> str:
        if self.line is None:
            return self.reason
        return f"{self.reason}, line {self.line}: {self.text}"


def definition_of(fn: FunctionType) -> Definition:
    """Return the tree that `fn` was compiled from.

    The file is compiled again, and one of its code objects must equal the function's: a file
    that was edited since, or a function that was made in another way, has no tree.

    Raises
    ------
    Refused
        There is no source, or it is not the function's.
    """
    code = fn.__code__
    lines = linecache.getlines(code.co_filename, fn.__globals__)
    parsed = _parsed(code.co_filename, "".join(lines)) if lines else None
    if parsed is None:
        raise Refused("its source cannot be read")
    tree, codes = parsed
    if not any(code == known for known in codes.get(code.co_name, ())):
        raise Refused("its source has changed since it was defined")
    found = [node for node in tree.get(code.co_firstlineno, ()) if _is_of(node, code)]
    if len(found) != 1:
        raise Refused("its source cannot be told from another function's")
    return found[0]


Parsed = tuple[dict[int, list[Definition]], dict[str, list[CodeType]]]


@functools.lru_cache(maxsize=32)
def _parsed(filename: str, source: str) -> Parsed | None:
    """Return a file's functions by their first line, and its code objects by their name."""
    try:
        tree = ast.parse(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whoever compiled it first has been warned
            module = compile(source, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    nodes: dict[int, list[Definition]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            nodes.setdefault(_first_line(node), []).append(node)
    codes: dict[str, list[CodeType]] = {}
    for code in _codes(module):
        codes.setdefault(code.co_name, []).append(code)
    return nodes, codes


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _first_line(node: Definition) -> int:
    if isinstance(node, ast.FunctionDef) and node.decorator_list:
        return node.decorator_list[0].lineno
    return node.lineno


def _is_of(node: Definition, code: CodeType) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name == code.co_name
    if code.co_name != "<lambda>":
        return False
    return _span(code) == _span_of(node.body)


def _span(code: CodeType) -> tuple[Any, ...]:
    """Return the part of the file that a lambda's instructions come from."""
    begins, ends = [], []
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column in {None, 0}:
            continue
        begins.append((line, column))
        ends.append((end_line, end_column))
    return (min(begins), max(ends)) if begins else ()


def _span_of(node: ast.expr) -> tuple[Any, ...]:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
