"""Expressions in a graph whose channels are declared with Arrow types."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import pyarrow as pa
import pytest

import vecgraph as vg
from vecgraph.graph import END, START, StateGraph
from vecgraph.nodes import _expr_arrow


class State(TypedDict, total=False):
    text: Annotated[str, pa.string()]
    shout: Annotated[str, pa.string()]
    score: Annotated[float, pa.float32()]
    n: Annotated[int, pa.int16()]
    free: str
    route: str


def graph() -> Any:
    builder = StateGraph(State)
    builder.add_node(
        "clean",
        vg.expr(
            text="strip(lower(text))",
            shout="upper(text) + '!'",
            n="where(n is None, 0, n + 1)",
            score="score * 2 if score is not None else None",
            free="text + '?'",
        ),
    )
    for name in ("yes", "no"):
        builder.add_node(name, lambda state, name=name: {"route": name})
    builder.add_edge(START, "clean")
    route = vg.when("startswith(text, 'y') or text in ['ok', 'sure']", "yes").otherwise("no")
    builder.add_conditional_edges("clean", route)
    return builder.compile()


TEXTS = [" Yes", "no", "OK", "sure ", "ÉCOLE", "", "yß", None]
ROWS = [
    {"text": TEXTS[i % 8], "n": None if i % 5 == 0 else i % 100, "score": None if i % 7 else 0.5}
    for i in range(400)
]
ROWS[3] = {"text": "y", "n": 32767, "score": 1.5}  # leaves int16: the column becomes objects
ROWS[4] = {"text": "y", "n": 4}  # absent, which is not None


def outcome(run: Any) -> Any:
    return (type(run), str(run)) if isinstance(run, Exception) else repr(run)


def alone(app: Any, row: dict[str, Any]) -> Any:
    try:
        return app.invoke(row)
    except Exception as error:  # noqa: BLE001 - compared with that of the batch
        return error


def test_a_batch_equals_runs_of_their_own() -> None:
    app = graph()
    expected = [alone(app, row) for row in ROWS]
    given = app.batch(ROWS, return_exceptions=True)
    assert list(map(outcome, given)) == list(map(outcome, expected))
    assert {type(run) for run in given} == {dict, TypeError, KeyError}


def test_columns_keep_their_declared_types() -> None:
    table = pa.table(
        {
            "text": pa.array(["a", "É"] * 100),
            "n": pa.array([1, None] * 100, pa.int16()),
            "score": pa.array([0.25, None] * 100, pa.float32()),
        }
    )
    result = graph().batch(table).raise_first()
    types = {name: result.table.schema.field(name).type for name in ("text", "shout", "score")}
    assert types == {"text": pa.string(), "shout": pa.string(), "score": pa.float32()}
    assert result.table.schema.field("n").type == pa.int16()
    assert result.values("text").to_pylist() == ["a", "é"] * 100
    # A channel without an Arrow type keeps Python strings, as its vector nodes are promised.
    assert result.values("free").tolist() == ["a?", "É?"] * 100


def test_text_columns_are_not_read_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = StateGraph(State)
    builder.add_node("join", vg.expr(shout="where(n > 0, text + '!', text)"))
    builder.add_edge(START, "join").add_edge("join", END)
    read = []
    monkeypatch.setattr(_expr_arrow, "objects_of", read.append)
    table = pa.table({"text": ["a", None] * 200, "n": pa.array([1, 0] * 200, pa.int16())})
    result = builder.compile().batch(table).raise_first()
    assert (result.table["shout"].to_pylist(), read) == (["a!", None] * 200, [])


def test_explain_says_how_each_expression_goes() -> None:
    text = str(graph().explain())
    assert "    shout: columns, by pyarrow.compute\n" in text
    assert "    n: columns, by NumPy\n" in text
    assert (
        "    router condition: expr (an expression over columns)\n"
        "      startswith(text, 'y') or text in ['ok', 'sure']: columns, by pyarrow.compute\n"
    ) in text
