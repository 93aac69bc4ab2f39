"""What packing and unpacking agree on: the closed set of extension types, limits, refusals.

The numbers are part of the format: none is ever given a new meaning. They begin above those of
LangGraph's serialiser, so that its bytes are told apart and not misread.

An *atom* is an extension type whose payload is the value. A *mark* is an extension type that
stands, as the only key of a map, for what the map's value really is: ``{mark: [1, 2]}`` is the
tuple ``(1, 2)``. Marks nest as MessagePack nests, so that neither a writer nor a reader recurses
through payloads.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ARRAY",
    "ARROW",
    "BIG_INT",
    "BYTEARRAY",
    "COMPLEX",
    "COUNTER",
    "DATE",
    "DATETIME",
    "DECIMAL",
    "DEFAULTDICT",
    "DEQUE",
    "DERIVED",
    "DICT",
    "ENUM",
    "ERROR",
    "FIELDS",
    "FROZENSET",
    "IP",
    "MARKS",
    "MAX_DEPTH",
    "MODEL",
    "NAMED",
    "NAMED_TUPLE",
    "NUMPY",
    "NUMPY_BYTES",
    "NUMPY_TEXT",
    "OBJECT_ARRAY",
    "ORDERED",
    "PATH",
    "PATTERN",
    "RANGE",
    "SET",
    "STRING_ARRAY",
    "TEXT",
    "TIME",
    "TIMEDELTA",
    "TUPLE",
    "UUID_",
    "ZONE",
    "Refused",
]

MAX_DEPTH: Final = 200
"""Containers that may lie in each other; Python's own stack bears it with room to spare."""

# Atoms
BIG_INT: Final = 16
COMPLEX: Final = 17
TEXT: Final = 18
BYTEARRAY: Final = 19
DECIMAL: Final = 20
DATE: Final = 21
TIME: Final = 22
DATETIME: Final = 23
TIMEDELTA: Final = 24
ZONE: Final = 25
UUID_: Final = 26
PATH: Final = 27
IP: Final = 28
PATTERN: Final = 29
NUMPY: Final = 30
NUMPY_TEXT: Final = 31
NUMPY_BYTES: Final = 32
ARRAY: Final = 33
ARROW: Final = 34
ERROR: Final = 35

# Marks
TUPLE: Final = 64
SET: Final = 65
FROZENSET: Final = 66
DICT: Final = 67
DEQUE: Final = 68
ORDERED: Final = 69
COUNTER: Final = 70
DEFAULTDICT: Final = 71
RANGE: Final = 72
OBJECT_ARRAY: Final = 73
STRING_ARRAY: Final = 74
FIELDS: Final = 80
MODEL: Final = 81
ENUM: Final = 82
NAMED_TUPLE: Final = 83
DERIVED: Final = 84

NAMED: Final = frozenset(range(FIELDS, DERIVED + 1))
"""Marks whose payload is the name of a class; that of all others is empty."""

MARKS: Final = frozenset(range(TUPLE, STRING_ARRAY + 1)) | NAMED


class Refused(Exception):
    """A value cannot be stored; collects the way to it while it leaves the containers.

    Attributes
    ----------
    steps : list of str
        From the value outwards.
    trail : list of int
        Identity of each container on the way.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint
        self.steps: list[str] = []
        self.trail: list[int] = []

    def leave(self, step: str, container: object) -> None:
        """Note that the refused value was reached by `step` from `container`."""
        self.steps.append(step)
        self.trail.append(id(container))
