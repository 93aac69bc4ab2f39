"""Threads that are kept in a folder go as in LangGraph: values, errors, states and histories."""

from __future__ import annotations

import tempfile
import warnings

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from tests.differential.test_threads import OURS, THEIRS
from tests.differential.threads import actions, history, is_race, plans
from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.testing.compare import difference

EXAMPLES = settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


def in_a_folder(plan, todos):
    with tempfile.TemporaryDirectory() as folder, ArrowSaver(folder, durability="async") as saver:
        return history(OURS, plan, todos, saver, use_async=False)


@given(plan=plans(), todos=st.lists(actions(), min_size=2, max_size=4))
@EXAMPLES
def test_threads_in_a_folder_go_as_in_langgraph(plan, todos) -> None:
    assume(not is_race(plan, use_async=False))
    todos = [("start", 0, None, None), *todos]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):  # LangGraph's threads race now and then
            wanted, _ = history(THEIRS, plan, todos, InMemorySaver(), use_async=False)
            found, _ = in_a_folder(plan, todos)
            if found == wanted:
                break
    for theirs, ours in zip(wanted, found, strict=True):
        different = difference(theirs, ours)
        assert different is None, f"{different}\n{plan}\n{todos}"
