"""List append is linear: a version of a list shares its buffer with the versions before it."""

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

import pytest

from vecgraph.channels.log import Log
from vecgraph.graph import END, START, StateGraph


class State(TypedDict):
    n: int
    items: Annotated[list, operator.add]


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the buffers that were copied instead of extended."""
    lengths: list[int] = []
    extended = Log.extended

    def counting(self: Log, values: list) -> Log:
        new = extended(self, values)
        if new._items is not self._items:
            lengths.append(len(self))
        return new

    monkeypatch.setattr(Log, "extended", counting)
    return lengths


def loop(steps: int) -> StateGraph:
    graph = StateGraph(State)
    graph.add_node("step", lambda state: {"n": state["n"] + 1, "items": [state["n"]]})
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["n"] < steps else END)
    return graph


@pytest.mark.parametrize("runs", [1, 100])
def test_no_superstep_copies_what_earlier_ones_appended(copied: list[int], runs: int) -> None:
    app = loop(50).compile()
    outputs = app.batch([{"n": 0} for _ in range(runs)])
    assert [output["items"] for output in outputs] == [list(range(50))] * runs
    assert copied == []


def test_versions_never_see_each_other() -> None:
    old = Log.extended(Log([]), [1])
    new, branch = old.extended([2]), old.extended([3])
    assert (old.tolist(), new.tolist(), branch.tolist()) == ([1], [1, 2], [1, 3])
    assert new.extended([4]).tolist() == [1, 2, 4]
    assert branch.extended([5]).tolist() == [1, 3, 5]


def test_a_reader_gets_a_list_of_its_own() -> None:
    log = Log([1])
    log.tolist().append(2)
    assert log.extended([3]).tolist() == [1, 3]


def test_a_branch_with_equal_but_other_values_is_a_branch() -> None:
    """Only the very same objects count as the same extension: 1 and True are equal."""
    old = Log([])
    first, second = old.extended([1]), old.extended([True])
    assert (first.tolist(), second.tolist()) == ([1], [True])
    assert type(second.tolist()[0]) is bool
