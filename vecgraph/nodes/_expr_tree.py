"""What an expression is once parsed: a small frozen tree, and the error that points into it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FUNCTIONS",
    "Binary",
    "Call",
    "Compare",
    "Conditional",
    "Constant",
    "ExpressionError",
    "IsNone",
    "Logic",
    "Member",
    "Name",
    "Node",
    "Unary",
    "children",
]

FUNCTIONS: Final[dict[str, tuple[int, int | None]]] = {
    "abs": (1, 1),
    "bool": (1, 1),
    "ceil": (1, 1),
    "clip": (3, 3),
    "contains": (2, 2),
    "cos": (1, 1),
    "endswith": (2, 2),
    "exp": (1, 1),
    "expm1": (1, 1),
    "float": (1, 1),
    "floor": (1, 1),
    "int": (1, 1),
    "isfinite": (1, 1),
    "isnan": (1, 1),
    "len": (1, 1),
    "log": (1, 1),
    "log10": (1, 1),
    "log1p": (1, 1),
    "lower": (1, 1),
    "max": (2, None),
    "min": (2, None),
    "round": (1, 2),
    "sin": (1, 1),
    "sqrt": (1, 1),
    "startswith": (2, 2),
    "strip": (1, 1),
    "tan": (1, 1),
    "upper": (1, 1),
    "where": (3, 3),
}
"""Functions an expression may call: name -> (fewest, most) arguments; None is no limit."""


class ExpressionError(ValueError):
    """An expression that cannot be understood, or that names what does not exist.

    Attributes
    ----------
    text : str
        The expression.
    column : int
        Where in `text` the trouble begins, from 0.
    reason, hint, where : str
        What is wrong, what to do, and whose expression it is (may be empty).
    """

    def __init__(
        self, reason: str, text: str, column: int, hint: str = "", where: str = ""
    ) -> None:
        self.reason, self.text, self.column = reason, text, column
        self.hint, self.where = hint, where
        super().__init__(reason, text, column, hint, where)

    def __str__(self) -> str:
        """Give the reason, the line with a caret under the column, and the hint."""
        begin = self.text.rfind("\n", 0, self.column) + 1
        line = self.text[begin:].split("\n", 1)[0]
        place = f" in {self.where}" if self.where else ""
        caret = " " * (self.column - begin) + "^"
        hint = f"\nHint: {self.hint}." if self.hint else ""
        return f"{self.reason}{place}:\n    {line}\n    {caret}{hint}"

    @classmethod
    def unknown(
        cls, kind: str, name: str, available: Iterable[str], text: str, column: int, where: str
    ) -> ExpressionError:
        """Report a name that is not among the available ones, with the nearest of them."""
        known = sorted(available)
        near = difflib.get_close_matches(name, known, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        listing = f"available: {', '.join(known)}" if known else "none is available"
        return cls(f"unknown {kind} {name!r}", text, column, guess + listing, where)


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal: int, float, str, bool or None."""

    value: object


@dataclass(frozen=True, slots=True)
class Name:
    """A channel, and the column of the text where it stands."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Unary:
    """``-a``, ``+a`` or ``not a``."""

    op: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic on two operands."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Compare:
    """A chain ``a < b <= c``: one operator fewer than operands."""

    ops: tuple[str, ...]
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Logic:
    """``a and b`` or ``a or b``; the right side is not evaluated where the left decides."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Conditional:
    """``then if test else other``, also written ``where(test, then, other)``."""

    test: Node
    then: Node
    other: Node


@dataclass(frozen=True, slots=True)
class Member:
    """``a in [1, 2]``: membership in a list of literals."""

    operand: Node
    items: tuple[object, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class IsNone:
    """``a is None``."""

    operand: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one of `FUNCTIONS`."""

    function: str
    arguments: tuple[Node, ...]


Node: TypeAlias = (
    Constant | Name | Unary | Binary | Compare | Logic | Conditional | Member | IsNone | Call
)


def children(node: Node) -> tuple[Node, ...]:
    """Return the operands of a node, in the order in which they are written."""
    match node:
        case Constant() | Name():
            return ()
        case Unary() | Member() | IsNone():
            return (node.operand,)
        case Binary() | Logic():
            return (node.left, node.right)
        case Compare():
            return node.operands
        case Conditional():
            return (node.test, node.then, node.other)
        case Call():
            return node.arguments
