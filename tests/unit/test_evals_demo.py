"""The demo's readers, searches and writers, on puzzles small enough to check by eye."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vecgraph.evals.dataset import columns
from vecgraph.evals.demo import assign, grid, numbers
from vecgraph.evals.demo.agent import NEXT, answer, build_agent, read, search
from vecgraph.evals.demo.families import FAMILIES
from vecgraph.evals.demo.verdict import Verdict
from vecgraph.evals.task import TaskError
from vecgraph.rng import RowStreams

MAZE = """Navigate from '`' (start) to ''' (goal):

```
wwwww
w`w'w
w_w_w
w___w
wwwww
```
Legend: 'w' = Wall, '_' = Passage

What is the minimum number of steps to reach the goal?"""
PATH = "- *: your starting point\n\nin the following grid:\nX O # O\nO X O X\n* O O O\n"
NO_PATH = "in the following grid:\nO X #\n* X O\n"
QUEENS = """Given the below board of size 4 x 4 your job is to place 3 queen(s)
_ Q _ _
_ _ _ _
_ _ _ _
_ _ _ _
"""
SUDOKU = "Solve this 4x4 Mini Sudoku puzzle:\n1 _ _ _\n_ _ 1 _\n_ 2 _ _\n_ _ _ 3\nFormat your\n"
TRIANGLE = "Vertices: [0, 1, 2]\nEdges: [(0, 1), (1, 2), (0, 2)]\nPossible colors: [1, 2, {}]\n"
COUNTDOWN = "Calculate 24 using all of these numbers: 2, 3, 4.\nEach number may be used once.\n"

START = {"spent": 1, "verdict": int(Verdict.OPEN)}


def stack(puzzles: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns as a vector node gets them: read-only."""
    columns = {name: np.stack([p[name] for p in puzzles]) for name in puzzles[0]}
    for column in columns.values():
        column.flags.writeable = False
    return columns


def row(columns: dict[str, Any], at: int) -> dict[str, Any]:
    return {name: column[at] for name, column in columns.items()}


def expand_all(puzzles: list[dict[str, Any]], steps: int) -> dict[str, Any]:
    columns = stack([START | puzzle for puzzle in puzzles])
    for _ in range(steps):
        columns |= grid.expand(columns)
    return columns


def solve_assignment(puzzles: list[dict[str, Any]], steps: int = 99) -> dict[str, Any]:
    """Run each puzzle alone: the reference for the batch is the same node on one row."""
    solved = []
    for puzzle in puzzles:
        columns, name = stack([START | puzzle]), "check"
        for _ in range(steps):
            columns |= getattr(assign, name)(columns)
            verdict = Verdict(columns["verdict"][0])
            following = NEXT[name].get(verdict)
            if following is None:
                break
            name = following
        solved.append(row(columns, 0))
    return stack(solved)


def test_maze_whose_characters_are_quotes_and_backticks() -> None:
    puzzle = grid.read_maze(MAZE)
    assert puzzle["goal"].tolist() == [1, 3]
    assert puzzle["free"].sum() == 7
    columns = expand_all([puzzle], 5)
    assert columns["verdict"].tolist() == [Verdict.OPEN]
    assert grid.write_maze(row(columns, 0)) == ""
    columns = expand_all([puzzle], 6)
    assert columns["verdict"].tolist() == [Verdict.SOLVED]
    assert columns["spent"].tolist() == [7]
    assert grid.write_maze(row(columns, 0)) == "6"


def test_path_is_walked_back_from_the_goal() -> None:
    columns = expand_all([grid.read_path(PATH), grid.read_path(NO_PATH)], 4)
    assert columns["verdict"].tolist() == [Verdict.SOLVED, Verdict.IMPOSSIBLE]
    assert grid.write_path(row(columns, 0)) == "right right up up"
    assert grid.write_path(row(columns, 1)) == "infeasible"
    assert grid.write_path(row(expand_all([grid.read_path(PATH)], 3), 0)) == ""


def test_expand_does_not_mix_rows() -> None:
    puzzles = [grid.read_path(PATH), grid.read_path(NO_PATH), grid.read_maze(MAZE)]
    together = expand_all(puzzles, 3)
    for at, puzzle in enumerate(puzzles):
        np.testing.assert_array_equal(
            expand_all([puzzle], 3)["distance"][0], together["distance"][at]
        )


def test_queens_sudoku_and_colourings() -> None:
    queens = solve_assignment([assign.read_queens(QUEENS)])
    assert assign.write_queens(row(queens, 0)) == "_ Q _ _\n_ _ _ Q\nQ _ _ _\n_ _ Q _"
    sudoku = solve_assignment([assign.read_sudoku(SUDOKU)])
    cells = np.array([line.split() for line in assign.write_sudoku(row(sudoku, 0)).split("\n")])
    assert (cells[0, 0], cells[1, 2], cells[2, 1], cells[3, 3]) == ("1", "1", "2", "3")
    houses = cells.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(4, 4)
    for lines in (cells, cells.T, houses):
        assert all(set(line) == set("1234") for line in lines)
    triangle = solve_assignment([assign.read_coloring(TRIANGLE.format(3))])
    colors = json.loads(assign.write_coloring(row(triangle, 0)))
    assert sorted(colors.values()) == [1, 2, 3]


def test_three_colours_needed_and_two_given_is_proved_impossible() -> None:
    question = TRIANGLE.replace(", {}", "")
    columns = solve_assignment([assign.read_coloring(question)])
    assert columns["verdict"].tolist() == [Verdict.IMPOSSIBLE]
    assert assign.write_coloring(row(columns, 0)) == ""


def test_choose_and_backtrack_undo_each_other_but_for_the_guess() -> None:
    puzzle = START | assign.read_queens(QUEENS.replace("Q", "_"))
    columns = stack([puzzle, puzzle])
    chosen = columns | assign.choose(columns)
    assert chosen["depth"].tolist() == [1, 1]
    assert chosen["alive"][0].sum() == columns["alive"][0].sum() - 3
    undone = chosen | assign.backtrack(chosen)
    assert undone["depth"].tolist() == [0, 0]
    ruled_out = np.flatnonzero(columns["alive"][1] & ~undone["alive"][1])
    assert ruled_out.tolist() == [chosen["guesses"][1, 0]]


def runtime(rows: list[int], step: int, node: str) -> SimpleNamespace:
    return SimpleNamespace(rng=RowStreams(0, rows, step, node))


def test_guesses_and_refinements_find_a_small_sum() -> None:
    columns = stack([START | numbers.read(COUNTDOWN)] * 3)
    assert columns["target"].tolist() == [24] * 3
    assert columns["numbers"][0].tolist() == [2, 3, 4, 0, 0, 0]
    columns |= numbers.guess(columns, runtime([0, 1, 2], 2, "guess"))
    for step in range(3, 20):
        columns |= numbers.refine(columns, runtime([0, 1, 2], step, "refine"))
    assert columns["gap"].tolist() == [0] * 3
    assert columns["verdict"].tolist() == [Verdict.SOLVED] * 3
    text = numbers.write(row(columns, 0))
    assert sorted(filter(str.isdigit, text)) == ["2", "3", "4"]
    assert eval(text) == 24


def test_a_run_s_plans_do_not_depend_on_its_neighbours() -> None:
    puzzle = START | numbers.read(COUNTDOWN.replace("24", "999"))
    together, alone = stack([puzzle] * 3), stack([puzzle])
    together |= numbers.guess(together, runtime([4, 7, 9], 2, "guess"))
    alone |= numbers.guess(alone, runtime([7], 2, "guess"))
    together |= numbers.refine(together, runtime([4, 7, 9], 3, "refine"))
    alone |= numbers.refine(alone, runtime([7], 3, "refine"))
    for name in ("order", "signs", "gap", "stale"):
        np.testing.assert_array_equal(together[name][1], alone[name][0])


def test_plans_stay_orders_and_the_gap_never_grows() -> None:
    question = "create an expression that equals 613.\nUsing all the numbers 3, 7, 25, 50, 8, 1, x"
    columns = stack([START | numbers.read(question)] * 5)
    columns |= numbers.guess(columns, runtime(list(range(5)), 2, "guess"))
    for step in range(3, 9):
        before = columns["gap"]
        columns |= numbers.refine(columns, runtime(list(range(5)), step, "refine"))
        assert (columns["gap"] <= before).all()
        np.testing.assert_array_equal(np.sort(columns["order"], axis=1), [np.arange(6)] * 5)
        plan = numbers.write(row(columns, 0) | {"verdict": Verdict.SOLVED})
        assert abs(eval(plan) - 613) == pytest.approx(columns["gap"][0])
    assert numbers.write(row(columns, 0) | {"verdict": Verdict.OPEN}) == ""


def test_a_refinement_that_gains_nothing_for_long_is_a_dead_end() -> None:
    puzzle = START | numbers.read(COUNTDOWN.replace("24", "999"))
    columns = stack([puzzle | {"stale": numbers.PATIENCE, "gap": 0.5}])
    found = numbers.refine(columns, runtime([0], 5, "refine"))
    assert found["verdict"].tolist() == [Verdict.DEAD_END]


def test_read_and_answer_are_functions_of_one_run() -> None:
    state = {"family": "shortest_path", "question": NO_PATH}
    puzzle = read(state)
    assert search(state) == "expand"
    assert puzzle["spent"] == 1
    verdicts = {
        Verdict.IMPOSSIBLE: ("infeasible", "impossible"),
        Verdict.OPEN: ("", "out of steps"),
    }
    for verdict, (text, outcome) in verdicts.items():
        found = answer(state | puzzle | {"verdict": int(verdict)})
        assert found == {"answer": text, "outcome": outcome}


def test_an_agent_needs_three_steps() -> None:
    with pytest.raises(TaskError, match="at least 3 steps"):
        build_agent(2)


@pytest.mark.parametrize("max_steps", [3, 4, 5, 6, 60])
def test_no_run_takes_more_steps_than_its_budget(max_steps: int) -> None:
    """The answer is the last step at the latest, and "" when the search has not ended."""
    texts = {"maze": MAZE, "shortest_path": NO_PATH, "n_queens": QUEENS.replace("Q", "_")}
    texts |= {"mini_sudoku": SUDOKU, "graph_color": TRIANGLE.format(3), "countdown": COUNTDOWN}
    inputs = {
        "family": np.array(list(texts), object),
        "question": np.array(list(texts.values()), object),
    }
    limit = {"recursion_limit": max_steps + 1}
    result = build_agent(max_steps).compile().batch(inputs, config=limit, seed=1)
    result.raise_first()
    assert set(result.status) == {"done"}
    assert max(result.steps) <= max_steps
    for found in result.table.to_pylist():
        assert (found["outcome"] == "out of steps") <= (found["answer"] == "")
    if max_steps == 60:
        assert result.table["outcome"].to_pylist() == [
            "found", "impossible", "found", "found", "found", "found",
        ]  # fmt: skip


def test_families_are_enough() -> None:
    assert len(FAMILIES) >= 3
    assert sum(family.count for family in FAMILIES.values()) >= 2_000


@pytest.fixture(scope="module")
def puzzles() -> list[Any]:
    pytest.importorskip("reasoning_gym")
    from vecgraph.evals.demo import puzzles

    return puzzles(limit=36, seed=5)


def test_puzzles_are_an_even_mix_and_hide_their_solutions(puzzles: list[Any]) -> None:
    assert {sample.metadata["family"] for sample in puzzles} == set(FAMILIES)
    assert len({sample.id for sample in puzzles}) == len(puzzles) == 36
    for sample in puzzles:
        assert set(sample.input) == {"family", "question"}
        assert sample.input["question"] == sample.target["question"]


def test_the_judges_confirm_every_answer_that_a_search_claims(puzzles: list[Any]) -> None:
    from vecgraph.evals.demo import judge

    result = (
        build_agent(60).compile().batch(columns(puzzles), config={"recursion_limit": 61}, seed=1)
    )
    result.raise_first()
    found = result.table.to_pylist()
    for sample, output in zip(puzzles, found, strict=True):
        assert (judge(sample, output) == 1) == (output["answer"] != ""), (sample.id, output)
    assert sum(output["answer"] != "" for output in found) > 24


def test_a_run_alone_answers_as_it_does_in_the_batch(puzzles: list[Any]) -> None:
    app, limit = build_agent(60).compile(), {"recursion_limit": 61}
    # Countdown draws by row number, which a run alone does not share.
    chosen = [sample for sample in puzzles if sample.metadata["family"] != "countdown"][:10]
    together = app.batch(columns(chosen), config=limit).to_list()
    assert [app.invoke(dict(sample.input), limit) for sample in chosen] == together


def test_no_answer_scores_next_to_nothing(puzzles: list[Any]) -> None:
    from vecgraph.evals.demo import judge

    assert all(judge(sample, {"answer": ""}) <= 0.01 for sample in puzzles)
