"""The grammar of expressions: tokens and a Pratt parser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from vecgraph.nodes._expr_tree import (
    FUNCTIONS,
    Binary,
    Call,
    Compare,
    Conditional,
    Constant,
    ExpressionError,
    IsNone,
    Logic,
    Member,
    Name,
    Node,
    Unary,
    children,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["parse"]

# Both bounds keep the interpreters, which recurse, far from Python's own limit.
_MAX_NESTING: Final = 64
_MAX_HEIGHT: Final = 200

_LITERALS: Final = {"True": True, "False": False, "None": None}
_WORDS: Final = {"and", "or", "not", "if", "else", "in", "is"}
_RESERVED: Final = {"lambda", "for", "def", "class", "import", "yield", "await", "return"}
_FOREIGN: Final = {
    "=": "comparison is '=='",
    "&": "use 'and'",
    "&&": "use 'and'",
    "|": "use 'or'",
    "||": "use 'or'",
    "~": "use 'not'",
    "!": "use 'not'",
    "^": "use '**' for powers, '!=' for exclusive or",
    ".": "attributes cannot be read; a node function can",
    ":": "slices and lambdas are not part of the language; a node function can",
    "{": "dicts and sets are not part of the language; a node function can",
    "?": "write 'a if test else b'",
}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
_COMPARISONS: Final = {"<", "<=", ">", ">=", "==", "!="}
_INFIX: Final = {
    "if": 1,
    "or": 2,
    "and": 3,
    **dict.fromkeys((*_COMPARISONS, "in", "is", "not"), 5),
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    "//": 7,
    "%": 7,
    "**": 9,
}
"""Binding power on the left; a prefix ``not`` binds at 4, a sign at 8, as in Python."""

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+(?:_\d+)*\.?(?:\d+)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<name>[^\W\d]\w*)
    | (?P<op>\*\*|//|<=|>=|==|!=|[-+*/%<>()\[\],])
    | (?P<foreign>&&|\|\||.)
    )""",
    re.VERBOSE | re.DOTALL,
)


