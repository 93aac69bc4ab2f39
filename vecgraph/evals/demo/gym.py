"""The demo's puzzles and their judge, both reasoning-gym's.

Source: Z. Stojanovski et al., "Reasoning Gym: Reasoning Environments for Reinforcement Learning
with Verifiable Rewards", arXiv:2505.24760, 2025; Apache-2.0.
"""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

from vecgraph.evals.dataset import Sample
from vecgraph.evals.demo.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["judge", "puzzles"]


def puzzles(limit: int | None = None, seed: int = 0) -> list[Sample]:
    """Generate the puzzles, the families mixed evenly.

    Parameters
    ----------
    limit : int, optional
        Puzzles to make; all of `FAMILIES` by default. Fewer take less time.
    seed : int
        Of every family's generator.

    Raises
    ------
    ModuleNotFoundError
        reasoning-gym is not installed.
    """
    gym = _reasoning_gym()
    places = [
        ((index + 0.5) / family.count, name, index)
        for name, family in FAMILIES.items()
        for index in range(family.count)
    ]
    # Sorting by the relative place within the family makes any first part an even mix.
    chosen = sorted(places, key=lambda place: place[0])[:limit]
    datasets = {
        name: gym.create_dataset(name, seed=seed, size=family.count, **family.config)
        for name, family in FAMILIES.items()
    }
    return [_sample(name, index, datasets[name][index]) for _, name, index in chosen]


def _sample(family: str, index: int, entry: dict[str, Any]) -> Sample:
    # The agent sees the question only; the entry with its solution goes to the judge.
    return Sample(
        id=f"{family}-{index}",
        input={"family": family, "question": entry["question"]},
        target=entry,
        metadata={"family": family},
    )


def judge(sample: Sample, output: Mapping[str, Any]) -> float:
    """Score an answer with the family's own ``score_answer``; one is a full solution."""
    return float(_score_answer(sample.metadata["family"])(output["answer"] or None, sample.target))


@cache
def _score_answer(family: str) -> Any:
    return _reasoning_gym().get_score_answer_fn(family)


def _reasoning_gym() -> Any:
    try:
        with warnings.catch_warnings():
            # Its dependencies warn about their own syntax when they are first compiled.
            warnings.simplefilter("ignore")
            return importlib.import_module("reasoning_gym")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the demo takes its puzzles from reasoning-gym, and the module {error.name!r} is not "
            "installed. Hint: pip install 'vecgraph[demo]'",
            name=error.name,
        ) from error
