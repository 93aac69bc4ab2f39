"""The reducer of messages: LangGraph's rules on dicts, and on LangChain's objects as they are."""

from __future__ import annotations

import sys
import uuid
from typing import Annotated, TypedDict

import pytest

from vecgraph.graph.message import (
    REMOVE_ALL_MESSAGES,
    MessagesState,
    RemoveMessage,
    add_messages,
    push_message,
)
from vecgraph.schema import fields_of


def said(name, content="x"):
    return {"role": "user", "content": content, "id": name}


def gone(name):
    return {"role": "remove", "id": name}


LEFT = [said("1"), said("2"), said("3")]
CASES = [
    ([], [said("1")]),
    (LEFT, []),
    (LEFT, [said("4"), said("5")]),
    (LEFT, [said("2", "new")]),
    (LEFT, said("2", "new")),
    (LEFT, [said("4"), said("4", "again"), said("1", "new")]),
    (LEFT, [gone("2")]),
    (LEFT, [gone("2"), said("2", "back")]),
    (LEFT, [said("2", "back"), gone("2")]),
    (LEFT, [said("4"), gone("4")]),
    (LEFT, [gone("9")]),
    ([], [gone("9")]),
    (LEFT, [gone(REMOVE_ALL_MESSAGES)]),
    (LEFT, [said("8"), gone(REMOVE_ALL_MESSAGES), said("9")]),
    (LEFT, [gone(REMOVE_ALL_MESSAGES), said("8"), gone(REMOVE_ALL_MESSAGES), said("9")]),
    (said("1"), said("2")),
]


def outcome(reducer, left, right):
    try:
        return [(m["id"], m["content"]) for m in map(as_dict, reducer(left, right))]
    except ValueError as error:
        return str(error)


def as_dict(message):
    return message if isinstance(message, dict) else {"id": message.id, "content": message.content}


def as_object(messages):
    """Dicts as LangChain's objects, which LangGraph merges."""
    from langchain_core.messages import HumanMessage
    from langchain_core.messages import RemoveMessage as Remove

    def convert(m):
        return Remove(m["id"]) if m["role"] == "remove" else HumanMessage(m["content"], id=m["id"])

    return [convert(m) for m in messages] if isinstance(messages, list) else convert(messages)


@pytest.mark.parametrize(("left", "right"), CASES)
def test_dicts_merge_as_langgraphs_objects_do(left, right):
    reference = pytest.importorskip("langgraph.graph.message", reason="LangGraph is the reference")
    expected = outcome(reference.add_messages, as_object(left), as_object(right))
    assert outcome(add_messages, left, right) == expected
    # The objects themselves, through our reducer.
    assert outcome(add_messages, as_object(left), as_object(right)) == expected


def test_every_form_of_a_message():
    merged = add_messages([], ["hi", ("human", "a"), ("ai", "b"), ("system", "c"), ["user", "d"]])
    assert [(m["role"], m["content"]) for m in merged] == [
        ("user", "hi"),
        ("user", "a"),
        ("assistant", "b"),
        ("system", "c"),
        ("user", "d"),
    ]
    assert len({uuid.UUID(m["id"]) for m in merged}) == 5


def test_a_writers_dict_is_not_changed_and_one_with_an_id_is_kept():
    without, named = {"role": "user", "content": "x"}, said("1")
    merged = add_messages([], [without, named])
    assert "id" not in without
    assert merged[1] is named


def test_the_left_list_is_not_changed():
    left = [said("1")]
    add_messages(left, [said("1", "new"), said("2")])
    assert left == [said("1")]


@pytest.mark.parametrize("remove", [RemoveMessage("2"), gone("2")])
def test_our_forms_of_removal(remove):
    assert add_messages(LEFT, remove) == [LEFT[0], LEFT[2]]


