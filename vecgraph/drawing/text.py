"""What is written in a node, and how wide it is."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vecgraph.drawing.graph import Node

__all__ = ["lines_of", "width_of"]


def lines_of(node: Node) -> list[str]:
    """Return a node's name and what its metadata says, a line each."""
    name = node.name.rpartition(":")[2] or node.name
    notes = [f"{key} = {_shown(value)}" for key, value in (node.metadata or {}).items()]
    return [_printable(line) for line in (name, *notes)]


def width_of(text: str) -> int:
    """Return how many columns a text takes; those of East Asia are two wide."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple | set):
        return ", ".join(map(str, value))
    return str(value)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
