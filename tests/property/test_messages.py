"""The channel of messages against LangGraph's reducer, on generated histories with branches."""

from __future__ import annotations

import copy
import pickle
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
)
from langchain_core.messages import RemoveMessage as TheirRemove
from langchain_core.messages.utils import convert_to_messages
from langgraph.channels import BinaryOperatorAggregate as Theirs
from langgraph.graph.message import add_messages as their_add_messages
from langgraph.types import Overwrite as TheirOverwrite

from vecgraph.channels import messages as channel_module
from vecgraph.channels.base import Write
from vecgraph.channels.messages import MessageLog, Messages
from vecgraph.columns import Column
from vecgraph.messages import REMOVE_ALL_MESSAGES, RemoveMessage, add_messages
from vecgraph.types import Overwrite

IDS = st.sampled_from(["1", "2", "3", "4", "5"])
TEXTS = st.sampled_from(["a", "b", "c", ""])
ROLES = st.sampled_from(["user", "assistant", "human", "ai", "system"])

# A written item as data, so that each side builds its own: they change objects in place.
DICTS = st.builds(lambda role, content, id_: ("dict", role, content, id_), ROLES, TEXTS,
                  st.one_of(IDS, IDS, st.none()))  # fmt: skip
OBJECTS = st.builds(lambda content, id_: ("object", content, id_), TEXTS, st.one_of(IDS, st.none()))
CHUNKS = st.builds(lambda content, id_: ("chunk", content, id_), TEXTS, st.one_of(IDS, st.none()))
REMOVES = st.builds(lambda id_: ("remove", id_), st.one_of(IDS, IDS, st.just("9")))
CLEARS = st.just(("remove", REMOVE_ALL_MESSAGES))
LOOSE = st.one_of(
    st.builds(lambda text: ("text", text), TEXTS),
    st.builds(lambda role, text: ("pair", role, text), ROLES, TEXTS),
)
BAD = st.sampled_from([("bad", 3), ("bad", {"content": "x"}), ("bad", ("critic", "x"))])
NEW = st.one_of(LOOSE, DICTS.map(lambda item: (*item[:3], None)))
ITEMS = st.one_of(NEW, DICTS, DICTS, OBJECTS, CHUNKS, REMOVES, CLEARS, LOOSE)
WRITES = st.one_of(
    st.lists(NEW, max_size=3), ITEMS, st.lists(ITEMS, max_size=4), st.lists(DICTS, max_size=3), BAD
)
# An object without an id would get one in place, in this version as in LangGraph's.
NAMED = st.builds(lambda content, id_: ("object", content, id_), TEXTS, IDS)
OVERWRITES = st.lists(st.one_of(DICTS, NAMED), max_size=3).map(lambda items: ("over", items))
STEPS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.lists(st.one_of(WRITES, WRITES, WRITES, OVERWRITES), min_size=1, max_size=3),
    ),
    max_size=10,
)


def build(item: Any, *, ours: bool, removes: type = RemoveMessage) -> Any:
    if isinstance(item, list):
        return [build(each, ours=ours, removes=removes) for each in item]
    kind, *rest = item
    match kind:
        case "dict":
            role, content, id_ = rest
            return {"role": role, "content": content, **({"id": id_} if id_ else {})}
        case "object":
            return HumanMessage(rest[0], id=rest[1])
        case "chunk":
            return AIMessageChunk(rest[0], id=rest[1])
        case "remove":
            return (removes if ours else TheirRemove)(rest[0])
        case "pair":
            return tuple(rest)
        case "over":
            return (Overwrite if ours else TheirOverwrite)(
                build(rest[0], ours=ours, removes=removes)
            )
        case _:
            return rest[0]


