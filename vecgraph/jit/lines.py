"""Source text that is written line by line."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Lines", "Typed"]


class Typed(NamedTuple):
    """A value in the source of a loop.

    Attributes
    ----------
    code : str
        A name or a literal.
    kind : {'b', 'i', 'f'}
        bool, int or float of Python; an int is within 64 bits.
    constant : bool, int, float or None
        What a literal stands for.
    """

    code: str
    kind: str
    constant: bool | int | float | None = None


class Lines:
    """Lines with their indentation."""

    def __init__(self, depth: int = 0) -> None:
        self.lines: list[str] = []
        self._depth = depth
        self._names = 0

    def add(self, line: str) -> None:
        """Add a line."""
        self.lines.append("    " * self._depth + line)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent what is added meanwhile under a head."""
        self.add(head)
        self._depth += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.add("pass")
        self._depth -= 1

    def name(self) -> str:
        """Return a name that nothing has."""
        self._names += 1
        return f"t{self._names}"

    def let(self, code: str, kind: str) -> Typed:
        """Give an expression a name of its own."""
        name = self.name()
        self.add(f"{name} = {code}")
        return Typed(name, kind)

    def check(self, code: str) -> None:
        """Give the run up where a condition is true: it is Python's, or an error."""
        self.add(f"bad |= {code}")

    def text(self) -> str:
        """Return all lines."""
        return "\n".join(self.lines) + "\n"
