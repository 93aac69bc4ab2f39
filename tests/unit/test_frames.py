"""Checkpoints as tables of pandas, polars and Arrow."""

from __future__ import annotations

import math
from typing import Annotated, Any, TypedDict

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from vecgraph import frames
from vecgraph.checkpoint.memory import InMemorySaver
from vecgraph.graph import START, MessagesState, StateGraph
from vecgraph.messages import RemoveMessage
from vecgraph.types import interrupt


class State(TypedDict):
    n: int
    f: float
    flag: bool
    text: str
    thing: Any


CONFIG = {"configurable": {"thread_id": "t"}}
OBJECT = {"deep": [1, "two"]}


def app_of(node, schema=State, **options):
    graph = StateGraph(schema)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    return graph.compile(checkpointer=InMemorySaver(), **options)


@pytest.fixture
def app():
    made = app_of(lambda state: {"f": math.nan} if state["n"] else {"text": "é", "thing": OBJECT})
    made.engine.small = 1
    made.batch([{"n": 0, "flag": True}, {"n": 2**40, "f": -0.0, "thing": {1, 2}}], CONFIG)
    return made


def test_pandas_has_numpys_numbers_or_nullable_ones(app) -> None:
    frame = frames.history(app).latest().checkpoints_df(["n", "f", "flag", "text", "thing"])
    assert frame["n"].tolist() == [0, 2**40]
    assert frame["n"].dtype == np.int64
    assert frame["f"].dtype == pd.Float64Dtype()
    assert frame["f"].isna().tolist() == [True, False] or math.isnan(frame["f"][1])
    assert frame["flag"].dtype == pd.BooleanDtype()
    assert frame["flag"].tolist() == [True, pd.NA]
    assert frame["text"][0] == "é"
    assert frame["thing"].tolist() == [OBJECT, {1, 2}]


def test_arrow_has_nulls_and_says_what_became_text(app) -> None:
    table = frames.history(app).latest().checkpoints_df(["n", "f", "text", "thing"], as_="arrow")
    assert table.schema.field("n").type == pa.int64()
    assert table.schema.field("text").type == pa.large_string()
    assert table["f"].to_pylist()[0] is None
    assert math.isnan(table["f"].to_pylist()[1])
    assert table["text"].to_pylist() == ["é", None]
    assert table["thing"].to_pylist() == [repr(OBJECT), repr({1, 2})]
    assert table.schema.field("thing").metadata == {b"vecgraph.codec": b"repr"}


def test_polars_has_the_same(app) -> None:
    frame = frames.checkpoints_df(app, ["thread_id", "step", "ts", "n"], as_="polars")
    assert isinstance(frame, pl.DataFrame)
    assert frame["n"].to_list() == [None, 0, 0, None, 2**40, 2**40]
    assert frame["ts"].dtype == pl.Datetime("us", "UTC")


def test_a_column_that_is_none_is_named_with_those_there_are(app) -> None:
    with pytest.raises(KeyError, match="no column 'm'; there are thread_id"):
        frames.checkpoints_df(app, ["m"])
    with pytest.raises(ValueError, match="not 'excel'"):
        frames.checkpoints_df(app, as_="excel")


def test_only_savers_of_vecgraph_are_read() -> None:
    graph = StateGraph(State)
    graph.add_node("node", lambda state: {})
    graph.add_edge(START, "node")
    with pytest.raises(TypeError, match="no checkpointer"):
        frames.runs_df(graph.compile())
    with pytest.raises(TypeError, match="a dict"):
        frames.runs_df({})


def test_only_the_columns_asked_for_are_decoded(app, monkeypatch) -> None:
    from vecgraph.checkpoint import shelf

    decoded: list[str] = []
    decode = shelf.decode

    def noting(header, payload, schema, place, fields=None):
        batch = decode(header, payload, schema, place, fields)
        decoded.extend(batch.schema.names)
        return batch

    app.checkpointer._shelf._cache.clear()
    monkeypatch.setattr(shelf, "decode", noting)
    frames.checkpoints_df(app, ["step", "n"])
    assert "n" in decoded
    assert not {"f", "text", "thing", "thing:packed"} & set(decoded)


def test_a_saver_that_is_empty_gives_empty_tables() -> None:
    saver = InMemorySaver()
    for made in (frames.checkpoints_df(saver), frames.steps_df(saver), frames.runs_df(saver)):
        assert len(made) == 0
        assert "thread_id" in made.columns
    assert len(frames.checkpoints_df(saver, threads=["nobody"])) == 0


