"""Configs merge as LangGraph's do; a node can ask for its config, runtime, store and writer."""

from __future__ import annotations

import pytest

from vecgraph.config import (
    DEFAULT_RECURSION_LIMIT,
    TaskContext,
    current_task,
    ensure_config,
    get_config,
    get_store,
    get_stream_writer,
    merge_configs,
)
from vecgraph.managed import IsLastStepManager, RemainingStepsManager, StepClock
from vecgraph.runtime import ExecutionInfo, RunControl, Runtime, get_runtime

CONFIGS = [
    (),
    (None, {}),
    ({"tags": ["a"], "metadata": {"k": 1}}, {"tags": ["a", "b"], "metadata": {"k": 2, "l": 3}}),
    ({"configurable": {"thread_id": "1", "x": 1}}, {"configurable": {"x": 2}}),
    ({"recursion_limit": 5}, {"recursion_limit": 7}),
    ({"recursion_limit": 10007}, {"max_concurrency": 3, "run_name": "r", "tags": []}),
    ({"callbacks": [1]}, {"callbacks": [2]}),
    ({"unknown": 1, "tags": None},),
    ({"metadata": {"thread_id": "kept"}, "configurable": {"thread_id": "2", "run_id": "3"}},),
]


@pytest.mark.parametrize("configs", CONFIGS, ids=repr)
def test_configs_combine_as_in_langgraph(configs):
    theirs = pytest.importorskip("langgraph._internal._config", reason="LangGraph is the reference")
    assert ensure_config(*configs) == theirs.ensure_config(*configs)
    assert merge_configs(*configs) == theirs.merge_configs(*configs)


def test_the_default_limit_is_langgraphs_and_never_wins():
    theirs = pytest.importorskip("langgraph._internal._config", reason="LangGraph is the reference")
    assert DEFAULT_RECURSION_LIMIT == theirs.DEFAULT_RECURSION_LIMIT
    merged = merge_configs({"recursion_limit": 5}, ensure_config())
    assert merged["recursion_limit"] == 5
    chosen = {"recursion_limit": int(DEFAULT_RECURSION_LIMIT)}
    assert merge_configs({"recursion_limit": 5}, chosen)["recursion_limit"] == 10007


OUTER = {"tags": ["outer"], "configurable": {"thread_id": "1", "x": 1}, "recursion_limit": 9}


@pytest.mark.parametrize(
    "inner",
    [
        {},
        {"tags": ["outer", "inner"]},
        {"configurable": {"y": 2}},
        {"configurable": {"thread_id": "2"}},
        {"configurable": {"checkpoint_ns": "n", "y": 2}},
    ],
)
def test_a_run_inside_a_node_inherits_as_in_langgraph(inner):
    theirs = pytest.importorskip("langgraph._internal._config", reason="LangGraph is the reference")
    from langchain_core.runnables.config import var_child_runnable_config

    mine = current_task.set(TaskContext(OUTER, Runtime()))
    reference = var_child_runnable_config.set(OUTER)
    try:
        assert ensure_config(inner) == theirs.ensure_config(inner)
    finally:
        current_task.reset(mine)
        var_child_runnable_config.reset(reference)
    assert OUTER["tags"] == ["outer"]


@pytest.mark.parametrize("ask", [get_config, get_runtime, get_store, get_stream_writer])
def test_outside_a_node_there_is_nothing_to_ask(ask):
    with pytest.raises(RuntimeError, match="Called get_config outside of a runnable context"):
        ask()


def test_inside_a_node_what_is_asked_for_is_built_once():
    built = []

    def build():
        built.append(1)
        return Runtime(store="store", stream_writer=print)

    token = current_task.set(TaskContext(lambda: {"tags": ["t"]}, build))
    try:
        assert built == []
        assert get_config() == {"tags": ["t"]}
        assert (get_store(), get_stream_writer(), get_runtime().store) == ("store", print, "store")
        assert built == [1]
    finally:
        current_task.reset(token)


INFO = {"checkpoint_id": "c", "checkpoint_ns": "", "task_id": "t"}


def test_runtimes_merge_as_in_langgraph():
    theirs = pytest.importorskip("langgraph.runtime", reason="LangGraph is the reference")
    merged = []
    for kind, info in ((Runtime, ExecutionInfo), (theirs.Runtime, theirs.ExecutionInfo)):
        left = kind(context=1, store="s", previous=5, stream_writer=print)
        both = left.merge(kind(context=2, execution_info=info(**INFO)))
        both = both.patch_execution_info(node_attempt=2).override(previous=6)
        shown = (both.context, both.store, both.previous, both.stream_writer)
        merged.append((*shown, both.execution_info.node_attempt, both.drain_requested))
    assert merged[0] == merged[1]


def test_what_a_runtime_lacks_cannot_be_patched():
    with pytest.raises(RuntimeError, match="before it has been set"):
        Runtime().patch_execution_info(node_attempt=2)


def test_a_run_is_asked_to_stop_through_its_control():
    control = RunControl()
    runtime = Runtime().merge(Runtime(control=control, rng=1))
    assert (runtime.drain_requested, runtime.drain_reason, runtime.rng) == (False, None, 1)
    control.request_drain("enough")
    assert (runtime.drain_requested, runtime.drain_reason) == (True, "enough")


@pytest.mark.parametrize("step", range(4))
def test_managed_values_are_langgraphs(step):
    theirs = pytest.importorskip("langgraph.managed.is_last_step", reason="the reference")
    clock = StepClock(step, 4)
    assert IsLastStepManager.get(clock) == theirs.IsLastStepManager.get(clock)
    assert RemainingStepsManager.get(clock) == theirs.RemainingStepsManager.get(clock)
