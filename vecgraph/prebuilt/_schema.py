"""Parameters of a tool and their JSON schema, for the model."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from vecgraph.prebuilt._check import Parameter, adapter_of

__all__ = ["docs_of", "hints_of", "json_schema", "parameters_of", "schema_of"]

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_NAMES: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    NoneType: "null",
    None: "null",
}


def parameters_of(
    fn: Callable[..., Any], hidden: Mapping[str, Any] | frozenset[str]
) -> list[Parameter]:
    """Return the parameters of a function that a model fills.

    Parameters
    ----------
    fn : callable
    hidden : container of str
        Parameters that others fill.
    """
    hints = hints_of(fn)
    docs = docs_of(inspect.getdoc(fn) or "")[1]
    return [
        Parameter(p.name, hints.get(p.name, Any), p.default, docs.get(p.name, ""))
        for p in inspect.signature(fn).parameters.values()
        if p.name not in hidden and p.kind not in _VARIADIC
    ]


def hints_of(fn: Callable[..., Any]) -> dict[str, Any]:
    """Return a function's annotations; none where they cannot be evaluated."""
    function = fn if inspect.isroutine(fn) else getattr(fn, "__call__", fn)  # noqa: B004
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError):
        return dict(getattr(function, "__annotations__", {}))


_SECTION = re.compile(
    r"^(Args|Arguments|Parameters|Returns|Yields|Raises|Examples?|Notes?)(:?)[ \t]*\n(-{3,}\n)?",
    re.MULTILINE,
)
_ENTRY = re.compile(r"(\w+)[ \t]*(?:\([^)]*\))?[ \t]*(?::[ \t]*(.*))?$")


def docs_of(doc: str) -> tuple[str, dict[str, str]]:
    r"""Return what a docstring says before its sections, and what it says of each parameter.

    Understands Google's form (``Args:``) and NumPy's (``Parameters`` underlined).

    Examples
    --------
    >>> docs_of("Add.\n\nArgs:\n    a: one\n    b (int): other")
    ('Add.', {'a': 'one', 'b': 'other'})
    """
    found: dict[str, str] = {}
    sections = [match for match in _SECTION.finditer(doc) if match[2] or match[3]]
    ends = [match.start() for match in sections[1:]] + [len(doc)]
    for match, end in zip(sections, ends, strict=False):
        if match[1] in {"Args", "Arguments", "Parameters"}:
            found |= _entries(doc[match.end() : end], typed=bool(match[3]))
    text = doc[: sections[0].start()] if sections else doc
    return text.strip(), found


def _entries(section: str, *, typed: bool) -> dict[str, str]:
    """Read a section: each name stands less far in than what is said of it."""
    lines = [line for line in section.splitlines() if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        entry = _ENTRY.match(line[margin:])
        if entry is not None and not line[margin].isspace():
            name, text = entry[1], "" if typed else entry[2] or ""  # NumPy's has a type there
        else:
            text = f"{found.get(name, '')} {line.strip()}"
        found[name] = text.strip()
    return {name: text for name, text in found.items() if name and text}


def schema_of(parameters: list[Parameter]) -> dict[str, Any]:
    """Return the JSON schema of an object with these parameters."""
    required = [parameter.name for parameter in parameters if parameter.required]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {parameter.name: _property(parameter) for parameter in parameters},
    }
    return {**schema, "required": required} if required else schema


def _property(parameter: Parameter) -> dict[str, Any]:
    schema = json_schema(parameter.annotation)
    if parameter.doc:
        schema.setdefault("description", parameter.doc)
    if not parameter.required:
        plain, default = _plain(parameter.default)
        if plain:
            schema["default"] = default
    return schema


def _plain(value: Any) -> tuple[bool, Any]:
    """Return whether JSON has a form for a default value, and the form."""
    if isinstance(value, enum.Enum):
        return True, value.value
    if isinstance(value, set | frozenset | tuple | list):
        items = [_plain(item) for item in value]
        return all(plain for plain, _ in items), [item for _, item in items]
    if isinstance(value, dict):
        parts = {key: _plain(item) for key, item in value.items()}
        return all(p for p, _ in parts.values()), {key: item for key, (_, item) in parts.items()}
    return isinstance(value, str | int | float | bool | NoneType), value