class Names:
    """Ids in the order in which they turn up, where they were drawn at random."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def of(self, id_: str | None) -> str | None:
        if id_ is None or len(id_) < 10 or id_ == REMOVE_ALL_MESSAGES:
            return id_
        uuid.UUID(id_)
        return self._seen.setdefault(id_, f"new {len(self._seen)}")


SPOKEN = {"user": "human", "assistant": "ai"}


def shown(messages: Any, names: Names) -> Any:
    return [
        (SPOKEN.get(m["role"], m["role"]), m["content"], names.of(m.get("id")))
        if isinstance(m, dict)
        else (m.type, m.content, names.of(m.id))
        for m in messages
    ]


@dataclass
class Failed:
    """An exception, by what a user tells it by."""

    kind: str
    text: str


def outcome(call: Any) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001
        return Failed(type(error).__name__, str(error)[:40])


def their_step(value: Any, writes: list[Any]) -> Any:
    channel = Theirs(list, their_add_messages)
    channel.key = "messages"
    channel.value = value
    channel.update(writes)
    return channel.value


@settings(max_examples=250, deadline=None)
@given(steps=STEPS, converted=st.booleans())
@example(steps=[(0, [[("dict", "ai", "", "1")]]), (-1, [[("dict", "ai", "x", "1")]]),
                (1, [[("dict", "ai", "y", "2")]])], converted=False)  # fmt: skip
@example(steps=[(0, [("over", [("object", "a", "1"), ("object", "b", "1")])]),
                (-1, [[("dict", "ai", "x", "1")]]), (-1, [[("remove", "1")]])],
         converted=False)  # fmt: skip
def test_a_history_with_branches_equals_langgraphs(steps, converted) -> None:
    """Each superstep goes on from some earlier version, which no later one may change."""
    mine = Messages(list, coerce=convert if converted else None)
    mine.key = "messages"
    cells, lists, seen = [mine.initial()], [[]], [([], [])]
    names, their_names = Names(), Names()
    for at, writes in steps:
        cell, value = cells[at % len(cells)], lists[at % len(lists)]
        kind = TheirRemove if converted else RemoveMessage
        ours_written = [build(item, ours=True, removes=kind) for item in writes]
        looked_ahead = outcome(lambda: mine.fold(cell, ours_written))  # noqa: B023
        result = outcome(lambda: mine.fold(cell, ours_written))  # noqa: B023
        theirs_written = [build(item, ours=False) for item in writes]
        expected = outcome(lambda: their_step(list(value), theirs_written))  # noqa: B023
        if isinstance(expected, Failed):
            assert result == looked_ahead == expected
            continue
        assert not isinstance(result, Failed)
        cell, changed = result
        assert changed
        cells.append(cell)
        lists.append(expected)
        seen.append((shown(mine.read(cell), names), shown(expected, their_names)))
        for version, reference, (before, theirs_before) in zip(cells, lists, seen, strict=True):
            assert shown(mine.read(version), names) == before
            assert before == theirs_before == shown(reference, their_names)


def convert(items: list[Any]) -> list[BaseMessage]:
    """What LangGraph makes of items, with the public functions of LangChain."""
    from langchain_core.messages import message_chunk_to_message

    return [message_chunk_to_message(message) for message in convert_to_messages(items)]


@settings(max_examples=200, deadline=None)
@given(left=st.lists(st.one_of(DICTS, OBJECTS), max_size=5), right=WRITES)
def test_the_function_equals_langgraphs(left, right) -> None:
    result = outcome(lambda: add_messages(build(left, ours=True), build(right, ours=True)))
    expected = outcome(
        lambda: their_add_messages(build(left, ours=False), build(right, ours=False))
    )
    if isinstance(expected, Failed):
        assert result == expected
    else:
        assert shown(result, Names()) == shown(expected, Names())


@settings(max_examples=200, deadline=None)
@given(data=st.data(), n=st.integers(1, 5))
def test_columns_equal_rows(data, n) -> None:
    channel = Messages(list)
    channel.key = "messages"
    column = channel.empty(n)
    cells = column.tolist()
    names, row_names = Names(), Names()
    for _ in range(data.draw(st.integers(1, 4))):
        tasks = data.draw(
            st.lists(st.lists(WRITES, min_size=n, max_size=n), min_size=1, max_size=2)
        )
        built = [[build(item, ours=True) for item in task] for task in tasks]
        again = copy.deepcopy(built)
        folded = channel.fold_columns(column, [Write(None, Column.of(task)) for task in built])
        failures = {place: (type(e), str(e)) for place, e in folded.failures}
        fresh = folded.cells.tolist()
        for row in range(n):
            try:
                cells[row], _ = channel.fold(cells[row], [task[row] for task in again])
                expected = None
            except Exception as error:  # noqa: BLE001
                expected = type(error), str(error)
                fresh[row] = column.tolist()[row]
            assert failures.get(row) == expected
        column = Column.of(fresh)
        read = channel.read_columns(column).tolist()
        expected = [channel.read(cell) for cell in cells]
        assert [shown(row, names) for row in read] == [shown(row, row_names) for row in expected]


def test_objects_stay_what_they_are() -> None:
    channel = Messages(list)
    ours, theirs = HumanMessage("x", id="1"), AIMessage("y")
    cell, _ = channel.fold(channel.initial(), [[ours], theirs])
    assert channel.read(cell)[0] is ours
    assert channel.read(cell)[1] is theirs
    assert uuid.UUID(theirs.id)


def test_a_router_sees_the_ids_that_the_state_gets() -> None:
    """The write of a node is merged twice, for its router and for good, with one result."""
    channel, written = Messages(list), [{"role": "user", "content": "x"}, "y"]
    start, _ = channel.fold(channel.initial(), ["before"])
    ahead, _ = channel.fold(start, [written])
    final, _ = channel.fold(start, [written])
    assert final.tolist() == ahead.tolist()
    assert final._items is start._items
    # The same objects, changed meanwhile, are another write.
    written[0]["content"] = "z"
    other, _ = channel.fold(start, [written])
    assert [m["content"] for m in other.tolist()] == ["before", "z", "y"]
    assert [m["content"] for m in final.tolist()] == ["before", "x", "y"]
    written.append("more")
    longer, _ = channel.fold(start, [written])
    assert [m["content"] for m in longer.tolist()] == ["before", "z", "y", "more"]


def test_appending_looks_at_nothing_but_what_is_appended(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, copied = [], []
    id_of, buffer = channel_module.id_of, channel_module._Buffer.__init__
    monkeypatch.setattr(channel_module, "id_of", lambda m: looked.append(m) or id_of(m))
    monkeypatch.setattr(
        channel_module._Buffer, "__init__", lambda b, m: copied.append(len(m)) or buffer(b, m)
    )
    channel = Messages(list)
    cell = channel.initial()
    looked.clear(), copied.clear()
    for step in range(300):
        written = [{"role": "assistant", "content": "", "id": str(step)}, "and one without"]
        channel.fold(cell, [written])
        cell, _ = channel.fold(cell, [written])
    assert len(channel.read(cell)) == 600
    # Once in the index, once when it is merged.
    assert len(looked) <= 2 * 600
    assert copied == []


def test_replacing_keeps_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Messages(list)
    cell, _ = channel.fold(channel.initial(), [[("user", str(i)) for i in range(100)]])
    old = cell
    looked = []
    id_of = channel_module.id_of
    monkeypatch.setattr(channel_module, "id_of", lambda m: looked.append(m) or id_of(m))
    for step in range(50):
        last = cell.tolist()[-1]["id"]
        written = {"role": "user", "content": f"again {step}", "id": last}
        cell, _ = channel.fold(cell, [written])
    assert cell.tolist()[-1]["content"] == "again 49"
    assert len(looked) <= 100 + 50 * 2
    # The version before can be gone on from as well: its index is built anew.
    branch, _ = channel.fold(old, [{"role": "user", "content": "b", "id": old.tolist()[0]["id"]}])
    assert (branch.tolist()[0]["content"], old.tolist()[0]["content"]) == ("b", "0")
    assert cell.tolist()[0]["content"] == "0"


def test_what_came_since() -> None:
    channel = Messages(list)
    start, _ = channel.fold(channel.initial(), ["a"])
    more, _ = channel.fold(start, ["b"])
    assert [m["content"] for m in more.appended_since(start)] == ["b"]
    assert start.appended_since(more) is None
    changed, _ = channel.fold(more, [{**more.tolist()[0], "content": "c"}])
    assert changed.appended_since(more) is None


def test_a_checkpoint_holds_the_list_and_comes_back() -> None:
    channel = pickle.loads(pickle.dumps(Messages(list)))
    cell, _ = channel.fold(channel.initial(), ["a"])
    kept = channel.checkpoint(cell)
    assert type(kept) is list
    back, _ = channel.fold(channel.restore(kept), ["b"])
    assert [m["content"] for m in channel.read(back)] == ["a", "b"]
    assert channel.read(back)[0] == kept[0]


def test_none_is_refused_as_langgraph_refuses_it() -> None:
    channel = Messages(list)
    full, _ = channel.fold(channel.initial(), ["a"])
    for cell, left in ((channel.initial(), []), (full, ["a"])):
        with pytest.raises(ValueError, match="Must specify non-null") as mine:
            channel.fold(cell, [None])
        with pytest.raises(ValueError, match="Must specify non-null") as theirs:
            their_add_messages(left, None)
        assert str(mine.value) == str(theirs.value)


def _no_memory(self, n, written):
    return False


def _always(self, n, written):
    return True


def _no_bound(self):
    for place, message in enumerate(self):
        self.ids[channel_module.id_of(message)] = place
    return dict.fromkeys(self.ids, 0)


FAULTS = [
    (channel_module._Merge, "repeats", _always, [(0, ["a"]), (0, ["b"])]),
    (channel_module._Buffer, "places", _no_bound, [(0, [[("text", "a"), ("text", "b")]]),
     (-1, [[("dict", "ai", "x", "2")]]), (-1, [[("dict", "ai", "y", "2")]])]),
    (channel_module, "since_cleared", lambda messages: None,
     [(0, [[("text", "a")]]), (-1, [("remove", REMOVE_ALL_MESSAGES)])]),
    (MessageLog, "_appended", lambda log, new: (log._items.extend(new),
     MessageLog(log._items))[1], [(0, [[("text", "a")]]), (0, [[("text", "b")]])]),
]  # fmt: skip


@pytest.mark.parametrize(("where", "name", "fault", "steps"), FAULTS, ids=[f[1] for f in FAULTS])
def test_a_seeded_fault_is_noticed(monkeypatch, where, name, fault, steps) -> None:
    steps = [(at, [("text", w) if isinstance(w, str) else w for w in ws]) for at, ws in steps]
    test = test_a_history_with_branches_equals_langgraphs.hypothesis.inner_test
    test(steps, False)
    monkeypatch.setattr(where, name, fault)
    with pytest.raises((AssertionError, ValueError)):
        test(steps, False)


def test_rows_do_not_share_a_log() -> None:
    column = Messages(list).empty(3)
    logs = column.tolist()
    assert len({id(log) for log in logs}) == 3
    assert np.ndim(column.values) == 1
