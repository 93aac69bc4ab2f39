"""Expressions over Arrow columns equal the reference interpreter on each row's Python values."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.property.test_expr import (
    INTS,
    REALS,
    TEXT,
    TEXTS,
    _numbers,
    _tests,
    identity,
    outcome,
)
from vecgraph.columns import Column
from vecgraph.nodes import _expr_arrow, _expr_cells, _expr_columns
from vecgraph.nodes.expr import Expression, when


@pytest.fixture(autouse=True, scope="module")
def vectors_even_for_few_rows():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_expr_columns, "_FEW", 0)
        yield


SPACES = st.text(st.sampled_from(" \t\n\x1c\x85\xa0\u2003aé"), max_size=4)
LETTERS = st.text(st.sampled_from("aA\u00df\u0130\u0131\u01c5é\u03c3\u03a3\x00 b"), max_size=4)
STRINGS = st.one_of(TEXTS, TEXTS, SPACES, LETTERS)
SMALL = st.integers(-128, 127)
NARROW = st.floats(width=32)

# The same names as in the property tests of NumPy columns, so that their texts serve here.
TYPES: dict[str, list[tuple[pa.DataType, st.SearchStrategy]]] = {
    "i": [(pa.int64(), INTS), (pa.int8(), SMALL), (pa.uint64(), st.integers(0, 2**64 - 1))],
    "j": [(pa.int32(), st.integers(-5, 5)), (pa.uint8(), st.integers(0, 9))],
    "x": [(pa.float64(), REALS), (pa.float32(), NARROW)],
    "y": [(pa.float64(), st.floats(-4, 4)), (pa.float16(), st.sampled_from([0.5, -2.0]))],
    "b": [(pa.bool_(), st.booleans())],
    "c": [(pa.bool_(), st.booleans())],
    "s": [
        (pa.string(), STRINGS),
        (pa.large_string(), STRINGS),
        (pa.dictionary(pa.int8(), pa.string()), STRINGS),
        (pa.string_view(), STRINGS),
    ],
    "t": [(pa.string(), STRINGS), (pa.large_string(), STRINGS)],
    "h": [(pa.decimal128(6, 2), st.decimals(-9, 9, places=2)), (pa.int64(), INTS)],
    "o": [
        (pa.list_(pa.int64()), st.lists(SMALL, max_size=2)),
        (pa.date32(), st.dates()),
        (pa.timestamp("us"), st.datetimes()),
        (pa.binary(), st.binary(max_size=2)),
        (pa.null(), st.none()),
    ],
    "m": [(pa.float64(), st.floats(-4, 4)), (pa.string(), STRINGS)],
}


def _more_texts() -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["s", "t", "s", "t", "'a'", "''", "None", "m"])
    one = st.builds("{}({})".format, st.sampled_from(["lower", "upper", "strip"]), leaf)
    some = st.one_of(leaf, one)
    find = st.sampled_from(["contains", "startswith", "endswith"])
    op = st.sampled_from(["<", "<=", "==", "!=", ">"])
    test = st.one_of(
        st.builds("{}({}, {})".format, find, some, some),
        st.builds("({} {} {})".format, some, op, some),
        st.builds("({} is None)".format, some),
        st.builds("({} is not None)".format, st.sampled_from("ixsbo")),
        st.builds("({} in ['a', None, 1])".format, st.sampled_from("sixbo")),
        st.builds("({} not in ['a', 'ab', 2.5])".format, some),
        st.builds("bool({})".format, some),
    )
    return st.one_of(
        one,
        test,
        st.builds("len({})".format, some),
        st.builds("({} + {})".format, some, some),
        st.builds("where({}, {}, {})".format, test, some, st.one_of(some, st.just("i"))),
        st.builds("({} and {})".format, test, test),
        st.builds("(b or {})".format, test),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), some, some),
    )


EXPRESSIONS = st.one_of(TEXT, _numbers(1), _tests(1), _more_texts(), _more_texts())


@st.composite
def tables(draw) -> tuple[dict[str, pa.Array], int]:
    n = draw(st.integers(0, 6))
    columns = {}
    for name, choices in TYPES.items():
        kind, cells = draw(st.sampled_from(choices))
        cell = st.one_of(cells, cells, cells, st.none()) if draw(st.booleans()) else cells
        columns[name] = pa.array(draw(st.lists(cell, min_size=n, max_size=n)), kind)
    return columns, n


def one(**columns):
    n = len(next(iter(columns.values())))
    return {name: pa.array(cells) for name, cells in columns.items()}, n


@settings(max_examples=500, deadline=None)
@given(text=EXPRESSIONS, table=tables(), to_arrow=st.booleans())
@example(text="lower(s)", table=one(s=["İ", "ΑΣ", "A"]), to_arrow=True)
@example(text="upper(s)", table=one(s=["ß", "a", None]), to_arrow=True)
@example(text="strip(s)", table=one(s=["\x1c a\x85", "\u200ba", " "]), to_arrow=False)
@example(text="s < t", table=one(s=["\uffff", "a", None], t=["\U00010000", None, None]), to_arrow=0)
@example(text="s == t", table=one(s=["a", None, None], t=["a", None, "b"]), to_arrow=False)
@example(text="i * i", table=one(i=[2**62, None, 3]), to_arrow=True)
@example(text="where(i is None, 0, i + 1)", table=one(i=[2**63 - 1, None, 3]), to_arrow=True)
@example(text="b and i > 0", table=one(b=[True, None, False], i=[None, 1, 2]), to_arrow=False)
def test_columns_equal_the_interpreter_row_by_row(text, table, to_arrow) -> None:
    columns, n = table
    expression = Expression.parse(text)

    result = expression.evaluate(columns, n, to_arrow=bool(to_arrow))

    failures = dict(result.errors)
    values = result.values.tolist()
    assert len(values) == n
    for position in range(n):
        row = {name: column[position].as_py() for name, column in columns.items()}
        expected = outcome(expression.scalar, row)
        got = identity(values[position])
        if position in failures:
            got = type(failures[position]), str(failures[position])
            assert values[position] in {None, False}
        assert got == expected, (text, row)


@settings(max_examples=200, deadline=None)
@given(text=_tests(2), table=tables())
def test_routers_equal_the_interpreter(text, table) -> None:
    columns, n = table
    router = when(text, "yes").when("s is not None and s < 'b'", "maybe").otherwise("no")
    routed = router.evaluate(columns, n)
    failures = dict(routed.errors)
    for position in range(n):
        row = {name: column[position].as_py() for name, column in columns.items()}
        expected = outcome(router.scalar, row)
        if position in failures:
            got = type(failures[position]), str(failures[position])
        else:
            got = identity(routed.labels[routed.codes[position]])
        assert got == expected, (text, row)


@settings(max_examples=200, deadline=None)
@given(text=_more_texts(), table=tables())
def test_arrow_and_objects_mix(text, table) -> None:
    """A text column as Python objects beside one in Arrow, with None and lone surrogates."""
    columns, n = table
    cells = [*columns["t"].to_pylist()]
    if cells:
        cells[0] = "\ud800"
    mixed = columns | {"t": np.fromiter(cells, object, n)}
    expression = Expression.parse(text)
    result = expression.evaluate(mixed, n, to_arrow=True)
    failures = dict(result.errors)
    for position in range(n):
        row = {name: column[position].as_py() for name, column in columns.items()}
        row["t"] = cells[position]
        got = identity(result.values.tolist()[position])
        if position in failures:
            got = type(failures[position]), str(failures[position])
        assert got == outcome(expression.scalar, row)


CELLS = st.one_of(
    INTS, REALS, st.booleans(), st.none(), STRINGS, st.just(decimal.Decimal("1.50")),
    st.just(datetime.date(2020, 1, 2)),
)  # fmt: skip
KINDS = st.sampled_from([kind for choices in TYPES.values() for kind, _ in choices])


@settings(max_examples=300, deadline=None)
@given(data=st.data(), kind=KINDS)
def test_a_column_takes_its_declared_form_only_without_loss(data, kind) -> None:
    source = data.draw(st.sampled_from([pair for choices in TYPES.values() for pair in choices]))
    cells = data.draw(st.one_of(st.lists(CELLS, max_size=4), st.lists(source[1], max_size=4)))
    column = Column.of(cells)
    if data.draw(st.booleans()):
        try:
            column = Column(pa.array(cells, source[0]))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            return
    before = identity(column.tolist())
    fitted = column.fitted(kind, None, None)
    assert identity(fitted.tolist()) == before


FAULTS = [
    (_expr_arrow, "_SPACE", " \t\n\r\x0b\x0c", "strip(s)"),
    (_expr_cells, "with_none", lambda vector, nulls: vector, "i is None"),
    (_expr_arrow, "compare", lambda op, a, b: (np.array([False] * 3), None), "s < 'x'"),
    (_expr_arrow, "transform", lambda f, a: (_expr_arrow._ASCII[f](a), None), "upper(s)"),
    (_expr_arrow, "numbers_of", lambda a: (np.array([7, 0, 2]), None), "i + 1"),
]


@pytest.mark.parametrize(("module", "name", "fault", "text"), FAULTS, ids=[f[1] for f in FAULTS])
def test_a_seeded_fault_is_noticed(monkeypatch, module, name, fault, text) -> None:
    table = one(s=["\x1cß", None, "ab"], i=[7, None, 2])
    test = test_columns_equal_the_interpreter_row_by_row.hypothesis.inner_test
    test(text, table, False)
    monkeypatch.setattr(module, name, fault)
    with pytest.raises(AssertionError):
        test(text, table, False)
