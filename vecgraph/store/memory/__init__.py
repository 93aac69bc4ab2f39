"""A store in memory, with an index of vectors if one is wanted."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vecgraph.store._match import is_wanted, listed
from vecgraph.store._vectors import Index, ranked
from vecgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    PutOp,
    SearchItem,
    SearchOp,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vecgraph.store._vectors import Vectors
    from vecgraph.store.base import IndexConfig, Op, Result

__all__ = ["InMemoryStore"]


@dataclass(slots=True)
class _Held:
    value: dict[str, Any]
    created: datetime
    updated: datetime
    vectors: Vectors


@dataclass(slots=True)
class _Search:
    """A search with what its filter let through, in the order of insertion."""

    op: SearchOp
    found: list[SearchItem]
    vectors: list[Vectors]


@dataclass(slots=True)
class _Plan:
    """What a batch of operations reads, before it writes."""

    results: list[Result] = field(default_factory=list)
    searches: dict[int, _Search] = field(default_factory=dict)
    puts: dict[tuple[tuple[str, ...], str], PutOp] = field(default_factory=dict)
    texts: dict[tuple[tuple[str, ...], str], dict[str, str]] = field(default_factory=dict)

    @property
    def new_texts(self) -> list[str]:
        return list(dict.fromkeys(t for texts in self.texts.values() for t in texts.values()))

    @property
    def queries(self) -> list[str]:
        asked = (search.op.query for search in self.searches.values())
        return list(dict.fromkeys(query for query in asked if query))


class InMemoryStore(BaseStore):
    """Keeps items in memory. Safe to use from several threads.

    What is put and what is returned are copies: nobody can change an item but by `put`.

    Parameters
    ----------
    index : IndexConfig, optional
        How items are found by a query; without it queries are ignored.

    Examples
    --------
    >>> store = InMemoryStore()
    >>> store.put(("users", "ann"), "likes", {"what": "tea"})
    >>> store.get(("users", "ann"), "likes").value
    {'what': 'tea'}
    >>> [item.key for item in store.search(("users",), filter={"what": "tea"})]
    ['likes']
    """

    def __init__(self, *, index: IndexConfig | None = None) -> None:
        self.index_config = None if index is None else index.copy()
        self._index = Index(index) if index else None
        self._data: dict[tuple[str, ...], dict[str, _Held]] = {}
        self._lock = threading.Lock()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do operations; the reads see the store as it was before the writes."""
        plan = self._planned(ops)
        if self._index is None or not (plan.texts or plan.searches):
            return self._done(plan, {}, {})
        return self._done(plan, *self._index.embed(plan.new_texts, plan.queries))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do `batch`; vectors are made without blocking."""
        plan = self._planned(ops)
        if self._index is None or not (plan.texts or plan.searches):
            return self._done(plan, {}, {})
        return self._done(plan, *(await self._index.aembed(plan.new_texts, plan.queries)))

    def _planned(self, ops: Iterable[Op]) -> _Plan:
        plan = _Plan()
        with self._lock:
            for i, op in enumerate(ops):
                plan.results.append(self._read(plan, i, op))
        if self._index is not None:
            texts = {at: self._index.texts(op) for at, op in plan.puts.items()}
            plan.texts = {at: found for at, found in texts.items() if found}
        return plan

    def _read(self, plan: _Plan, i: int, op: Op) -> Result:
        match op:
            case GetOp():
                held = self._data.get(op.namespace, {}).get(op.key)
                return None if held is None else _item(op.namespace, op.key, held)
            case SearchOp():
                plan.searches[i] = self._search(op)
                return None
            case ListNamespacesOp():
                return listed(self._data, op)
            case PutOp():
                value = None if op.value is None else copy.deepcopy(dict(op.value))
                plan.puts[op.namespace, op.key] = op._replace(value=value)
                return None
        raise ValueError(f"Unknown operation type: {type(op)}")

    def _search(self, op: SearchOp) -> _Search:
        """Return what a search's filter lets through."""
        search, n = _Search(op, [], []), len(op.namespace_prefix)
        asks = bool(op.query) and self._index is not None
        # Without a query the first ones are enough.
        enough = (
            None if asks or op.filter or op.offset < 0 or op.limit < 0 else op.offset + op.limit
        )
        for namespace, items in self._data.items():
            if namespace[:n] != op.namespace_prefix:
                continue
            for key, held in items.items():
                if len(search.found) == enough:
                    return search
                if is_wanted(held.value, op.filter):
                    search.found.append(_found(namespace, key, held))
                    search.vectors.append(held.vectors)
        return search

    def _done(self, plan: _Plan, vectors: Vectors, queries: Vectors) -> list[Result]:
        for i, search in plan.searches.items():
            plan.results[i] = self._ranked(search, queries)
        with self._lock:
            for (namespace, key), op in plan.puts.items():
                texts = plan.texts.get((namespace, key), {})
                self._put(op, {path: vectors[text] for path, text in texts.items()})
        return plan.results

    def _ranked(self, search: _Search, queries: Vectors) -> list[SearchItem]:
        op = search.op
        if self._index is None or not op.query:
            return [_copied(item) for item in search.found[op.offset : op.offset + op.limit]]
        order = ranked(self._index, queries[op.query], search.vectors)
        scored = [(i, score) for i, score in order if score is not None]
        kept: list[tuple[int, float | None]] = [*scored[op.offset : op.offset + op.limit]]
        # Items without a vector fill up what is left, as in LangGraph.
        kept += [(i, None) for i, score in order if score is None][: max(op.limit - len(kept), 0)]
        for i, score in kept:
            search.found[i].score = score
        return [_copied(search.found[i]) for i, _ in kept]

    def _put(self, op: PutOp, vectors: Vectors) -> None:
        if op.value is None:
            items = self._data.get(op.namespace, {})
            items.pop(op.key, None)
            if not items:
                self._data.pop(op.namespace, None)
            return
        items = self._data.setdefault(op.namespace, {})
        now, before = datetime.now(UTC), items.get(op.key)
        created = now if before is None else before.created
        items[op.key] = _Held(dict(op.value), created, now, vectors)


def _item(namespace: tuple[str, ...], key: str, held: _Held) -> Item:
    return Item(
        value=copy.deepcopy(held.value),
        key=key,
        namespace=namespace,
        created_at=held.created,
        updated_at=held.updated,
    )


def _found(namespace: tuple[str, ...], key: str, held: _Held) -> SearchItem:
    """Return an item with the value itself: it is copied when it is returned."""
    return SearchItem(namespace, key, held.value, held.created, held.updated)


def _copied(item: SearchItem) -> SearchItem:
    item.value = copy.deepcopy(item.value)
    return item
