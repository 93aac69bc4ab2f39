"""Streams of many rows equal each row's own generator, whatever the batch around it."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vecgraph.rng import RowStreams, _words, row_generator, stream_key

ROWS = np.array([0, 7, 3, 2**63 - 1, 41, 12])
STEPS = np.array([1, 1, 5, 0, 2**40, 1])
LOWS = np.array([-5, 0, 3, -(2**63), 0, 9])
HIGHS = np.array([6, 2**32, 4, 2**63 - 1, 3 * 2**61, 2**33 + 11])

CALLS = {
    "random": ("random", (), {}),
    "random 3": ("random", (3,), {}),
    "random 2x3": ("random", ((2, 3),), {}),
    "random 0": ("random", (0,), {}),
    "uniform": ("uniform", (-2.0, 3.0), {}),
    "uniform per row": ("uniform", (LOWS * 1e-9, HIGHS * 1e-9), {"size": 2}),
    "standard_normal": ("standard_normal", (), {"size": 40}),
    "normal": ("normal", (10.0, 0.1), {}),
    "normal per row": ("normal", (LOWS * 1.0, 2.5), {"size": 3}),
    "standard_exponential": ("standard_exponential", (), {"size": 40}),
    "exponential": ("exponential", (2.5,), {}),
    "exponential per row": ("exponential", (np.arange(6.0),), {}),
    "die": ("integers", (1, 7), {}),
    "coins": ("integers", (2,), {"size": 5}),
    "constant": ("integers", (4, 5), {"size": 2}),
    "half rejected": ("integers", (0, 2**31 + 1), {"size": 9}),
    "all of 32 bits": ("integers", (0, 2**32), {"size": 3}),
    "wide, half rejected": ("integers", (-(2**62) - 1, 2**62), {"size": 9}),
    "all of 64 bits": ("integers", (-(2**63), 2**63), {"size": 3}),
    "endpoint": ("integers", (-1, 1), {"size": 7, "endpoint": True}),
    "bounds per row": ("integers", (LOWS, HIGHS), {"size": 7}),
    "one bound per row": ("integers", (-(2**63), HIGHS), {}),
    "small ints": ("integers", (0, 100), {"size": 5, "dtype": np.int16}),
    "choice": ("choice", (10,), {}),
    "choice of strings": ("choice", (["a", "b", "c"],), {"size": 4}),
    "weighted": ("choice", (3,), {"size": 5, "p": [0.2, 0.5, 0.3]}),
    "without replacement": ("choice", (10,), {"size": 4, "replace": False}),
    "permutation": ("permutation", (5,), {}),
    "poisson": ("poisson", (3.5,), {"size": 2}),
    "beta": ("beta", (0.5, 2.0), {}),
    "bytes": ("bytes", (5,), {}),
}
KEY = (2728487208166805292, 2848645793072516929)
FIRST = 0.8364348965444214
PER_ROW = {"uniform", "normal", "exponential", "integers"}


def alone(call, generators):
    """The same call on every row's own generator."""
    method, arguments, keywords = CALLS[call]
    drawn = []
    for position, generator in enumerate(generators):
        own = arguments
        if method in PER_ROW:
            own = [a[position] if isinstance(a, np.ndarray) else a for a in arguments]
        drawn.append(getattr(generator, method)(*own, **keywords))
    return drawn


def assert_equal_rows(got, expected) -> None:
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        other = np.asarray(other)
        assert np.asarray(one).shape == other.shape
        assert np.asarray(one).tolist() == other.tolist()


def generators():
    pairs = zip(ROWS.tolist(), STEPS.tolist(), strict=True)
    return [row_generator(5, row, step, "node") for row, step in pairs]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_equals_each_rows_generator(call) -> None:
    method, arguments, keywords = CALLS[call]
    streams, own = RowStreams(5, ROWS, STEPS, "node"), generators()
    for _ in range(3):
        got = getattr(streams, method)(*arguments, **keywords)
        assert_equal_rows(got, alone(call, own))


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(st.sampled_from(list(CALLS)), max_size=6))
def test_calls_in_any_order_continue_the_streams(calls) -> None:
    streams, own = RowStreams(5, ROWS, STEPS, "node"), generators()
    for call in calls:
        method, arguments, keywords = CALLS[call]
        got = getattr(streams, method)(*arguments, **keywords)
        assert_equal_rows(got, alone(call, own))


@pytest.mark.parametrize("method", ["standard_normal", "standard_exponential"])
def test_long_columns_equal_the_generators_in_tail_and_wedges(method) -> None:
    """Enough draws that every layer, the wedges and the tail of the ziggurat are met."""
    streams = RowStreams(1, np.arange(10), 0, "n")
    got = getattr(streams, method)(2000)
    for row in range(10):
        generator = row_generator(1, row, 0, "n")
        assert getattr(generator, method)(2000).tolist() == got[row].tolist()


@given(order=st.permutations(range(6)), keep=st.integers(1, 6))
def test_a_row_draws_the_same_in_any_batch(order, keep) -> None:
    chosen = np.array(order[:keep])
    full, part = RowStreams(5, ROWS, STEPS, "n"), RowStreams(5, ROWS[chosen], STEPS[chosen], "n")
    for method in ("random", "standard_normal", "standard_exponential"):
        assert getattr(full, method)(3)[chosen].tolist() == getattr(part, method)(3).tolist()
    assert full.integers(6, size=5)[chosen].tolist() == part.integers(6, size=5).tolist()


def test_blocks_of_rows_do_not_show(monkeypatch) -> None:
    whole = RowStreams(5, np.arange(50), 3, "n", np.arange(50) % 3).random(6)
    monkeypatch.setattr(_words, "_BLOCK", 7)
    parts = RowStreams(5, np.arange(50), 3, "n", np.arange(50) % 3).random(6)
    assert whole.tolist() == parts.tolist()
    assert row_generator(5, 49, 3, "n", task=1).random(6).tolist() == whole[49].tolist()


