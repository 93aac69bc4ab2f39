"""`same` and `disagreement`: an equality that is too kind would hide every other fault."""

from __future__ import annotations

import dataclasses

import pytest

from vecgraph.testing import RunRecord, StepRecord, difference, disagreement, same
from vecgraph.types import Overwrite, Send

NAN = float("nan")

EQUAL = [
    (NAN, NAN),
    ([1, {"a": (NAN, -0.0)}], [1, {"a": (NAN, -0.0)}]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (Overwrite([1]), Overwrite([1])),
    (Send("n", {"x": NAN}), Send("n", {"x": NAN})),
    (2**70, 2**70),
    (None, None),
]
DIFFERENT = [
    (1, True),
    (1, 1.0),
    (0.0, -0.0),
    (0, None),
    ([1], (1,)),
    ([1, 2], [2, 1]),
    ([1], [1, 1]),
    ({"a": 1}, {"a": 1, "b": None}),
    (Overwrite([1]), Overwrite([1.0])),
    (Send("n", {"x": 1}), Send("n", {"x": True})),
    (Send("n", {}), Send("m", {})),
    ("a", b"a"),
    (ValueError("a"), ValueError("b")),
]


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_same(a, b) -> None:
    assert same(a, b)
    assert same(b, a)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_not_same(a, b) -> None:
    assert not same(a, b)
    assert not same(b, a)


def test_difference_says_where() -> None:
    assert difference({"a": [0, (1, 2)]}, {"a": [0, (1, 3)]}) == "value['a'][1][1]: 2 is not 3"


STEP = StepRecord(1, (("a", {"x": 1}), ("b", {"x": 1})), {"a": [{"x": 2}], "b": [None]}, {"x": 2})
RUN = RunRecord({"x": 2}, (), (STEP,))


@pytest.mark.parametrize(
    "other",
    [
        RunRecord({"x": 2.0}, (), (STEP,)),
        RunRecord({"x": 2}, (("ValueError", "x"),), (STEP,)),
        RunRecord({"x": 2}, (), ()),
        RunRecord({"x": 2}, (), (STEP, STEP)),
        RunRecord({"x": 2}, (), (dataclasses.replace(STEP, step=2),)),
        RunRecord({"x": 2}, (), (dataclasses.replace(STEP, tasks=STEP.tasks[::-1]),)),
        RunRecord({"x": 2}, (), (dataclasses.replace(STEP, updates={"a": [{"x": 2}]}),)),
        RunRecord({"x": 2}, (), (dataclasses.replace(STEP, values={"x": 3}),)),
    ],
)
def test_records_disagree(other) -> None:
    assert disagreement(RUN, RUN) is None
    assert disagreement(RUN, other) is not None


def test_one_of_several_errors_is_enough() -> None:
    several = RunRecord(None, (("ValueError", "a"), ("KeyError", "b")), ())
    assert disagreement(several, RunRecord(None, (("KeyError", "b"),), ())) is None
    assert disagreement(several, RunRecord(None, (("KeyError", "c"),), ())) is not None
