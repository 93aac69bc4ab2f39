"""Hypothesis strategies for what nodes compute: values, tests, writes, Sends."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from vecgraph.testing.specs import Packet, Test, Value, Write

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "DECIDE",
    "floats",
    "integers",
    "number_writes",
    "object_writes",
    "packets",
    "pregel_writes",
    "scalars",
    "tests",
    "values",
]

integers: SearchStrategy[int] = st.one_of(
    st.integers(-5, 5), st.sampled_from([2**31, 2**53 + 1, 2**62, 2**63 - 1, 2**63, -(2**63) - 1])
)
"""Small ints, and those around the edges of int64."""

floats: SearchStrategy[float] = st.one_of(
    st.sampled_from(
        [0.0, -0.0, 0.1, 0.2, 0.3, 1.0, 1e16, -1e16, 1e308, float("nan"), float("inf")]
    ),
    st.floats(-2.0, 2.0, width=32),
)
"""Floats whose sums depend on their order, and the special ones."""

scalars: SearchStrategy[Any] = st.one_of(
    integers, floats, st.booleans(), st.none(), st.sampled_from(["", "a", "bb", "é"])
)

values: SearchStrategy[Any] = st.one_of(
    scalars, st.lists(scalars, max_size=2), st.dictionaries(st.sampled_from("pq"), scalars)
)
"""Any value that a state may hold, with True, 1 and 1.0 side by side."""


@cache
def tests(sources: tuple[str, ...]) -> SearchStrategy[Test]:
    """Draw a test that some rows pass and others do not."""
    return st.builds(
        Test,
        source=st.sampled_from(sources),
        modulus=st.sampled_from([2, 3]),
        hits=st.frozensets(st.integers(0, 2), min_size=1, max_size=2),
    )


DECIDE = tests(("k", "x", "i"))
"""A test on the channels that tell one row's way from another's."""


@cache
def object_writes() -> SearchStrategy[Write]:
    """Draw a write of any value to a channel of any kind."""
    numbers = st.one_of(
        st.builds(_affine, st.just("i"), st.sampled_from(["i", "k", "m"]), integers, integers),
        st.builds(_affine, st.just("k"), st.sampled_from(["i", "k"]), st.just(1), integers),
        st.builds(_affine, st.just("f"), st.just("f"), floats, floats),
        st.builds(_const, st.just("top"), st.integers(-3, 9)),
        st.builds(_const, st.just("m"), st.integers(0, 9)),
    )
    anything = st.builds(
        _const, st.sampled_from(["x", "y", "any", "eph", "unt", "topic", "topics"]), values
    )
    copies = st.builds(
        _copy,
        st.sampled_from(["x", "y", "any", "topics", "late"]),
        st.sampled_from(["x", "y", "eph", "log", "f", "any", "topic"]),
    )
    texts = st.builds(_const, st.just("text"), st.sampled_from(["a", "b", "é"]))
    late = st.builds(_const, st.just("late"), st.sampled_from(["a", "b", 1]))
    lists = st.builds(_wrap, st.just("log"), st.sampled_from(["x", "i", "f", "k", "eph"]))
    views = st.builds(
        lambda key: Write("log", Value("view", "log", a=key)), st.sampled_from(["saw", "seen"])
    )
    replaced = st.builds(
        lambda channel, value: Write(channel, Value("const", a=value, overwrite=True)),
        st.sampled_from(["log", "late"]),
        st.sampled_from([["new"], [], ["a", 1]]),
    )
    gated = st.builds(
        lambda write, test: Write(write.channel, write.value, test),
        st.one_of(numbers, anything),
        tests(("k", "x", "i")),
    )
    return st.one_of(numbers, anything, copies, texts, late, lists, views, replaced, gated)


@cache
def number_writes() -> SearchStrategy[Write]:
    """Draw a write of arithmetic that also has a vector form."""
    small = st.integers(-3, 3)
    ints = st.sampled_from(["x", "k", "i", "m"])
    numbers = st.one_of(
        st.builds(_affine, st.sampled_from(["k", "i", "m", "top"]), ints, small, small),
        st.builds(_affine, st.sampled_from(["i", "k"]), ints, st.just(2**40), small),
        st.builds(_affine, st.sampled_from(["z", "x", "eph", "any"]), ints, small, small),
        st.builds(_affine, st.sampled_from(["f", "p"]), st.sampled_from("fy"), floats, floats),
        st.builds(_affine, st.just("y"), st.sampled_from("fp"), floats, floats),
        st.builds(_const, st.sampled_from(["i", "m", "z", "eph"]), integers),
        st.builds(_const, st.just("f"), floats),
    )
    copies = st.builds(_copy, st.sampled_from(["i", "m", "any"]), st.sampled_from(["x", "z"]))
    flags = st.builds(
        lambda test: Write("flag", Value("test", test=test)), tests(("x", "k", "f", "z"))
    )
    gated = st.builds(
        lambda write, test: Write(write.channel, write.value, test),
        numbers,
        tests(("x", "k", "i", "f")),
    )
    return st.one_of(numbers, numbers, copies, flags, gated)


def _affine(channel: str, source: str, a: Any, b: Any) -> Write:
    return Write(channel, Value("affine", source, a, b))


def _const(channel: str, value: Any) -> Write:
    return Write(channel, Value("const", a=value))


def _copy(channel: str, source: str) -> Write:
    return Write(channel, Value("copy", source, absent=0))


def _wrap(channel: str, source: str) -> Write:
    return Write(channel, Value("wrap", source, absent=None))


def _payload(x: int, f: float) -> tuple[tuple[str, Value], ...]:
    copies = tuple((key, Value("copy", key)) for key in ("k", "i", "m"))
    constants = {"f": f, "y": 0.25, "p": 1.5, "top": 1}
    rest = tuple((key, Value("const", a=value)) for key, value in constants.items())
    return (("x", Value("affine", "k", 1, x)), *copies, *rest)


@cache
def packets(later: tuple[str, ...]) -> SearchStrategy[Packet]:
    """Draw a Send to one of the nodes `later`, with a payload that most nodes can read."""
    payload = st.builds(_payload, st.integers(-2, 2), st.sampled_from([0.5, 0.1, -0.0]))
    return st.builds(Packet, st.sampled_from(later), payload, st.one_of(st.none(), DECIDE))


@cache
def pregel_writes(sources: tuple[str, ...]) -> SearchStrategy[Write]:
    """Draw a write, to happen for some rows only, that reads one of `sources`."""
    source = st.sampled_from(sources)
    value = st.one_of(
        st.builds(lambda a: Value("const", a=a), st.integers(-3, 9)),
        st.builds(lambda s: Value("test", s, test=Test(s, 2, frozenset([1]))), source),
        st.builds(lambda s: Value("wrap", s), source),
        st.builds(lambda s: Value("copy", s), source),
    )
    write = st.builds(Write, st.sampled_from("abcdetuwm"), value, st.one_of(tests(sources)))
    return write.map(_typed)


def _typed(write: Write) -> Write:
    """Only lists go to the list channel, only numbers to the sums: other errors drown the rest."""
    source = write.value.source or "k"
    if write.channel == "c":
        return replace(write, value=Value("wrap", source))
    if write.channel in {"b", "m"}:
        return replace(write, value=Value("test", source, test=write.test))
    return write
