"""What an evaluation looks like in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["render"]

BARS = 12
"""Width of the curve's bars, in characters."""


def render(summary: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Lay a summary out as tables and lines for a rich console.

    Parameters
    ----------
    summary : mapping
        `Evaluation.summary`.

    Yields
    ------
    RenderableType
    """
    # rich takes a while to import and only those who look at a report need it.
    yield _scores(summary)
    yield _costs(summary)
    yield from _problems(summary)
    if "solved_by_steps" in summary:
        yield _curve(summary)
    yield f"Written to {summary['directory']}"


def _scores(summary: Mapping[str, Any]) -> Table:
    from rich.table import Table

    table = Table(
        title=f"{summary['task']}: {summary['runs']:,} runs of {summary['samples']:,} samples"
    )
    groups: Mapping[str, Any] = summary.get("groups", {})
    if groups:
        table.add_column("group")
    table.add_column("score")
    for header in ("mean", "std. error", "95 % interval", "scored runs"):
        table.add_column(header, justify="right")
    for label, results in (*groups.items(), ("all", summary)):
        if label == "all" and groups:
            table.add_section()
        for name, score in results["scores"].items():
            table.add_row(*([label] if groups else []), name, *_numbers(score))
    return table


def _numbers(score: Mapping[str, Any]) -> tuple[str, ...]:
    interval = "-" if score["low"] is None else f"{score['low']:.3f} to {score['high']:.3f}"
    return _number(score["mean"]), _number(score["stderr"]), interval, f"{score['n']:,}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _costs(summary: Mapping[str, Any]) -> Table:
    from rich.table import Table

    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for status, count in summary["status"].items():
        table.add_row(f"runs: {status}", f"{count:,}")
    table.add_row(
        "steps per run", f"{summary['steps_per_run']:.1f} (budget {summary['max_steps']})"
    )
    table.add_row("time", f"{summary['seconds']:.2f} s")
    table.add_row("run-steps per second", f"{summary['run_steps_per_second']:,.0f}")
    return table


def _problems(summary: Mapping[str, Any]) -> Iterator[RenderableType]:
    from rich.text import Text

    for name, failure in summary["scorer_failures"].items():
        where = "" if failure["row"] < 0 else f", first in row {failure['row']}"
        text = f"scorer {name!r} raised {failure['count']} times{where}: {failure['error']}"
        yield Text(text, style="red")


def _curve(summary: Mapping[str, Any]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    groups: Mapping[str, Any] = summary.get("groups", {})
    title = "Solved within a budget of so many steps"
    table = Table(title=title, box=SIMPLE_HEAD, padding=0, collapse_padding=True)
    table.add_column("steps", justify="right")
    for label in groups:
        # A narrow terminal folds the headers, at blanks if it can, and leaves the bars whole:
        # one that was cut off would show a wrong share.
        table.add_column(label.replace("_", " "), justify="right", overflow="fold")
    table.add_column("all", justify="right")
    table.add_column("", width=BARS, no_wrap=True)
    at: Sequence[int] = summary["solved_by_steps"]["max_steps"]
    for place, steps in enumerate(at):
        shares = [one["solved_by_steps"]["share"][place] for one in (*groups.values(), summary)]
        bar = "█" * round(BARS * shares[-1])
        table.add_row(str(steps), *(f"{share:.0%}" for share in shares), bar)
    return table
