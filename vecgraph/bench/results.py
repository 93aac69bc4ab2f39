"""Read asv's result files: one a machine, commit and environment."""

from __future__ import annotations

import ast
import itertools
import json
import math
import platform
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vecgraph.bench.settings import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Results", "load", "refuse_private"]

Parameters = tuple[Any, ...]
Values = dict[Parameters, float]

# Shared by all machines, or about a machine; every other file holds results.
NOT_RESULTS = {"benchmarks.json", "machine.json"}
_SIZE = re.compile(r"\d{1,3}(?:,\d{3})*")


@dataclass(frozen=True)
class Results:
    """What was measured at one commit on one machine.

    Attributes
    ----------
    machine : dict
        asv's facts about it: ``machine`` (its name), ``cpu``, ``num_cpu``, ``ram``, ``os``.
    commit : str
        Full hash.
    date : int
        Of the commit, in milliseconds since 1970.
    python : str
        Its version.
    requirements : dict
        Versions that the benchmarks ran with, by package.
    values : dict
        By benchmark, by tuple of parameters: the number that was measured. What does not apply or
        failed is not in it. Times are in seconds, memory is in bytes.
    """

    machine: dict[str, str]
    commit: str
    date: int
    python: str
    requirements: dict[str, str]
    values: dict[str, Values] = field(repr=False)

    def get(self, benchmark: str, *parameters: Any) -> float | None:
        """Give one number, or None where it was not measured."""
        return self.values.get(benchmark, {}).get(parameters)


def _files(results_dir: Path) -> Iterator[Path]:
    return (path for path in sorted(results_dir.glob("*/*.json")) if path.name not in NOT_RESULTS)


def refuse_private(results_dir: Path) -> None:
    """Check that the results tell nothing about one host.

    asv writes the interpreter's path into the results of an ``existing`` environment, and takes
    the host name for a machine that has no name.

    Raises
    ------
    BenchError
        Some file would publish a path or the host's name.
    """
    private = [
        path.relative_to(results_dir).as_posix()
        for path in _files(results_dir)
        if _is_private(path)
    ]
    if private:
        raise BenchError(
            f"{len(private)} result files tell a path or the name of this host, and would publish "
            f"it: {', '.join(private[:3])}{', ...' if len(private) > 3 else ''}. They come from "
            "`asv run` with --environment existing or without --machine. Delete them, and run "
            "`vecgraph bench run`, which does neither."
        )


def _is_private(path: Path) -> bool:
    found = _read(path)
    told = [found["env_name"], found["python"], found["params"].get("python", "")]
    has_path = any("/" in text or "\\" in text for text in told)
    return has_path or "existing" in found["env_name"] or path.parent.name == platform.node()


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BenchError(f"{path.name} is not JSON ({error}): delete it and run again") from error
    return found


def load(results_dir: Path, machine: str, commit: str | None = None) -> Results:
    """Read the results of one commit; without one, of the latest that was measured.

    Parameters
    ----------
    results_dir : Path
        asv's ``results_dir``.
    machine : str
        Name of the machine.
    commit : str, optional
        Hash, or the beginning of one.

    Raises
    ------
    BenchError
        Nothing was measured there.
    """
    found = [_read(path) for path in _files(results_dir) if path.parent.name == machine]
    found = [one for one in found if one["commit_hash"].startswith(commit or "")]
    if not found:
        known = sorted({path.parent.name for path in _files(results_dir)})
        raise BenchError(
            f"no results of machine {machine!r}{f' at commit {commit}' if commit else ''}: "
            f"there are some of {', '.join(known) or 'no machine'}. "
            "Measure with `vecgraph bench run`, or choose with --machine."
        )
    latest = max(found, key=lambda one: (one["date"], _last_started(one)))
    facts = _read(results_dir / machine / "machine.json")
    return Results(
        machine={name: str(fact) for name, fact in facts.items() if name != "version"},
        commit=latest["commit_hash"],
        date=latest["date"],
        python=latest["python"],
        requirements=latest["requirements"],
        values=dict(_values(latest)),
    )


def _columns(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each benchmark's row, with the names of its columns; asv leaves out what is last and empty."""
    for name, row in found["results"].items():
        yield name, dict(zip(found["result_columns"], row, strict=False))


def _last_started(found: dict[str, Any]) -> int:
    return max((row.get("started_at") or 0 for _, row in _columns(found)), default=0)


def _values(found: dict[str, Any]) -> Iterator[tuple[str, Values]]:
    for name, row in _columns(found):
        axes = [[_literal(text) for text in axis] for axis in row["params"]]
        numbers = row["result"] or []
        yield (
            name,
            {
                parameters: number
                for parameters, number in zip(itertools.product(*axes), numbers, strict=False)
                if number is not None and not math.isnan(number)
            },
        )


def _literal(text: str) -> Any:
    """Undo the ``repr`` that asv writes a parameter as; what is no literal stays text.

    Text such as ``1,000`` is a number: some axes are labels, so that asv spaces them evenly.

    >>> [_literal(text) for text in ("'vector'", "'1,000'", "0.5", "<lambda>")]
    ['vector', 1000, 0.5, '<lambda>']
    """
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
    is_label = isinstance(value, str) and _SIZE.fullmatch(value)
    return int(value.replace(",", "")) if is_label else value
