"""The demo's agent: read the puzzle, search within a step budget, answer.

::

    read -+- expand <-> expand ------------------------------+
          +- check <-> (check | choose | backtrack) ---------+-> answer
          +- guess <-> refine -------------------------------+

`read` and `answer` are plain functions of one run's state; the nodes between them are vector
nodes: each is called once per superstep, with the runs of all the families that are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from vecgraph.evals.demo import assign, grid, numbers
from vecgraph.evals.demo.families import FAMILIES
from vecgraph.evals.demo.verdict import Verdict
from vecgraph.evals.task import TaskError
from vecgraph.graph import END, START, StateGraph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MAX_STEPS", "Answer", "Puzzle", "State", "answer", "build_agent", "read", "search"]

MAX_STEPS = 60
"""Supersteps of a run, from `read` to `answer`, when nothing else is said."""


class Puzzle(TypedDict):
    """Input: the name of the family and the text of the puzzle, nothing else."""

    family: str
    question: str


class Answer(TypedDict):
    """Output: the answer's text, "" for none, and how the search ended."""

    answer: str
    outcome: str


class State(grid.GridState, assign.AssignState, numbers.NumberState, Puzzle, Answer):
    """All channels; a run writes those of its own search only."""


OUTCOMES = {Verdict.SOLVED: "found", Verdict.IMPOSSIBLE: "impossible"}


def read(state: Puzzle) -> dict[str, Any]:
    """Turn the puzzle's text into the channels of its family's search."""
    puzzle = FAMILIES[state["family"]].read(state["question"])
    return {**puzzle, "spent": 1, "verdict": int(Verdict.OPEN)}


def search(state: Puzzle) -> str:
    """Name the node that takes the family's first step."""
    return FAMILIES[state["family"]].search


def answer(state: State) -> dict[str, Any]:
    """Put the result in the words that the family asks for; "" if the search has none."""
    outcome = OUTCOMES.get(Verdict(state["verdict"]), "out of steps")
    return {"answer": FAMILIES[state["family"]].write(state), "outcome": outcome}


def build_agent(max_steps: int = MAX_STEPS) -> StateGraph:
    """Build the agent's graph.

    Parameters
    ----------
    max_steps : int
        Supersteps that a run may take. A run that has found nothing by then answers "" in
        its last one; what it does before does not depend on the budget.

    Raises
    ------
    TaskError
        `max_steps` is below three: one to read, one to search, one to answer.
    """
    if max_steps < 3:
        raise TaskError(
            f"the demo's agent needs at least 3 steps (read, search, answer), got {max_steps}"
        )
    builder = StateGraph(State, input_schema=Puzzle, output_schema=Answer)
    builder.add_node("read", read)
    builder.add_node("expand", grid.expand, batched=True, input_schema=grid.GridState)
    builder.add_node("check", assign.check, batched=True, input_schema=assign.AssignState)
    builder.add_node("choose", assign.choose, batched=True, input_schema=assign.AssignState)
    builder.add_node("backtrack", assign.backtrack, batched=True, input_schema=assign.AssignState)
    builder.add_node("guess", numbers.guess, batched=True, input_schema=numbers.NumberState)
    builder.add_node("refine", numbers.refine, batched=True, input_schema=numbers.NumberState)
    builder.add_node("answer", answer)
    builder.add_edge(START, "read")
    builder.add_conditional_edges("read", search, ["expand", "check", "guess"])
    for node, following in NEXT.items():
        path, labels = _by_verdict(following, max_steps)
        builder.add_conditional_edges(node, path, labels, batched=True)
    builder.add_edge("answer", END)
    return builder


NEXT: dict[str, dict[Verdict, str]] = {
    "expand": {Verdict.OPEN: "expand"},
    "check": {
        Verdict.OPEN: "choose",
        Verdict.SETTLING: "check",
        Verdict.DEAD_END: "backtrack",
    },
    "choose": {Verdict.OPEN: "check"},
    "backtrack": {Verdict.DEAD_END: "check"},
    "guess": {Verdict.OPEN: "refine"},
    "refine": {Verdict.OPEN: "refine", Verdict.DEAD_END: "guess"},
}
"""What follows each step of a search; any other verdict leads to the answer."""


def _by_verdict(
    following: Mapping[Verdict, str], max_steps: int
) -> tuple[Callable[[Mapping[str, Any]], npt.NDArray[np.int64]], list[str]]:
    """Make a vector router: codes into the labels that come with it, one per run."""
    labels = sorted({*following.values(), "answer"})
    codes = np.array([labels.index(following.get(verdict, "answer")) for verdict in Verdict])
    stop = labels.index("answer")

    def route(batch: Mapping[str, Any]) -> npt.NDArray[np.int64]:
        # The answer takes a step too: the last one of the budget is kept for it.
        return np.where(batch["spent"] >= max_steps - 1, stop, codes[batch["verdict"]])

    return route, labels
