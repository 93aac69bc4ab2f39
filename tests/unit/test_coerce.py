"""A function's tier and injected parameters, told as LangGraph tells them."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any, Optional

import pytest

from vecgraph import config, errors, runtime, types
from vecgraph.nodes.coerce import action_of, injected, no_sync_function
from vecgraph.nodes.expr import expr, when


def bare(state, config, writer, store, previous, runtime, error): ...
def keyword_only(state, *, config, writer, runtime): ...
def positional_only(config, runtime, /): ...
def variadic(*config, **runtime): ...
def nothing(state): ...
def strings(
    state,
    config: RunnableConfig,  # noqa: F821 - never evaluated
    writer: StreamWriter,  # noqa: F821
    store: BaseStore,  # noqa: F821
    error: NodeError,  # noqa: F821
): ...
def optional_strings(
    state,
    config: Optional[RunnableConfig],  # noqa: F821, UP045
    store: Optional[BaseStore],  # noqa: F821, UP045
): ...
def wrong(state, writer: int, store: str, error: ValueError, previous: int, runtime: str): ...
def defaults(state, config=None, writer=None, store=None, previous=None, runtime=None): ...


class Method:
    def method(self, state, config): ...
    def __call__(self, state, runtime): ...


SIGNATURES = [
    bare, keyword_only, positional_only, variadic, nothing, strings, optional_strings, wrong,
    defaults, Method().method, Method(), partial(bare, config=1), lambda config, runtime: 0,
]  # fmt: skip


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda f: getattr(f, "__name__", type(f)))
def test_injected_parameters_are_langgraphs(function):
    pytest.importorskip("langgraph", reason="LangGraph is the reference of this test")
    from langgraph._internal._runnable import RunnableCallable

    assert list(injected(function)) == list(RunnableCallable(function).func_accepts)


def annotated(name: str, annotation: Any):
    def function(state, **_): ...

    import inspect

    kind = inspect.Parameter.KEYWORD_ONLY
    function.__signature__ = inspect.Signature(
        [
            inspect.Parameter("state", inspect.Parameter.POSITIONAL_OR_KEYWORD),
            inspect.Parameter(name, kind, annotation=annotation),
        ]
    )
    return function


def langgraph_classes():
    pytest.importorskip("langgraph", reason="the classes are LangGraph's")
    from langchain_core.runnables import RunnableConfig
    from langgraph.errors import NodeError
    from langgraph.store.base import BaseStore
    from langgraph.types import StreamWriter

    return [
        ("config", RunnableConfig),
        ("config", RunnableConfig | None),
        ("store", BaseStore),
        ("store", BaseStore | None),
        ("writer", StreamWriter),
        ("error", NodeError),
    ]


def test_langgraphs_classes_count_without_an_import():
    for name, annotation in langgraph_classes():
        assert injected(annotated(name, annotation)) == {name: name}


OWN = [
    ("config", config.RunnableConfig),
    ("config", Optional[config.RunnableConfig]),  # noqa: UP045 - the form is what is tested
    ("config", config.RunnableConfig | None),
    ("writer", types.StreamWriter),
    ("runtime", runtime.Runtime[int]),
    ("error", errors.NodeError),
]


@pytest.mark.parametrize(("name", "annotation"), OWN)
def test_our_classes_count(name, annotation):
    assert injected(annotated(name, annotation)) == {name: name}


def test_a_config_of_another_type_warns_and_is_not_injected():
    with pytest.warns(UserWarning, match="'config' parameter should be typed"):
        assert injected(annotated("config", dict)) == {}


async def coroutine(state, runtime): ...


class AsyncCallable:
    async def __call__(self, state): ...


def vector(batch, whatever): ...


async def async_vector(batch): ...


TIERS = [
    (nothing, {}, "rowwise", True, False, {}),
    (max, {}, "rowwise", True, False, {}),
    (Method(), {}, "rowwise", True, False, {"runtime": "runtime"}),
    (coroutine, {}, "async", False, True, {"runtime": "runtime"}),
    (AsyncCallable(), {}, "async", False, True, {}),
    (partial(coroutine), {}, "async", False, True, {"runtime": "runtime"}),
    (vector, {"batched": True}, "vector", True, False, {"whatever": "runtime"}),
    (nothing, {"batched": True}, "vector", True, False, {}),
    (async_vector, {"batched": True}, "vector", False, True, {}),
    (expr(x="x + 1"), {}, "expr", True, False, {}),
    (when("x > 1", "a").otherwise("b"), {}, "expr", True, False, {}),
]


@pytest.mark.parametrize(("fn", "options", "tier", "sync", "coro", "inject"), TIERS)
def test_tiers(fn, options, tier, sync, coro, inject):
    action = action_of(fn, "n", **options)
    assert action.tier == tier
    assert (action.fn is not None, action.afn is not None) == (sync, coro)
    assert dict(action.inject) == inject
    assert action.why


class App:
    program = object()

    def invoke(self, value, config=None):
        return value


def test_a_compiled_app_is_a_subgraph():
    app = App()
    action = action_of(app, "n")
    assert (action.tier, action.fn) == ("subgraph", app)


def test_a_runnable_is_called_with_its_config():
    langchain = pytest.importorskip(
        "langchain_core.runnables", reason="the Runnable is LangChain's"
    )
    action = action_of(langchain.RunnableLambda(lambda x: x + 1), "n")
    assert (action.tier, dict(action.inject)) == ("rowwise", {"config": "config"})
    assert action.fn(1, config=None) == 2


def test_a_generator_returns_the_sum_of_what_it_yields():
    def pieces(state, runtime):
        yield [state]
        yield [runtime]

    action = action_of(pieces, "n")
    assert (action.tier, dict(action.inject)) == ("rowwise", {"runtime": "runtime"})
    assert action.fn(1, runtime=2) == [1, 2]


async def test_an_async_generator_returns_its_last_chunk_if_chunks_do_not_add_up():
    async def pieces(state):
        yield {"a": 1}
        yield {"a": 2}

    action = action_of(pieces, "n")
    assert action.tier == "async"
    assert await action.afn(0) == {"a": 2}


def test_options_belong_to_vector_nodes():
    action = action_of(nothing, "n", batched=True, max_batch=5, max_wait=0.1, on_error="split")
    assert action.options == {"max_batch": 5, "max_wait": 0.1, "on_error": "split"}


BAD = [
    ({"max_batch": 5}, "only vector nodes have"),
    ({"batched": True, "max_batch": 0}, "at least 1"),
    ({"batched": True, "max_wait": -1.0}, "in seconds"),
    ({"batched": True, "on_error": "skip"}, "'raise' or 'split'"),
]


@pytest.mark.parametrize(("options", "text"), BAD)
def test_options_that_make_no_sense(options, text):
    with pytest.raises(ValueError, match=text):
        action_of(nothing, "n", **options)


def test_nothing_that_can_run():
    with pytest.raises(TypeError, match="unsupported type: <class 'int'>"):
        action_of(3, "n")
    with pytest.raises(TypeError, match=r"end it with \.otherwise"):
        action_of(when("x > 1", "a"), "n")


def test_the_text_of_a_missing_synchronous_function_is_langgraphs():
    pytest.importorskip("langgraph", reason="LangGraph is the reference of this test")
    from langgraph._internal._runnable import RunnableCallable

    with warnings.catch_warnings(), pytest.raises(TypeError) as caught:
        RunnableCallable(None, coroutine).invoke({}, {})
    assert str(no_sync_function("coroutine")) == str(caught.value)
