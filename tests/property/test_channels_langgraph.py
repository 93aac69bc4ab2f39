"""The scalar rules against LangGraph's channel objects, driven side by side."""

from __future__ import annotations

import collections.abc
import copy
import operator
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired, Required

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph import channels as theirs
from langgraph.errors import EmptyChannelError
from langgraph.types import Overwrite as TheirOverwrite

from vecgraph import channels as ours
from vecgraph.constants import MISSING
from vecgraph.types import Overwrite


def lists(a: list, b: Any) -> list:
    return [*a, b]


def refusing(a: Any, b: Any) -> Any:
    if b == 3:
        raise ValueError(f"no {b}")
    return a + b


def together(value: list, writes: Sequence[Any]) -> list:
    return [*value, *writes]


def in_place(value: list, writes: Sequence[Any]) -> list:
    value.append(list(writes))
    return value


def summed(value: int, writes: Sequence[Any]) -> int:
    return sum(writes, value)


OVERWRITES = ("object", "keyed", "erased")


def overwrite(form: str, value: Any, kind: type) -> Any:
    if form == "object":
        return kind(value)
    return (
        {"__overwrite__": value} if form == "keyed" else {"value": value, "type": "__overwrite__"}
    )


def twins(name: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    mine, other = getattr(ours, name)(*args, **kwargs), getattr(theirs, name)(*args, **kwargs)
    mine.key = other.key = "k"
    return mine, other


RULES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "LastValue": ("LastValue", (int,)),
    "LastValueAfterFinish": ("LastValueAfterFinish", (int,)),
    "AnyValue": ("AnyValue", (int,)),
    "EphemeralValue": ("EphemeralValue", (int,)),
    "EphemeralValue, unguarded": ("EphemeralValue", (int, False)),
    "UntrackedValue": ("UntrackedValue", (int,)),
    "UntrackedValue, unguarded": ("UntrackedValue", (int, False)),
    "Topic": ("Topic", (int,)),
    "Topic, accumulating": ("Topic", (int, True)),
    "NamedBarrierValue": ("NamedBarrierValue", (int, {0, 1, 2})),
    "NamedBarrierValue, nothing": ("NamedBarrierValue", (int, set())),
    "NamedBarrierValueAfterFinish": ("NamedBarrierValueAfterFinish", (int, {0, 1, 2})),
    "int": ("BinaryOperatorAggregate", (int, operator.add)),
    "list": ("BinaryOperatorAggregate", (list, operator.add)),
    "list in place": ("BinaryOperatorAggregate", (list, operator.iadd)),
    "unmakeable": ("BinaryOperatorAggregate", (int | None, operator.add)),
    "refusing": ("BinaryOperatorAggregate", (int, refusing)),
    "max": ("BinaryOperatorAggregate", (float, max)),
    "lambda": ("BinaryOperatorAggregate", (list, lambda a, b: [a, b])),
    "delta": ("DeltaChannel", (together, list)),
    "delta in place": ("DeltaChannel", (in_place, collections.abc.MutableSequence)),
    "delta of a number": ("DeltaChannel", (summed, int)),
    "delta without a type": ("DeltaChannel", (together,)),
}

SMALL = st.integers(0, 3)
PLAIN = st.one_of(SMALL, SMALL, st.lists(SMALL, max_size=2), st.none(), st.just(2.5))
REDUCED = st.one_of(
    PLAIN, PLAIN, PLAIN, st.tuples(st.just(Overwrite), st.sampled_from(OVERWRITES), PLAIN)
)
STEPS = st.lists(
    st.one_of(
        st.lists(REDUCED, min_size=1, max_size=4),
        st.sampled_from(["tick", "consume", "finish"]),
    ),
    max_size=8,
)


def values_for(step: list[Any], kind: type) -> list[Any]:
    """The writes of a step, with one library's Overwrite in it."""
    return [
        overwrite(v[1], copy.deepcopy(v[2]), kind) if isinstance(v, tuple) else copy.deepcopy(v)
        for v in step
    ]


def advance_ours(channel: ours.Channel, cell: Any, step: Any) -> tuple[Any, Any]:
    """Take one step; return the cell and what happened."""
    before = copy.deepcopy(cell)
    try:
        if isinstance(step, list):
            after, happened = channel.fold(cell, values_for(step, Overwrite))
        elif step == "tick":
            after, happened = channel.tick(cell) if channel.available(cell) else (cell, False)
        else:
            after, happened = getattr(channel, step)(cell)
    except Exception as error:  # noqa: BLE001
        return cell, (type(error).__name__, str(error))
    assert repr(before) == repr(cell), "the cell was changed in place"
    return after, happened


