"""The values that programs and the engine exchange equal LangGraph's, in what they do and print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pydantic
import pytest

from vecgraph import types as ours
from vecgraph.constants import ROOT

theirs = pytest.importorskip("langgraph.types", reason="LangGraph is the reference of these tests")
BOTH = (ours, theirs)


@dataclass
class Record:
    a: int | None = None
    b: int = 1


@dataclass
class Derived(Record):
    c: int = 2


class Model(pydantic.BaseModel):
    a: int | None = None
    b: int | None = 3
    c: int | None = None


INSTANCES = [
    Record(), Record(a=2), Derived(), Model(), Model(a=None), Model(b=None), Model(b=3, c=1),
]  # fmt: skip


@pytest.mark.parametrize("instance", INSTANCES, ids=repr)
def test_update_as_tuples_follows_langgraph(instance):
    from langgraph._internal._fields import get_update_as_tuples

    keys = ["c", "b", "missing", "a"]
    assert ours.update_as_tuples(instance, keys) == get_update_as_tuples(instance, keys)


@pytest.mark.parametrize("kind", [Record, Derived, Model, int, dict, ours.Send, type(None)])
def test_annotated_keys_follow_langgraph(kind):
    from langgraph._internal._fields import get_cached_annotated_keys

    assert ours.annotated_keys(kind) == get_cached_annotated_keys(kind)


UPDATES = [
    None, {"a": 1}, {}, [("a", 1), ("a", 2)], (("a", 1),), [], [("a", 1, 2)], [("a", 1), 3],
    Record(a=1), Model(a=1), 5, "text", [1],
]  # fmt: skip


@pytest.mark.parametrize("update", UPDATES, ids=repr)
def test_command_updates_follow_langgraph(update):
    expected = list(theirs.Command(update=update)._update_as_tuples())
    assert ours.Command(update=update).update_as_tuples() == expected


def test_command_with_a_bare_value_writes_the_root():
    assert ours.Command(update=5).update_as_tuples() == [(ROOT, 5)]


VALUES = [
    lambda lib: lib.Send("n", {"x": 1}),
    lambda lib: lib.Send("n", None, timeout=2),
    lambda lib: lib.Command(update={"a": 1}, goto="b"),
    lambda lib: lib.Command(graph=lib.Command.PARENT, goto=[lib.Send("n", 1), "b"]),
    lambda lib: lib.Command(),
    lambda lib: lib.Overwrite([1]),
    lambda lib: lib.Interrupt("why?"),
    lambda lib: lib.Interrupt("why?", "1", response_schema={"type": "string"}),
    lambda lib: lib.TimeoutPolicy(run_timeout=1),
    lambda lib: lib.TimeoutPolicy.coerce(timedelta(minutes=1)),
    lambda lib: lib.StateSnapshot({}, (), {}, None, None, None, (), ()),
    lambda lib: lib.PregelTask("1", "n", ("a",)),
    lambda lib: lib.StateUpdate({"a": 1}),
    lambda lib: lib.RetryPolicy(max_attempts=5)[:-1],
]


@pytest.mark.parametrize("make", VALUES)
def test_values_print_and_compare_as_in_langgraph(make):
    mine, reference = make(ours), make(theirs)
    assert repr(mine) == repr(reference)
    assert mine == make(ours)


@pytest.mark.parametrize("make", [lambda lib: lib.Send("n", 1), lambda lib: lib.Command()])
def test_hashable_values(make):
    assert hash(make(ours)) == hash(make(ours))
    assert len({make(ours), make(ours)}) == 1


def test_send_differs_by_each_attribute():
    send = ours.Send("n", 1)
    assert send != ours.Send("m", 1)
    assert send != ours.Send("n", 2)
    assert send != ours.Send("n", 1, timeout=1)
    assert send != ("n", 1)


@pytest.mark.parametrize("lib", BOTH, ids=["vecgraph", "langgraph"])
def test_frozen_values_cannot_be_changed(lib):
    with pytest.raises(AttributeError):
        lib.Command().goto = "x"


OVERWRITES = [
    [1], None, {"__overwrite__": 1}, {"__overwrite__": 1, "x": 2}, {"value": 1},
    {"value": 1, "type": "__overwrite__"}, {"type": "__overwrite__"},
]  # fmt: skip


@pytest.mark.parametrize("value", OVERWRITES, ids=repr)
def test_overwrites_are_told_as_in_langgraph(value):
    from langgraph.channels.binop import _get_overwrite

    assert ours.get_overwrite(value) == _get_overwrite(value)
    assert ours.get_overwrite(ours.Overwrite(value)) == (True, value)


@pytest.mark.parametrize("bad", [0, -1, timedelta(0)])
def test_a_timeout_must_be_positive(bad):
    messages = []
    for lib in BOTH:
        with pytest.raises(ValueError, match="greater than 0") as caught:
            lib.TimeoutPolicy.coerce(bad)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_a_timeout_policy_is_normalised():
    policy = ours.TimeoutPolicy(idle_timeout=timedelta(seconds=2), refresh_on="heartbeat")
    coerced = ours.TimeoutPolicy.coerce(policy)
    assert coerced == ours.TimeoutPolicy(idle_timeout=2.0, refresh_on="heartbeat")
    assert ours.TimeoutPolicy.coerce(None) is None
    assert ours.TimeoutPolicy.coerce(ours.TimeoutPolicy()) is None
    with pytest.raises(ValueError, match="'auto' or 'heartbeat'"):
        ours.TimeoutPolicy.coerce(ours.TimeoutPolicy(run_timeout=1, refresh_on="never"))


EXCEPTIONS = [
    ConnectionError(), ConnectionResetError(), ValueError(), TypeError(), KeyError(), OSError(),
    TimeoutError(), RuntimeError(), RecursionError(), Exception(), AssertionError(),
    StopIteration(), ZeroDivisionError(), EOFError(),
]  # fmt: skip


@pytest.mark.parametrize("exc", EXCEPTIONS, ids=repr)
def test_the_default_retry_rule_is_langgraphs(exc):
    from langgraph._internal._retry import default_retry_on

    assert ours.default_retry_on(exc) is default_retry_on(exc)


@pytest.mark.parametrize("status", [200, 404, 500, 503])
def test_the_default_retry_rule_knows_http(status):
    httpx = pytest.importorskip("httpx", reason="the rule is about httpx's errors")
    from langgraph._internal._retry import default_retry_on

    request = httpx.Request("GET", "http://localhost")
    error = httpx.HTTPStatusError(
        "no", request=request, response=httpx.Response(status, request=request)
    )
    assert ours.default_retry_on(error) is default_retry_on(error)


@pytest.mark.parametrize("given", [None, True, False])
def test_flags_are_checkpointers(given):
    assert ours.ensure_valid_checkpointer(given) is given


def test_anything_else_is_no_checkpointer():
    messages = []
    for lib in BOTH:
        with pytest.raises(TypeError) as caught:
            lib.ensure_valid_checkpointer(3)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_equal_inputs_have_equal_cache_keys():
    assert ours.default_cache_key({"a": 1, "b": [2]}) == ours.default_cache_key({"b": [2], "a": 1})
    assert ours.default_cache_key({"a": 1}) != ours.default_cache_key({"a": 2})
