"""What a search knows about its puzzle after a step."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Verdict"]


class Verdict(IntEnum):
    """State of one run's search; written by the checking nodes, read by the routers."""

    OPEN = 0
    """Nothing is decided: take the next step."""
    SOLVED = 1
    """The state holds a solution."""
    IMPOSSIBLE = 2
    """The search has proved that there is none."""
    SETTLING = 3
    """The last check drew conclusions whose consequences are still to be drawn."""
    DEAD_END = 4
    """The last guess contradicts the puzzle: take it back."""
