"""Evaluate graphs: tasks, scorers, and runs of both on files that pandas opens."""

from __future__ import annotations

from vecgraph.evals.dataset import Sample, SampleError
from vecgraph.evals.evaluate import Evaluation, Options, evaluate, resume
from vecgraph.evals.metrics import Estimate, estimate
from vecgraph.evals.plan import PlanChangedError
from vecgraph.evals.rundir import RunDirectoryError, RunDirectoryExistsError
from vecgraph.evals.scorers import Columnwise, ScorerFailure, columnwise, exact, includes
from vecgraph.evals.task import Task, TaskError, load_task

__all__ = [
    "Columnwise",
    "Estimate",
    "Evaluation",
    "Options",
    "PlanChangedError",
    "RunDirectoryError",
    "RunDirectoryExistsError",
    "Sample",
    "SampleError",
    "ScorerFailure",
    "Task",
    "TaskError",
    "columnwise",
    "estimate",
    "evaluate",
    "exact",
    "includes",
    "load_task",
    "resume",
]
