"""Channels: the cases that made the rules, as literals."""

from __future__ import annotations

import math
import operator
import pickle
from typing import ClassVar

import numpy as np
import pytest

from vecgraph.channels import (
    EWMA,
    AnyValue,
    BinaryOperatorAggregate,
    Channel,
    Count,
    EphemeralValue,
    Histogram,
    LastValue,
    Mean,
    MinMax,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
    RingBuffer,
    SetUnion,
    Topic,
    TopK,
    UntrackedValue,
    Variance,
)
from vecgraph.channels.base import Folded, Write
from vecgraph.channels.merging import merge, only_write, rounds_of
from vecgraph.columns import Column
from vecgraph.constants import MISSING
from vecgraph.errors import InvalidUpdateError
from vecgraph.types import Overwrite


def at(*positions: int) -> np.ndarray:
    return np.array(positions, np.intp)


def fold(channel: Channel, cells: list, *writes: tuple) -> Folded:
    """Fold writes, each (positions or None, values), into a column of `cells`."""
    made = [
        Write(None if where is None else at(*where), Column.of(values), len(rest) > 0)
        for where, values, *rest in writes
    ]
    return channel.fold_columns(Column.of_cells(cells), made)


def listed(where: np.ndarray | None) -> list[int] | None:
    return None if where is None else where.tolist()


def test_one_write_to_a_plain_channel_is_no_work() -> None:
    where, values = at(0, 2), Column.of([5, 6])
    folded = LastValue(int).fold_columns(Column.of([1, 2, 3]), [Write(where, values)])
    assert folded.where is where
    assert folded.changed is where
    assert folded.cells is values


def test_positions_come_out_sorted() -> None:
    folded = fold(LastValue(int), [1, 2, 3], ((2, 0), [5, 6]))
    assert (listed(folded.where), folded.cells.tolist()) == ([0, 2], [6, 5])


def test_writers_of_different_rows_do_not_conflict() -> None:
    folded = fold(LastValue(int), [1, 2, 3], ((2,), [5]), ((0,), [6]))
    assert (listed(folded.where), folded.cells.tolist()) == ([0, 2], [6, 5])
    assert not folded.failures


def test_two_writers_of_a_row_fail_that_row_alone() -> None:
    folded = fold(LastValue(int, "k"), [1, 2, 3], (None, [4, 5, 6]), ((1,), [7]))
    ((position, error),) = folded.failures
    assert position == 1
    assert listed(folded.changed) == [0, 2]
    assert isinstance(error, InvalidUpdateError)
    assert error.channel == "k"
    assert str(error).startswith("At key 'k': Can receive only one value per step.")


@pytest.mark.parametrize("channel", [EphemeralValue(int), UntrackedValue(int)])
def test_a_guard_names_its_channel(channel: Channel) -> None:
    channel.key = "k"
    folded = fold(channel, [1], ((0, 0), [1, 2], "repeats"))
    text = f"At key 'k': {type(channel).__name__}(guard=True) can receive only one value per step."
    assert str(folded.failures[0][1]).startswith(text)


def test_unguarded_channels_keep_the_last_write() -> None:
    for channel in (EphemeralValue(int, guard=False), UntrackedValue(int, guard=False), AnyValue()):
        folded = fold(channel, [1, 2], (None, [4, 5]), ((0, 0), [6, 7], "repeats"))
        assert folded.cells.tolist() == [7, 5]
        assert not folded.failures


def test_only_untracked_values_stay_out_of_checkpoints() -> None:
    assert not UntrackedValue(int).tracked
    assert LastValue(int).tracked


