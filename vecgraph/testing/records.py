"""What one run did, in a form that every executor's run can be brought to and compared in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vecgraph.constants import MISSING
from vecgraph.testing.compare import difference

__all__ = ["RunRecord", "StepRecord", "disagreement"]


@dataclass(frozen=True)
class StepRecord:
    """One superstep of one run.

    Attributes
    ----------
    step : int
        Number of the superstep, as LangGraph counts: nodes of a StateGraph start at 1.
    tasks : tuple of (str, object)
        Node and input of each task, in the order in which the superstep lists them.
    updates : mapping of str to list
        The chunks of ``stream_mode="updates"`` by node; their order is no contract.
    values : object
        The chunk of ``stream_mode="values"``; MISSING if none was emitted.
    pushed : int
        How many of the tasks come from Sends, where the executor tells; not compared.
    """

    step: int
    tasks: tuple[tuple[str, Any], ...]
    updates: dict[str, list[Any]] = field(default_factory=dict)
    values: Any = MISSING
    pushed: int = field(default=0, compare=False)


@dataclass(frozen=True)
class RunRecord:
    """One run: what came out, and every superstep on the way.

    Attributes
    ----------
    value : object
        What `invoke` returns; None for a run that failed.
    errors : tuple of (str, str)
        Type and text of the error that ended the run; several when tasks of one
        superstep raised and which of them surfaces is a race. Empty for a good run.
    steps : tuple of StepRecord
        Supersteps in which visible tasks ran; a failed one lists its tasks only.
    exception : Exception or None
        The first of the errors itself; not compared.
    """

    value: Any = None
    errors: tuple[tuple[str, str], ...] = ()
    steps: tuple[StepRecord, ...] = ()
    exception: Exception | None = field(default=None, compare=False)


def disagreement(expected: RunRecord, actual: RunRecord) -> str | None:
    """Return where two records of the same run differ; None when they agree.

    Examples
    --------
    >>> disagreement(RunRecord({"x": 1}), RunRecord({"x": True}))
    "value['x']: int 1 is not bool True"
    """
    return (
        _errors(expected.errors, actual.errors)
        or difference(expected.value, actual.value)
        or _steps(expected.steps, actual.steps)
    )


def _errors(a: tuple[tuple[str, str], ...], b: tuple[tuple[str, str], ...]) -> str | None:
    if bool(a) == bool(b) and (not a or set(a) & set(b)):
        return None
    return f"errors: {a} are not {b}"


def _steps(a: tuple[StepRecord, ...], b: tuple[StepRecord, ...]) -> str | None:
    for x, y in zip(a, b, strict=False):
        found = _step(x, y)
        if found:
            return found
    if len(a) != len(b):
        tail = (a if len(a) > len(b) else b)[min(len(a), len(b))]
        return f"{len(a)} supersteps are not {len(b)}; the first extra one is {tail}"
    return None


def _step(a: StepRecord, b: StepRecord) -> str | None:
    where = f"step {a.step}"
    return (
        difference(a.step, b.step, "number of the step")
        or difference([t[0] for t in a.tasks], [t[0] for t in b.tasks], f"{where} tasks")
        or difference(a.tasks, b.tasks, f"{where} tasks")
        or difference(_bags(a.updates), _bags(b.updates), f"{where} updates")
        or difference(a.values, b.values, f"{where} values")
    )


def _bags(updates: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {node: sorted(chunks, key=repr) for node, chunks in updates.items()}
