"""States of many threads read as columns against the same checkpoints read one by one."""

from __future__ import annotations

import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential.cases import examples
from tests.differential.test_kept import in_lanes
from tests.differential.vecgraph_side import compiled
from vecgraph.constants import MISSING
from vecgraph.engine.flush import PUSHED
from vecgraph.engine.forms import graph_form
from vecgraph.testing.compare import difference
from vecgraph.testing.strategies import graphs, numeric_graphs, rows


def form_of(spec, tier):
    engine = compiled(spec, tier).engine
    return graph_form(engine.tables, engine.control)


def histories(saver, size):
    """Return the checkpoints of each thread, oldest first."""
    found = []
    for at in range(size):
        config = {"configurable": {"thread_id": f"t/{at}", "checkpoint_ns": ""}}
        found.append(list(saver.list(config))[::-1])
    return found


def as_columns(saved, form):
    """Return what column form holds of a checkpoint: values by channel, and what is due."""
    checkpoint = saved.checkpoint
    values = dict(checkpoint["channel_values"])
    due = set()
    for channel, node in form.signals.items():
        if channel in values:
            due.add(node)
            if values[channel] is None:
                del values[channel]
    for channel, names in form.barriers.items():
        if channel in values:
            values[channel] = [name in values[channel] for name in names]
    return values, due


def check(saver, form, size, order):
    """Read each place of all threads that have it, and the latest of all, in some order."""
    found = histories(saver, size)
    names = [f"t/{at}" for at in range(size)]
    for place in range(max(map(len, found))):
        at = [i for i in order if len(found[i]) > place]
        numbers = saver.register_threads([names[i] for i in at])
        state = saver.read_columns(numbers, np.full(len(at), place, np.int32), graph=form)
        for slot, i in enumerate(at):
            agree(state, slot, found[i][place], form)
    numbers = saver.register_threads(names)
    state = saver.read_columns(numbers, graph=form)
    assert state.seq.tolist() == [len(rows) - 1 for rows in found]
    for slot, history in enumerate(found):
        if history:
            agree(state, slot, history[-1], form)


def agree(state, at, saved, form) -> None:
    """Compare one row of a state with a checkpoint."""
    values, due = as_columns(saved, form)
    got = {name: column.item(at) for name, column in state.columns.items()}
    got = {name: value for name, value in got.items() if value is not MISSING}
    got = {k: v.tolist() if k in form.barriers else v for k, v in got.items()}
    assert (where := difference(values, got)) is None, where
    nodes = state.nodes[state.due[at]]
    assert {node for node in nodes if not node.startswith(PUSHED)} == due
    versions = saved.checkpoint["channel_versions"]
    assert state.clock[at] == max(versions.values())
    assert state.step[at] == saved.metadata["step"]
    assert state.pending[at] == bool(saved.pending_writes)
    assert not state.foreign[at]


def drawn(data):
    strategy, numbers = data.draw(st.sampled_from([(graphs(), False), (numeric_graphs(), True)]))
    spec = data.draw(strategy)
    tier = data.draw(st.sampled_from(["rowwise", "vector", "expr"])) if numbers else "rowwise"
    return spec, tier, data.draw(rows(spec, 7, numbers=numbers))


def kept(spec, inputs, tier):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return in_lanes(spec, inputs, tier)


@examples(25)
@given(data=st.data(), order=st.permutations(range(7)))
def test_a_step_of_many_threads_is_what_each_of_them_holds(data, order) -> None:
    spec, tier, inputs = drawn(data)
    check(kept(spec, inputs, tier), form_of(spec, tier), len(inputs), order)


@examples(25)
@given(data=st.data(), order=st.permutations(range(7)))
def test_threads_that_single_runs_went_on_with_read_alike(data, order) -> None:
    spec, tier, inputs = drawn(data)
    saver, app = kept(spec, inputs, tier), compiled(spec, tier)
    app.checkpointer = saver
    for at in order[:4]:
        config = {"configurable": {"thread_id": f"t/{at}"}, "recursion_limit": spec.limit}
        with warnings.catch_warnings(), suppress(Exception):
            warnings.simplefilter("ignore")
            app.invoke(inputs[at], config)
    check(saver, form_of(spec, tier), len(inputs), order)


@pytest.mark.soak
@examples(1500, anew=True)
@given(data=st.data(), order=st.permutations(range(7)))
def test_all_graphs_at_length(data, order) -> None:
    spec, tier, inputs = drawn(data)
    check(kept(spec, inputs, tier), form_of(spec, tier), len(inputs), order)