class TestReducers:
    def test_ints_never_wrap(self) -> None:
        for function, write, expected in [
            (operator.add, 1, 2**63),
            (operator.sub, -1, 2**63),
            (operator.mul, 2, 2**64 - 2),
            (np.add, 1, 2**63),
        ]:
            folded = fold(
                BinaryOperatorAggregate(int, function), [2**63 - 1, 3], (None, [write] * 2)
            )
            assert folded.cells.item(0) == expected
            assert type(folded.cells.item(1)) is int

    def test_the_extremes_of_both_sides_decide_what_fits(self) -> None:
        low = -(2**63 - 1)
        sub = BinaryOperatorAggregate(int, operator.sub)
        assert fold(sub, [1, -1], (None, [low, 0])).cells.tolist() == [2**63, -1]
        mul = BinaryOperatorAggregate(int, operator.mul)
        assert fold(mul, [-(2**62), 1], (None, [-2, 1])).cells.tolist() == [2**63, 1]

    def test_ints_that_fit_stay_an_array(self) -> None:
        edge = 2**63 - 1
        add = BinaryOperatorAggregate(int, operator.add)
        assert fold(add, [edge - 1, -edge], (None, [1, -1])).cells.kind == "int"

    def test_bools_add_up_to_ints(self) -> None:
        folded = fold(
            BinaryOperatorAggregate(bool, operator.add), [True, False], (None, [True] * 2)
        )
        assert folded.cells.tolist() == [2, 1]
        assert folded.cells.kind == "int"

    def test_an_int_written_to_floats_becomes_a_float(self) -> None:
        add = BinaryOperatorAggregate(float, operator.add)
        folded = fold(add, [0.5, 1.5], (None, [1, 2]))
        assert folded.cells.tolist() == [1.5, 3.5]
        half = fold(
            BinaryOperatorAggregate(int, operator.add), [1, 2], (None, [0, 0]), ((0,), [0.5])
        )
        assert list(map(type, half.cells.tolist())) == [float, int]

    @pytest.mark.parametrize("function", [max, min])
    def test_extremes_keep_the_first_of_equals_and_ignore_a_later_nan(self, function) -> None:
        folded = fold(
            BinaryOperatorAggregate(float, function),
            [0.0, -0.0, math.nan, 1.0],
            (None, [-0.0, 0.0, 1.0, math.nan]),
        )
        assert list(map(str, folded.cells.tolist())) == ["0.0", "-0.0", "nan", "1.0"]

    @pytest.mark.parametrize("function", [np.maximum, np.minimum])
    def test_numpys_extremes_keep_a_nan(self, function) -> None:
        folded = fold(
            BinaryOperatorAggregate(float, function),
            [0.0, math.nan, 1.0],
            (None, [-0.0, 1.0, math.nan]),
        )
        assert list(map(str, folded.cells.tolist())) == ["0.0", "nan", "nan"]

    def test_writes_are_folded_in_task_order(self) -> None:
        minus = BinaryOperatorAggregate(float, operator.sub)
        big = [1e16]
        folded = fold(minus, big, ((0, 0), [1.0, 1.0], "repeats"), ((0,), [-1e16]))
        assert folded.cells.tolist() == [((1e16 - 1.0) - 1.0) + 1e16]
        text = BinaryOperatorAggregate(str, operator.add)
        folded = fold(text, ["", "-"], ((1, 0, 1), ["a", "b", "c"], "repeats"), (None, ["x", "y"]))
        assert folded.cells.tolist() == ["bx", "-acy"]

    def test_the_first_write_is_stored_as_it_is(self) -> None:
        add = BinaryOperatorAggregate(int | None, operator.add)
        assert add.initial() is MISSING
        assert fold(add, [MISSING] * 2, ((1, 0), [True, False])).cells.tolist() == [False, True]
        assert add.fold(MISSING, [Overwrite(1)]) == (Overwrite(1), True)

    def test_an_overwrite_replaces_and_two_fail(self) -> None:
        add = BinaryOperatorAggregate(int, operator.add)
        folded = fold(add, [1, 2], (None, [Overwrite(5), 1]), (None, [9, {"__overwrite__": 7}]))
        assert folded.cells.tolist() == [5, 7]
        folded = fold(add, [1, 2], (None, [Overwrite(5), 1]), (None, [Overwrite(6), 1]))
        assert [position for position, _ in folded.failures] == [0]
        assert listed(folded.changed) == [1]

    def test_a_failing_operator_fails_its_row_and_is_not_called_again(self) -> None:
        calls = []

        def divide(a: float, b: float) -> float:
            calls.append(b)
            return a / b

        channel = BinaryOperatorAggregate(float, divide)
        folded = fold(channel, [1.0, 1.0], (None, [0.0, 2.0]), (None, [4.0, 4.0]))
        ((position, error),) = folded.failures
        assert (position, type(error)) == (0, ZeroDivisionError)
        assert folded.cells.item(1) == 0.125
        assert calls == [0.0, 2.0, 4.0]

    @pytest.mark.parametrize("function", [operator.add, operator.iadd])
    def test_nobody_sees_a_list_change(self, function) -> None:
        """What a node kept, an earlier column and the written values stay as they were."""
        kept, written = [1], [2]
        channel = BinaryOperatorAggregate(list, function)
        before = Column.of([kept, kept])
        writes = [
            Write(None, Column.of([written, written])),
            Write(at(0, 0), Column.of([[3], [4]]), repeats=True),
        ]
        folded = channel.fold_columns(before, writes)
        assert folded.cells.tolist() == [[1, 2, 3, 4], [1, 2]]
        again = channel.fold_columns(folded.cells, writes)
        assert again.cells.tolist() == [[1, 2, 3, 4, 2, 3, 4], [1, 2, 2]]
        assert folded.cells.tolist() == [[1, 2, 3, 4], [1, 2]]
        assert (kept, written, before.tolist()) == ([1], [2], [[1], [1]])
        assert channel.fold(kept, [written, [3]]) == ([1, 2, 3], True)
        first, _ = BinaryOperatorAggregate(list | None, function).fold(MISSING, [kept, written])
        assert (first, kept, written) == ([1, 2], [1], [2])

    def test_a_list_that_an_operand_keeps_is_not_extended(self) -> None:
        class Keeper:
            kept: ClassVar[list[int]] = [0]

            def __add__(self, other: list) -> list:
                return self.kept

        add = BinaryOperatorAggregate(list, operator.add)
        assert fold(add, [Keeper()], (None, [[1]]), (None, [[2]])).cells.tolist() == [[0, 2]]
        assert add.fold(Keeper(), [[1], [2]]) == ([0, 2], True)
        assert Keeper.kept == [0]

    def test_rows_do_not_share_a_first_value(self) -> None:
        values = BinaryOperatorAggregate(list, operator.add).empty(2).tolist()
        assert values[0] is not values[1]

    def test_a_callable_needs_no_name_and_no_hash(self) -> None:
        class Append:
            __hash__ = None

            def __eq__(self, other: object) -> bool:
                return NotImplemented

            def __call__(self, a: list, b: int) -> list:
                return [*a, b]

        channel = BinaryOperatorAggregate(list, Append())
        assert channel.fold([], [1, 2]) == ([1, 2], True)
        assert channel == BinaryOperatorAggregate(str, channel.operator)
        assert channel != BinaryOperatorAggregate(list, Append())


