"""The check of what a model sends to a tool: by pydantic where it is installed."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EMPTY", "Fault", "Parameter", "adapter_of", "check"]

EMPTY = inspect.Parameter.empty
"""Default of a parameter that must be given."""

Fault: TypeAlias = tuple[str, str]
"""Where an argument is wrong (its name, with dots below it), and how."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a tool that the model fills.

    Attributes
    ----------
    name : str
    annotation : object
        With its metadata; `Any` if there is none.
    default : object
        `EMPTY` if it must be given.
    doc : str
        From the docstring.
    """

    name: str
    annotation: Any
    default: Any = EMPTY
    doc: str = ""

    @property
    def required(self) -> bool:
        """Whether the model must give it."""
        return self.default is EMPTY


def check(
    parameters: list[Parameter], args: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Fault]]:
    """Check arguments that a model sent.

    Parameters
    ----------
    parameters : list of Parameter
    args : mapping
        Others than `parameters` are dropped.

    Returns
    -------
    dict
        The arguments given, converted where pydantic would (``"3"`` to 3) and is installed;
        without it only what has the type already passes.
    list of (str, str)
        What is wrong, in the order of the parameters.
    """
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for parameter in parameters:
        if parameter.name not in args:
            if parameter.required:
                faults.append((parameter.name, "Field required"))
            continue
        value, found = _checked(parameter.annotation, args[parameter.name])
        values[parameter.name] = value
        faults += [(f"{parameter.name}{place}", text) for place, text in found]
    return values, faults


def _checked(annotation: Any, value: Any) -> tuple[Any, list[Fault]]:
    adapter = adapter_of(annotation)
    if adapter is None:
        return _plainly(annotation, value)
    from pydantic import ValidationError

    try:
        return adapter.validate_python(value), []
    except ValidationError as error:
        return value, [
            ("".join(f".{part}" for part in each["loc"]), each["msg"]) for each in error.errors()
        ]


def adapter_of(annotation: Any) -> Any:
    """Return pydantic's validator of an annotation; None without pydantic, or if it has none."""
    try:
        return _made_adapter(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return _make_adapter(annotation)


def _make_adapter(annotation: Any) -> Any:
    try:
        from pydantic import PydanticUserError, TypeAdapter
        from pydantic.errors import PydanticUndefinedAnnotation
    except ImportError:
        return None
    try:
        return TypeAdapter(annotation)
    except (PydanticUserError, PydanticUndefinedAnnotation):
        # A class that pydantic knows nothing of: what it is made of is the tool's affair.
        return None


_made_adapter = cache(_make_adapter)


def _plainly(annotation: Any, value: Any) -> tuple[Any, list[Fault]]:
    """Check a value without pydantic: the type must be right, one level deep."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _plainly(args[0], value)
    if origin in {Union, UnionType}:
        results = [_plainly(arg, value) for arg in args]
        good = [result for result in results if not result[1]]
        return good[0] if good else (value, [("", "Input should match one of its types")])
    if origin is Literal:
        listed = " or ".join(map(repr, args))
        return value, [] if value in args else [("", f"Input should be {listed}")]
    kind = origin or annotation
    if kind is float and type(value) is int:
        return float(value), []
    expected = _EXPECTED.get(NoneType if kind is None else kind)
    if expected is None or type(value) is kind or (kind is None and value is None):
        return value, []
    return value, [("", expected)]


_EXPECTED: dict[Any, str] = {
    bool: "Input should be a valid boolean",
    dict: "Input should be a valid dictionary",
    float: "Input should be a valid number",
    int: "Input should be a valid integer",
    list: "Input should be a valid list",
    NoneType: "Input should be None",
    str: "Input should be a valid string",
}
