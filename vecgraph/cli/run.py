"""Run a task for the command line: progress to stderr, the report or JSON to stdout."""

from __future__ import annotations

import json
import re
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from vecgraph.evals import (
    Evaluation,
    Options,
    PlanChangedError,
    RunDirectoryError,
    SampleError,
    TaskError,
    evaluate,
    load_task,
    resume,
)
from vecgraph.evals.report import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vecgraph.evals.evaluate import Progress

__all__ = ["go_on", "run"]


def run(
    task: str,
    *,
    limit: int | None,
    epochs: int,
    seed: int,
    max_steps: int | None,
    out: Path | None,
    as_json: bool,
    checkpoints: bool = False,
) -> None:
    """Evaluate a task and print what came out.

    Raises
    ------
    click.UsageError
        The task or the run directory cannot be used: exit code 2, nothing written.
    SystemExit
        With code 1 when no run finished.
    """
    options = Options(limit=limit, epochs=epochs, seed=seed, max_steps=max_steps)

    def made(progress: Progress) -> Evaluation:
        found = load_task(task)
        directory = _default_directory(found.name) if out is None else out
        return evaluate(found, directory, options, progress, checkpoints=checkpoints, named=task)

    _print(_evaluated(made), as_json=as_json)


def go_on(task: str | None, directory: Path, *, accept_changes: bool, as_json: bool) -> None:
    """Go on with an evaluation and print what came out; see `run`."""

    def made(progress: Progress) -> Evaluation:
        found = None if task is None else load_task(task)
        return resume(directory, found, progress, accept_changes=accept_changes)

    _print(_evaluated(made), as_json=as_json)


def _print(evaluation: Evaluation, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(evaluation.summary, indent=2, allow_nan=False))
    else:
        console = Console()
        for part in render(evaluation.summary):
            console.print(part)
    if not evaluation.summary["status"].get("done"):
        raise SystemExit(1)


def _evaluated(made: Callable[[Progress], Evaluation]) -> Evaluation:
    try:
        with _progress() as progress:
            return made(progress)
    except (TaskError, SampleError, RunDirectoryError, PlanChangedError) as error:
        raise click.UsageError(str(error)) from error
    except ModuleNotFoundError as error:
        if "pip install" not in str(error):
            raise
        raise click.ClickException(str(error)) from error


def _default_directory(task: str) -> Path:
    name = re.sub(r"[^\w.-]+", "-", task)
    return Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show a bar on stderr while the runs go on; a terminal sees it live, a log its last state."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    parts = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]:,} done"),
        TextColumn("{task.fields[running]:,} running"),
        TextColumn("{task.fields[failed]:,} failed"),
        TextColumn("{task.fields[rate]:,.0f} steps/s"),
        TimeElapsedColumn(),
    ]
    console = Console(file=sys.stderr)
    with Progress(*parts, console=console, disable=not console.is_terminal) as bar:
        job = bar.add_task("preparing", total=None, done=0, running=0, failed=0, rate=0.0)
        first: list[float] = []

        def update(done: int, running: int, failed: int, run_steps: int) -> None:
            now = bar.get_time()
            first[:] = first or [now]
            rate = run_steps / max(now - first[0], 1e-3)
            bar.update(
                job,
                description="running",
                completed=done + failed,
                total=done + running + failed,
                done=done,
                running=running,
                failed=failed,
                rate=rate,
            )

        yield update