class TestBarriers:
    def test_it_opens_when_every_name_was_written(self) -> None:
        barrier = NamedBarrierValue(str, {"a", "b"})
        column = barrier.empty(3)
        folded = barrier.fold_columns(
            column, [Write(None, Column.full(3, "a")), Write(at(1), Column.of(["b"]))]
        )
        assert barrier.available_columns(folded.cells).tolist() == [False, True, False]
        assert barrier.read_columns(folded.cells).tolist() == [MISSING, None, MISSING]
        again = barrier.fold_columns(folded.cells, [Write(None, Column.full(3, "a"))])
        assert listed(again.changed) == []
        cells, changed = barrier.consume_columns(folded.cells)
        assert (cells.tolist(), changed.tolist()) == ([1, 0, 1], [False, True, False])

    def test_a_row_may_write_several_names_at_once(self) -> None:
        barrier = NamedBarrierValue(str, {"a", "b"})
        folded = fold(barrier, [0, 0], ((1, 0, 1), ["a", "a", "b"], "repeats"))
        assert folded.cells.tolist() == [1, 3]

    def test_an_unknown_name_fails_its_row(self) -> None:
        folded = fold(NamedBarrierValue(str, {"a"}), [0, 0], (None, ["a", "z"]))
        assert [(p, str(e)) for p, e in folded.failures] == [
            (1, "At key '': Value z not in {'a'}"),
        ]

    def test_its_later_form_opens_at_the_end(self) -> None:
        barrier = NamedBarrierValueAfterFinish(str, {"a"})
        full = fold(barrier, [0], (None, ["a"])).cells
        assert barrier.available_columns(full).tolist() == [False]
        opened, changed = barrier.finish_columns(full)
        assert changed.tolist() == barrier.available_columns(opened).tolist() == [True]
        assert barrier.consume_columns(opened)[0].tolist() == [0]

    def test_bits_do_not_depend_on_the_order_of_a_set(self) -> None:
        names = ["b", "a", "c"]
        barrier = NamedBarrierValue(str, names)
        assert [barrier.fold(0, [n])[0] for n in ("a", "b", "c")] == [1, 2, 4]
        assert barrier.seen(5) == {"a", "c"}


