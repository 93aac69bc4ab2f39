"""From a state's class to channels: what each annotation says about its key."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
import warnings
from functools import partial
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vecgraph.channels import BinaryOperatorAggregate, LastValue
from vecgraph.channels.base import BaseChannel, Channel
from vecgraph.channels.custom import ObjectChannel, rule_for
from vecgraph.channels.messages import Messages
from vecgraph.constants import ROOT, TAG_HIDDEN
from vecgraph.managed import ManagedValue, is_managed_value
from vecgraph.messages import add_messages

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "RESERVED",
    "Field",
    "Tensor",
    "fields_of",
    "has_model",
    "is_typed_dict",
    "mapper_of",
    "reads_of",
    "warn_odd_schema",
]

Field: TypeAlias = Channel | type[ManagedValue]
"""What a key of a state is: a channel, or a value computed from the run's step."""

RESERVED = frozenset(
    {
        TAG_HIDDEN,
        "__input__",
        "__interrupt__",
        "__resume__",
        "__error__",
        "__error_source_node__",
        "__no_writes__",
        "__snapshot_bumps__",
        "__pregel_send",
        "__pregel_read",
        "__pregel_checkpointer",
        "__pregel_stream",
        "__pregel_resuming",
        "__pregel_replay_state",
        "__pregel_task_id",
        "__pregel_timed_attempt_observer",
        "__pregel_resume_map",
        "__pregel_strict_resume",
        "__pregel_stream_messages_v2",
        "__pregel_push",
        "__pregel_pull",
        "checkpoint_map",
        "checkpoint_id",
        "checkpoint_ns",
        "configurable",
        "|",
        ":",
    }
)
"""Names that neither a channel nor a node may have; LangGraph's list."""

_QUALIFIERS = frozenset({"Required", "NotRequired", "ReadOnly"})


@dataclasses.dataclass(frozen=True, slots=True)
class Tensor:
    """Marks a key that holds one array of a fixed shape a run.

    Parameters
    ----------
    shape : tuple of int, or int
        Shape of one run's array.
    dtype : NumPy dtype
        Type of its elements.

    Examples
    --------
    >>> Tensor(3, "float32")
    Tensor(shape=(3,), dtype=dtype('float32'))
    >>> class State(typing.TypedDict):
    ...     board: Annotated[np.ndarray, Tensor((9, 9), np.int8)]
    """

    shape: tuple[int, ...] | int
    dtype: npt.DTypeLike = np.float64

    def __post_init__(self) -> None:
        shape = (self.shape,) if isinstance(self.shape, int) else tuple(self.shape)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "dtype", np.dtype(self.dtype))


def fields_of(schema: Any) -> dict[str, Field]:
    """Return the fields of a state's schema: channels first, then managed values.

    Parameters
    ----------
    schema : type
        A TypedDict, dataclass, pydantic model or other class with annotations; anything
        else makes a state of one bare value, in the channel `ROOT`.

    Returns
    -------
    dict of str to Field
        In the order of the annotations, base classes first.

    Raises
    ------
    ValueError
        A reducer does not take two positional arguments, or a bare state is managed.

    Examples
    --------
    >>> State = typing.TypedDict("State", {"n": Annotated[int, max], "x": float})
    >>> [type(field).__name__ for field in fields_of(State).values()]
    ['BinaryOperatorAggregate', 'LastValue']
    """
    if not hasattr(schema, "__annotations__"):
        root = _field(ROOT, schema)
        if not isinstance(root, Channel):
            raise ValueError(f"This {schema} not allowed in this position")
        return {ROOT: root}
    hints = get_type_hints(schema, include_extras=True)
    found = {name: _field(name, hint) for name, hint in hints.items() if name != "__slots__"}
    channels = {name: field for name, field in found.items() if isinstance(field, Channel)}
    return {**channels, **found}


def _field(name: str, annotation: Any) -> Field:
    managed = _managed(annotation)
    if managed is not None:
        return managed
    typ, extras = _unwrap(annotation)
    marks = _marks(typ, extras)
    rules = [item for item in extras if not isinstance(item, pa.DataType | Tensor)]
    channel = _declared(typ, rules) or _reducer(name, typ, rules) or LastValue(typ)
    channel.key = name
    # Beside the annotation, not in it: they guide the column, not the rule.
    vars(channel).update(marks)
    return channel


