"""Queens, sudoku and colourings: one backtracking search over all the puzzles at once.

Each of them asks to choose one *option* of every *group* so that no chosen option rules out
another: a queen's square in every row of the board, a number in every cell, a colour for every
vertex. With at most `OPTIONS` options and `GROUPS` groups, a puzzle is a few small bool
matrices, and one superstep makes one inference, one guess or one retreat in every run.

Source: R. M. Haralick and G. L. Elliott, "Increasing tree search efficiency for constraint
satisfaction problems", Artificial Intelligence 14, 1980 (forward checking, fail first).
"""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import numpy as np
import numpy.typing as npt

from vecgraph.evals.demo.tensor import tensor
from vecgraph.evals.demo.verdict import Verdict
from vecgraph.schema import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "GROUPS",
    "OPTIONS",
    "AssignState",
    "backtrack",
    "check",
    "choose",
    "read_coloring",
    "read_queens",
    "read_sudoku",
    "write_coloring",
    "write_queens",
    "write_sudoku",
]

OPTIONS = 64
GROUPS = 20
Bools = npt.NDArray[np.bool_]


class AssignState(TypedDict, total=False):
    """Channels of the backtracking search."""

    excludes: Annotated[Bools, Tensor((OPTIONS, OPTIONS), np.bool_)]
    """``excludes[a, b]``: choosing a rules out b; symmetric."""
    members: Annotated[Bools, Tensor((GROUPS, OPTIONS), np.bool_)]
    """``members[g, a]``: option a belongs to group g; unused groups have no option."""
    alive: Annotated[Bools, Tensor(OPTIONS, np.bool_)]
    """Options that are not ruled out."""
    trail: Annotated[Bools, Tensor((GROUPS, OPTIONS), np.bool_)]
    """`alive` as it was before each guess."""
    guesses: Annotated[npt.NDArray[np.int64], Tensor(GROUPS, np.int64)]
    """The option guessed at each depth."""
    depth: int
    spent: int
    verdict: int


def read_queens(question: str) -> dict[str, Any]:
    """Read a board: options are squares, groups are its rows."""
    lines = re.findall(r"^[_Q](?: [_Q])+$", question, re.MULTILINE)
    given = np.array([line.split() for line in lines]) == "Q"
    return _puzzle(*_queens(len(given)), hints=np.flatnonzero(given))


def read_sudoku(question: str) -> dict[str, Any]:
    """Read a 4 x 4 sudoku: options are (cell, number), groups are the cells."""
    lines = re.findall(r"^[_1-4](?: [_1-4]){3}$", question, re.MULTILINE)
    cells = " ".join(lines).split()
    hints = [4 * at + int(cell) - 1 for at, cell in enumerate(cells) if cell != "_"]
    return _puzzle(*_sudoku(), hints=hints)


def read_coloring(question: str) -> dict[str, Any]:
    """Read a graph: options are (vertex, colour), groups are the vertices."""
    found = re.search(r"Vertices: (.*)\nEdges: (.*)\nPossible colors: (.*)", question)
    vertices, edges, colors = (ast.literal_eval(part) for part in found.groups())  # type: ignore[union-attr]
    joined = np.zeros((len(vertices), len(vertices)), np.bool_)
    for one, other in edges:
        joined[one, other] = joined[other, one] = True
    return _puzzle(np.kron(joined, np.eye(len(colors), dtype=np.bool_)), len(colors), hints=())


@cache
def _queens(n: int) -> tuple[Bools, int]:
    row, column = np.divmod(np.arange(n * n), n)
    return (
        (column[:, None] == column)
        | (row[:, None] + column[:, None] == row + column)
        | (row[:, None] - column[:, None] == row - column)
    ), n


