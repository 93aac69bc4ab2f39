"""Each benchmark runs once at its smallest size, so that none can rot between releases."""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PREFIXES = ("time_", "timeraw_", "track_", "peakmem_", "mem_")
# What asv 0.6 reads from asv.conf.json; it passes over any other key without a word.
CONFIG_KEYS = frozenset(
    {
        "benchmark_dir",
        "branches",
        "build_command",
        "conda_channels",
        "conda_environment_file",
        "default_benchmark_timeout",
        "dvcs",
        "env_dir",
        "environment_type",
        "exclude",
        "hash_length",
        "html_dir",
        "include",
        "install_command",
        "install_timeout",
        "launch_method",
        "matrix",
        "plugins",
        "project",
        "project_url",
        "pythons",
        "regressions_first_commits",
        "regressions_thresholds",
        "repo",
        "repo_subdir",
        "results_dir",
        "show_commit_url",
        "uninstall_command",
    }
)


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


def test_asv_config_has_no_unknown_key() -> None:
    config = json.loads((ROOT / "asv.conf.json").read_text(encoding="utf-8"))
    assert set(config) - {"version"} <= CONFIG_KEYS
    assert (ROOT / config["benchmark_dir"]).is_dir()


def test_the_known_keys_are_those_of_asv() -> None:
    asv = pytest.importorskip("asv.config")
    known = set(vars(asv.Config()))
    assert known >= CONFIG_KEYS
