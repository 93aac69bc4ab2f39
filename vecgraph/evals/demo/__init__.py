"""`vecgraph demo`: an agent that solves puzzles of reasoning-gym by search.

Reading order: `families` and `gym` (the puzzles), `agent` (the graph), then the three searches:
`grid`, `assign` and `numbers`.
"""

from __future__ import annotations

from vecgraph.evals.demo.agent import MAX_STEPS, build_agent
from vecgraph.evals.demo.gym import judge, puzzles
from vecgraph.evals.task import Task

__all__ = ["MAX_STEPS", "build_agent", "judge", "puzzles", "task"]


def task() -> Task:
    """Return the demo as a task: six families of puzzles, one agent, their own judges."""
    return Task(
        name="demo",
        dataset=puzzles,
        graph=build_agent,
        scorers={"judge": judge},
        max_steps=MAX_STEPS,
        group="family",
        success="judge",
    )
