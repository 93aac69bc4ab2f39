"""Tasks: a dataset, a graph and scorers, and how to find one by name."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vecgraph import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vecgraph.evals.dataset import Sample
    from vecgraph.evals.scorers import Scorer

__all__ = ["Task", "TaskError", "call_with", "load_task"]


class TaskError(ValueError):
    """A task cannot be found or is not usable; the message names it and the fix."""


@dataclass(frozen=True)
class Task:
    """What `vecgraph eval` runs.

    Parameters
    ----------
    name : str
    dataset : sequence of Sample, or callable
        A callable returns the samples; of ``limit`` and ``seed`` it is passed those that it has
        as parameters, so that it need not make more than is wanted.
    graph : compiled graph, StateGraph, or callable
        A callable returns one of the two; it is passed ``max_steps`` if it has that parameter.
    scorers : mapping
        Name -> scorer.
    max_steps : int
        Supersteps that a run may take when the caller does not say.
    group : str, optional
        Key of the samples' metadata; the summary is also given for each of its values.
    success : str, optional
        Name of the scorer whose 1 means "solved"; the report then shows the share of solved
        runs against the step budget.

    Raises
    ------
    TaskError
        No scorers, or `success` is none of them.
    """

    name: str
    dataset: Sequence[Sample] | Callable[..., Sequence[Sample]]
    graph: Any
    scorers: Mapping[str, Scorer]
    max_steps: int = 25
    group: str | None = None
    success: str | None = None

    def __post_init__(self) -> None:
        """Check the scorers."""
        if not self.scorers:
            raise TaskError(
                f"task {self.name!r} has no scorers. Hint: scorers={{'name': function}}"
            )
        if self.success is not None and self.success not in self.scorers:
            problem = registry.unknown("scorer", self.success, sorted(self.scorers))
            raise TaskError(f"task {self.name!r}, success: {problem}")

    def samples(self, limit: int | None = None, seed: int = 0) -> list[Sample]:
        """Return the first `limit` samples, all by default.

        Raises
        ------
        TaskError
            A sample lacks the key that the task groups by.
        """
        dataset = self.dataset
        if callable(dataset):
            dataset = call_with(dataset, limit=limit, seed=seed)
        samples = list(dataset[:limit])
        for sample in samples:
            if self.group is not None and self.group not in sample.metadata:
                raise TaskError(
                    f"task {self.name!r} groups by {self.group!r}, which the metadata of sample "
                    f"{sample.id!r} lacks. Hint: give every sample that key"
                )
        return samples

    def app(self, max_steps: int) -> Any:
        """Return the compiled graph for a step budget."""
        graph = self.graph
        if not hasattr(graph, "batch") and not hasattr(graph, "compile"):
            if not callable(graph):
                raise TaskError(
                    f"task {self.name!r}: graph is a {type(graph).__name__}. "
                    "Hint: give a StateGraph, a compiled graph, or a function that returns one"
                )
            graph = call_with(graph, max_steps=max_steps)
        return graph if hasattr(graph, "batch") else graph.compile()


def call_with(function: Callable[..., Any], **offered: Any) -> Any:
    """Call a function with those of the offered arguments that it has as parameters.

    Examples
    --------
    >>> call_with(lambda seed: seed + 1, limit=3, seed=1)
    2
    """
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return function(**offered)
    taken = {parameter.name for parameter in parameters}
    return function(**{name: value for name, value in offered.items() if name in taken})


def load_task(name: str) -> Task:
    """Find a task by ``module:name`` or by the name of a registered one.

    Parameters
    ----------
    name : str
        What it names is a Task, or a function without arguments that returns one.

    Raises
    ------
    TaskError
        There is no such task, module or attribute, or it is something else.
    """
    try:
        found = _attribute(name) if ":" in name else registry.load("tasks", name)
    except registry.UnknownNameError as error:
        raise TaskError(f"{error}. Hint: a task of your own is named 'module:name'") from error
    if callable(found) and not isinstance(found, Task):
        found = found()
    if not isinstance(found, Task):
        raise TaskError(f"{name!r} is a {type(found).__name__}, not a vecgraph.evals.Task")
    return found


def _attribute(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that the task itself fails to import is the task's error, told as it is.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise TaskError(
            f"there is no module {module_name!r} (task {name!r}). "
            "Hint: run from the directory that holds it, or install it"
        ) from error
    except (TypeError, ValueError) as error:
        raise TaskError(f"{name!r} is not a task's name. Hint: module:name") from error
    if not hasattr(module, attribute):
        exist = [key for key, value in vars(module).items() if isinstance(value, Task)]
        raise TaskError(f"module {module_name!r}: {registry.unknown('task', attribute, exist)}")
    return getattr(module, attribute)
