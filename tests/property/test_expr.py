"""Columns equal the reference interpreter, and the interpreter equals Python, row by row."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vecgraph.nodes import _expr_columns, _expr_functions, _expr_kernels, blend
from vecgraph.nodes._expr_scalar import truth
from vecgraph.nodes.expr import Expression, When, when


@pytest.fixture(autouse=True, scope="module")
def vectors_even_for_few_rows():
    """Take the vector path whatever the number of rows; few rows are a test of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_expr_columns, "_FEW", 0)
        yield


BIG = [0, 1, -1, 2, 3, -7, 53, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -3.5, 1e-308, 1e308, 2.0**53, 2.0**63, -(2.0**63)]
FLOATS += [math.inf, -math.inf, math.nan, 710.0]
INTS = st.one_of(st.sampled_from(BIG), st.integers(-9, 9), st.integers(-(2**63), 2**63 - 1))
REALS = st.one_of(st.sampled_from(FLOATS), st.floats(-9, 9), st.floats())
HUGE = st.one_of(INTS, st.sampled_from([2**63, -(2**63) - 1, 10**30, 10**400]))
CELLS = st.one_of(HUGE, REALS, st.booleans(), st.none(), st.sampled_from(["", "a", "12"]))
TEXTS = st.sampled_from(["", "a", "b", "ab", "12", "é"])

COLUMNS = {
    "i": (INTS, np.int64),
    "j": (st.integers(-5, 5), np.int64),
    "x": (REALS, np.float64),
    "y": (st.floats(-4, 4), np.float64),
    "b": (st.booleans(), np.bool_),
    "c": (st.booleans(), np.bool_),
    "s": (TEXTS, object),
    "t": (TEXTS, object),
    "h": (HUGE, object),
    "o": (CELLS, object),
    "m": (st.one_of(st.floats(-4, 4), st.none()), object),
}


def _numbers(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["i", "j", "x", "y", "i", "x", "b", "h", "m", "o", "len(s)"])
    literal = st.sampled_from(["0", "1", "2", "3.5", "0.0", "9007199254740993", "1e308", "True"])
    if depth == 0:
        return st.one_of(leaf, literal)
    sub, test = _numbers(depth - 1), _tests(depth - 1)
    join = "({} {} {})".format
    return st.one_of(
        leaf,
        st.builds(join, sub, st.sampled_from(["+", "-", "*", "/", "//", "%", "+", "-", "*"]), sub),
        st.builds("({} ** {})".format, sub, st.sampled_from(["2", "0.5", "j", "-1", "y", "3"])),
        st.builds("(-{})".format, sub),
        st.builds("(+{})".format, sub),
        st.builds("where({}, {}, {})".format, test, sub, sub),
        st.builds("({} if {} else {})".format, sub, test, sub),
        st.builds("{}({})".format, st.sampled_from(UNARY), sub),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), sub, sub),
        st.builds("clip({}, {}, {})".format, sub, sub, sub),
        st.builds("round({}, {})".format, sub, st.sampled_from(["0", "1", "2", "-1"])),
    )


UNARY = [
    "abs",
    "int",
    "float",
    "floor",
    "ceil",
    "round",
    "sqrt",
    "exp",
    "log",
    "log10",
    "log1p",
    "expm1",
    "sin",
    "cos",
    "tan",
]


def _tests(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["b", "c", "(x > 0)", "(j != 0)", "(s == t)", "(m is not None)", "o"])
    if depth == 0:
        return leaf
    sub, number = _tests(depth - 1), _numbers(depth - 1)
    op = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    items = st.sampled_from(["[0, 1]", "[2.0, -1]", "[9007199254740993, 'a', None]", "[True]"])
    return st.one_of(
        leaf,
        st.builds("({} {} {})".format, number, op, number),
        st.builds("({} {} {} {} {})".format, number, op, number, op, number),
        st.builds("({} {} {})".format, sub, st.sampled_from(["and", "or"]), sub),
        st.builds("(not {})".format, sub),
        st.builds("{}({})".format, st.sampled_from(["isnan", "isfinite", "bool"]), number),
        st.builds("({} {} {})".format, number, st.sampled_from(["in", "not in"]), items),
        st.builds("({} {} {})".format, st.sampled_from("st"), op, st.sampled_from(["t", "'a'"])),
        st.builds("({} in ['a', 'b', 3])".format, st.sampled_from("sto")),
        st.builds("({} is None)".format, number),
        st.builds("(bool({}) or {})".format, st.sampled_from("so"), sub),
    )


def _texts() -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["s", "t", "'-'", "o"])
    return st.one_of(
        st.builds("{} + {}".format, leaf, leaf),
        st.builds("where({}, {}, {})".format, _tests(1), leaf, leaf),
    )


