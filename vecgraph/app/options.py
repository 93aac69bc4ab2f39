"""What a call needs besides its input, and what is refused instead of left out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from vecgraph.errors import UnsupportedError

if TYPE_CHECKING:
    from vecgraph.program import Program

__all__ = ["coerce_context", "configs_for", "refuse", "refuse_options"]


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


def coerce_context(schema: Any, context: Any) -> Any:
    """Return the context as an instance of its schema, if that is a class to call."""
    if schema is None or context is None or not isinstance(context, dict):
        return context
    if dataclasses.is_dataclass(schema) or hasattr(schema, "model_validate"):
        return schema(**context)
    return context


def refuse(program: Program, checkpointer: Any, cache: Any, before: Any, after: Any) -> None:
    """Refuse what would otherwise be left out in silence."""
    if checkpointer not in {None, False}:
        raise UnsupportedError.feature("compile(checkpointer=...)")
    if cache is not None:
        raise UnsupportedError.feature("compile(cache=...)")
    if before or after:
        raise UnsupportedError.feature("compile(interrupt_before=..., interrupt_after=...)")
    for node in program.nodes.values():
        for name, value in (
            ("cache_policy", node.cache_policy),
            ("timeout", node.timeout),
            ("error_handler", node.error_handler),
        ):
            if value is not None:
                raise UnsupportedError.feature(f"add_node({node.name!r}, {name}=...)")


_HARMLESS = {"version": "v1", "debug": None, "subgraphs": False, "durability": None}


def refuse_options(options: dict[str, Any]) -> None:
    """Refuse options of a call that would do something, were they obeyed."""
    for name, value in options.items():
        if name in _HARMLESS and (value == _HARMLESS[name] or value is None):
            continue
        if name == "print_mode" and not value:
            continue
        if name in {"interrupt_before", "interrupt_after", "control"} and value is None:
            continue
        raise UnsupportedError.feature(f"{name}=...")
