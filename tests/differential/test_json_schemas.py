"""Types and JSON schemas of inputs, outputs and contexts against LangGraph's, through both doors."""

from __future__ import annotations

import collections.abc
import dataclasses
import operator
import sys
import typing
import warnings
from importlib import import_module
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NotRequired, Optional, Required

import pydantic
import pytest
import typing_extensions
from hypothesis import given, settings
from hypothesis import strategies as st

from vecgraph.interop import from_langgraph


def library(name):
    parts = ("graph", "channels", "pregel", "func", "managed")
    return SimpleNamespace(**{part: import_module(f"{name}.{part}") for part in parts})


OURS, THEIRS = library("vecgraph"), library("langgraph")


class Point(pydantic.BaseModel):
    x: int
    y: int = pydantic.Field(0, description="Up.", ge=0)


@dataclasses.dataclass
class Pair:
    left: int
    right: list[str] = dataclasses.field(default_factory=list)


class Opaque:
    """A class that pydantic knows nothing of."""


def keep(old, new):
    return new


# Each makes an annotation of a library, so that channels are of its own classes.
ANNOTATIONS = {
    "int": lambda lib: int,
    "float": lambda lib: float,
    "list": lambda lib: list[str],
    "dict": lambda lib: dict[str, int],
    "any": lambda lib: Any,
    "none": lambda lib: None,
    "optional": lambda lib: Optional[int],  # noqa: UP045  its other spelling is a case, too
    "union": lambda lib: int | None,
    "choice": lambda lib: Literal["a", "b"],
    "model": lambda lib: Point,
    "pair": lambda lib: Pair,
    "opaque": lambda lib: Opaque,
    "required": lambda lib: Required[int],
    "not_required": lambda lib: NotRequired[int],
    "read_only": lambda lib: typing_extensions.ReadOnly[int],
    "described": lambda lib: Annotated[int, pydantic.Field(description="How many.", gt=3)],
    "sum": lambda lib: Annotated[int, operator.add],
    "sum_of_maybe": lambda lib: Annotated[int | None, keep],
    "sum_not_required": lambda lib: Annotated[NotRequired[list], operator.add],
    "sequence": lambda lib: Annotated[collections.abc.Sequence[int], operator.add],
    "described_sum": lambda lib: Annotated[int, pydantic.Field(description="All."), operator.add],
    "channel": lambda lib: Annotated[int, lib.channels.EphemeralValue],
    "channel_of": lambda lib: Annotated[int, lib.channels.LastValue(str)],
    "topic": lambda lib: Annotated[list, lib.channels.Topic(int)],
    "managed": lambda lib: lib.managed.IsLastStep,
}
NAMES = ["n", "text", "copy", "schema", "_hidden", "model_fields"]
KINDS = ["dict", "old_dict", "partial_dict", "model", "dataclass", "plain"]
DEFAULTS = {"int": 3, "list": ["a"], "optional": None, "described": 5, "sum": 1, "any": "z"}


def class_of(kind, fields, lib, name="State"):
    hints = {key: ANNOTATIONS[each](lib) for key, each in fields.items()}
    if kind in {"dict", "partial_dict"}:
        return typing_extensions.TypedDict(name, hints, total=kind == "dict")
    if kind == "old_dict":
        return typing.TypedDict(name, hints)
    if kind == "model":
        return pydantic.create_model(name, **{k: (h, ...) for k, h in hints.items()})
    body = {"__annotations__": hints, "__module__": __name__}
    if kind == "plain":
        return type(name, (), body)
    late = {key: DEFAULTS[each] for key, each in fields.items() if each in DEFAULTS}
    ordered = {k: h for k, h in hints.items() if k not in late}
    ordered |= {k: hints[k] for k in late}
    made = {
        k: dataclasses.field(default_factory=lambda v=v: list(v)) if isinstance(v, list) else v
        for k, v in late.items()
    }
    return dataclasses.dataclass(type(name, (), {"__annotations__": ordered, **made}))