def _unwrap(annotation: Any) -> tuple[Any, list[Any]]:
    """Return the bare type and the metadata, outer first, as `Annotated` flattens them."""
    extras: list[Any] = []
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            extras = [*annotation.__metadata__, *extras]
            annotation = annotation.__origin__
        elif getattr(origin, "_name", None) in _QUALIFIERS:
            annotation = get_args(annotation)[0]
        else:
            return annotation, extras


def _managed(annotation: Any) -> type[ManagedValue] | None:
    metadata = getattr(annotation, "__metadata__", ())
    if metadata:
        last = get_origin(metadata[-1]) or metadata[-1]
        if is_managed_value(last):
            return last
    inner = get_args(annotation) if get_origin(annotation) is not None else ()
    return _managed(inner[0]) if inner and inner[0] else None


def _marks(typ: Any, extras: Sequence[Any]) -> dict[str, Any]:
    marks: dict[str, Any] = {}
    for item in (typ, *extras):
        if isinstance(item, pa.DataType):
            marks["arrow_type"] = item
        elif isinstance(item, Tensor):
            marks["tensor"] = item
    return marks


def _declared(typ: Any, rules: Sequence[Any]) -> Channel | None:
    for item in rules:
        if isinstance(item, Channel):
            return item.declared(typ)
        if isinstance(item, BaseChannel):
            return ObjectChannel(item)
        if inspect.isclass(item) and issubclass(item, Channel | BaseChannel):
            return rule_for(item(typ))  # type: ignore[no-any-return]
    return None


def _reducer(name: str, typ: Any, rules: Sequence[Any]) -> Channel | None:
    if not rules or not callable(rules[-1]):
        return None
    reducer = rules[-1]
    if _takes_two(reducer):
        kind = Messages if _adds_messages(reducer) else BinaryOperatorAggregate
        return kind(typ, reducer)
    signature = inspect.signature(reducer)
    error = ValueError(f"Invalid reducer signature. Expected (a, b) -> c. Got {signature}")
    error.add_note(
        f"Key '{name}' is annotated with {reducer!r}.\n"
        "Hint: a reducer takes the current value and one update, both positional."
    )
    raise error


def _adds_messages(reducer: Callable[..., Any]) -> bool:
    """Tell whether a reducer is `add_messages`, or that with options that change nothing."""
    if isinstance(reducer, partial):
        plain = not reducer.args and not any(reducer.keywords.values())
        return plain and reducer.func is add_messages
    return reducer is add_messages


def _takes_two(reducer: Callable[..., Any]) -> bool:
    if isinstance(reducer, np.ufunc):
        return reducer.nin == 2 and reducer.nout == 1
    # Builtins that hide their signature and do take two.
    if reducer is max or reducer is min:
        return True
    kinds = [p.kind for p in inspect.signature(reducer).parameters.values()]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(kind in positional for kind in kinds) == 2


def reads_of(fields: Mapping[str, Field]) -> tuple[str, ...] | str:
    """Return what a node of this schema reads: its keys, or `ROOT` for the bare value."""
    return ROOT if list(fields) == [ROOT] else tuple(fields)


def mapper_of(schema: Any, fields: Mapping[str, Field]) -> Callable[[dict[str, Any]], Any] | None:
    """Return what builds an instance of `schema` from a dict of values; None if dicts will do."""
    if list(fields) == [ROOT] or not inspect.isclass(schema):
        return None
    if has_model(schema) or dataclasses.is_dataclass(schema):
        return partial(_build, schema)
    return None


def _build(schema: Callable[..., Any], values: dict[str, Any]) -> Any:
    return schema(**values)


def has_model(schema: Any) -> bool:
    """Return whether `schema` is a pydantic model's class; never imports pydantic."""
    model = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    return model is not None and inspect.isclass(schema) and issubclass(schema, model)


def is_typed_dict(schema: Any) -> bool:
    """Return whether `schema` is a TypedDict, of typing or of typing_extensions."""
    return typing.is_typeddict(schema) or (
        inspect.isclass(schema) and hasattr(schema, "__total__") and issubclass(schema, dict)
    )


def warn_odd_schema(schema: Any) -> None:
    """Warn of a schema that is neither a type nor an annotation with arguments."""
    if not isinstance(schema, type) and not get_args(schema):
        warnings.warn(
            f"Invalid state_schema: {schema}. Expected a type or Annotated[type, reducer]. "
            "Please provide a valid schema to ensure correct updates.",
            stacklevel=4,
        )
