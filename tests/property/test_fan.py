"""Packets that stand turn by turn do what the same packets do that stand by row.

`Sends(..., each=k)` is a shape, not a meaning: a graph that uses it must agree with one that
spells out which row sends what, on the general path, whatever the node that gets the packets
returns and whatever reducer its writes go into.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecgraph as vg
from vecgraph.channels import BinaryOperatorAggregate
from vecgraph.channels.base import Write
from vecgraph.columns import Column
from vecgraph.engine import fan
from vecgraph.errors import VectorNodeError
from vecgraph.graph import END, START, StateGraph
from vecgraph.testing import difference

N = 30


class State(TypedDict, total=False):
    n: int
    x: float
    added: Annotated[int, operator.add]
    taken: Annotated[float, operator.sub]
    times: Annotated[int, operator.mul]
    most: Annotated[int, max]
    log: Annotated[list, operator.add]
    last: int


def ints(n, turn):
    return n * 3 + turn


def huge(n, turn):
    return n * 2**59 + turn


def floats(n, turn):
    return n * 0.1 + turn / 3


def bools(n, turn):
    return (n + turn) % 2 == 0


def texts(n, turn):
    return np.array([str(value) for value in (n + turn).ravel()], object).reshape((n + turn).shape)


def tensors(n, turn):
    return np.stack([n + turn, n * turn], axis=-1)


VALUES = (ints, huge, floats, bools, texts, tensors)
WHERES = {
    "all": lambda n: None,
    "mask": lambda n: n % 2 == 0,
    "some": lambda n: np.flatnonzero(n % 3 == 1),
    "unsorted": lambda n: np.flatnonzero(n % 3 == 1)[::-1],
    "twice": lambda n: np.repeat(np.arange(len(n)), 2),
    "nobody": lambda n: np.empty(0, np.intp),
}


def sending(values, where, each, *, by_row):
    def split(batch):
        n, at = batch["n"], WHERES[where](batch["n"])
        at = np.arange(len(n)) if at is None else np.asarray(at)
        at = np.flatnonzero(at) if at.dtype == bool else at
        if not by_row:
            table = values(n[at], np.arange(each)[:, np.newaxis])
            sent = {"v": table, "n": n[at], "k": 7}
            return vg.Sends(WHERES[where](n), "work", sent, each=each)
        parents = np.tile(at, each)
        turn = np.repeat(np.arange(each), len(at))
        sent = {"v": values(n[parents], turn), "n": n[parents], "k": 7}
        return vg.Sends(parents, "work", sent)

    return split


def adds(batch):
    return {"added": batch["n"] + batch["k"]}


def adds_values(batch):
    return {"added": batch["v"]}


def subtracts(batch):
    return {"taken": batch["v"]}


def multiplies(batch):
    return {"times": batch["n"]}


def finds_most(batch):
    return {"most": batch["v"]}


def lists(batch):
    return {"log": [[value] for value in batch["v"].tolist()]}


def several(batch):
    return {"added": batch["n"], "most": batch["k"], "times": batch["n"] - 1}


def replaces(batch):
    return {"last": batch["n"]}


def updates(batch):
    some = np.flatnonzero(batch["n"] % 2)
    return vg.Updates(some, {"added": batch["n"][some]})


def scalar(_batch):
    return {"added": 1}


def changes_its_mind(batch):
    return {"added": batch["n"]} if len(batch) % 2 else [{"added": batch["n"]}, {"most": 3}]


def goes(batch):
    return [vg.Goto(batch["n"] % 2 == 0, "other"), {"added": batch["n"]}]


def sends_on(batch):
    return vg.Sends(None, "other", {"n": batch["n"]})


def rows(batch):
    return {"added": batch.rows}


def draws(batch, runtime):
    return {"taken": runtime.rng.random()}


def fails(batch):
    if (batch["n"] == 7).any():
        raise ValueError("seven")
    return {"added": batch["n"]}


def nothing(_batch):
    return None


WORKS = (
    adds,
    adds_values,
    subtracts,
    multiplies,
    finds_most,
    lists,
    several,
    replaces,
    updates,
    scalar,
    goes,
    sends_on,
    rows,
    draws,
    nothing,
)


def compiled(split, work, joins):
    builder: Any = StateGraph(State)
    builder.add_node("split", split, batched=True)
    builder.add_node("work", work, batched=True, **({"on_error": "split"} if work is fails else {}))
    builder.add_node("join", lambda batch: {"x": batch["n"] * 2.0}, batched=True)
    builder.add_node(
        "other", lambda batch: {"log": [[n] for n in batch["n"].tolist()]}, batched=True
    )
    builder.add_edge(START, "split")
    builder.add_edge("work", "join" if joins else END)
    return builder.compile()


def outcomes(app, numbers, *, lane=131_072, apart=True, columns=None):
    app.engine.lane, app.engine.apart = lane, apart
    batch = [{"n": n, **(columns or {})} for n in numbers]
    result = app.batch(batch, columns=True, seed=5)
    failed = {error.row: error for error in result.errors}
    told = [
        None
        if row not in failed
        else (failed[row].node, failed[row].step, str(failed[row].exception))
        for row in range(len(numbers))
    ]
    outputs = [
        {k: (v.tolist(), str(v.dtype)) if isinstance(v, np.ndarray) else v for k, v in run.items()}
        if isinstance(run, dict)
        else run
        for run in result.to_list()
    ]
    status, steps = result.status.tolist(), result.steps.tolist()
    return list(zip(outputs, status, steps, told, strict=True))


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    values=st.sampled_from(VALUES),
    where=st.sampled_from(list(WHERES)),
    work=st.sampled_from(WORKS),
    each=st.integers(0, 5),
    joins=st.booleans(),
    numbers=st.lists(st.integers(0, 9), min_size=1, max_size=N),
    start=st.sampled_from([{}, {"added": 2**62, "taken": -0.0}, {"most": True, "times": 2**40}]),
    lane=st.sampled_from([3, 131_072]),
    call=st.sampled_from([1, 8, 131_072]),
)
def test_turns_are_packets(values, where, work, each, joins, numbers, start, lane, call) -> None:
    by_row = compiled(sending(values, where, each, by_row=True), work, joins)
    turns = compiled(sending(values, where, each, by_row=False), work, joins)
    expected = outcomes(by_row, numbers, apart=False, columns=start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fan, "_CALL", call)
        for apart in (True, False):
            found = outcomes(turns, numbers, lane=lane, apart=apart, columns=start)
            for row, (one, other) in enumerate(zip(expected, found, strict=True)):
                wrong = difference(list(one), list(other))
                assert wrong is None, f"apart {apart}, row {row}, n {numbers[row]}: {wrong}"


@pytest.mark.parametrize("call", [1, 131_072])
@pytest.mark.parametrize("where", ["all", "some"])
@pytest.mark.parametrize("work", WORKS)
def test_each_thing_that_a_node_may_do_with_turns(work, where, call, monkeypatch) -> None:
    monkeypatch.setattr(fan, "_CALL", call)
    numbers = [*range(9), 1, 1]
    for values in VALUES:
        by_row = compiled(sending(values, where, 3, by_row=True), work, True)
        turns = compiled(sending(values, where, 3, by_row=False), work, True)
        expected = outcomes(by_row, numbers, apart=False)
        assert difference(expected, outcomes(turns, numbers)) is None, values.__name__


def test_calls_that_return_different_things_are_put_together(monkeypatch) -> None:
    """Some turns fit the short way and others do not: no call is made again."""
    monkeypatch.setattr(fan, "_CALL", 1)
    calls: list[int] = []

    def fickle(batch):
        calls.append(len(batch))
        return both(batch) if len(calls) == 3 else {"added": batch["n"]}

    def both(batch):
        return [{"added": batch["n"]}, {"most": 3}]

    numbers = [1, 2, 3, 4, 5]
    found = outcomes(compiled(sending(ints, "all", 4, by_row=False), fickle, True), numbers)
    assert calls == [5, 5, 5, 5]
    by_row = compiled(sending(ints, "all", 4, by_row=True), both, True)
    assert found == outcomes(by_row, numbers, apart=False)


def test_a_call_that_fails_fails_its_rows(monkeypatch) -> None:
    monkeypatch.setattr(fan, "_CALL", 1)

    def work(batch):
        if (batch["v"] == 3 * 7 + 2).any():
            raise ValueError("the third packet of seven")
        return {"added": batch["n"]}

    app = compiled(sending(ints, "all", 4, by_row=False), work, True)
    # The others of its call fail with it, as in any vector node; those of other turns ran.
    assert {status for _, status, *_ in outcomes(app, [1, 7, 2])} == {"error"}
    assert [output["added"] for output, *_ in outcomes(app, [1, 2])] == [4, 8]


@pytest.mark.parametrize("where", list(WHERES))
def test_a_graph_with_turns_takes_one_run_as_it_takes_many(where) -> None:
    app = compiled(sending(ints, where, 3, by_row=False), adds_values, True)
    many = [output for output, *_ in outcomes(app, [0, 1, 2, 3, 4])]
    app.engine.small = 10**9
    assert [app.invoke({"n": n}) for n in [0, 1, 2, 3, 4]] == many


class Stack(TypedDict, total=False):
    t: Annotated[int, operator.add]


@pytest.mark.parametrize(
    ("each", "values", "says"),
    [
        (-1, {"n": 1}, "each=-1"),
        (True, {"n": 1}, "each=True"),
        (1.5, {"n": 1}, "each=1.5"),
        (2, {"n": np.zeros((3, 2))}, r"shape \(3, 2\), for 2 packets of each of 4 rows"),
        (2, {"n": np.zeros(3)}, "3 values for .n., but ran on 4 rows"),
        (2, {"n": [1]}, "1 values for .n., but ran on 4 rows"),
    ],
)
def test_turns_that_do_not_fit_are_refused(each, values, says) -> None:
    builder: Any = StateGraph(State)
    sends = vg.Sends(None, "work", values, each=each)
    builder.add_node("split", lambda batch: sends, batched=True)
    builder.add_node("work", adds, batched=True)
    builder.add_edge(START, "split")
    with pytest.raises(VectorNodeError, match=says):
        builder.compile().batch([{"n": 1}] * 4)


ARRAYS = st.sampled_from([np.int64, np.float64, np.bool_])


@settings(max_examples=200, deadline=None)
@given(
    op=st.sampled_from([operator.add, operator.sub, operator.mul, max, min, operator.or_]),
    kinds=st.tuples(ARRAYS, ARRAYS),
    n=st.integers(1, 5),
    each=st.integers(1, 4),
    seed=st.integers(0, 10**6),
    big=st.booleans(),
    owned=st.booleans(),
    whole=st.booleans(),
)
def test_fold_turns_is_fold_columns(op, kinds, n, each, seed, big, owned, whole) -> None:
    """One array a turn == the values of each row in their order, through `fold_columns`."""
    rng = np.random.default_rng(seed)

    def numbers(kind, k):
        high = 2**63 - 1 if big else 9
        return (
            rng.integers(-high, high, k, endpoint=True) * (0.5 if kind is np.float64 else 1)
        ).astype(kind)

    channel = BinaryOperatorAggregate(int, op)
    base, values = numbers(kinds[0], n), numbers(kinds[1], n * each)
    present = None if whole else np.arange(n) % 2 == 1
    try:
        expected = channel.fold_columns(
            Column(base.copy(), present),
            [Write(np.tile(np.arange(n), each), Column(values), repeats=True)],
        )
    except TypeError:
        return  # no such operator
    kept = base.copy()
    found = channel.fold_turns(Column(base, present), Column(values), each, owned=owned)
    if found is not None:
        assert not expected.failures
        assert difference(expected.cells.tolist(), found.tolist()) is None
    if found is None or not owned:
        np.testing.assert_array_equal(base, kept)