@pytest.mark.parametrize(
    "bad",
    [3, None, {"content": "x"}, {"role": "user"}, ("a", "b", "c"), [1, 2], ("critic", "x")],
)
def test_what_is_no_message_is_refused_as_langgraph_does(bad):
    reference = pytest.importorskip("langgraph.graph.message", reason="LangGraph is the reference")
    found = []
    for reducer in (add_messages, reference.add_messages):
        with pytest.raises((ValueError, NotImplementedError)) as caught:
            reducer([], [bad])
        found.append((type(caught.value), str(caught.value)[:40]))
    assert found[0] == found[1]


def test_calls_without_content_are_a_message():
    """OpenAI leaves the content out there; LangGraph would refuse the dict."""
    call = {"role": "assistant", "tool_calls": [{"id": "1"}], "id": "a"}
    assert add_messages([], [call]) == [call]


@pytest.mark.parametrize("given", [{"left": LEFT}, {"right": LEFT}, {"left": []}])
def test_one_argument_is_not_enough(given):
    reference = pytest.importorskip("langgraph.graph.message", reason="LangGraph is the reference")
    texts = []
    for reducer in (add_messages, reference.add_messages):
        with pytest.raises(ValueError, match="Must specify non-null") as caught:
            reducer(**given)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_without_arguments_it_is_configured():
    assert add_messages(format=None)([], [said("1")]) == [said("1")]


def test_the_format_is_langgraphs():
    reference = pytest.importorskip("langgraph.graph.message", reason="LangGraph is the reference")
    written = as_object([said("1", [{"type": "text", "text": "hi"}])])
    mine = add_messages([], written, format="langchain-openai")
    theirs = reference.add_messages([], written, format="langchain-openai")
    assert [(m.type, m.content) for m in mine] == [(m.type, m.content) for m in theirs]
    for reducer in (add_messages, reference.add_messages):
        with pytest.raises(ValueError, match="Unrecognized format='other'"):
            reducer([], [], format="other")
        # What removes all messages ends the merge before it gets there.
        assert len(reducer([], as_object([gone(REMOVE_ALL_MESSAGES), said("1")]), format="other"))


def test_the_format_without_langchain_is_openais_or_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_core.messages", None)
    plain = [said("1", [{"type": "text", "text": "hi"}]), said("2")]
    assert add_messages([], plain, format="langchain-openai") == plain
    with pytest.raises(ImportError, match="pip install langchain-core"):
        add_messages([], said("3", [{"type": "image"}]), format="langchain-openai")


def test_a_format_in_the_annotation_is_applied_at_every_merge():
    class State(TypedDict):
        plain: Annotated[list, add_messages]
        made: Annotated[list, add_messages()]
        formatted: Annotated[list, add_messages(format="langchain-openai")]

    kinds = [type(field).__name__ for field in fields_of(State).values()]
    assert kinds == ["Messages", "Messages", "BinaryOperatorAggregate"]


def test_pushing_needs_a_node_and_an_id():
    with pytest.raises(ValueError, match="Message ID is required"):
        push_message({"role": "user", "content": "x"})
    with pytest.raises(RuntimeError, match="outside of a runnable context"):
        push_message(said("1"))


def test_streamed_chunks_become_messages():
    langchain = pytest.importorskip("langchain_core.messages", reason="the chunk is LangChain's")
    (message,) = add_messages([], langchain.AIMessageChunk("x", id="1"))
    assert type(message) is langchain.AIMessage


def test_objects_without_an_id_get_one():
    langchain = pytest.importorskip("langchain_core.messages", reason="the object is LangChain's")
    message = langchain.HumanMessage("x")
    assert add_messages([], message) == [message]
    assert uuid.UUID(message.id)


def test_the_state_of_messages_is_reduced():
    channel = fields_of(MessagesState)["messages"]
    cell, changed = channel.fold(channel.initial(), [said("1"), [said("2")]])
    assert (channel.read(cell), changed) == ([said("1"), said("2")], True)