def advance_theirs(channel: Any, step: Any) -> Any:
    try:
        if isinstance(step, list):
            return channel.update(values_for(step, TheirOverwrite))
        if step == "tick":
            return channel.update([]) if channel.is_available() else False
        return getattr(channel, step)()
    except Exception as error:  # noqa: BLE001
        return (type(error).__name__, str(error))


def read_theirs(channel: Any) -> Any:
    """What theirs holds; they raise of an empty channel, ours says MISSING."""
    try:
        return channel.get()
    except EmptyChannelError:
        return MISSING


@pytest.mark.parametrize("rule", RULES)
@given(steps=STEPS)
def test_a_rule_goes_the_way_of_langgraphs_channel(rule: str, steps: list[Any]) -> None:
    name, args = RULES[rule]
    mine, other = twins(name, *args)
    cell, other = mine.initial(), other.from_checkpoint(theirs.base.MISSING)
    for step in steps:
        cell, happened = advance_ours(mine, cell, step)
        assert happened == advance_theirs(other, step)
        if isinstance(happened, tuple):
            return  # the run fails
        assert type(happened) is bool
        assert mine.available(cell) == other.is_available()
        value = mine.read(cell) if mine.available(cell) else MISSING
        assert repr(value) == repr(read_theirs(other))
        assert type(value).__name__ == type(read_theirs(other)).__name__


TYPES = [
    int,
    float,
    bool,
    str,
    list,
    dict,
    set,
    tuple,
    list[int],
    Sequence[int],
    collections.abc.MutableSequence,
    collections.abc.Set,
    Mapping[str, int],
    collections.abc.MutableMapping,
    Annotated[Sequence[int], operator.add],
    Annotated[NotRequired[int], operator.add],
    Required[dict[str, int]],
    int | None,
    Any,
    None,
    collections.abc.Callable,
]


@pytest.mark.parametrize("typ", TYPES, ids=str)
def test_the_first_value_of_a_reducer_is_langgraphs(typ: Any) -> None:
    mine, other = twins("BinaryOperatorAggregate", typ, operator.add)
    expected = MISSING if not other.is_available() else other.get()
    first = mine.initial()
    if first is not MISSING and type(first) is not object:
        shown = mine.read(first)
        assert (type(shown), shown) == (type(expected), expected)
    assert mine.ValueType == other.ValueType == mine.UpdateType == other.UpdateType
    column = mine.empty(3)
    assert len(column) == 3
    assert [type(v) for v in column.tolist()] == [type(first)] * 3
    if isinstance(first, list | dict | set):
        assert len(set(map(id, column.tolist()))) == 3, "rows share a mutable value"


EQUALITY = [
    ("LastValue", (int,)),
    ("LastValue", (str,)),
    ("LastValueAfterFinish", (int,)),
    ("AnyValue", (int,)),
    ("EphemeralValue", (int,)),
    ("EphemeralValue", (str,)),
    ("EphemeralValue", (int, False)),
    ("UntrackedValue", (int,)),
    ("UntrackedValue", (int, False)),
    ("Topic", (int,)),
    ("Topic", (int, True)),
    ("BinaryOperatorAggregate", (int, operator.add)),
    ("BinaryOperatorAggregate", (str, operator.add)),
    ("BinaryOperatorAggregate", (int, operator.sub)),
    ("BinaryOperatorAggregate", (int, lambda a, b: a)),
    ("BinaryOperatorAggregate", (int, lambda a, b: b)),
    ("DeltaChannel", (together,)),
    ("DeltaChannel", (together, dict[str, int])),
    ("DeltaChannel", (in_place, Sequence[int])),
    ("DeltaChannel", (lambda value, writes: value, Annotated[NotRequired[set], "a"])),
    ("NamedBarrierValue", (str, {"a"})),
    ("NamedBarrierValue", (str, {"a", "b"})),
    ("NamedBarrierValueAfterFinish", (str, {"a"})),
]


def test_channels_are_equal_when_langgraphs_are() -> None:
    pairs = [twins(name, *args) for name, args in EQUALITY]
    for mine, other in pairs:
        assert mine != "a string"
        for mine2, other2 in pairs:
            assert (mine == mine2) == (other == other2), (mine, mine2)
            if mine == mine2:
                assert hash(mine) == hash(mine2)


@pytest.mark.parametrize(
    ("name", "args"), EQUALITY, ids=[f"{name}{i}" for i, (name, _) in enumerate(EQUALITY)]
)
def test_types_of_reads_and_writes_are_langgraphs(name: str, args: tuple[Any, ...]) -> None:
    mine, other = twins(name, *args)
    assert (mine.ValueType, mine.UpdateType) == (other.ValueType, other.UpdateType)
