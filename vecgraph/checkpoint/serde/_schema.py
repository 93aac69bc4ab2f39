"""The classes that a state's annotations name: the natural allow-list of a program."""

from __future__ import annotations

import dataclasses
import typing
from enum import Enum
from typing import Any, ForwardRef, TypeVar, get_args, get_origin, get_type_hints

from vecgraph.checkpoint.serde import _instances as instances
from vecgraph.schema import is_typed_dict

__all__ = ["classes_in", "hints_of"]


def classes_in(*schemas: Any) -> tuple[type[Any], ...]:
    """Return the classes that instances of these schemas hold, for `Packer(allowed=)`.

    Parameters
    ----------
    *schemas : type or annotation
        TypedDicts, dataclasses, pydantic models, or any annotation.

    Returns
    -------
    tuple of type
        Dataclasses, models, Enums, named tuples and subclasses of builtins, the schemas
        themselves included, at any depth. Subclasses of what is named are not found: name them.

    Examples
    --------
    >>> class Color(Enum):
    ...     RED = 1
    >>> State = typing.TypedDict("State", {"seen": dict[str, list[Color | None]]})
    >>> classes_in(State)
    (<enum 'Color'>,)
    """
    found: dict[type[Any], None] = {}
    seen: dict[int, Any] = {}
    todo = list(schemas)
    while todo:
        annotation = todo.pop()
        # Not all annotations hash, so each object is looked at once; kept, lest its id be reused.
        if id(annotation) in seen:
            continue
        seen[id(annotation)] = annotation
        if isinstance(annotation, type) and get_origin(annotation) is None:
            if _is_stored(annotation):
                found[annotation] = None
            todo += hints_of(annotation).values()
        else:
            todo += _parts(annotation)
    return tuple(sorted(found, key=instances.name_of))


def _is_stored(kind: type[Any]) -> bool:
    """Return whether instances of a class need the class to be allowed."""
    if kind.__module__ == "builtins" or is_typed_dict(kind):
        return False
    return (
        dataclasses.is_dataclass(kind)
        or issubclass(kind, Enum)
        or instances.is_model(kind)
        or instances.is_named_tuple(kind)
        or instances.base_of(kind) is not None
    )


def hints_of(kind: type[Any]) -> dict[str, Any]:
    """Return the annotations of a class's fields; `Any` for one that cannot be resolved.

    Examples
    --------
    >>> hints_of(typing.NamedTuple("Pair", [("left", int), ("right", "NotThere")]))
    {'left': <class 'int'>, 'right': typing.Any}
    """
    if instances.is_model(kind):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if kind.__module__ == "builtins":
        return {}
    try:
        return get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001 - a name that is only there for type checkers, mostly
        return {
            name: _resolved(base.__module__, name, annotation)
            for base in reversed(kind.__mro__)
            for name, annotation in vars(base).get("__annotations__", {}).items()
        }


def _resolved(module: str, name: str, annotation: Any) -> Any:
    """Return one annotation, if its names can be resolved in the module that it is from."""
    # Not called after the key: a class cannot have every name that a key can.
    alone = type("Alone", (), {"__annotations__": {name: annotation}, "__module__": module})
    try:
        return get_type_hints(alone, include_extras=True)[name]
    except Exception:  # noqa: BLE001 - then nothing that it names can come back as an instance
        return Any


def _parts(annotation: Any) -> list[Any]:
    """Return what an annotation that is no class is made of."""
    if isinstance(annotation, (str, ForwardRef)):
        return []
    if isinstance(annotation, TypeVar):
        return [annotation.__bound__, *annotation.__constraints__]
    origin = get_origin(annotation)
    if origin is typing.Literal:
        return [type(item) for item in get_args(annotation)]
    if origin is typing.Annotated:
        return [annotation.__origin__]
    # NewType, and `type X = ...`.
    inner = [getattr(annotation, name, None) for name in ("__supertype__", "__value__")]
    return [origin, *get_args(annotation), *inner]
