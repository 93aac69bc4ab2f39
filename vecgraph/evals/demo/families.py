"""The six families of reasoning-gym that the demo takes its puzzles from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecgraph.evals.demo import assign, grid, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FAMILIES", "Family"]


@dataclass(frozen=True, slots=True)
class Family:
    """What the demo knows about one family of puzzles.

    Parameters
    ----------
    count : int
        Puzzles of this family in the full demo.
    config : mapping
        Arguments of ``reasoning_gym.create_dataset``, where they differ from its defaults.
    search : str
        Node of the agent that takes the first step.
    read : callable
        The puzzle's text -> the channels that the search works on.
    write : callable
        The final state of a run -> its answer, "" for none.
    """

    count: int
    config: Mapping[str, Any]
    search: str
    read: Callable[[str], dict[str, Any]]
    write: Callable[[Mapping[str, Any]], str]


FAMILIES: dict[str, Family] = {
    "maze": Family(
        count=500,
        config={"max_dist": 40, "min_grid_size": 8, "max_grid_size": 20},
        search="expand",
        read=grid.read_maze,
        write=grid.write_maze,
    ),
    "shortest_path": Family(
        count=500,
        config={"max_rows": 14, "max_cols": 14, "p_blocked": 0.35},
        search="expand",
        read=grid.read_path,
        write=grid.write_path,
    ),
    "n_queens": Family(
        count=500,
        config={"min_remove": 5},
        search="check",
        read=assign.read_queens,
        write=assign.write_queens,
    ),
    "mini_sudoku": Family(
        count=500,
        config={},
        search="check",
        read=assign.read_sudoku,
        write=assign.write_sudoku,
    ),
    "graph_color": Family(
        count=500,
        config={"max_num_vertices": 20, "edge_probability": 0.2},
        search="check",
        read=assign.read_coloring,
        write=assign.write_coloring,
    ),
    "countdown": Family(
        count=200,
        # The generator draws expressions until one is in range: a wide range is soon hit.
        config={"min_target": 1, "max_target": 9999},
        search="guess",
        read=numbers.read,
        write=numbers.write,
    ),
}
