"""Expressions: literal columns in, literal columns out, and every error's text."""

from __future__ import annotations

import copy
import pickle
import pickletools

import numpy as np
import pyarrow as pa
import pytest

from vecgraph.constants import END, MISSING
from vecgraph.nodes import _expr_columns, _expr_libm
from vecgraph.nodes.expr import Cases, Expr, Expression, ExpressionError, When, expr, when


@pytest.fixture(autouse=True, scope="module")
def vectors_even_for_few_rows():
    """Take the vector path whatever the number of rows; few rows are a test of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_expr_columns, "_FEW", 0)
        yield


def evaluate(text, **columns):
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    return Expression.parse(text).evaluate(arrays, len(next(iter(arrays.values()))))


def objects(*cells):
    column = np.empty(len(cells), object)
    column[:] = cells
    return column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("2 ** 3 ** 2", 512),
        ("7 // -2", -4),
        ("7 % -2", -1),
        ("10 - 3 - 2", 5),
        ("1_000 + 1e3 + .5", 2000.5),
        ("1 < 2 < 3 != 4", True),
        ("not 1 == 2", True),
        ("1 if False else 2 if False else 3", 3),
        ("True or 1 / 0 > 0", True),
        ("'a' + \"b\\n\" == 'ab\\n'", True),
        ("x in (1, -2.5, 'a', None, True,)", False),
        ("x not in []", True),
        ("x is None", False),
        ("x is not None and x > 3", True),
        ("where(x > 3, 'big', 1 / 0)", "big"),
        ("clip(x, 0, 3)", 3),
        ("max(x, 4, 5.5)", 5.5),
        ("round(2.5) + round(0.15, 1)", 2.1),
        ("min(x,\n    2)", 2),
        ("max", "a channel, not a call"),
    ],
)
def test_the_language_reads_as_python(text, value) -> None:
    row = {"x": 4, "max": "a channel, not a call"}
    assert Expression.parse(text).scalar(row) == value
    columns = {"x": np.array([4]), "max": objects(row["max"])}
    assert Expression.parse(text).evaluate(columns, 1).values.tolist() == [value]


def test_types_of_results_are_exact() -> None:
    column = np.array([1, -2, 3])
    assert evaluate("x > 0", x=column).values.dtype == np.bool_
    assert evaluate("x * 2", x=column).values.dtype == np.int64
    assert evaluate("x / 2", x=column).values.dtype == np.float64
    assert evaluate("7", x=column).values.tolist() == [7, 7, 7]
    mixed = evaluate("1 if x > 0 else 2.5", x=column).values
    assert mixed.dtype == object
    assert list(map(type, mixed.tolist())) == [int, float, int]


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.uint64, np.int64, np.float32, object])
def test_columns_of_other_dtypes_are_read_as_pythons_types(dtype) -> None:
    column = np.array([1, 2], dtype)
    result = evaluate("x + x", x=column)
    assert result.values.tolist() == [2, 4]
    assert result.values.dtype == (np.float64 if dtype == np.float32 else np.int64)


def test_ints_never_wrap() -> None:
    result = evaluate("k * k - 1", k=[2**62, 3, -(2**63)])
    assert result.values.tolist() == [2**124 - 1, 8, 2**126 - 1]
    assert result.errors == []


def test_a_result_that_fits_again_is_int64_again() -> None:
    values = evaluate("(k * 4) // 4", k=[2**62, 3]).values
    assert values.dtype == np.int64
    assert values.tolist() == [2**62, 3]


def test_rows_fail_alone_with_pythons_exception() -> None:
    result = evaluate("sqrt(x) / y", x=[4.0, -1.0, 9.0], y=[2.0, 1.0, 0.0])
    assert result.values.tolist() == [1.0, 0.0, 0.0]
    assert [(row, type(error)) for row, error in result.errors] == [
        (1, ValueError),
        (2, ZeroDivisionError),
    ]


def test_a_branch_not_taken_does_not_fail() -> None:
    result = evaluate("1 / x if x != 0 else 0.0", x=[0.0, 2.0])
    assert (result.values.tolist(), result.errors) == ([0.0, 0.5], [])
    result = evaluate("x != 0 and 1 / x > 0.4", x=[0.0, 2.0])
    assert (result.values.tolist(), result.errors) == ([False, True], [])


def test_a_condition_is_a_bool() -> None:
    for text in ("x and True", "not x", "1 if x else 2", "where(x, 1, 2)", "True and x"):
        ((row, error),) = evaluate(text, x=[1]).errors
        assert row == 0
        assert isinstance(error, TypeError)
        expected = "a condition must be True or False, got int; write the test out, e.g. x != 0"
        assert str(error) == expected


def test_cells_of_rare_types_are_computed_alone() -> None:
    result = evaluate("x + 1", x=objects(1, 2, None, 2.5, np.float64(1.5), MISSING))
    assert result.values.tolist() == [2, 3, None, 3.5, 2.5, None]
    assert [(row, type(error)) for row, error in result.errors] == [(2, TypeError), (5, KeyError)]
    assert type(result.values[4]) is float


def test_a_missing_column_fails_every_row_that_reads_it() -> None:
    result = evaluate("x if b else y", b=[True, False], x=[1, 2])
    assert result.values.tolist() == [1, 0]
    ((row, error),) = result.errors
    assert (row, type(error), error.args) == (1, KeyError, ("y",))


def test_no_rows_give_no_values() -> None:
    columns = {"x": np.empty(0), "k": np.empty(0, np.int64), "o": np.empty(0, object)}
    for text in ("x / k", "k ** k", "o + 1", "where(x > 0, o, k)", "min(k, x)", "log(x)", "1"):
        result = Expression.parse(text).evaluate(columns, 0)
        assert (result.values.shape, result.errors) == ((0,), [])


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="column 'x' has 2 rows, expected 3"):
        Expression.parse("x").evaluate({"x": np.arange(2)}, 3)


def test_a_result_belongs_to_the_caller() -> None:
    column = np.arange(3)
    values = evaluate("x", x=column).values
    values[0] = 9
    assert column[0] == 0


def test_int_powers_are_bounded() -> None:
    ((_, error),) = evaluate("x ** x", x=[2**62]).errors
    assert (type(error), str(error)) == (
        OverflowError,
        "integer power of more than 1048576 bits",
    )


ERRORS = [
    ("x +", 3, "expected a value, found the end"),
    ("", 0, "expected a value, found the end"),
    ("(x", 2, "expected ')' (opened at column 1), found 'the end of the text'"),
    ("x y", 2, "unexpected 'y'"),
    ("x = 2", 2, "unexpected '='"),
    ("'abc", 0, "string without an end"),
    (r"'\q'", 1, r"unknown escape '\\q'"),
    ("2x", 0, "number runs into a name"),
    ("012", 0, "number begins with 0"),
    ("x & y", 2, "unexpected '&'"),
    ("a.b", 1, "unexpected '.'"),
    ("lambda x", 0, "'lambda' is not part of the language"),
    ("1 < x in [3]", 6, "'in' and 'is' are not chained"),
    ("x in [3] < 4", 9, "'in' and 'is' are not chained"),
    ("x in y", 5, "'in' needs a list of values"),
    ("x in [y]", 6, "the values after 'in' are literals"),
    ("x is 3", 5, "'is' compares with None only"),
    ("1 + not x", 4, "'not' needs parentheses here"),
    ("[1]", 0, "a list of values stands only after 'in'"),
    ("f'x'", 0, "strings have no prefix here"),
    ("min(x)", 0, "min() takes 2 or more arguments, not 1"),
    ("round(x, 1, 2)", 0, "round() takes 1 to 2 arguments, not 3"),
    ("sqrt()", 0, "sqrt() takes 1 arguments, not 0"),
    ("root(x)", 0, "unknown function 'root'"),
    ("(" * 70 + "x" + ")" * 70, 64, "expression nested too deeply"),
    ("+".join("x" * 300), 599, "expression too deep"),
]


@pytest.mark.parametrize(("text", "column", "reason"), ERRORS, ids=[e[0][:12] for e in ERRORS])
def test_a_bad_text_is_refused_where_it_is_wrong(text, column, reason) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text, "node 'z'")
    assert caught.value.reason == reason
    assert caught.value.column == column
    assert str(caught.value).startswith(f"{reason} in node 'z':\n    ")


def test_an_unknown_name_lists_the_channels() -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse("1 + (scroe - mean)").check(["score", "mean", "sd"], "node 'z'")
    assert str(caught.value) == (
        "unknown name 'scroe' in node 'z':\n"
        "    1 + (scroe - mean)\n"
        "         ^\n"
        "Hint: did you mean 'score'? available: mean, score, sd."
    )
    assert isinstance(caught.value, ValueError)


def test_an_error_in_a_later_line_shows_that_line() -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse("x +\n  y ?")
    assert str(caught.value) == (
        "unexpected '?':\n      y ?\n        ^\nHint: write 'a if test else b'."
    )


def test_errors_survive_a_process_boundary() -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse("x ?", "node 'z'")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_expr_holds_its_expressions() -> None:
    node = expr(y="(x - mean) / sd", z="x")
    assert isinstance(node, Expr)
    assert node.outputs == ("y", "z")
    assert node.names == {"x", "mean", "sd"}
    values, errors = node.evaluate({name: np.array([1.0, 2.0]) for name in node.names}, 2)
    assert values["y"].tolist() == [0.0, 0.0]
    assert values["z"].tolist() == [1.0, 2.0]
    assert errors == []
    with pytest.raises(TypeError):
        node.expressions["y"] = node.expressions["z"]
    with pytest.raises(ValueError, match="at least one expression"):
        expr()
    with pytest.raises(TypeError, match="an expression is text, got int in expression 'y'"):
        expr(y=1)
    with pytest.raises(ExpressionError, match="unknown name 'sd' in node 'z', expression 'y'"):
        node.check(["x", "mean"], "node 'z'")


def test_the_first_failing_expression_gives_the_rows_error() -> None:
    columns = {"x": np.array([0.0, -1.0])}
    _, errors = expr(a="sqrt(x)", b="1 / x", c="log(x)").evaluate(columns, 2)
    assert [(row, type(error)) for row, error in errors] == [
        (0, ZeroDivisionError),
        (1, ValueError),
    ]


def test_when_routes_by_the_first_case() -> None:
    cases = when("x > 0.5", "accept").when("x > 0.2", "maybe").when("1 / x > 0", "accept")
    assert isinstance(cases, Cases)
    route = cases.otherwise(END)
    assert isinstance(route, When)
    assert route.labels == ("accept", "maybe", END)
    assert route.names == {"x"}
    routed = route.evaluate({"x": np.array([0.9, 0.3, 0.1, 0.0, -1.0])}, 5)
    assert routed.codes.tolist() == [0, 1, 0, -1, 2]
    assert [(row, type(error)) for row, error in routed.errors] == [(3, ZeroDivisionError)]
    assert route.scalar({"x": -1.0}) == END
    with pytest.raises(TypeError, match=r"a label of when\(\) is a string, got int"):
        when("x > 0", 1)
    with pytest.raises(ExpressionError, match="unknown name 'x' in router 'r', case 1"):
        route.check(["y"], "router 'r'")


def test_a_router_needs_bools() -> None:
    routed = when("x", "a").otherwise("b").evaluate({"x": objects(True, 1, False)}, 3)
    assert routed.codes.tolist() == [0, -1, 1]
    assert [(row, type(error)) for row, error in routed.errors] == [(1, TypeError)]


@pytest.mark.parametrize("thing", [expr(y="x + 1"), when("x > 0", "a").otherwise("b")])
def test_expressions_are_values(thing) -> None:
    for again in (pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing)):
        assert again == thing
        assert hash(again) == hash(thing)
        assert again.scalar({"x": 1}) == thing.scalar({"x": 1})
    assert b"lambda" not in b"".join(
        str(argument).encode() for _, argument, _ in pickletools.genops(pickle.dumps(thing))
    )


def test_without_a_trusted_numexpr_the_functions_are_maths(monkeypatch) -> None:
    monkeypatch.setattr(_expr_libm, "_numexpr", lambda name: None)
    result = evaluate("exp(x) + x ** 0.5", x=[1.0, -4.0, 1000.0])
    assert result.values[0] == Expression.parse("exp(x) + x ** 0.5").scalar({"x": 1.0})
    assert isinstance(result.values[1], complex)
    assert [(row, type(error)) for row, error in result.errors] == [(2, OverflowError)]


_MISSING = "an operation that columns do not have for these types"


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("n + 1", "columns, by NumPy"),
        ("contains(s, 'a') and n > 0", "columns, by NumPy and pyarrow.compute"),
        ("s < 3", f"row by row: {_MISSING}"),
        ("int(s) if n > 0 else n", f"columns, in part row by row: {_MISSING}"),
        ("d + 1", "row by row: no columns of d (decimal128(5, 2))"),
        ("d is None", "columns, in part row by row: no columns of d (decimal128(5, 2))"),
        ("free > 2 or other > 3", "columns where they are bool, int, float or str: other"),
        ("1 + 2", "a constant"),
    ],
)
def test_the_way_of_an_expression_follows_from_types(text, way) -> None:
    types = {"n": int, "s": pa.string(), "d": pa.decimal128(5, 2), "free": pa.int8(), "other": list}
    assert Expression.parse(text).way(types) == way


@pytest.mark.parametrize("op", ["/", "//", "%"])
def test_a_float_divided_by_zero_raises_even_if_the_processor_does_not_report_it(op) -> None:
    result = evaluate(f"x {op} y", x=[1.0, np.inf, np.nan, np.inf], y=[0.0, 0.0, -0.0, 2.0])
    assert [(row, type(error)) for row, error in result.errors] == [
        (row, ZeroDivisionError) for row in range(3)
    ]
