"""What an evaluation is about to run, written down so that it can be gone on with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from types import CodeType
from typing import TYPE_CHECKING, Any, Self

from xxhash import xxh3_128_hexdigest

from vecgraph.checkpoint.serde.pack import Packer
from vecgraph.errors import UnserialisableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from vecgraph.evals.dataset import Sample

__all__ = ["FILE", "Plan", "PlanChangedError", "outline"]

FILE = "plan.json"
_FORMAT = 1
_SHOWN = 20


class PlanChangedError(ValueError):
    """The graph or the dataset is not the one that the run directory was begun with.

    Attributes
    ----------
    changes : list of str
        A line each: ``- `` what was, ``+ `` what is.
    """

    def __init__(self, path: Path, changes: list[str]) -> None:
        shown = changes[:_SHOWN]
        if len(changes) > _SHOWN:
            shown.append(f"... and {len(changes) - _SHOWN} more")
        super().__init__(
            f"the run directory {str(path)!r} was begun with something else:\n  "
            + "\n  ".join(shown)
            + "\nHint: undo the change, begin anew, or go on all the same with --accept-changes"
        )
        self.changes = changes


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run.

    Attributes
    ----------
    task : str
        Name by which it can be loaded; empty: it was given as an object.
    arguments : dict of str to object
        Of the evaluation.
    graph : dict of str to str
        What each node, edge and channel is; see `outline`.
    samples : dict of str to str
        Digest of each sample's input, by its id.
    """

    task: str
    arguments: dict[str, Any]
    graph: dict[str, str]
    samples: dict[str, str]

    @classmethod
    def of(
        cls, task: str, arguments: Mapping[str, Any], app: Any, samples: Sequence[Sample]
    ) -> Self:
        """Return the plan of a batch."""
        digests = {sample.id: _digest(dict(sample.input)) for sample in samples}
        return cls(task, dict(arguments), outline(app.program), digests)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the plan of a run directory.

        Raises
        ------
        FileNotFoundError
            It has none.
        ValueError
            It is no plan, or one of a later version.
        """
        said = json.loads((path / FILE).read_text(encoding="utf-8"))
        if not isinstance(said, dict) or said.get("format") != _FORMAT:
            raise ValueError(f"{str(path / FILE)!r} is no plan of this version of vecgraph")
        return cls(said["task"], said["arguments"], said["graph"], said["samples"])

    def said(self) -> dict[str, Any]:
        """Return what is written."""
        return {
            "format": _FORMAT,
            "task": self.task,
            "arguments": self.arguments,
            "graph": self.graph,
            "samples": self.samples,
        }

    def changes(self, now: Plan) -> list[str]:
        """Return what is different now, a line for each difference."""
        return [*_changes("", self.graph, now.graph), *_changes("sample ", *_moved(self, now))]


def _moved(before: Plan, now: Plan) -> tuple[dict[str, str], dict[str, str]]:
    """Return the samples with their places: a run is told by its sample's place."""
    return tuple(  # type: ignore[return-value]
        {
            name: f"number {at}, input {digest}"
            for at, (name, digest) in enumerate(p.samples.items())
        }
        for p in (before, now)
    )


def _changes(what: str, before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    lines = []
    for name in dict.fromkeys([*before, *now]):
        was, is_ = before.get(name), now.get(name)
        if was != is_:
            lines += [] if was is None else [f"- {what}{name}: {was}"]
            lines += [] if is_ is None else [f"+ {what}{name}: {is_}"]
    return lines


def _digest(value: Any) -> str:
    try:
        data = Packer().pack(value)
    except UnserialisableError:
        data = repr(value).encode()
    return xxh3_128_hexdigest(data)


def outline(program: Any) -> dict[str, str]:
    """Return what each node and channel of a program is, in words that a diff can show.

    A function is known by its name and a digest of its bytecode: a comment may change, what
    it does may not.
    """
    made = {}
    for name, node in program.nodes.items():
        routers = [f"{_function(b.action)} -> {sorted(b.ends or ())}" for b in node.branches]
        parts = [
            _function(node.action),
            f"after {', '.join(sorted(node.triggers))}",
            f"then {', '.join([*sorted(node.targets), *sorted(node.joins), *routers]) or 'the end'}",
        ]
        made[f"node {name}"] = "; ".join(parts)
    for name, channel in program.channels.items():
        if not name.startswith(("branch:to:", "join:")):
            made[f"channel {name}"] = repr(channel)
    return made


def _function(action: Any) -> str:
    if action is None:
        return "the input"
    fn = action.fn or action.afn
    while isinstance(fn, partial):
        fn = fn.func
    code = getattr(fn, "__code__", None)
    return action.name if code is None else f"{action.name} ({_code_digest(code)})"


def _code_digest(code: CodeType) -> str:
    return xxh3_128_hexdigest(repr(_facts(code)).encode())[:12]


def _facts(code: CodeType) -> tuple[Any, ...]:
    constants = [_facts(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return code.co_code, constants, code.co_names, code.co_varnames
