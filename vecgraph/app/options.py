"""What a call needs besides its input: context, configs, savers, breakpoints."""

from __future__ import annotations

import dataclasses
import difflib
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

from vecgraph.errors import BatchInputError
from vecgraph.registry import load
from vecgraph.types import ensure_valid_checkpointer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vecgraph.app.base import Compiled

__all__ = [
    "answers_of",
    "asked",
    "breakpoints",
    "check_options",
    "coerce_context",
    "configs_for",
    "durability_of",
    "saver_of",
    "usable",
]


def configs_for(config: Any, n: int) -> list[Any]:
    """Return one config a run.

    Raises
    ------
    ValueError
        A list has another length than the inputs.
    """
    if isinstance(config, list):
        if len(config) != n:
            raise ValueError(
                f"config must be a list of the same length as inputs, but got {len(config)} "
                f"configs for {n} inputs"
            )
        return config
    return [config] * n


OPTIONS = ("durability", "interrupt_before", "interrupt_after", "control")
"""What a call may be given besides what its verb names."""


def asked(before: Any, after: Any, durability: Any, control: Any) -> dict[str, Any]:
    """Return the options of a call that are given."""
    given = dict(zip(OPTIONS, (durability, before, after, control), strict=True))
    return {name: value for name, value in given.items() if value is not None}


def answers_of(resume: Any, n: int, *, has_saver: bool) -> Any:
    """Return how N runs are resumed: None, True, or a list of N answers.

    Raises
    ------
    BatchInputError
        There is no saver, or there are more or fewer answers than runs.
    """
    if resume is None or resume is False:
        return None
    if not has_saver:
        raise BatchInputError.no_past()
    if resume is True:
        return True
    answers = resume.to_pylist() if hasattr(resume, "to_pylist") else list(resume)
    if len(answers) != n:
        raise BatchInputError.length("resume", len(answers), n)
    return answers


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that do not exist.

    Raises
    ------
    TypeError
        Names the option, and the one that may be meant.
    """
    for name in options:
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, [*OPTIONS, "seed", "context", "config"], 1)
            hint = f" Did you mean {near[0]}=?" if near else ""
            raise TypeError(f"there is no option {name}=.{hint}")


def coerce_context(schema: Any, context: Any) -> Any:
    """Return the context as an instance of its schema, if that is a class to call."""
    if schema is None or context is None or not isinstance(context, dict):
        return context
    if dataclasses.is_dataclass(schema) or hasattr(schema, "model_validate"):
        return schema(**context)
    return context


def breakpoints(nodes: Any) -> frozenset[str] | str:
    """Return the nodes of breakpoints as a set, or ``"*"`` for all."""
    return "*" if nodes == "*" else frozenset(nodes or ())


def saver_of(app: Compiled, config: Any) -> Any:
    """Return the saver of a graph that no other one runs, None if it has none.

    Raises
    ------
    RuntimeError
        It is to keep its own past as a subgraph, and is none.
    ValueError
        Nothing says which thread is meant.
    """
    saver = usable(app.checkpointer)
    if saver is None or saver is False:
        return None
    if saver is True:
        raise RuntimeError("checkpointer=True cannot be used for root graphs.")
    if not config.get("configurable"):
        raise ValueError(
            "Checkpointer requires one or more of the following 'configurable' "
            "keys: thread_id, checkpoint_ns, checkpoint_id"
        )
    return saver


def usable(checkpointer: Any) -> Any:
    """Return a checkpointer as the engine takes it: a saver of LangGraph's is translated.

    Raises
    ------
    TypeError
        It is no saver, no bool and not None.
    """
    saver = ensure_valid_checkpointer(checkpointer)
    kind: Any = type(saver)
    adapt = _adapter_of(kind)
    return saver if adapt is None else adapt(saver)


@cache
def _adapter_of(kind: Any) -> Callable[[Any], Any] | None:
    """Return what translates a saver of LangGraph's, told by its base class without an import."""
    if any(base.__module__ == "langgraph.checkpoint.base" for base in kind.__mro__):
        found: Callable[[Any], Any] = load("adapters", "langgraph")
        return found
    return None


def durability_of(durability: Any, saver: Any) -> str:
    """Return when checkpoints are written.

    Raises
    ------
    ValueError
        `durability` is no such word.
    """
    if durability is None:
        return "async"
    if durability not in {"sync", "async", "exit"}:
        raise ValueError(f"durability must be 'sync', 'async' or 'exit', not {durability!r}")
    if saver is None:
        warnings.warn("`durability` has no effect when no checkpointer is present.", stacklevel=5)
    word: str = durability
    return word
