"""Tasks by name, and what they make of datasets and graphs."""

from __future__ import annotations

import sys
import types

import pytest

from vecgraph import registry
from vecgraph.evals import Sample, Task, TaskError, exact, load_task


class App:
    def batch(self) -> None: ...


class Builder:
    def compile(self) -> App:
        return App()


def make(**overrides: object) -> Task:
    given = {"name": "t", "dataset": [], "graph": App(), "scorers": {"s": exact("y")}}
    return Task(**(given | overrides))  # type: ignore[arg-type]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    made = types.ModuleType("some_tasks")
    monkeypatch.setitem(sys.modules, "some_tasks", made)
    return made


def test_dataset_functions_get_what_they_ask_for() -> None:
    samples = [Sample(str(at), {}) for at in range(5)]
    assert len(make(dataset=samples).samples(limit=3)) == 3
    assert len(make(dataset=lambda: samples).samples(limit=3)) == 3
    assert len(make(dataset=lambda limit: samples[:limit]).samples(limit=3)) == 3
    seen = make(dataset=lambda **given: [Sample(str(given), {})]).samples(limit=3, seed=7)
    assert seen[0].id == "{'limit': 3, 'seed': 7}"


def test_graphs_may_be_compiled_or_builders_or_functions_of_the_budget() -> None:
    app = App()
    assert make(graph=app).app(9) is app
    assert isinstance(make(graph=Builder()).app(9), App)
    assert isinstance(make(graph=lambda: Builder().compile()).app(9), App)
    budgets: list[int] = []

    def graph(max_steps: int) -> App:
        budgets.append(max_steps)
        return app

    assert make(graph=graph).app(9) is app
    assert budgets == [9]


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(TaskError, match="task 't': graph is a int"):
        make(graph=3).app(9)


def test_a_task_needs_scorers_and_a_success_among_them() -> None:
    with pytest.raises(TaskError, match="no scorers"):
        make(scorers={})
    with pytest.raises(TaskError, match="Did you mean 's'"):
        make(success="ss")


def test_every_sample_has_the_key_that_the_task_groups_by() -> None:
    samples = [Sample("a", {}, metadata={"kind": 1}), Sample("b", {})]
    with pytest.raises(TaskError, match="groups by 'kind', which the metadata of sample 'b' lacks"):
        make(dataset=samples, group="kind").samples()


def test_load_a_task_or_a_function_that_makes_one(module: types.ModuleType) -> None:
    task = make()
    module.task, module.make = task, lambda: task  # type: ignore[attr-defined]
    assert load_task("some_tasks:task") is task
    assert load_task("some_tasks:make") is task


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("dmeo", "no task 'dmeo'. Did you mean 'demo'"),
        ("no_such_module:task", "no module 'no_such_module'"),
        ("some_tasks.sub:task", "no module 'some_tasks.sub'"),
        ("some_tasks:taks", "module 'some_tasks': there is no task 'taks'. Did you mean 'task'"),
        ("some_tasks:number", "is a int, not a vecgraph.evals.Task"),
        (":task", "':task' is not a task's name"),
    ],
)
def test_names_that_lead_nowhere(module: types.ModuleType, name: str, problem: str) -> None:
    module.task, module.number = make(), 3  # type: ignore[attr-defined]
    with pytest.raises(TaskError, match=problem):
        load_task(name)


def test_a_module_that_misses_another_says_so_itself(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_other.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        load_task("needs_other:task")


def test_registry_names_and_unknown_ones() -> None:
    assert "demo" in registry.names("tasks")
    with pytest.raises(registry.UnknownNameError) as caught:
        registry.load("tasks", "other")
    assert (caught.value.kind, caught.value.name) == ("tasks", "other")
    assert registry.names("nothing") == []
