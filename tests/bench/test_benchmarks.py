"""Each benchmark runs once at its smallest size, so that none can rot between releases."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import itertools
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks import baselines
from benchmarks.forms import Job
from benchmarks.more_graphs import ALL, VECTOR

ROOT = Path(__file__).parents[2]
PREFIXES = ("time_", "timeraw_", "track_", "peakmem_", "mem_")


def methods(cls: type) -> list[str]:
    """Names of the benchmarks of a class."""
    return [name for name in dir(cls) if name.startswith(PREFIXES)]


def classes() -> Iterator[type]:
    """Every benchmark class, found as asv finds them."""
    package = importlib.import_module("benchmarks")
    for info in pkgutil.iter_modules(package.__path__, "benchmarks."):
        module = importlib.import_module(info.name)
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ == info.name and methods(cls):
                yield cls


def smallest(cls: type) -> Iterator[tuple[Any, ...]]:
    """All combinations of the parameters, with numbers (sizes) at their least."""
    axes = getattr(cls, "params", ())
    if axes and not isinstance(axes[0], (list, tuple)):
        axes = (axes,)
    for axis in axes:
        assert axis, f"{cls.__name__} has an empty parameter"
    yield from itertools.product(
        *([min(axis)] if isinstance(axis[0], (int, float)) else axis for axis in axes)
    )


CASES = [
    pytest.param(cls, name, values, id=f"{cls.__module__}.{cls.__name__}.{name}-{values}")
    for cls in classes()
    for name in methods(cls)
    for values in smallest(cls)
]


@pytest.mark.parametrize(("cls", "name", "values"), CASES)
def test_benchmark_runs_at_its_smallest_size(cls: type, name: str, values: tuple[Any, ...]) -> None:
    benchmark = cls()
    setup = getattr(benchmark, "setup", None)
    try:
        if setup is not None:
            setup(*values)
    except NotImplementedError as reason:
        pytest.skip(f"asv would skip it too: {reason!r}")
    try:
        result = getattr(benchmark, name)(*values)
        if name.startswith("track_"):
            assert isinstance(result, (int, float))
    finally:
        getattr(benchmark, "teardown", lambda *_: None)(*values)


@pytest.mark.parametrize("cls", list(classes()), ids=lambda cls: cls.__name__)
def test_benchmark_states_its_version_its_axes_and_its_unit(cls: type) -> None:
    """Without a `version`, asv drops old results whenever the source of a benchmark changes."""
    assert isinstance(getattr(cls, "version", None), str)
    assert len(getattr(cls, "param_names", ())) == len(getattr(cls, "params", ()))
    assert cls.__doc__
    for name in methods(cls):
        if name.startswith("track_"):
            assert getattr(cls, name).unit


def test_asv_config_has_no_key_that_asv_passes_over() -> None:
    """asv keeps any key and says nothing: its own defaults are the list of what it reads."""
    asv = pytest.importorskip("asv.config", reason="the bench extra is not installed")
    config = json.loads((ROOT / "asv.conf.json").read_text(encoding="utf-8"))
    assert set(config) - {"version"} <= set(vars(asv.Config()))
    assert (ROOT / config["benchmark_dir"]).is_dir()


@pytest.mark.parametrize("graph", VECTOR)
def test_forms_by_hand_agree_with_the_loop_over_the_nodes(graph: str) -> None:
    """What the other benchmarks compare with is itself compared with plain Python."""
    case = ALL[graph]
    rows = case.rows(200, seed=7)
    expected = baselines.python_loop(graph, rows)
    found = baselines.NUMPY[graph](case.columns(200, seed=7))
    assert {name: values.tolist() for name, values in found.items()} == {
        name: [row[name] for row in expected] for name in found
    }


@pytest.mark.parametrize("graph", ALL)
def test_steps_are_counted_as_the_engine_takes_them(graph: str) -> None:
    """The times are divided by these counts."""
    case = ALL[graph]
    app, rows = case.build(), case.rows(5, seed=3)
    config = {"recursion_limit": case.recursion_limit}

    async def chunks(row: dict[str, Any]) -> int:
        return len([chunk async for chunk in app.astream(row, config, stream_mode="values")])

    # A chunk of the input, and one a superstep.
    steps = sum(asyncio.run(chunks(row)) - 1 for row in rows)
    assert baselines.run_steps(graph, rows) == steps


def test_inputs_of_small_batches_differ_from_call_to_call() -> None:
    job = Job("branchy", "numpy", 100)
    seen = {job.inputs[job.next()]["x"].tobytes() for _ in range(20)}
    assert len(seen) == 20


def test_a_wrong_output_is_seen() -> None:
    """The benchmarks assert that outputs are right; so the assertion must be able to fail."""
    for form in ("numpy", "python"):
        job = Job("counter", form, 3)
        output = job.run(job.inputs[0])
        job.check(output, 0)
        row = output["x"] if form == "numpy" else output
        row[1] = row[1] + 0.5 if form == "numpy" else {**row[1], "x": -1.0}
        with pytest.raises(AssertionError):
            job.check(output, 0)
