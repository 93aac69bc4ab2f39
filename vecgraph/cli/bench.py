"""`vecgraph bench`: measure, compare, publish and write the page, with asv underneath."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from vecgraph.bench.settings import Settings

__all__ = ["bench"]

QUICK = "-quick"
"""Ends the machine name of quick runs, so that their single samples never mix with others."""


class _Group(click.Group):
    """A group that shows our errors as one line."""

    def invoke(self, context: click.Context) -> Any:
        from vecgraph.bench import BenchError

        try:
            return super().invoke(context)
        except BenchError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
def bench() -> None:
    """Measure speed over commits with asv, and publish what was found.

    Works in a clone of a project that has an asv.conf.json; needs pip install 'vecgraph[bench]'.
    asv measures commits, each in an environment of its own, so commit first.
    """


_config = click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="asv's configuration.  [default: asv.conf.json here or above]",
)
_machine = click.option(
    "--machine",
    metavar="NAME",
    help="Name of this machine in the results, not its host name.  [default: its class]",
)
_only = click.option(
    "--bench",
    "only",
    multiple=True,
    metavar="REGEX",
    help="Run only benchmarks whose name matches; may be repeated.",
)
_quick = click.option(
    "--quick", is_flag=True, help="Run each benchmark once: to see that it works, not how fast."
)


def _common(command: Callable[..., None]) -> Callable[..., None]:
    return _config(_machine(command))


def _named(machine: str | None, *, quick: bool = False) -> str:
    """Choose the machine's name and tell asv about it."""
    from vecgraph.bench.settings import machine_class, register_machine

    name = (machine or machine_class()) + (QUICK if quick else "")
    register_machine(name)
    return name


def _settings(config: Path | None) -> Settings:
    from vecgraph.bench.settings import Settings

    return Settings.find(config)


def _asv(settings: Settings, *arguments: str) -> None:
    from vecgraph.bench.settings import run_asv

    code = run_asv(settings, *arguments)
    if code:
        raise SystemExit(code)


def _filters(only: tuple[str, ...]) -> list[str]:
    return [argument for pattern in only for argument in ("--bench", pattern)]


def _warn_of_uncommitted(settings: Settings) -> None:
    command = ["git", "status", "--porcelain", "--untracked-files=no"]
    folder = settings.path.parent
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if found.stdout.strip():
        click.echo("warning: asv measures commits; what is not committed is not measured", err=True)


@bench.command("run")
@click.argument("commits", required=False, default="HEAD^!")
@_quick
@_only
@_common
def run(
    commits: str, quick: bool, only: tuple[str, ...], machine: str | None, config: Path | None
) -> None:
    """Measure COMMITS: a range as git writes it, by default the commit checked out now."""
    settings = _settings(config)
    _warn_of_uncommitted(settings)
    name = _named(machine, quick=quick)
    flags = ["--quick"] if quick else []
    _asv(settings, "run", "--machine", name, *flags, *_filters(only), commits)


@bench.command("compare")
@click.argument("base", required=False, default="HEAD~1")
@click.argument("head", required=False, default="HEAD")
@click.option(
    "--factor",
    type=click.FloatRange(min=1.0, min_open=True),
    default=1.1,
    show_default=True,
    help="Call it a regression from this ratio on.",
)
@_only
@_common
def compare(
    base: str,
    head: str,
    factor: float,
    only: tuple[str, ...],
    machine: str | None,
    config: Path | None,
) -> None:
    """Measure BASE and HEAD side by side, and say what became faster or slower.

    The rounds of the two alternate, so that a machine that others use slows both alike. The exit
    code is 1 if something became slower.
    """
    settings = _settings(config)
    _warn_of_uncommitted(settings)
    flags = ["--machine", _named(machine), "--factor", str(factor), "--interleave-rounds"]
    _asv(settings, "continuous", *flags, *_filters(only), base, head)


@bench.command("history")
@click.argument("commits", required=False)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Measure this many commits, spread evenly over the range.",
)
@_quick
@_only
@_common
def history(
    commits: str | None,
    steps: int,
    quick: bool,
    only: tuple[str, ...],
    machine: str | None,
    config: Path | None,
) -> None:
    """Measure a series of COMMITS, a few benchmarks each, for the dashboard to show.

    COMMITS is a range as git writes it, or a branch; by default the branch of the dashboard. What
    was measured before is kept. Without --bench, the ratios to forms written by hand are run:
    they say most, and depend least on what else the machine does.
    """
    settings = _settings(config)
    flags = ["--machine", _named(machine, quick=quick), "--skip-existing-successful"]
    flags += ["--steps", str(steps), *(["--quick"] if quick else [])]
    chosen = only or (r"ByHand\.track_ratio", r"Import\.")
    _asv(settings, "run", *flags, *_filters(chosen), commits or settings.branches[0])


@bench.command("publish")
@click.option(
    "--html",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to write.  [default: html_dir of the configuration]",
)
@_config
def publish(html: Path | None, config: Path | None) -> None:
    """Turn all results into a dashboard that works without a network.

    Look at it with python -m http.server --bind 127.0.0.1 --directory DIR.
    """
    from vecgraph.bench.publish import publish as make

    settings = _settings(config)
    folder = (html or settings.html_dir).resolve()
    commits = make(settings, folder)
    click.echo(f"{commits} commits, nothing loaded from elsewhere: {folder}")


@bench.command("page")
@click.option("--commit", metavar="HASH", help="Commit to show.  [default: the latest measured]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File to write.  [default: docs/benchmarks.md of the project]",
)
@_common
def page(commit: str | None, out: Path | None, machine: str | None, config: Path | None) -> None:
    """Write the benchmark page of the documentation from the results."""
    from vecgraph.bench.page import render
    from vecgraph.bench.results import load
    from vecgraph.bench.settings import machine_class

    settings = _settings(config)
    results = load(settings.results_dir, machine or machine_class(), commit)
    target = out or settings.path.parent / "docs" / "benchmarks.md"
    target.write_text(render(results), encoding="utf-8")
    click.echo(f"wrote {target}")