def test_a_topic_counts_a_list_as_its_items_and_is_emptied() -> None:
    topic = Topic(int)
    folded = fold(topic, [MISSING, (1,)], (None, [[2, 3], 4]), ((1,), [[]]))
    assert folded.cells.tolist() == [(2, 3), (4,)]
    cells, changed = topic.tick_columns(folded.cells)
    assert (cells.tolist(), changed.tolist()) == ([(), ()], [True, True])
    assert topic.read_columns(cells).tolist() == [MISSING, MISSING]


class TestMerging:
    def test_the_last_value_of_each_row(self) -> None:
        merged = merge(4, [Write(at(3, 1), Column.of([1, 2])), Write(at(1), Column.of([3]))])
        assert (listed(merged.where), merged.last.tolist()) == ([1, 3], [3, 1])
        assert merged.several.tolist() == [1]

    def test_rounds_keep_the_order_of_each_position(self) -> None:
        write = Write(at(2, 0, 2, 2), Column.of([1, 2, 3, 4]), repeats=True)
        rounds = rounds_of(None, write, write.values.as_numpy(), 3)
        assert [(p.tolist(), v.tolist()) for p, v in rounds] == [
            ([2, 0], [1, 2]),
            ([2], [3]),
            ([2], [4]),
        ]

    def test_unsorted_or_repeated_positions_are_not_one_write(self) -> None:
        assert only_write([Write(at(1, 0), Column.of([1, 2]))]) is None
        assert only_write([Write(at(0), Column.of([1]), repeats=True)]) is None


