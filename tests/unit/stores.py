"""Random operations on stores, in LangGraph's classes or ours, and results to compare."""

from __future__ import annotations

import hashlib
from typing import Any

import langgraph.store.base as theirs
from hypothesis import strategies as st

import vecgraph.store.base as ours

LABELS = st.sampled_from(["a", "b", "ab", "a_", "é", "*", "%"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
KEYS = st.sampled_from(["k", "l", "m", "'; --", ""])
PLAIN = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.5, "x", "y", ""])
VALUES = st.dictionaries(
    st.sampled_from(["x", "y", "text"]),
    st.recursive(
        PLAIN,
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2)
        ),
        max_leaves=3,
    ),
    max_size=3,
)
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, -1.5])
OPERATORS = st.dictionaries(
    st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), NUMBERS, min_size=1, max_size=2
)
FILTERS = st.none() | st.dictionaries(
    st.sampled_from(["x", "y"]), PLAIN | VALUES | OPERATORS, max_size=2
)


def embed(texts: Any) -> list[list[float]]:
    """Return vectors without ties, made of a hash."""
    return [[float(b) + 1 for b in hashlib.sha256(t.encode()).digest()[:4]] for t in texts]


def operations(index: bool) -> st.SearchStrategy[tuple[str, tuple[Any, ...]]]:
    """Return a strategy of operations as (name of the class, arguments)."""
    indexes = st.sampled_from([None, None, ["x"], ["y", "text[*]"]]) if index else st.none()
    queries = st.none() | st.sampled_from(["x", "y"]) if index else st.none() | st.just("x")
    conditions = st.lists(
        st.tuples(
            st.sampled_from(["prefix", "suffix"]),
            st.lists(LABELS, min_size=1, max_size=2).map(tuple),
        ),
        max_size=2,
    )
    return st.one_of(
        st.tuples(st.just("GetOp"), st.tuples(NAMESPACES, KEYS)),
        st.tuples(st.just("PutOp"), st.tuples(NAMESPACES, KEYS, VALUES, indexes)),
        st.tuples(st.just("PutOp"), st.tuples(NAMESPACES, KEYS, VALUES, indexes)),
        st.tuples(st.just("PutOp"), st.tuples(NAMESPACES, KEYS, st.none())),
        st.tuples(
            st.just("SearchOp"),
            st.tuples(
                st.lists(LABELS, max_size=2).map(tuple),
                FILTERS,
                st.integers(0, 4),
                st.integers(0, 2),
                queries,
            ),
        ),
        st.tuples(
            st.just("ListNamespacesOp"),
            st.tuples(
                conditions, st.none() | st.integers(0, 3), st.integers(0, 5), st.integers(0, 2)
            ),
        ),
    )


def made(module: Any, name: str, arguments: tuple[Any, ...]) -> Any:
    """Return an operation of LangGraph's or of ours."""
    if name == "ListNamespacesOp":
        conditions = tuple(module.MatchCondition(*condition) for condition in arguments[0])
        return module.ListNamespacesOp(conditions, *arguments[1:])
    return getattr(module, name)(*arguments)


def seen(results: Any) -> Any:
    """Return results without their times, which differ; types of values count."""
    return [_seen(result) for result in results]


def _seen(result: Any) -> Any:
    if isinstance(result, list):
        return [_seen(inner) for inner in result]
    if isinstance(result, theirs.Item | ours.Item):
        score = getattr(result, "score", None)
        score = None if score is None else round(score, 5)
        return (type(result).__name__, result.namespace, result.key, repr(result.value), score)
    return result


def done(store: Any, module: Any, batch: Any) -> Any:
    """Return what a batch gives, or what it raises."""
    try:
        return seen(store.batch([made(module, *op) for op in batch]))
    except (TypeError, ValueError) as error:
        return type(error), str(error)


def tidied(store: Any) -> None:
    """Take namespaces out of LangGraph's store that hold nothing: it lists them, ours does not."""
    for held in (store._data, store._vectors):
        for namespace in [namespace for namespace in held if not held[namespace]]:
            del held[namespace]