def json_schema(annotation: Any) -> dict[str, Any]:
    """Return the JSON schema of an annotation; of one that has none, that of any value.

    Examples
    --------
    >>> json_schema(list[int]), json_schema(Literal["a", "b"])
    ({'type': 'array', 'items': {'type': 'integer'}}, {'enum': ['a', 'b'], 'type': 'string'})
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        return _annotated(annotation)
    if origin in {Union, UnionType}:
        return {"anyOf": [json_schema(arg) for arg in get_args(annotation)]}
    if origin is Literal:
        return _enumerated(list(get_args(annotation)))
    if isinstance(annotation, type) or origin is not None or annotation is None:
        return _of_class(annotation, origin or annotation, get_args(annotation))
    return {}


def _annotated(annotation: Any) -> dict[str, Any]:
    inner, *metadata = get_args(annotation)
    adapter = adapter_of(annotation)
    if adapter is not None and any(not isinstance(item, str) for item in metadata):
        made: dict[str, Any] = untitled(adapter.json_schema())
        return made
    schema = json_schema(inner)
    notes = [item for item in metadata if isinstance(item, str)]
    return {**schema, "description": notes[0]} if notes else schema


def _enumerated(values: list[Any]) -> dict[str, Any]:
    kinds = {_NAMES.get(type(value)) for value in values}
    schema: dict[str, Any] = {"const": values[0]} if len(values) == 1 else {"enum": values}
    (kind, *others) = kinds
    return schema if others or kind is None else {**schema, "type": kind}


def _of_class(annotation: Any, kind: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    if kind in _NAMES:
        return {"type": _NAMES[kind]}
    if not isinstance(kind, type):
        return {}
    build = next((build for test, build in _BUILDERS if test(kind)), None)
    return {} if build is None else build(kind, args)


def _of_mapping(_kind: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    values = json_schema(args[1]) if len(args) == 2 else True
    return {"type": "object", "additionalProperties": values or True}


def _of_set(_kind: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    return {**_array(args), "uniqueItems": True}


def _of_enum(kind: Any, _args: tuple[Any, ...]) -> dict[str, Any]:
    return _enumerated([each.value for each in kind])


def _of_model(kind: Any, _args: tuple[Any, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = untitled(kind.model_json_schema())
    return schema


def _of_list(_kind: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    return _array(args)


def _array(args: tuple[Any, ...]) -> dict[str, Any]:
    return {"type": "array", "items": json_schema(args[0]) if args else {}}


def _of_tuple(_kind: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    if len(args) == 2 and args[1] is Ellipsis:
        return _array(args[:1])
    if not args:
        return _array(())
    items = [json_schema(arg) for arg in args]
    return {"type": "array", "prefixItems": items, "minItems": len(args), "maxItems": len(args)}


def _of_fields(kind: Any, _args: tuple[Any, ...]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: json_schema(hint) for name, hint in hints.items()},
    }
    required = _required(kind, hints)
    return {**schema, "required": required} if required else schema


def _required(kind: Any, hints: Mapping[str, Any]) -> list[str]:
    if not dataclasses.is_dataclass(kind):
        return [name for name in hints if name in kind.__required_keys__]
    missing = dataclasses.MISSING
    return [
        each.name
        for each in dataclasses.fields(kind)
        if each.default is missing and each.default_factory is missing
    ]


def untitled(schema: Any) -> Any:
    """Return a schema of pydantic's without the titles that say what the names say."""
    if isinstance(schema, list):
        return [untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: value for key, value in schema.items() if key != "title" or isinstance(value, dict)
    }
    return {key: untitled(value) for key, value in kept.items()}


def _subclass(*kinds: type) -> Callable[[type], bool]:
    return lambda kind: issubclass(kind, kinds)


_BUILDERS: tuple[tuple[Callable[[Any], bool], Callable[..., dict[str, Any]]], ...] = (
    (_subclass(enum.Enum), _of_enum),
    (lambda kind: hasattr(kind, "model_json_schema"), _of_model),
    (dataclasses.is_dataclass, _of_fields),
    (typing.is_typeddict, _of_fields),
    (_subclass(tuple), _of_tuple),
    (_subclass(set, frozenset), _of_set),
    (_subclass(Mapping), _of_mapping),
    (_subclass(list), _of_list),
    (lambda kind: kind.__module__ == "collections.abc", _of_list),
)
