"""JSON schemas of what an app takes and gives, made by pydantic where it is installed."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Final, Required, TypeAlias, Union

from vecgraph.channels.base import BaseChannel, Channel
from vecgraph.constants import ROOT
from vecgraph.schema import has_model, is_typed_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Fields",
    "declared",
    "fields_model",
    "json_schema",
    "pydantic_for",
    "root_model",
    "state_schema",
]

Fields: TypeAlias = "Mapping[str, tuple[Any, Any]]"
"""Annotation and default of each field; the default `...` says that it must be given."""

_NONE: Final = object()


def pydantic_for(what: str) -> Any:
    """Return the module pydantic.

    Raises
    ------
    ImportError
        It is not installed; says that `what` needs it.
    """
    try:
        import pydantic
    except ImportError as error:
        raise ImportError(f"{what} needs pydantic: pip install pydantic") from error
    return pydantic


def fields_model(name: str, fields: Fields) -> Any:
    """Return a pydantic model with these fields.

    A name that pydantic keeps for itself (``copy``, ``_hidden``) is the alias of a field
    called ``private_copy``.
    """
    pydantic = pydantic_for(name)
    kept = {each for each in dir(pydantic.BaseModel) if not each.startswith("_")}
    definitions: dict[str, Any] = {}
    for key, (annotation, default) in fields.items():
        if key in kept or key.startswith("_"):
            title = key.lstrip("_").replace("_", " ").title()
            aliased = pydantic.Field(
                default=default, alias=key, serialization_alias=key, title=title
            )
            definitions[f"private_{key}"] = (annotation, aliased)
        else:
            definitions[key] = (annotation, default)
    return pydantic.create_model(name, __config__=_config(pydantic), **definitions)


def _config(pydantic: Any) -> Any:
    return pydantic.ConfigDict(arbitrary_types_allowed=True, frozen=True, protected_namespaces=())


def root_model(name: str, annotation: Any, module: str, default: Any = _NONE) -> Any:
    """Return a pydantic model of one bare value, whose JSON schema is titled `name`.

    Parameters
    ----------
    name : str
    annotation : object
    module : str
        Where names in strings are looked up.
    default : object, optional
    """
    pydantic = pydantic_for(name)

    def model_json_schema(cls: Any, *args: Any, **options: Any) -> Any:
        return {**super(made, cls).model_json_schema(*args, **options), "title": name}

    body = {
        "__annotations__": {"root": annotation},
        "__module__": module,
        "model_config": pydantic.ConfigDict(arbitrary_types_allowed=True),
        "model_json_schema": classmethod(model_json_schema),
    }
    if default is not _NONE:
        body["root"] = default
    made: Any = type(name, (pydantic.RootModel,), body)
    return made


def json_schema(schema: Any, what: str) -> dict[str, Any] | None:
    """Return the JSON schema of a pydantic model, a TypedDict or a dataclass; of others None."""
    if has_model(schema):
        found: dict[str, Any] = schema.model_json_schema()
        return found
    if is_typed_dict(schema) or dataclasses.is_dataclass(schema):
        adapted: dict[str, Any] = pydantic_for(what).TypeAdapter(schema).json_schema()
        return adapted
    return None


def state_schema(builder: Any, schema: Any, name: str) -> dict[str, Any]:
    """Return the JSON schema of a graph's input or output.

    Parameters
    ----------
    builder : StateGraph
    schema : type
        One of its schemas.
    name : str
        Title of the JSON schema, if `schema` is neither a model nor a TypedDict.
    """
    if has_model(schema) or is_typed_dict(schema):
        return json_schema(schema, name) or {}
    keys = list(builder.schemas[schema])
    if keys == [ROOT]:
        model = root_model(name, declared(builder, ROOT, "UpdateType"), __name__, None)
    else:
        known = [key for key in keys if key in builder.channels]
        shown = {key: declared(builder, key, "UpdateType") for key in known}
        fields = {key: (typ, default_of(key, typ, schema)) for key, typ in shown.items()}
        model = fields_model(name, fields)
    found: dict[str, Any] = model.model_json_schema()
    return found


def declared(builder: Any, key: str, which: str) -> Any:
    """Return how a key was first annotated; if that names a channel, the type that it has.

    A channel's own type has lost what pydantic reads: descriptions, bounds, NotRequired.

    Parameters
    ----------
    builder : StateGraph
    key : str
        Of a channel.
    which : {'UpdateType', 'ValueType'}
    """
    schema = next(schema for schema, fields in builder.schemas.items() if key in fields)
    hints = {ROOT: schema} if key == ROOT else typing.get_type_hints(schema, include_extras=True)
    annotation = hints[key]
    if _is_qualified(annotation):
        annotation = annotation.__args__[0]
    marks = getattr(annotation, "__metadata__", ())
    return getattr(builder.channels[key], which) if any(map(_is_channel, marks)) else annotation


def _is_channel(mark: Any) -> bool:
    kinds = (Channel, BaseChannel)
    return issubclass(mark, kinds) if inspect.isclass(mark) else isinstance(mark, kinds)


def _is_qualified(annotation: Any) -> bool:
    name = getattr(typing.get_origin(annotation), "_name", None)
    return name in {"Required", "NotRequired"}


def default_of(key: str, annotation: Any, schema: Any) -> Any:
    """Return the default of a field of a class; `...` if it must be given.

    What the annotation says comes first, then a dataclass's default; last, a field that may
    be None is None.
    """
    required = _required(annotation)
    if required is not None:
        return ... if required else None
    if dataclasses.is_dataclass(schema):
        field = next((f for f in dataclasses.fields(schema) if f.name == key), None)
        if field is not None and field.default not in {dataclasses.MISSING, ...}:
            return field.default
        if field is not None and field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
    return None if _may_be_none(annotation) else ...


def _required(annotation: Any) -> bool | None:
    """Return whether an annotation says Required (True) or NotRequired; None: neither."""
    if _is_qualified(annotation):
        return typing.get_origin(annotation) is Required
    if typing.get_origin(annotation) is Annotated:
        return _required(annotation.__origin__)
    return None


def _may_be_none(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin in {Union, types.UnionType}:
        return any(each is type(None) or _may_be_none(each) for each in annotation.__args__)
    if origin is Annotated:
        return _may_be_none(annotation.__origin__)
    bound = getattr(annotation, "__bound__", None)
    return annotation is None if bound is None else _may_be_none(bound)