def parse(text: str, where: str = "") -> Node:
    """Parse an expression.

    Parameters
    ----------
    text : str
        The expression; whitespace and line breaks between tokens mean nothing.
    where : str
        Whose expression it is, for the message of an error.

    Returns
    -------
    Node
        The tree, at most 200 high.

    Raises
    ------
    ExpressionError
        The text is not an expression of the language.

    Notes
    -----
    Top-down operator precedence: V. Pratt, "Top down operator precedence", POPL 1973.
    """
    parser = _Parser(text, where)
    node = parser.parse(0)
    if parser.token.kind != "end":
        parser.fail(f"unexpected {parser.token.text!r}", hint="an operator is missing before it")
    if _height(node) > _MAX_HEIGHT:
        parser.fail("expression too deep", hint="split it over two nodes")
    return node


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    """One pass over the tokens of one text."""

    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        self._tokens = self._scan()
        self._nesting = 0
        self.token = next(self._tokens)

    def fail(self, reason: str, at: int | None = None, hint: str = "") -> NoReturn:
        column = self.token.at if at is None else at
        raise ExpressionError(reason, self.text, column, hint, self.where)

    def _scan(self) -> Iterator[_Token]:
        """Cut the text into tokens; the last one is the end."""
        position, end = 0, len(self.text.rstrip())
        while position < end:
            match = _TOKEN.match(self.text, position)
            assert match is not None, "the last alternative takes any character"
            kind = str(match.lastgroup)
            text, at = match.group(kind), match.start(kind)
            self._refuse(kind, text, at, match.end())
            yield _Token("op" if text in _WORDS else kind, text, at)
            position = match.end()
        yield _Token("end", "the end of the text", end)

    def _refuse(self, kind: str, text: str, at: int, end: int) -> None:
        if kind == "foreign":
            if text in "'\"":
                self.fail("string without an end", at, f"close it with {text}")
            self.fail(f"unexpected {text!r}", at, _FOREIGN.get(text, "see the expression grammar"))
        if kind == "name" and text in _RESERVED:
            self.fail(f"{text!r} is not part of the language", at, "write a node function instead")
        follows = self.text[end : end + 1]
        if kind == "number" and (follows.isalnum() or follows in {"_", "."}):
            self.fail("number runs into a name", at, "put an operator between them, e.g. 2 * x")

    def _take(self) -> _Token:
        token = self.token
        self.token = next(self._tokens, token)
        return token

    def _skip(self, text: str) -> bool:
        found = self.token.kind == "op" and self.token.text == text
        if found:
            self._take()
        return found

    def _expect(self, text: str, opened: _Token | None = None) -> None:
        if not self._skip(text):
            since = f" (opened at column {opened.at + 1})" if opened else ""
            self.fail(f"expected {text!r}{since}, found {self.token.text!r}")

    def parse(self, power: int) -> Node:
        """Parse operators that bind tighter than `power` on the left."""
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            self.fail("expression nested too deeply", hint="split it over two nodes")
        left = self._prefix(power)
        while self.token.kind == "op" and _INFIX.get(self.token.text, 0) > power:
            left = self._infix(left)
        self._nesting -= 1
        return left

    def _prefix(self, power: int) -> Node:
        token = self._take()
        if token.kind == "number":
            return Constant(self._number(token))
        if token.kind == "string":
            return Constant(self._string(token))
        if token.kind == "name":
            return self._name(token)
        if token.kind == "op":
            return self._sign(token, power)
        return self.fail("expected a value, found the end", token.at, "complete the expression")

    def _sign(self, token: _Token, power: int) -> Node:
        if token.text == "(":
            node = self.parse(0)
            self._expect(")", token)
            return node
        if token.text in {"+", "-"}:
            return Unary(token.text, self.parse(8 - 1))
        if token.text == "not":
            if power > 4:
                self.fail("'not' needs parentheses here", token.at, "write (not ...)")
            return Unary("not", self.parse(4 - 1))
        if token.text == "[":
            self.fail("a list of values stands only after 'in'", token.at)
        return self.fail(f"expected a value, found {token.text!r}", token.at)

    def _name(self, token: _Token) -> Node:
        if token.text in _LITERALS:
            return Constant(_LITERALS[token.text])
        if self.token.kind == "op" and self.token.text == "(":
            return self._call(token)
        if self.token.kind == "string":
            self.fail("strings have no prefix here", token.at, "remove the prefix")
        return Name(token.text, token.at)

    def _call(self, token: _Token) -> Node:
        name = token.text
        if name not in FUNCTIONS:
            raise ExpressionError.unknown(
                "function", name, FUNCTIONS, self.text, token.at, self.where
            )
        opened = self._take()
        arguments: list[Node] = []
        while not self._skip(")"):
            if arguments:
                self._expect(",", opened)
                if self._skip(")"):
                    break
            arguments.append(self.parse(0))
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(arguments) <= (most or len(arguments)):
            takes = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            takes = f"{fewest} or more" if most is None else takes
            self.fail(f"{name}() takes {takes} arguments, not {len(arguments)}", token.at)
        if name == "where":
            return Conditional(*arguments)
        return Call(name, tuple(arguments))

    def _infix(self, left: Node) -> Node:
        token = self._take()
        power = _INFIX[token.text]
        if power == 5:
            return self._compare(left, token)
        if token.text == "if":
            test = self.parse(1)
            self._expect("else")
            return Conditional(test, left, self.parse(0))
        if token.text in {"and", "or"}:
            return Logic(token.text, left, self.parse(power))
        # The exponent may carry a sign, and ** is the one operator that groups to the right.
        right = self.parse(7 if token.text == "**" else power)
        return Binary(token.text, left, right)

    def _compare(self, left: Node, token: _Token) -> Node:
        if token.text not in _COMPARISONS:
            node = self._test(left, token)
            if _INFIX.get(self.token.text, 0) == 5 and self.token.kind == "op":
                self.fail("'in' and 'is' are not chained", hint="put parentheses around one test")
            return node
        ops, operands = [token.text], [left, self.parse(5)]
        while self.token.kind == "op" and self.token.text in _COMPARISONS:
            ops.append(self._take().text)
            operands.append(self.parse(5))
        if self.token.kind == "op" and self.token.text in {"in", "is"}:
            self.fail("'in' and 'is' are not chained", hint="put parentheses around one test")
        return Compare(tuple(ops), tuple(operands))

    def _test(self, left: Node, token: _Token) -> Node:
        """Parse ``in [...]``, ``not in [...]``, ``is None`` and ``is not None``."""
        if token.text == "is":
            negated = self._skip("not")
            if self.token.text != "None" or self.token.kind != "name":
                self.fail("'is' compares with None only", hint="use '==' for values")
            self._take()
            return IsNone(left, negated)
        if token.text == "not":
            self._expect("in")
        return Member(left, self._items(), negated=token.text == "not")

    def _items(self) -> tuple[object, ...]:
        opened = self._take()
        if opened.kind != "op" or opened.text not in {"(", "["}:
            self.fail("'in' needs a list of values", opened.at, "write x in ['a', 'b']")
        close = ")" if opened.text == "(" else "]"
        items: list[object] = []
        while not self._skip(close):
            if items:
                self._expect(",", opened)
                if self._skip(close):
                    break
            at = self.token.at
            items.append(self._literal(self.parse(0), at))
        return tuple(items)

    def _literal(self, node: Node, at: int) -> object:
        match node:
            case Constant():
                return node.value
            case Unary("-", Constant(int() | float() as value)):
                return -value
            case _:
                return self.fail("the values after 'in' are literals", at, "use == and 'or'")

    def _number(self, token: _Token) -> int | float:
        text = token.text
        if not text.replace("_", "").isdigit():
            return float(text)
        if text[0] == "0" and text.strip("0_"):
            self.fail("number begins with 0", token.at, "remove the leading zeros")
        try:
            return int(text)
        except ValueError as error:  # more digits than sys.get_int_max_str_digits()
            return self.fail(str(error), token.at)

    def _string(self, token: _Token) -> str:
        def unescape(match: re.Match[str]) -> str:
            if match[1] not in _ESCAPES:
                at = token.at + 1 + match.start()
                self.fail(f"unknown escape {match[0]!r}", at, r"write \\ for a backslash")
            return _ESCAPES[match[1]]

        return re.sub(r"\\(.)", unescape, token.text[1:-1], flags=re.DOTALL)


def _height(root: Node) -> int:
    """Count the levels of a tree without recursion: a long sum is one level per term."""
    level, height = [root], 0
    while level:
        height += 1
        level = [child for node in level for child in children(node)]
    return height