@cache
def _sudoku() -> tuple[Bools, int]:
    cell, number = np.divmod(np.arange(64), 4)
    row, column = np.divmod(cell, 4)
    house = 2 * (row // 2) + column // 2
    meets = np.logical_or.reduce([part[:, None] == part for part in (row, column, house)])
    return meets & (number[:, None] == number), 4


def _puzzle(excludes: Bools, size: int, hints: Iterable[int]) -> dict[str, Any]:
    """Pad to the common shape: groups are runs of `size` options, one behind the other."""
    used = len(excludes)
    members = np.zeros((GROUPS, OPTIONS), np.bool_)
    members[np.arange(used) // size, np.arange(used)] = True
    rules = np.zeros((OPTIONS, OPTIONS), np.bool_)
    rules[:used, :used] = excludes
    rules |= (members[:, :, None] & members[:, None, :]).any(axis=0)
    np.fill_diagonal(rules, val=False)
    return {
        "excludes": rules,
        "members": members,
        "alive": (np.arange(OPTIONS) < used) & ~rules[list(hints)].any(axis=0),
        "trail": np.zeros((GROUPS, OPTIONS), np.bool_),
        "guesses": np.zeros(GROUPS, np.int64),
        "depth": 0,
    }


def check(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Rule out what the groups with a single option left exclude (vector node).

    Parameters
    ----------
    batch : Batch of M rows
        The channels of `AssignState`.

    Returns
    -------
    dict
        `alive` (M, OPTIONS), `verdict` (M,) and `spent` (M,).
    """
    alive, members = tensor(batch, "alive"), tensor(batch, "members")
    left = _count(members, alive)
    single = ((left == 1)[:, None, :] @ members)[:, 0] & alive
    after = alive & ~(single[:, None, :] @ tensor(batch, "excludes"))[:, 0]
    left, real = _count(members, after), members.any(axis=2)
    dead = (real & (left == 0)).any(axis=1)
    settling = (after != alive).any(axis=1)
    solved = (left == real).all(axis=1)
    return {
        "alive": after,
        "verdict": np.select(
            [dead & (batch["depth"] == 0), dead, settling, solved],
            [Verdict.IMPOSSIBLE, Verdict.DEAD_END, Verdict.SETTLING, Verdict.SOLVED],
            Verdict.OPEN,
        ),
        "spent": batch["spent"] + 1,
    }


def choose(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Guess the first option of the group with the fewest left, two or more (vector node).

    Parameters
    ----------
    batch : Batch of M rows
        The channels of `AssignState`; every row has such a group, or `check` had solved it.

    Returns
    -------
    dict
        `alive`, `trail`, `guesses`, `depth` and `spent`, with M rows each.
    """
    alive, members, depth = tensor(batch, "alive"), tensor(batch, "members"), batch["depth"]
    rows = np.arange(len(depth))
    left = _count(members, alive)
    group = members[rows, np.where(left < 2, OPTIONS, left).argmin(axis=1)]
    guess = (group & alive).argmax(axis=1)
    trail, guesses = tensor(batch, "trail").copy(), tensor(batch, "guesses").copy()
    trail[rows, depth] = alive
    guesses[rows, depth] = guess
    kept = alive & ~group
    kept[rows, guess] = True
    return {
        "alive": kept,
        "trail": trail,
        "guesses": guesses,
        "depth": depth + 1,
        "spent": batch["spent"] + 1,
    }


def backtrack(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Take the last guess back and rule its option out (vector node)."""
    rows, depth = np.arange(len(batch["depth"])), batch["depth"] - 1
    alive = tensor(batch, "trail")[rows, depth].copy()
    alive[rows, tensor(batch, "guesses")[rows, depth]] = False
    return {"alive": alive, "depth": depth, "spent": batch["spent"] + 1}


def _count(members: Bools, alive: Bools) -> npt.NDArray[np.int64]:
    """Count the options left in each group, shape (M, GROUPS)."""
    return np.asarray((members & alive[:, None, :]).sum(axis=2), np.int64)


def write_queens(state: Mapping[str, Any]) -> str:
    """Answer with the full board."""
    if state["verdict"] != Verdict.SOLVED:
        return ""
    n = int(state["members"].any(axis=1).sum())
    board = np.where(state["alive"][: n * n].reshape(n, n), "Q", "_")
    return "\n".join(" ".join(line) for line in board)


def write_sudoku(state: Mapping[str, Any]) -> str:
    """Answer with the full grid of numbers."""
    if state["verdict"] != Verdict.SOLVED:
        return ""
    numbers = state["alive"].reshape(4, 4, 4).argmax(axis=2) + 1
    return "\n".join(" ".join(map(str, line)) for line in numbers)


def write_coloring(state: Mapping[str, Any]) -> str:
    """Answer with a JSON map of vertices to colours; the task has no word for "impossible"."""
    if state["verdict"] != Verdict.SOLVED:
        return ""
    colors = int(state["members"][0].sum())
    chosen = np.flatnonzero(state["alive"])
    return json.dumps({str(at // colors): int(at % colors) + 1 for at in chosen})