MIXED = {
    "random": (),
    "standard_normal": (),
    "uniform": (-1.0, 2.0),
    "integers": (0, 6),
    "exponential": (3.0,),
    "poisson": (4.0,),
}


@pytest.mark.parametrize("ahead", [_words._AHEAD, 50])
@pytest.mark.parametrize("first", ["random", "standard_normal"])
def test_large_and_odd_sizes_continue_the_streams(monkeypatch, first, ahead) -> None:
    """Sizes longer than what is computed at once, each from another place in the block of 4."""
    monkeypatch.setattr(_words, "_AHEAD", ahead)
    rows = [4, 0, 2**40]
    streams = RowStreams(3, rows, 2, "n")
    own = [row_generator(3, row, 2, "n") for row in rows]
    longer = ahead // 3 + 81
    sizes = [longer, 1, (5, 7), 3, 0, 129, None, longer + 6, 2, 17]
    for size in sizes:
        for method, arguments in {first: (), **MIXED}.items():
            got = getattr(streams, method)(*arguments, size=size)
            assert_equal_rows(got, [getattr(each, method)(*arguments, size=size) for each in own])


@pytest.mark.parametrize("wide", [False, True])
@given(sizes=st.lists(st.sampled_from([None, 1, 3, 5, 7, 21, 90]), min_size=2, max_size=8))
def test_alike_rows_stay_at_their_place_in_the_block(sizes, wide) -> None:
    """No draw that tells rows apart: the buffer is read across calls of any size."""
    streams = RowStreams(3, ROWS, 2, "n")
    own = [row_generator(3, row, 2, "n") for row in ROWS.tolist()]
    for at, size in enumerate(sizes):
        if wide and at % 2:
            got = streams.integers(0, 2**32, size=size)
            expected = [each.integers(0, 2**32, size=size) for each in own]
        else:
            got, expected = streams.random(size), [each.random(size) for each in own]
        assert_equal_rows(got, expected)


def test_a_long_draw_encrypts_in_few_passes(monkeypatch) -> None:
    passes = []
    philox = _words.philox

    def counted(counter, key):
        passes.append(counter.shape)
        return philox(counter, key)

    monkeypatch.setattr(_words, "philox", counted)
    RowStreams(0, np.arange(100), 0, "n").random(700)
    assert len(passes) < 10
    assert sum(math.prod(shape[1:]) for shape in passes) == 100 * 700 / 4


def test_streams_differ_by_each_coordinate() -> None:
    base = {"seed": 0, "row": 1, "step": 2, "node": "a", "task": 0}
    others = [{"seed": 1}, {"row": 2}, {"step": 3}, {"node": "b"}, {"task": 1}, {"seed": -1}]
    drawn = {row_generator(**(base | other)).random() for other in [{}, *others]}
    assert len(drawn) == 7


def test_the_key_is_the_documented_hash() -> None:
    """Literal numbers: changing them changes every stored result."""
    assert stream_key(0, "draw") == KEY
    assert row_generator(0, 1, 2, "draw").random() == FIRST


def test_an_empty_batch_draws_nothing() -> None:
    streams = RowStreams(0, np.empty(0, np.int64), 0, "n")
    assert len(streams) == 0
    assert streams.random().shape == (0,)
    assert streams.normal(size=3).shape == (0, 3)
    assert streams.integers(5, size=2).shape == (0, 2)
    assert streams.poisson(2.0).shape == (0,)


@pytest.mark.parametrize(
    ("method", "arguments", "keywords"),
    [
        ("normal", (0, -1), {}),
        ("uniform", (0, math.inf), {}),
        ("integers", (3, 3), {}),
        ("integers", (0, 2**64), {}),
        ("exponential", (-1,), {}),
        ("choice", (0,), {}),
        ("choice", (3,), {"p": [0.5, 0.2, 0.2]}),
    ],
)
def test_bad_parameters_raise_what_numpy_raises(method, arguments, keywords) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011
        getattr(row_generator(0, 0, 0, "n"), method)(*arguments, **keywords)
    with pytest.raises(expected.type) as got:
        getattr(RowStreams(0, [0, 1, 2], 0, "n"), method)(*arguments, **keywords)
    assert str(got.value) == str(expected.value)


def test_bad_streams_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="rows must not be negative, got -1"):
        RowStreams(0, [0, -1], 0, "n")
    with pytest.raises(TypeError, match="row must be an int"):
        row_generator(0, 1.5, 0, "n")
    with pytest.raises(ValueError, match="steps has 2 entries, rows has 3"):
        RowStreams(0, [0, 1, 2], [0, 1], "n")
    with pytest.raises(ValueError, match=r"normal: a parameter has shape \(2,\).*shape \(3,\)"):
        RowStreams(0, [0, 1, 2], 0, "n").normal([1, 2])
    with pytest.raises(AttributeError, match="in place; use `permutation`"):
        RowStreams(0, [0], 0, "n").shuffle([1, 2])
    with pytest.raises(AttributeError, match="no method 'gaussian'"):
        RowStreams(0, [0], 0, "n").gaussian()
    with pytest.raises(TypeError, match="'out' is not supported"):
        RowStreams(0, [0], 0, "n").gamma(1.0, out=np.empty(1))


def test_a_copy_goes_its_own_way() -> None:
    streams = RowStreams(0, [0, 1], 0, "n")
    streams.random()
    twin = copy.deepcopy(streams)
    assert streams.random(3).tolist() == twin.random(3).tolist()
