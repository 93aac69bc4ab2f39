"""Run a task: every sample and epoch in one batch, scored, summed up and written down."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.evals.dataset import Sample, columns
from vecgraph.evals.metrics import budgets, estimate, solved_share
from vecgraph.evals.plan import FILE as PLAN
from vecgraph.evals.plan import Plan, PlanChangedError
from vecgraph.evals.rundir import KeptDirectory, RunDirectory
from vecgraph.evals.scorers import Finished, ScorerFailure, score
from vecgraph.evals.steps import steps_of
from vecgraph.evals.task import load_task

if TYPE_CHECKING:
    from pathlib import Path

    from vecgraph.evals.task import Task

__all__ = ["Evaluation", "Options", "Progress", "evaluate", "resume"]

Progress: TypeAlias = Callable[[int, int, int, int], None]
"""Called with the runs done, running and failed, and the run-steps taken so far."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a task.

    Parameters
    ----------
    limit : int, optional
        Samples to run; all by default.
    epochs : int
        Runs of each sample.
    seed : int
        Of the dataset, if it takes one, and of the nodes' ``runtime.rng``.
    max_steps : int, optional
        Supersteps that a run may take; the task's own by default.
    """

    limit: int | None = None
    epochs: int = 1
    seed: int = 0
    max_steps: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """What came out.

    Parameters
    ----------
    task : Task
    runs : Table
        One row per run, as in ``runs.arrow``.
    summary : dict
        What ``--json`` prints; plain numbers, strings, lists and dicts, None for "no value".
    directory : Path
        Where the files are.
    failures : list of ScorerFailure
        Scorers that raised.
    """

    task: Task
    runs: pa.Table
    summary: dict[str, Any]
    directory: Path
    failures: list[ScorerFailure] = field(default_factory=list)


def evaluate(
    task: Task,
    out: Path,
    options: Options | None = None,
    progress: Progress | None = None,
    *,
    checkpoints: bool = False,
    named: str = "",
) -> Evaluation:
    """Run every sample of a task, `epochs` times each, as one batch.

    Parameters
    ----------
    task : Task
    out : Path
        Run directory to make: ``runs.arrow``, ``steps.arrow`` and ``run.json``.
    options : Options, optional
    progress : callable, optional
        See `Progress`.
    checkpoints : bool
        Keep a checkpoint of every run after each superstep, in ``checkpoints`` of the run
        directory: `resume` goes on with what is left after a kill.
    named : str
        Name by which `resume` can load the task.

    Returns
    -------
    Evaluation

    Raises
    ------
    RunDirectoryExistsError
        `out` exists already; found out before anything is run.
    SampleError, TaskError
        The task is not usable.

    Notes
    -----
    A run that fails, or is still going after `max_steps`, has no scores: means are over the
    runs that finished, whose number stands beside them. It costs the other runs nothing.
    """
    options = options or Options()
    if checkpoints:
        kept = KeptDirectory(out, resume=False)
        job = _Job(task, out, options, progress)
        with kept:
            kept.write_json(PLAN, job.plan(named).said())
            return job.kept(kept)
    directory = RunDirectory(out)
    job = _Job(task, out, options, progress)
    with directory:
        began = time.perf_counter()
        with directory.steps() as observer:
            result = job.batch(job.app, observer=observer)
        return job.written(directory, result, time.perf_counter() - began)


def resume(
    out: Path,
    task: Task | None = None,
    progress: Progress | None = None,
    *,
    accept_changes: bool = False,
) -> Evaluation:
    """Go on with an evaluation that was begun with checkpoints and did not end.

    Only what no checkpoint holds is run again, and what comes out is what would have come out
    without the interruption. Runs that failed are run again from where they failed.

    Parameters
    ----------
    out : Path
        Run directory.
    task : Task, optional
        By default the one that the run directory names.
    progress : callable, optional
    accept_changes : bool
        Go on though the graph or the dataset has changed.

    Raises
    ------
    RunDirectoryError
        Nothing was begun at `out`, or it has ended.
    PlanChangedError
        The graph or the dataset has changed; says what.
    TaskError
        The task cannot be loaded.
    """
    directory = KeptDirectory(out, resume=True)
    begun = Plan.read(out)
    task = load_task(begun.task) if task is None else task
    job = _Job(task, out, Options(**begun.arguments), progress)
    changes = begun.changes(job.plan(begun.task))
    if changes and not accept_changes:
        raise PlanChangedError(out, changes)
    with directory:
        return job.kept(directory)


class _Job:
    """A task on its way."""

    def __init__(self, task: Task, out: Path, options: Options, progress: Progress | None) -> None:
        self.task, self.out, self.options, self.progress = task, out, options, progress
        self.max_steps = task.max_steps if options.max_steps is None else options.max_steps
        self.samples = task.samples(options.limit, options.seed)
        self.inputs = columns(self.samples, options.epochs)
        self.app = task.app(self.max_steps)

    def plan(self, named: str) -> Plan:
        """Return what is run."""
        return Plan.of(named, asdict(self.options), self.app, self.samples)

    def batch(self, app: Any, **options: Any) -> Any:
        """Run every sample."""
        # A run of n supersteps needs a limit of n + 1: the limit counts the end as well.
        config: dict[str, Any] = {"recursion_limit": self.max_steps + 1}
        if app.checkpointer is not None:
            config["configurable"] = {"thread_id": "run"}
        return app.batch(
            self.inputs,
            config=config,
            seed=self.options.seed,
            progress=self.progress,
            **options,
        )

    def kept(self, directory: KeptDirectory) -> Evaluation:
        """Run what is left, with checkpoints."""
        began = time.perf_counter()
        with ArrowSaver(directory.checkpoints) as saver:
            result = self.batch(self.app.copy({"checkpointer": saver}), resume=True)
            directory.write_table("steps.arrow", steps_of(saver, result.errors))
        return self.written(directory, result, time.perf_counter() - began)

    def written(
        self, directory: RunDirectory | KeptDirectory, result: Any, seconds: float
    ) -> Evaluation:
        """Write what came out."""
        runs, failures = _runs(self.task, self.samples, self.options.epochs, result)
        summary = _summary(self.task, runs, self.max_steps, seconds)
        summary |= {"scorer_failures": _failures(failures), "directory": str(self.out)}
        directory.write_table("runs.arrow", runs)
        directory.write_json("run.json", _about(self.options, self.max_steps, summary))
        return Evaluation(self.task, runs, summary, self.out, failures)


def _runs(
    task: Task, samples: Sequence[Sample], epochs: int, result: Any
) -> tuple[pa.Table, list[ScorerFailure]]:
    """Make the table of runs: who, how it ended, scores, steps, error, outputs."""
    chosen = list(samples) * epochs
    n = len(chosen)
    made: dict[str, Any] = {
        "row": np.arange(n),
        "sample": [sample.id for sample in chosen],
        "epoch": np.repeat(np.arange(epochs), len(samples)),
        "status": np.asarray(result.status).tolist(),
        "steps": np.asarray(result.steps, np.int64),
    }
    if task.group is not None:
        made["group"] = [str(sample.metadata[task.group]) for sample in chosen]
    finished = _finished(chosen, result)
    failures: list[ScorerFailure] = []
    for name, scorer in task.scorers.items():
        scores = np.full(n, np.nan)
        scores[finished.rows], failed = score(name, scorer, finished)
        failures += failed
        made[f"score_{name}"] = pa.array(scores, mask=np.isnan(scores))
    made |= _errors(result.errors, n)
    made |= {f"output_{name}": result.table[name] for name in result.table.column_names}
    return pa.table(made), failures


def _finished(chosen: Sequence[Sample], result: Any) -> Finished:
    rows = np.flatnonzero(np.asarray(result.status, object) == "done")
    outputs, places = result.to_list(), rows.tolist()
    return Finished(
        rows=rows,
        samples=[chosen[row] for row in places],
        outputs=[outputs[row] for row in places],
        table=result.table.take(rows),
    )


def _errors(errors: Sequence[Any], n: int) -> dict[str, Any]:
    """Make the columns of what went wrong; null where nothing did."""
    facts: npt.NDArray[Any] = np.full((3, n), None, object)
    for error in errors:
        text = f"{type(error.exception).__name__}: {error.exception}"
        facts[:, error.row] = text, error.node, error.step
    return {
        "error": pa.array(facts[0], pa.string()),
        "error_node": pa.array(facts[1], pa.string()),
        "error_step": pa.array(facts[2], pa.int64()),
    }


def _summary(task: Task, runs: pa.Table, max_steps: int, seconds: float) -> dict[str, Any]:
    steps = runs["steps"].to_numpy()
    summary: dict[str, Any] = {
        "task": task.name,
        "samples": len(runs["sample"].unique()),
        "runs": runs.num_rows,
        "status": dict(Counter(runs["status"].to_pylist())),
        "max_steps": max_steps,
        "steps_per_run": float(steps.mean()),
        "run_steps": int(steps.sum()),
        "seconds": seconds,
        "run_steps_per_second": float(steps.sum() / seconds),
        **_results(task, runs, max_steps),
    }
    if task.group is not None:
        summary["groups"] = {
            str(label): _results(task, runs.filter(pc.equal(runs["group"], label)), max_steps)
            for label in runs["group"].unique()
        }
    return summary


def _results(task: Task, runs: pa.Table, max_steps: int) -> dict[str, Any]:
    """Estimate the scores of some runs, and their share solved against the budget."""
    cluster = runs["sample"].combine_chunks().dictionary_encode().indices.to_numpy()
    scores = {name: np.asarray(runs[f"score_{name}"].to_numpy(), float) for name in task.scorers}
    results: dict[str, Any] = {
        "scores": {
            name: {key: _plain(value) for key, value in asdict(estimate(of, cluster)).items()}
            for name, of in scores.items()
        }
    }
    if task.success is not None:
        at = budgets(max_steps)
        share = solved_share(scores[task.success] >= 1, runs["steps"].to_numpy(), at)
        results["solved_by_steps"] = {
            "max_steps": at.tolist(),
            "share": [float(value) for value in share],
        }
    return results


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value


def _failures(failures: Sequence[ScorerFailure]) -> dict[str, dict[str, Any]]:
    """Count the failures of each scorer, with the first one's row and text."""
    counted: dict[str, dict[str, Any]] = {}
    for failure in failures:
        text = f"{type(failure.exception).__name__}: {failure.exception}"
        entry = counted.setdefault(failure.scorer, {"count": 0, "row": failure.row, "error": text})
        entry["count"] += 1
    return counted


def _about(options: Options, max_steps: int, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Say what was run, with what, and what came out: ``run.json``."""
    return {
        "format": 1,
        "task": summary["task"],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "arguments": asdict(options) | {"max_steps": max_steps},
        "versions": {"python": platform.python_version()}
        | {name: _version(name) for name in ("vecgraph", "numpy", "pyarrow")},
        # The directory may be moved: its own name in it would soon be wrong.
        "summary": {key: value for key, value in summary.items() if key != "directory"},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
