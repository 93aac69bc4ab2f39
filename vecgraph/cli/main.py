"""The ``vecgraph`` command and its subcommands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from vecgraph.cli.bench import bench

__all__ = ["demo", "evaluate", "main"]

CommandFunction = Callable[..., None]


def _version() -> str:
    try:
        return version("vecgraph")
    except PackageNotFoundError:
        return "(not installed)"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="vecgraph")
def main() -> None:
    """Run LangGraph-style graphs, a hundred thousand runs at a time."""


def _options(command: CommandFunction) -> CommandFunction:
    """Add the options that `eval` and `demo` share."""
    positive = click.IntRange(min=1)
    for option in reversed(
        [
            click.option(
                "--limit", type=positive, metavar="N", help="Run the first N samples only."
            ),
            click.option(
                "--epochs",
                type=positive,
                metavar="K",
                default=1,
                show_default=True,
                help="Run every sample K times; the standard error counts them as one cluster.",
            ),
            click.option(
                "--seed",
                type=int,
                metavar="S",
                default=0,
                show_default=True,
                help="Seed of the dataset and of the nodes' random numbers.",
            ),
            click.option(
                "--max-steps",
                type=positive,
                metavar="M",
                help="Supersteps that each run may take.  [default: the task's]",
            ),
            click.option(
                "--out",
                type=click.Path(path_type=Path),
                metavar="DIR",
                help="Run directory to make.  [default: runs/TASK-DATE-TIME]",
            ),
            click.option(
                "--json", "as_json", is_flag=True, help="Print the summary as JSON, nothing else."
            ),
        ]
    ):
        command = option(command)
    return command


main.add_command(bench)


@main.command("eval")
@click.argument("task", required=False)
@_options
@click.option(
    "--checkpoints",
    is_flag=True,
    help="Keep checkpoints in the run directory: --resume goes on after a kill.",
)
@click.option(
    "--resume",
    "resumed",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Go on with the evaluation in DIR, with the task and options that it was begun with.",
)
@click.option(
    "--accept-changes", is_flag=True, help="With --resume: though graph or dataset have changed."
)
def evaluate(task: str | None, **options: Any) -> None:
    """Run every sample of TASK as one batch, score it, and write a run directory.

    TASK is the name of a registered task, such as demo, or module:name for a vecgraph.evals.Task
    in a module of your own; modules are looked for in the current directory too.

    The run directory holds runs.arrow (a row per run), steps.arrow (a row per run, step and
    node) and run.json. Read the tables with pandas.read_feather. An existing directory is never
    written to. A run that fails is a row with its error; the exit code is 1 only if all fail.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    # Here, so that --help and --version need not import the engine.
    from vecgraph.cli.run import go_on

    resumed, accept_changes = options.pop("resumed"), options.pop("accept_changes")
    if resumed is not None:
        checkpoints = options.pop("checkpoints")
        as_json = options.pop("as_json")
        defaults = {"limit": None, "epochs": 1, "seed": 0, "max_steps": None, "out": None}
        if options != defaults or checkpoints:
            raise click.UsageError("--resume takes the options that the evaluation was begun with")
        go_on(task, resumed, accept_changes=accept_changes, as_json=as_json)
        return
    if task is None:
        raise click.UsageError("Missing argument 'TASK'.")
    _run(task, options)


@main.command()
@_options
def demo(**options: Any) -> None:
    """Solve puzzles of reasoning-gym with an agent that searches within a step budget.

    Mazes, shortest paths, queens, sudokus, graph colourings and countdown, solved side by side
    by one graph and judged by reasoning-gym's own scorers. The report shows how the share of
    solved puzzles grows with the budget. Needs pip install 'vecgraph[demo]'.
    """
    _run("demo", options)


def _run(task: str, options: dict[str, Any]) -> None:
    # Here, so that --help and --version need not import the engine.
    from vecgraph.cli.run import run

    run(task, **options)
