"""Arguments of tools that the graph gives and the model never sees."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, field
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

from vecgraph.prebuilt._schema import hints_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Injected", "InjectedState", "InjectedStore", "ToolRuntime", "adopt", "injected_of"]

StateT = TypeVar("StateT")
ContextT = TypeVar("ContextT")


class _Marker:
    """The base of our marks until LangChain is loaded."""


class InjectedState(_Marker):
    """Marks a tool's parameter that gets the state: ``Annotated[dict, InjectedState]``.

    Parameters
    ----------
    field : str, optional
        Key of the state, or attribute; the whole state if left out.
    """

    def __init__(self, field: str | None = None) -> None:
        self.field = field
        adopt()


class InjectedStore(_Marker):
    """Marks a tool's parameter that gets the graph's store: ``Annotated[Any, InjectedStore()]``."""


@dataclass
class ToolRuntime(_Marker, Generic[ContextT, StateT]):
    """What a tool gets in a parameter with this annotation, or of the name ``runtime``.

    Attributes
    ----------
    state : object
        Of the graph.
    context : object
        As in `vecgraph.runtime.Runtime`.
    config : RunnableConfig
    stream_writer : callable
    tool_call_id : str or None
    store : object
    tools : list
        All tools of the node.
    execution_info, server_info : object
        As in `vecgraph.runtime.Runtime`.
    """

    state: StateT
    context: ContextT
    config: Any
    stream_writer: Any
    tool_call_id: str | None
    store: Any
    tools: list[Any] = field(default_factory=list)
    execution_info: Any = None
    server_info: Any = None

    def emit_output_delta(self, delta: Any) -> None:
        """Stream a part of the output; nobody listens, since there is no ``tools`` stream."""


def adopt() -> None:
    """Make our marks LangChain's own as soon as it is there, so that its tools hide them.

    LangChain tells what a model must not see by the classes in a tool's annotations, when it
    describes the tool to a model.
    """
    langchain = sys.modules.get("langchain_core.tools.base")
    if langchain is None or _Marker not in ToolRuntime.__bases__:
        return
    hidden = getattr(langchain, "InjectedToolArg", _Marker)
    InjectedState.__bases__ = (hidden,)
    InjectedStore.__bases__ = (hidden,)
    direct = getattr(langchain, "_DirectlyInjectedToolArg", hidden)
    ToolRuntime.__bases__ = (direct, Generic)


@dataclass(frozen=True, slots=True)
class Injected:
    """Which parameters of a tool are filled, and with what.

    Attributes
    ----------
    state : dict of str to (str or None)
        Parameter -> field of the state; None: all of it.
    optional : frozenset of str
        Those of `state` that may be left to their default.
    store, runtime, config, call_id : str or None
        Parameter that gets it.
    runtime_type : type
        Class of the runtime that the tool expects.
    hidden : frozenset of str
        All parameters that a model must not fill.
    """

    state: dict[str, str | None] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    store: str | None = None
    runtime: str | None = None
    config: str | None = None
    call_id: str | None = None
    runtime_type: Any = ToolRuntime
    hidden: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.hidden)


def injected_of(fn: Callable[..., Any], extra: dict[str, Any] | None = None) -> Injected:
    """Return which parameters of a tool's function are filled.

    Parameters
    ----------
    fn : callable
    extra : dict of str to annotation, optional
        Parameters that a schema has beside those of the function.

    Raises
    ------
    ValueError
        A parameter is marked twice.
    """
    hints = {**hints_of(fn), **(extra or {})}
    hints.pop("return", None)
    state = {name: found for name, hint in hints.items() if (found := _mark(hint, "InjectedState"))}
    single = {kind: _first(hints, kind) for kind in ("InjectedStore", "InjectedToolCallId")}
    runtime = _runtime(fn, hints)
    config = next((name for name, hint in hints.items() if _names(hint, "RunnableConfig")), None)
    others = (*single.values(), runtime, config)
    hidden = {name for name, hint in hints.items() if _mark(hint, "InjectedToolArg")}
    defaults = {p.name for p in _signature(fn) if p.default is not inspect.Parameter.empty}
    return Injected(
        state={name: getattr(found, "field", None) for name, found in state.items()},
        optional=frozenset(state.keys() & defaults),
        store=single["InjectedStore"],
        runtime=runtime,
        config=config,
        call_id=single["InjectedToolCallId"],
        runtime_type=_runtime_type(hints.get(runtime or "")),
        hidden=frozenset(hidden | state.keys() | {name for name in others if name}),
    )


def _signature(fn: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(fn).parameters.values())
    except ValueError:
        return []


def _runtime(fn: Callable[..., Any], hints: dict[str, Any]) -> str | None:
    names = [name for name, hint in hints.items() if _names(hint, "ToolRuntime")]
    named = "runtime" in hints or any(p.name == "runtime" for p in _signature(fn))
    return names[0] if names else "runtime" if named else None


def _runtime_type(hint: Any) -> Any:
    kind = get_origin(hint) or hint
    return kind if isinstance(kind, type) and _is(kind, "ToolRuntime") else ToolRuntime


def _first(hints: dict[str, Any], kind: str) -> str | None:
    return next((name for name, hint in hints.items() if _mark(hint, kind)), None)


def _mark(hint: Any, kind: str) -> Any:
    """Return the marker of a kind among an annotation's metadata, None if there is none."""
    if get_origin(hint) in {Union, UnionType}:
        return next((found for arg in get_args(hint) if (found := _mark(arg, kind))), None)
    if get_origin(hint) is not Annotated:
        return None
    inner, *metadata = get_args(hint)
    found = [item for item in metadata if _is(item if isinstance(item, type) else type(item), kind)]
    if len(found) > 1:
        raise ValueError(
            f"A tool argument should not be annotated with {kind} more than once. Found: {found}"
        )
    return found[0] if found else _mark(inner, kind)


def _names(hint: Any, kind: str) -> bool:
    """Tell whether an annotation is a class of that name, or that or None."""
    members = get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)
    kinds = [get_origin(member) or member for member in members]
    return any(isinstance(each, type) and _is(each, kind) for each in kinds)


def _is(kind: type, name: str) -> bool:
    # By name, so that LangGraph's and LangChain's classes count as well, without an import.
    return any(base.__name__ == name for base in kind.__mro__)