def test_the_status_says_whether_a_run_asks_or_failed() -> None:
    def node(state):
        if state["n"] == 1:
            interrupt("how much?")
        if state["n"] == 2:
            raise ValueError("no")
        return {"text": "done"}

    app = app_of(node)
    for n in range(3):
        config = {"configurable": {"thread_id": f"t{n}"}}
        if n == 2:
            with pytest.raises(ValueError, match="no"):
                app.invoke({"n": n}, config)
        else:
            app.invoke({"n": n}, config)
    table = frames.runs_df(app, ["thread_id", "status", "next", "begun", "ended"])
    assert table["status"].tolist() == ["done", "interrupted", "error"]
    assert table["next"].tolist() == ["", "node", "node"]
    assert (table["begun"] < table["ended"]).all()


def test_a_result_means_its_own_threads() -> None:
    app = app_of(lambda state: {"text": str(state["n"])})
    app.engine.small = 1
    app.batch({"n": [7]}, {"configurable": {"thread_id": "other"}})
    result = app.batch({"n": [1, 2]}, CONFIG)
    assert frames.runs_df(result, ["thread_id", "text"]).values.tolist() == [
        ["t/0", "1"],
        ["t/1", "2"],
    ]
    assert frames.runs_df(result, ["text"], threads=["other/0"])["text"].tolist() == ["7"]


def test_subgraphs_have_namespaces_of_their_own() -> None:
    inner = StateGraph(State)
    inner.add_node("deep", lambda state: {"text": "deep"})
    inner.add_edge(START, "deep")
    graph = StateGraph(State)
    graph.add_node("inner", inner.compile())
    graph.add_edge(START, "inner")
    app = graph.compile(checkpointer=InMemorySaver())
    app.invoke({"n": 1}, CONFIG)
    spaces = frames.checkpoints_df(app, ["checkpoint_ns"])["checkpoint_ns"].unique()
    assert [ns.split(":")[0] for ns in spaces] == ["", "inner"]
    assert frames.runs_df(app, ["text"], ns="")["text"].tolist() == ["deep"]
    assert len(frames.history(app, ns="")) == 3


def message(role, content, id_, **more):
    return {"role": role, "content": content, "id": id_, **more}


@pytest.mark.parametrize("lanes", [True, False])
def test_messages_have_the_step_that_they_came_in(lanes) -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]

    def first(state):
        return {"messages": [message("assistant", "", "2", tool_calls=calls)]}

    def second(state):
        found = [message("tool", "4", "3", tool_call_id="c"), message("user", "hello", "1")]
        return {"messages": found}

    def third(state):
        return {"messages": [RemoveMessage("2"), message("assistant", "4", "4", name="bot")]}

    graph = StateGraph(MessagesState)
    for name, node in (("first", first), ("second", second), ("third", third)):
        graph.add_node(name, node)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", "third")
    app = graph.compile(checkpointer=InMemorySaver())
    app.engine.small = 1 if lanes else 10
    app.batch([{"messages": [message("user", "hi", "1")]}], CONFIG)
    past = frames.history(app)
    before = past.at_step(1).messages_df()
    assert before["step"].tolist() == [0, 1]
    assert before["tool_calls"].tolist()[1].startswith('[{"id": "c"')
    after = past.messages_df(columns=["position", "step", "role", "name", "content", "id"])
    assert after["id"].tolist() == ["1", "3", "4"]
    assert after["step"].tolist() == [2, 3, 3]
    assert after["content"].tolist() == ["hello", "4", "4"]
    assert after["role"].tolist() == ["user", "tool", "assistant"]
    assert after["position"].tolist() == [0, 1, 2]
    with pytest.raises(KeyError, match="there are messages"):
        past.messages_df("chat")


def test_a_channel_may_have_the_name_of_another_column() -> None:
    class Odd(TypedDict):
        step: int
        log: Annotated[list, lambda a, b: a + b]

    app = app_of(lambda state: {"step": state["step"] + 1, "log": [1]}, Odd)
    app.invoke({"step": 5}, CONFIG)
    frame = frames.history(app).latest().checkpoints_df()
    assert frame["step"].tolist() == [1]
    assert frame["channel:step"].tolist() == [6]
    assert frame["log"].tolist() == [[1]]
