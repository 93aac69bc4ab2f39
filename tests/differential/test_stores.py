"""Stores do what LangGraph's do, on generated sequences of operations."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store import base as their_base
from langgraph.store.base.batch import AsyncBatchedBaseStore as TheirAsyncBatchedBaseStore
from langgraph.store.memory import InMemoryStore as TheirInMemoryStore

from tests.unit.stores import done, embed, operations, tidied
from vecgraph.store import base
from vecgraph.store.base.batch import AsyncBatchedBaseStore
from vecgraph.store.memory import InMemoryStore

INDEXES = {
    "no index": None,
    "whole items": {"dims": 4, "embed": embed},
    "fields": {"dims": 4, "embed": embed, "fields": ["x", "text[*]"]},
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES.keys())
@settings(max_examples=60)
@given(data=st.data())
def test_in_memory_every_batch_of_operations_gives_the_same(index, data) -> None:
    ours, theirs = InMemoryStore(index=index), TheirInMemoryStore(index=index)
    ever = set()
    for batch in data.draw(st.lists(st.lists(operations(bool(index)), max_size=3), max_size=10)):
        # LangGraph lists a namespace that was only asked for: list before that.
        batch = sorted(batch, key=lambda op: op[0] != "ListNamespacesOp")
        if index:
            batch = _comparable(batch, ever)
        expected = done(theirs, their_base, batch)
        if "Number of embeddings" in str(expected):
            return  # a text that is twice in an item is an error there
        assert done(ours, base, batch) == expected, batch
        tidied(theirs)


def _comparable(batch, ever):
    """Leave out what LangGraph does wrong with vectors: they outlive the value that they are of,
    and a text that stands in two items of a batch is an error.
    """
    kept, puts = [], set()
    for name, arguments in batch:
        if name == "PutOp" and arguments[2] is not None:
            if arguments[:2] in ever or puts:
                continue
            puts.add(arguments[:2])
            arguments = (arguments[0], arguments[1], {**arguments[2], "z": arguments[1]})
        kept.append((name, arguments))
    ever |= puts
    return kept


BAD = [
    ("put", ((), "k", {})),
    ("put", (("a.b",), "k", {})),
    ("put", (("",), "k", {})),
    ("put", ((1,), "k", {})),
    ("put", (("a\0",), "k", {})),
    ("put", (("langgraph", "x"), "k", {})),
    ("get", (("a.b",), "k")),
    ("get", (("langgraph",), "k")),
    ("get", ((), "k")),
    ("delete", (("a.b",), "k")),
    ("search", (("a", ""),)),
    ("list_namespaces", ()),
]


@pytest.mark.parametrize(("verb", "arguments"), BAD)
def test_the_same_is_refused_in_the_same_words(verb, arguments) -> None:
    def outcome(store):
        try:
            return getattr(store, verb)(*arguments)
        except ValueError as error:
            return type(error).__name__, str(error)

    assert outcome(InMemoryStore()) == outcome(TheirInMemoryStore())


def test_times_to_live_are_refused_where_there_are_none() -> None:
    with pytest.raises(NotImplementedError) as ours:
        InMemoryStore().put(("a",), "k", {}, ttl=1)
    with pytest.raises(NotImplementedError) as theirs:
        TheirInMemoryStore().put(("a",), "k", {}, ttl=1)
    assert str(ours.value) == str(theirs.value)


PATHS = st.lists(
    st.sampled_from(
        ["a", "b", ".", "[0]", "[-1]", "[*]", "[x]", "*", "{a,b}", "{a.b, c}", "{", "[", "]", "}"]
    ),
    max_size=5,
).map("".join)
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
)


@given(value=NESTED, path=PATHS)
def test_the_texts_at_a_path_are_the_same(value, path) -> None:
    assert base.tokenize_path(path) == their_base.tokenize_path(path)
    assert base.get_text_at_path(value, path) == their_base.get_text_at_path(value, path)


@pytest.mark.parametrize("name", their_base.__all__)
def test_the_names_and_parameters_are_there(name) -> None:
    ours, theirs = getattr(base, name), getattr(their_base, name)
    if inspect.isclass(theirs) and issubclass(theirs, tuple):
        assert (ours._fields, ours._field_defaults) == (theirs._fields, theirs._field_defaults)
    if name == "BaseStore":
        for verb in [verb for verb in vars(theirs) if not verb.startswith("_")]:
            if callable(getattr(theirs, verb)):
                found = inspect.signature(getattr(ours, verb)).parameters
                assert list(found) == list(inspect.signature(getattr(theirs, verb)).parameters)


def test_items_compare_print_and_unpack_as_there() -> None:
    said = {"key": "k", "namespace": ["a"], "created_at": "2024-01-01T00:00:00+00:00"}
    said["updated_at"] = said["created_at"]
    ours, theirs = base.Item(value={"x": 1}, **said), their_base.Item(value={"x": 1}, **said)
    assert (repr(ours), ours.dict(), hash(ours)) == (repr(theirs), theirs.dict(), hash(theirs))
    found, there = base.SearchItem(value={}, **said), their_base.SearchItem(value={}, **said)
    assert (repr(found), found.dict()) == (repr(there), there.dict())
    assert base.Item(value={}, **said) == found


def batched(base_class, error=None):
    """Return a store that notes what it is asked, of LangGraph's class or of ours."""

    class Noting(base_class):
        def __init__(self):
            super().__init__()
            self.seen = []

        async def abatch(self, ops):
            ops = list(ops)
            self.seen.append([tuple(op) for op in ops])
            if error is not None:
                raise error
            names = [type(op).__name__ for op in ops]
            return [None if name == "PutOp" else f"{name} {i}" for i, name in enumerate(names)]

    return Noting()


async def use(store):
    """Ask for many things at once, then from another thread."""
    at = ("a",)
    found = await asyncio.gather(
        store.aget(at, "k"),
        store.aput(at, "k", {"x": 1}),
        store.asearch(at, filter={"x": 1}),
        store.aget(at, "k"),
        store.asearch(at, filter={"x": 1}),
        store.aput(at, "k", {"x": 2}),
        store.adelete(at, "l"),
        store.alist_namespaces(prefix=at),
        store.aput(("a.b",), "k", {}),
        return_exceptions=True,
    )
    found += [await asyncio.to_thread(store.get, at, "k")]
    found += [await asyncio.to_thread(store.search, at)]
    await asyncio.to_thread(store.put, at, "k", {})
    with pytest.raises(asyncio.InvalidStateError, match="Synchronous calls to Noting"):
        store.get(at, "k")
    return [repr(one) if isinstance(one, Exception) else one for one in found], store.seen


async def test_what_is_asked_for_at_once_is_done_together_as_there() -> None:
    ours = await use(batched(AsyncBatchedBaseStore))
    theirs = await use(batched(TheirAsyncBatchedBaseStore))
    assert ours == theirs


async def test_an_error_of_a_batch_belongs_to_all_who_asked() -> None:
    store = batched(AsyncBatchedBaseStore, ConnectionError("gone"))
    asked = (store.aget(("a",), "k"), store.aget(("a",), "l"))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionError, ConnectionError]
    assert len(store.seen) == 1
