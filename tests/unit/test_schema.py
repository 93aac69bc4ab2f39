"""Schemas become the same channels as in LangGraph."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, Required, TypedDict

import numpy as np
import pyarrow as pa
import pydantic
import pytest
from typing_extensions import ReadOnly
from typing_extensions import TypedDict as ExtendedTypedDict

from vecgraph.channels import BinaryOperatorAggregate, EphemeralValue, LastValue, Topic
from vecgraph.channels.base import Channel
from vecgraph.constants import ROOT
from vecgraph.managed import IsLastStep, RemainingSteps, is_managed_value
from vecgraph.schema import Tensor, fields_of, is_typed_dict, mapper_of, reads_of, warn_odd_schema


class Base(TypedDict):
    first: int
    total: Annotated[int, operator.add]


class Child(Base, total=False):
    last: Annotated[NotRequired[list], operator.add]
    needed: Required[Annotated[float, "a note"]]
    maybe: NotRequired[Annotated[Sequence[int], lambda a, b: [*a, *b]]]


class Extended(ExtendedTypedDict):
    a: ReadOnly[int]


@dataclass
class Record:
    a: int
    b: Annotated[list[int], operator.add] = field(default_factory=list)


class Slotted:
    __slots__ = ("a",)
    a: int


class Plain:
    a: int
    b: Annotated[set, operator.or_]


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    a: int = 1
    b: Annotated[list, operator.add] = []


class Empty: ...


SCHEMAS = [
    Base, Child, Extended, Record, Slotted, Plain, Model, Empty, int, list[int],
    Annotated[list, operator.add], Annotated[int, "a note"],
]  # fmt: skip


def typed_dict(**hints):
    return TypedDict("State", hints)


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_channels_are_langgraphs(schema):
    graph = pytest.importorskip("langgraph.graph", reason="LangGraph is the reference")
    expected = graph.StateGraph(schema).channels
    fields = fields_of(schema)
    kinds = [(name, type(channel).__name__) for name, channel in fields.items()]
    assert kinds == [(name, type(channel).__name__) for name, channel in expected.items()]
    assert [c.key for c in fields.values()] == [c.key for c in expected.values()]


@pytest.mark.parametrize("schema", [Child, Annotated[list, operator.add], Plain], ids=str)
def test_reducers_start_as_in_langgraph(schema):
    graph = pytest.importorskip("langgraph.graph", reason="LangGraph is the reference")
    for name, reference in graph.StateGraph(schema).channels.items():
        channel = fields_of(schema)[name]
        assert channel.available(channel.initial()) == reference.is_available()
        if reference.is_available():
            assert channel.read(channel.initial()) == reference.get()


def one_argument(a): ...
def three_arguments(a, b, c): ...
def with_option(a, b, *, c=0): ...
def two_of_three(a, b=1, c=2): ...


@pytest.mark.parametrize("reducer", [one_argument, three_arguments, two_of_three])
def test_a_reducer_takes_two_positional_arguments(reducer):
    graph = pytest.importorskip("langgraph.graph", reason="LangGraph is the reference")
    state = typed_dict(k=Annotated[int, reducer])
    texts = []
    for make in (fields_of, graph.StateGraph):
        with pytest.raises(ValueError, match="Invalid reducer signature") as caught:
            make(state)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    with pytest.raises(ValueError, match="Invalid reducer") as caught:
        fields_of(state)
    assert "Key 'k'" in caught.value.__notes__[0]


@pytest.mark.parametrize("reducer", [with_option, np.add, max, min, np.logaddexp])
def test_what_takes_two_is_a_reducer(reducer):
    state = typed_dict(k=Annotated[float, reducer])
    assert isinstance(fields_of(state)["k"], BinaryOperatorAggregate)


def test_a_ufunc_of_one_argument_is_no_reducer():
    with pytest.raises(ValueError, match="Invalid reducer signature"):
        fields_of(Annotated[float, np.sqrt])


class Tagged(EphemeralValue):
    """A channel of a user's own."""


def test_a_channel_in_the_annotation_wins():
    topic = Topic(int, accumulate=True)
    state = typed_dict(
        a=Annotated[int, Tagged],
        b=Annotated[list, topic, operator.add],
        c=Annotated[list, topic],
    )
    fields = fields_of(state)
    assert [type(field) for field in fields.values()] == [Tagged, Topic, Topic]
    assert fields["a"].typ is int
    assert [field.key for field in fields.values()] == ["a", "b", "c"]
    assert topic.key == ""


def test_managed_values_are_no_channels_and_come_last():
    state = typed_dict(last=IsLastStep, a=int, left=NotRequired[RemainingSteps])
    fields = fields_of(state)
    assert list(fields) == ["a", "last", "left"]
    assert [is_managed_value(field) for field in fields.values()] == [False, True, True]


def test_a_bare_state_cannot_be_managed():
    with pytest.raises(ValueError, match="not allowed in this position"):
        fields_of(IsLastStep)


def test_arrow_types_and_tensors_guide_the_column_and_not_the_rule():
    state = typed_dict(
        name=Annotated[str, pa.string()],
        total=Annotated[float, operator.add, pa.float32()],
        board=Annotated[np.ndarray, Tensor((9, 9), np.int8)],
        bare=Any,
    )
    fields = fields_of(state)
    assert isinstance(fields["name"], LastValue)
    assert fields["name"].arrow_type == pa.string()
    assert isinstance(fields["total"], BinaryOperatorAggregate)
    assert fields["total"].arrow_type == pa.float32()
    assert fields["board"].tensor == Tensor((9, 9), "int8")
    assert not vars(fields["bare"]).keys() & {"arrow_type", "tensor"}


def test_what_a_node_of_a_schema_reads():
    assert reads_of(fields_of(Base)) == ("first", "total")
    assert reads_of(fields_of(int)) == ROOT


@pytest.mark.parametrize("schema", [Record, Model])
def test_classes_are_built_from_values(schema):
    build = mapper_of(schema, fields_of(schema))
    assert build({"a": 2}) == schema(a=2)


@pytest.mark.parametrize("schema", [Base, Plain, int, Annotated[list, operator.add]])
def test_other_states_are_dicts_or_bare_values(schema):
    assert mapper_of(schema, fields_of(schema)) is None


def test_typed_dicts_of_both_modules_are_told():
    assert is_typed_dict(Base)
    assert is_typed_dict(Extended)
    assert not is_typed_dict(dict)
    assert not is_typed_dict(Record)


def test_a_schema_that_is_no_type_is_warned_of():
    with pytest.warns(UserWarning, match="Expected a type or Annotated"):
        warn_odd_schema("State")


def test_every_field_is_a_channel_or_managed():
    for schema in SCHEMAS:
        assert all(
            isinstance(f, Channel) or is_managed_value(f) for f in fields_of(schema).values()
        )