def outcome(call):
    """What a call gives or raises, and which of LangGraph's own warnings.

    pydantic's depend on what was made before: LangGraph keeps models.
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            found = call()
        except Exception as error:  # noqa: BLE001
            found = type(error).__name__
    names = {type(each.message).__name__ for each in heard}
    return found, sorted(name for name in names if name.startswith("LangGraph"))


SAMPLES = [{}, {"n": 1}, {"n": "2", "text": "b"}, {"copy": 5, "_hidden": 1}, 3, [1], None, "a"]


def seen(model):
    """What a pydantic model is: its schema, and what it makes of values."""
    if isinstance(model, str):
        return model

    def validated(sample):
        try:
            return repr(model.model_validate(sample).model_dump())
        except pydantic.ValidationError as error:
            return [(each["loc"], each["type"]) for each in error.errors()]

    schema = outcome(model.model_json_schema)
    made = [outcome(lambda s=sample: validated(s)) for sample in SAMPLES]
    return model.__name__, schema, made


MODELS = ["get_input_schema", "get_output_schema"]
SCHEMAS = ["get_input_jsonschema", "get_output_jsonschema", "get_context_jsonschema",
           "get_config_jsonschema"]  # fmt: skip


def described(app):
    found = {name: outcome(getattr(app, name)) for name in SCHEMAS}
    for name in MODELS:
        model, heard = outcome(getattr(app, name))
        found[name] = seen(model), heard
    config, heard = outcome(lambda: app.config_schema(include=["tags", "metadata", "run_name"]))
    found["config_schema"] = seen(config), heard
    found["config_specs"] = app.config_specs
    return found


def check(mine, theirs):
    reference = described(theirs)
    assert described(mine) == reference
    return reference


FIELDS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(ANNOTATIONS)), min_size=1,
                         max_size=4)  # fmt: skip
SCHEMA = st.tuples(st.sampled_from(KINDS), FIELDS)
PLANS = st.fixed_dictionaries(
    {"state": SCHEMA},
    optional={"input": SCHEMA, "output": SCHEMA, "context": SCHEMA, "name": st.just("my app")},
)


def built(plan, lib):
    def schema(part):
        return class_of(*plan[part], lib, part.title()) if part in plan else None

    builder = lib.graph.StateGraph(
        schema("state"), schema("context"), input_schema=schema("input"),
        output_schema=schema("output"),
    )  # fmt: skip
    builder.add_node("a", lambda state: {}).add_edge(lib.graph.START, "a")
    return builder.compile(name=plan.get("name"))


@settings(max_examples=300, deadline=None)
@given(plan=PLANS)
def test_generated_schemas(plan) -> None:
    theirs, _ = outcome(lambda: built(plan, THEIRS))
    mine, _ = outcome(lambda: built(plan, OURS))
    if isinstance(theirs, str):
        assert mine == theirs
        return
    check(mine, theirs)
    assert described(from_langgraph(theirs)) == described(theirs)


# LangGraph cannot hash an annotation with a channel in it, nor a state that is None.
HASHED = [key for key in ANNOTATIONS if key not in {"channel_of", "topic", "managed"}]
BARE = [key for key in HASHED if key not in {"required", "not_required", "none"}]


@pytest.mark.parametrize("key", BARE)
def test_states_of_one_bare_value(key) -> None:
    def app(lib):
        builder = lib.graph.StateGraph(ANNOTATIONS[key](lib))
        return builder.add_node("a", lambda state: None).set_entry_point("a").compile()

    check(app(OURS), app(THEIRS))


@settings(max_examples=60, deadline=None)
@given(
    fields=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(HASHED), min_size=1, max_size=4),
    kinds=st.lists(st.sampled_from(["LastValue", "EphemeralValue", "Topic", "AnyValue"]),
                   min_size=4, max_size=4),
    one=st.booleans(),
)  # fmt: skip
def test_pregels(fields, kinds, one) -> None:
    def app(lib):
        channels = {
            name: getattr(lib.channels, kind)(ANNOTATIONS[each](lib))
            for (name, each), kind in zip(fields.items(), kinds, strict=False)
        }
        first = next(iter(channels))
        keys = first if one else list(channels)
        node = lib.pregel.NodeBuilder().subscribe_only(first).do(lambda x: x).write_to(first)
        return lib.pregel.Pregel(nodes={"a": node}, channels=channels, input_channels=keys,
                                 output_channels=keys)  # fmt: skip

    reference = check(app(OURS), app(THEIRS))
    assert reference["get_context_jsonschema"] == (None, [])


def double(n: int) -> str:
    return str(2 * n)


def saving(point: Point) -> Any:
    return point


@pytest.mark.parametrize("func", [double, saving, lambda value: value])
def test_workflows(func) -> None:
    mine, theirs = OURS.func.entrypoint()(func), THEIRS.func.entrypoint()(func)
    check(mine, theirs)
    assert (mine.InputType, mine.OutputType) == (theirs.InputType, theirs.OutputType)


def test_a_context_of_no_known_kind_is_refused_as_there() -> None:
    def app(lib):
        builder = lib.graph.StateGraph(int, Opaque).add_node("a", lambda n: n)
        return builder.set_entry_point("a").compile()

    messages = []
    for lib in (OURS, THEIRS):
        with pytest.raises(ValueError, match="Invalid context schema type") as refused:
            app(lib).get_context_jsonschema()
        messages.append(str(refused.value))
    assert messages[0] == messages[1]


def test_without_pydantic_the_error_says_what_to_install(monkeypatch) -> None:
    app = built({"state": ("dataclass", {"n": "int"}), "context": ("dict", {"n": "int"})}, OURS)
    monkeypatch.setitem(sys.modules, "pydantic", None)
    for name in ("get_input_schema", "get_output_jsonschema", "get_context_jsonschema"):
        with pytest.raises(ImportError, match="needs pydantic: pip install pydantic"):
            getattr(app, name)()