class TestStatistics:
    @pytest.mark.parametrize(
        ("channel", "values", "expected"),
        [
            (Mean(), [1, 2.0, True], 4 / 3),
            (Mean(), [1e308, 1e308], math.inf),
            (Variance(), [1, 3], 1.0),
            (MinMax(), [3, 1.0, 2], (1.0, 3)),
            (MinMax(str), ["b", "a"], ("a", "b")),
            (Count(), [None, "a"], 2),
            (TopK(k=2), [1, math.nan, 1.0, True], (1, 1.0)),
            (TopK(k=2, largest=False), [3, 2, 1], (1, 2)),
            (Histogram(edges=[0, 1]), [1, -1, math.nan, 0], (2,)),
            (EWMA(alpha=1), [1, 2], 2.0),
            (RingBuffer(size=2), ["a", None, 3], (None, 3)),
            (SetUnion(), [1, {2}, [3, (4,)]], frozenset({1, 2, 3, (4,)})),
        ],
        ids=repr,
    )
    def test_what_a_node_reads(self, channel, values, expected) -> None:
        cell, changed = channel.fold(channel.initial(), values)
        read = channel.read(cell)
        assert changed
        assert repr(read) == repr(expected)

    @pytest.mark.parametrize(
        "channel", [Mean(), Variance(), MinMax(), EWMA(alpha=0.5)], ids=lambda c: type(c).__name__
    )
    def test_there_is_nothing_to_read_before_the_first_write(self, channel) -> None:
        assert not channel.available(channel.initial())
        assert channel.read_columns(channel.empty(2)).tolist() == [MISSING] * 2

    @pytest.mark.parametrize(
        ("channel", "nothing"),
        [
            (Count(), 0),
            (TopK(k=1), ()),
            (RingBuffer(size=1), ()),
            (Histogram(edges=[0, 1, 2]), (0, 0)),
            (SetUnion(), frozenset()),
        ],
        ids=repr,
    )
    def test_others_start_empty(self, channel, nothing) -> None:
        assert channel.available(channel.initial())
        assert channel.read(channel.initial()) == nothing
        assert channel.read_columns(channel.empty(2)).tolist() == [nothing] * 2

    def test_an_overwrite_starts_anew(self) -> None:
        top = TopK(k=3)
        cell, _ = top.fold(top.initial(), [9])
        assert top.read(top.fold(cell, [Overwrite([1, 2]), 7])[0]) == (2, 1)
        assert top.read(top.fold(cell, [Overwrite(None)])[0]) == ()
        assert Mean().fold((1, 5.0, 0.0), [Overwrite(None)]) == (MISSING, True)
        assert Count().fold(3, [Overwrite(7)]) == (7, True)
        assert SetUnion().fold(frozenset("a"), [Overwrite({"b"})]) == (frozenset("b"), True)
        with pytest.raises(InvalidUpdateError):
            top.fold(cell, [Overwrite(1), Overwrite(2)])

    def test_text_is_no_number(self) -> None:
        folded = fold(Mean(), [MISSING, MISSING], (None, ["1", 2]))
        assert [(p, type(e)) for p, e in folded.failures] == [(0, TypeError)]
        assert folded.cells.kind == "struct"
        assert Mean().read_columns(folded.cells).item(1) == 2.0

    @pytest.mark.parametrize(
        "make",
        [
            lambda: TopK(k=0),
            lambda: RingBuffer(size=0),
            lambda: Histogram(edges=[1]),
            lambda: Histogram(edges=[1, 1]),
            lambda: Histogram(edges=[0, math.nan]),
            EWMA,
            lambda: EWMA(alpha=0.5, halflife=1),
            lambda: EWMA(alpha=0),
            lambda: EWMA(halflife=-1),
            lambda: EWMA(alpha=math.nan),
            lambda: Variance(ddof=-1),
        ],
    )
    def test_wrong_settings_are_refused(self, make) -> None:
        with pytest.raises(ValueError, match=r"\d|needs"):
            make()

    def test_equal_settings_make_equal_channels(self) -> None:
        assert TopK(k=2) == TopK(k=2)
        assert hash(EWMA(alpha=0.5)) == hash(EWMA(halflife=1))
        assert TopK(k=2) != TopK(k=3)
        assert Mean() != Variance()
        assert Variance() != Variance(ddof=1)

    def test_nan_is_one_element(self) -> None:
        cell, _ = SetUnion().fold(frozenset(), [float("nan"), [float("nan"), 1]])
        assert len(SetUnion().fold(cell, [float("nan")])[0]) == 2

    def test_large_ints_are_kept_exactly(self) -> None:
        folded = fold(MinMax(int), [MISSING], ((0, 0), [2**63, 2**53 + 1], "repeats"))
        assert folded.cells.tolist() == [(2, 2**53 + 1, 2**63)]


def test_a_channel_must_say_how_it_folds() -> None:
    with pytest.raises(NotImplementedError, match=r"Channel must implement fold\(\)"):
        Channel().fold(MISSING, [1])


@pytest.mark.parametrize(
    "channel",
    [
        LastValue(int, "k"),
        Topic(int, True),
        TopK(k=2),
        NamedBarrierValue(str, {"a"}),
        BinaryOperatorAggregate(list, operator.iadd),
        BinaryOperatorAggregate(int, np.add),
    ],
    ids=repr,
)
def test_channels_travel_to_other_processes(channel: Channel) -> None:
    channel.key = "k"
    there = pickle.loads(pickle.dumps(channel))
    assert (there, there.key) == (channel, "k")
    assert there.initial() == channel.initial()