TEXT = st.one_of(_numbers(2), _tests(2), _numbers(3), _texts())


@st.composite
def tables(draw) -> tuple[dict[str, np.ndarray], int]:
    n = draw(st.integers(0, 6))
    columns = {}
    for name, (cells, dtype) in COLUMNS.items():
        column = np.empty(n, dtype)
        column[:] = draw(st.lists(cells, min_size=n, max_size=n))
        columns[name] = column
    return columns, n


def outcome(function, *arguments):
    """The type and exact value of a call, or the type and text of its exception."""
    try:
        value = function(*arguments)
    except Exception as error:  # noqa: BLE001
        return type(error), str(error)
    return identity(value)


def identity(value):
    """-0.0 is not 0.0, 1 is not True, and NaN is NaN."""
    return type(value), repr(value)


def rows(columns, n):
    return [{name: column[k : k + 1].tolist()[0] for name, column in columns.items()}
            for k in range(n)]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(text=TEXT, table=tables())
@example(text="i * i", table=({"i": np.array([2**62, 3, -(2**63)])}, 3))
@example(text="i // j", table=({"i": np.array([-(2**63)] * 2), "j": np.array([-1, 0])}, 2))
@example(text="abs(i) - 1", table=({"i": np.array([-(2**63), -5])}, 2))
@example(text="i < 9007199254740992.0", table=({"i": np.array([2**53 + 1, 2**53, 1])}, 3))
@example(text="min(x, y)", table=({"x": np.array([0.0, math.nan]), "y": np.array([-0.0, 1])}, 2))
@example(text="min(y, x)", table=({"x": np.array([0.0, math.nan]), "y": np.array([-0.0, 1])}, 2))
@example(text="i / 3", table=({"i": np.array([2**63 - 1, 2**53 + 1])}, 2))
@example(text="i % 7", table=({"i": np.array([-(2**63), 2**63 - 1, -1])}, 3))
@example(text="x ** 2", table=({"x": np.linspace(0, 1, 500)}, 500))
def test_columns_equal_the_interpreter_row_by_row(text, table) -> None:
    columns, n = table
    before = {name: column.copy() for name, column in columns.items()}
    for column in columns.values():
        column.setflags(write=False)
    expression = Expression.parse(text)

    result = expression.evaluate(columns, n)

    failures = dict(result.errors)
    values = result.values.tolist()
    assert len(values) == n
    assert list(failures) == sorted(failures)
    for position, row in enumerate(rows(columns, n)):
        expected = outcome(expression.scalar, row)
        if position in failures:
            got = type(failures[position]), str(failures[position])
        else:
            got = identity(values[position])
        assert got == expected, (text, row)
    for name, column in columns.items():
        assert identity(column.tolist()) == identity(before[name].tolist())
    assert result.values.flags.writeable


@settings(max_examples=100, deadline=None)
@given(text=TEXT, table=tables())
def test_few_rows_give_what_many_give(text, table) -> None:
    columns, n = table
    many = Expression.parse(text).evaluate(columns, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_expr_columns, "_FEW", 99)
        few = Expression.parse(text).evaluate(columns, n)
    assert few.values.dtype == many.values.dtype or len(many.errors) == n
    assert identity(few.values.tolist()) == identity(many.values.tolist()) or many.errors
    assert [row for row, _ in few.errors] == [row for row, _ in many.errors]


@settings(max_examples=200, deadline=None)
@given(text=TEXT, table=tables())
def test_an_array_is_typed_when_all_its_values_are(text, table) -> None:
    columns, n = table
    result = Expression.parse(text).evaluate(columns, n)
    failed = {position for position, _ in result.errors}
    kept = [v for k, v in enumerate(result.values.tolist()) if k not in failed]
    types = set(map(type, kept))
    if types == {float}:
        assert result.values.dtype == np.float64
    elif types == {bool}:
        assert result.values.dtype == np.bool_
    elif types == {int} and all(-(2**63) <= v < 2**63 for v in kept):
        assert result.values.dtype == np.int64
    elif types:
        assert result.values.dtype == object


PYTHON = {
    name: getattr(math, name)
    for name in [
        "ceil",
        "cos",
        "exp",
        "expm1",
        "floor",
        "isfinite",
        "isnan",
        "log",
        "log10",
        "log1p",
        "sin",
        "sqrt",
        "tan",
    ]
}
PYTHON |= {"abs": abs, "bool": bool, "float": float, "int": int, "len": len, "round": round}
PYTHON |= {"min": min, "max": max, "clip": lambda v, a, b: min(max(v, a), b), "__builtins__": {}}


