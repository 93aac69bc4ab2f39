"""Countdown: random proposals, improved by small changes, for all the puzzles at once.

A *plan* takes the numbers in some order and folds them from the left, one operation between
two numbers: ``((94 * 4) - 61) - 6``. One superstep draws `TRIES` plans per run, or `TRIES`
small changes of its best plan, and keeps the one that comes closest to the target.

Source: hill climbing with random restarts, S. Russell and P. Norvig, "Artificial Intelligence:
A Modern Approach", 4th edition, section 4.1.
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
    from collections.abc import Mapping

__all__ = ["PATIENCE", "SLOTS", "TRIES", "NumberState", "guess", "read", "refine", "write"]

SLOTS = 6
"""Numbers of the largest puzzle."""
TRIES = 64
"""Plans tried per run and superstep."""
PATIENCE = 4
"""Refinements without progress before a run starts again from a fresh guess."""

SIGNS = "+-*/"
Ints = npt.NDArray[np.int64]
Slots = Annotated[Ints, Tensor(SLOTS, np.int64)]


class NumberState(TypedDict, total=False):
    """Channels of the arithmetic search."""

    numbers: Slots
    """The numbers given, padded with zeros."""
    size: int
    """How many of them are given."""
    target: int
    order: Slots
    """Best plan: the numbers' positions in the order of use."""
    signs: Slots
    """Best plan: codes into `SIGNS`, the first one unused."""
    gap: float
    """Distance of the best plan's value from the target; infinite without a plan."""
    stale: int
    """Refinements since the gap last shrank."""
    spent: int
    verdict: int


def read(question: str) -> dict[str, Any]:
    """Read the numbers and the target from the first lines of the text."""
    numbers = [int(n) for n in re.search(r"\d+(?:, \d+)+", question)[0].split(", ")]  # type: ignore[index]
    target = re.search(r"(?:equals|make|Calculate) (\d+)", question)[1]  # type: ignore[index]
    return {
        "numbers": np.array(numbers + [0] * (SLOTS - len(numbers))),
        "size": len(numbers),
        "target": int(target),
        "order": np.arange(SLOTS),
        "signs": np.zeros(SLOTS, np.int64),
        "gap": np.inf,
        "stale": 0,
    }


def guess(batch: Mapping[str, Any], runtime: Any) -> dict[str, Any]:
    """Draw fresh plans for every run and keep its best (vector node).

    Parameters
    ----------
    batch : Batch of M rows
        The channels of `NumberState`.
    runtime : Runtime
        `runtime.rng` draws per row: a run's plans do not depend on its neighbours.

    Returns
    -------
    dict
        `order`, `signs`, `gap`, `stale`, `verdict` and `spent`, with M rows each.
    """
    draws = runtime.rng.random((TRIES, 2, SLOTS))
    padding = np.arange(SLOTS) >= batch["size"][:, None, None]
    order = (draws[:, :, 0] + padding).argsort(axis=2)
    return {**_best(batch, order, _sign(draws[:, :, 1])), "stale": np.zeros_like(batch["size"])}


def refine(batch: Mapping[str, Any], runtime: Any) -> dict[str, Any]:
    """Try changes of every run's best plan: swap two numbers, change a sign (vector node).

    Parameters and result are those of `guess`; a run's gap never grows, and after `PATIENCE`
    refinements in vain the verdict is a dead end.
    """
    draws = runtime.rng.random((TRIES, 5))
    order = np.repeat(tensor(batch, "order")[:, None], TRIES, axis=1)
    signs = np.repeat(tensor(batch, "signs")[:, None], TRIES, axis=1)
    places = (draws[:, :, :3] * batch["size"][:, None, None]).astype(np.int64)
    # The first try stays the plan as it is, so the best of them is never worse.
    swap, slot = places[:, 1:, :2], places[:, 1:, 2:]
    swapped = np.take_along_axis(order[:, 1:], swap[:, :, ::-1], axis=2)
    np.put_along_axis(order[:, 1:], swap, swapped, axis=2)
    kept = np.take_along_axis(signs[:, 1:], slot, axis=2)
    changed = np.where(draws[:, 1:, 3:4] < 0.5, _sign(draws[:, 1:, 4:]), kept)
    np.put_along_axis(signs[:, 1:], slot, changed, axis=2)
    best = _best(batch, order, signs)
    stale = np.where(best["gap"] < batch["gap"], 0, batch["stale"] + 1)
    stuck = (best["gap"] > 0) & (stale >= PATIENCE)
    return {
        **best,
        "stale": stale,
        "verdict": np.where(stuck, Verdict.DEAD_END, best["verdict"]),
    }


def _sign(draws: npt.NDArray[np.float64]) -> Ints:
    return (draws * len(SIGNS)).astype(np.int64)


def _best(batch: Mapping[str, Any], order: Ints, signs: Ints) -> dict[str, Any]:
    """Keep each run's plan with the smallest gap; `order`, `signs`: (M, TRIES, SLOTS)."""
    gaps = np.abs(_value(batch, order, signs) - batch["target"][:, None])
    gaps = np.where(np.isnan(gaps), np.inf, gaps)
    best = gaps.argmin(axis=1)
    rows = np.arange(len(best))
    return {
        "order": order[rows, best],
        "signs": signs[rows, best],
        "gap": gaps[rows, best],
        "verdict": np.where(gaps[rows, best] == 0, Verdict.SOLVED, Verdict.OPEN),
        "spent": batch["spent"] + 1,
    }


def _value(batch: Mapping[str, Any], order: Ints, signs: Ints) -> npt.NDArray[np.float64]:
    """Fold every plan from the left; NaN where a division leaves a remainder."""
    numbers = np.take_along_axis(tensor(batch, "numbers")[:, None].astype(float), order, axis=2)
    value = numbers[:, :, 0]
    for slot in range(1, SLOTS):
        number, sign = numbers[:, :, slot], signs[:, :, slot]
        whole = np.where(
            (number != 0) & (np.fmod(value, np.maximum(number, 1)) == 0), number, np.nan
        )
        folded = np.choose(sign, [value + number, value - number, value * number, value / whole])
        value = np.where(slot < batch["size"][:, None], folded, value)
    return value


def write(state: Mapping[str, Any]) -> str:
    """Answer with the plan as an expression, each number used once."""
    if state["verdict"] != Verdict.SOLVED:
        return ""
    numbers = state["numbers"][state["order"]][: state["size"]].tolist()
    text = str(numbers[0])
    for number, sign in zip(numbers[1:], state["signs"][1:], strict=False):
        text = f"({text} {SIGNS[sign]} {number})"
    return text
