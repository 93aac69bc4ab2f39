"""Mazes and shortest paths: one breadth-first wave over all the grids at once.

Every grid is padded with walls to ``SIDE x SIDE`` cells, so that the grids of all runs are one
tensor and one superstep moves the wave of each run by one cell.

Source: C. Y. Lee, "An algorithm for path connections and its applications", IRE Transactions on
Electronic Computers EC-10, 1961.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import numpy as np
import numpy.typing as npt

from vecgraph.evals.demo.tensor import tensor
from vecgraph.evals.demo.verdict import Verdict
from vecgraph.schema import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["SIDE", "GridState", "expand", "read_maze", "read_path", "write_maze", "write_path"]

SIDE = 20
"""Cells along each side of the padded grid."""

STEPS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


class GridState(TypedDict, total=False):
    """Channels of the wave search."""

    free: Annotated[npt.NDArray[np.bool_], Tensor((SIDE, SIDE), np.bool_)]
    """Cells that may be entered."""
    distance: Annotated[npt.NDArray[np.int64], Tensor((SIDE, SIDE), np.int64)]
    """Steps from the start, -1 where the wave has not been."""
    goal: Annotated[npt.NDArray[np.int64], Tensor(2, np.int64)]
    """Row and column of the goal."""
    spent: int
    verdict: int


def read_maze(question: str) -> dict[str, Any]:
    """Read a maze: a fenced block of characters whose meanings the text names."""
    start, goal = re.search(r"from '(.)' \(start\) to '(.)' \(goal\)", question).groups()  # type: ignore[union-attr]
    # The four characters are random and may be backticks or quotes: cut at the fences' lines.
    block, legend = question.split("\n```\n", 1)[1].rsplit("\n```\nLegend: ", 1)
    return _grid(block.split("\n"), start=start, goal=goal, wall=legend[1])


def read_path(question: str) -> dict[str, Any]:
    """Read a grid of ``*`` start, ``#`` goal, ``O`` open and ``X`` blocked cells."""
    lines = re.findall(r"^[XO*#](?: [XO*#])+$", question, re.MULTILINE)
    return _grid([line.split() for line in lines], start="*", goal="#", wall="X")


def _grid(cells: Iterable[Iterable[str]], start: str, goal: str, wall: str) -> dict[str, Any]:
    chars = np.array([list(line) for line in cells])
    padded = np.full((SIDE, SIDE), wall)
    padded[: chars.shape[0], : chars.shape[1]] = chars
    return {
        "free": padded != wall,
        "distance": np.where(padded == start, 0, -1),
        "goal": np.argwhere(padded == goal)[0],
    }


def expand(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Move the wave of every run by one cell (vector node).

    Parameters
    ----------
    batch : Batch of M rows
        The channels of `GridState`.

    Returns
    -------
    dict
        `distance` (M, SIDE, SIDE), `verdict` (M,): solved when the goal has been reached,
        impossible when the wave has died out before; and `spent` (M,).
    """
    distance, goal = tensor(batch, "distance"), tensor(batch, "goal")
    wave = distance.max(axis=(1, 2))
    front = distance == wave[:, None, None]
    near = np.zeros_like(front)
    near[:, 1:] |= front[:, :-1]
    near[:, :-1] |= front[:, 1:]
    near[:, :, 1:] |= front[:, :, :-1]
    near[:, :, :-1] |= front[:, :, 1:]
    near &= tensor(batch, "free") & (distance < 0)
    reached = near[np.arange(len(goal)), goal[:, 0], goal[:, 1]]
    stopped = ~near.any(axis=(1, 2))
    return {
        "distance": np.where(near, wave[:, None, None] + 1, distance),
        "verdict": np.select(
            [reached, stopped], [Verdict.SOLVED, Verdict.IMPOSSIBLE], Verdict.OPEN
        ),
        "spent": batch["spent"] + 1,
    }


def write_maze(state: Mapping[str, Any]) -> str:
    """Answer with the number of steps to the goal."""
    if state["verdict"] != Verdict.SOLVED:
        return ""
    return str(state["distance"][tuple(state["goal"])])


def write_path(state: Mapping[str, Any]) -> str:
    """Answer with the directions from start to goal: walk back downhill from the goal."""
    if state["verdict"] == Verdict.IMPOSSIBLE:
        return "infeasible"
    if state["verdict"] != Verdict.SOLVED:
        return ""
    distance = np.pad(state["distance"], 1, constant_values=-1)
    row, column = state["goal"] + 1
    path: list[str] = []
    while left := distance[row, column]:
        for name, (down, right) in STEPS.items():
            if distance[row - down, column - right] == left - 1:
                path.append(name)
                row, column = row - down, column - right
                break
    return " ".join(reversed(path))