def _refuses(text, row) -> bool:
    """Whether the language refuses the row where Python would take truth from a value."""
    kind, message = outcome(Expression.parse(text).scalar, row)
    return (kind is TypeError and "a condition must be" in message) or (
        kind is OverflowError and "integer power" in message
    )


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=300, deadline=None)
@given(text=st.one_of(_numbers(2), _tests(2)).filter(lambda t: "where(" not in t), table=tables())
def test_the_interpreter_is_python(text, table) -> None:
    columns, n = table
    for row in rows(columns, n):
        if not _refuses(text, row):
            expected = outcome(lambda row: eval(text, PYTHON, row), row)
            assert outcome(Expression.parse(text).scalar, row) == expected


@settings(max_examples=150, deadline=None)
@given(cases=st.lists(st.one_of(_tests(1), _tests(2)), min_size=1, max_size=3), table=tables())
def test_a_router_takes_the_first_case_that_holds(cases, table) -> None:
    columns, n = table
    router = when(cases[0], "0")
    for number, case in enumerate(cases[1:], 1):
        router = router.when(case, str(number))
    router = router.otherwise("none")
    assert isinstance(router, When)

    routed = router.evaluate(columns, n)

    failures = dict(routed.errors)
    for position, row in enumerate(rows(columns, n)):
        expected = outcome(router.scalar, row)
        code = routed.codes[position]
        if position in failures:
            assert code == -1
            assert (type(failures[position]), str(failures[position])) == expected
        else:
            assert identity(routed.labels[code]) == expected


def test_truth_takes_bools_only() -> None:
    assert truth(True) is True
    with pytest.raises(TypeError, match="got int; write the test out"):
        truth(1)


DTYPES = st.sampled_from([np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_])


@st.composite
def operands(draw, n):
    """An array or a scalar, Python's or NumPy's, holding NaN and -0.0 where it can."""
    dtype = np.dtype(draw(DTYPES))
    if draw(st.booleans()):
        scalar = draw(st.sampled_from([0, 1, -1, True, 2.5, -0.0, math.nan, 300]))
        return scalar if draw(st.booleans()) or not isinstance(scalar, float) else dtype.type(1)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.integers(0, 2, n) if dtype.kind == "b" else rng.integers(0, 100, n)
    array = values.astype(dtype)
    if dtype.kind == "f":
        array[::3] = math.nan
        array[1::3] = -0.0
    return array


def same_bits(got, expected) -> None:
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.tobytes() == expected.tobytes()


@settings(max_examples=200, deadline=None)
@given(data=st.data(), n=st.sampled_from([0, 1, 7, 100]), small=st.sampled_from([0, 2048]))
def test_where_and_select_equal_numpys_bit_for_bit(data, n, small) -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(blend, "_SMALL", small)
    patch.setattr(blend, "_BLOCK", 16)
    try:
        rng = np.random.default_rng(data.draw(st.integers(0, 99)))
        masks = [rng.random(n) < 0.5 for _ in range(3)]
        first, second, third, default = (data.draw(operands(n)) for _ in range(4))
        mask = data.draw(st.sampled_from([masks[0], masks[0].astype(int), True, masks[0].tolist()]))
        if outcome(np.where, mask, first, second)[0] is np.ndarray:
            same_bits(blend.where(mask, first, second), np.where(mask, first, second))
        choices = [first, second, third]
        if outcome(np.select, masks, choices, default)[0] is np.ndarray:
            same_bits(blend.select(masks, choices, default), np.select(masks, choices, default))
    finally:
        patch.undo()


FAULTS = [
    (_expr_kernels, "_SAFE", 1e30, "i + i"),
    (_expr_kernels, "_EXACT", 2**63, "i == 9007199254740992.0"),
    (_expr_kernels, "_mark_zero", lambda divisor, frame: None, "i // j"),
    (_expr_functions, "where", np.maximum, "min(x, y)"),
]


@pytest.mark.parametrize(("module", "name", "fault", "text"), FAULTS, ids=[f[1] for f in FAULTS])
def test_a_seeded_fault_is_noticed(monkeypatch, module, name, fault, text) -> None:
    """The comparison above has teeth: each rule that is broken shows on adversarial columns."""
    columns = {
        "i": np.array([2**62, 2**53 + 1, 5, -(2**63)]),
        "j": np.array([0, 1, 2, -1]),
        "x": np.array([0.0, 1.0, 2.0, math.nan]),
        "y": np.array([-0.0, 3.0, math.nan, 0.0]),
    }
    if fault is np.maximum:
        fault = lambda mask, then, other: np.minimum(then, other)
    monkeypatch.setattr(module, name, fault)
    with pytest.raises(AssertionError):
        test_columns_equal_the_interpreter_row_by_row.hypothesis.inner_test(text, (columns, 4))
