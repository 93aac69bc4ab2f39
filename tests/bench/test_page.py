"""The benchmark page says what the results say, the losses included."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from vecgraph.bench import BenchError
from vecgraph.bench.page import FORMS, RUNS, STEPS, render
from vecgraph.bench.results import Results, load
from vecgraph.cli import main

ROOT = Path(__file__).parents[2]
SIZES = (1, 1_000, 100_000)


def results() -> Results:
    """Counter only: vector nodes lose to plain Python at 1, win from 1,000 on, never beat NumPy."""
    per_run = {
        "vector": (200e-6, 2e-6, 0.02e-6),
        "numpy": (20e-6, 1e-6, 0.01e-6),
        "python": (4e-6, 4e-6, 4e-6),
        "langgraph": (3e-3, None, None),
    }
    return Results(
        machine={"machine": "toy-1cpu", "cpu": "abacus", "num_cpu": "1", "ram": "1 GiB"},
        commit="0123456789abcdef",
        date=1_795_634_902_000,
        python="3.11",
        requirements={"numpy": "2.4.6", "langgraph": "1.2.24"},
        values={
            RUNS: {
                ("counter", form, n): seconds * n
                for form, row in per_run.items()
                for n, seconds in zip(SIZES, row, strict=True)
                if seconds is not None
            },
            STEPS: {("counter", n): 20.0 * n for n in SIZES},
            "engine.ByHand.track_ratio": {("counter", "numpy", 1_000): 2.0},
            "classic.Classic.time_last_value_update": {(1,): 2e-6, (100_000,): 1e-4},
        },
    )


def cells(page: str, first: str, heading: str) -> list[str]:
    """Cells of the row that starts with `first`, in the section under `heading`."""
    section = page.partition(f"{heading}\n")[2].partition("\n#")[0]
    (row,) = re.findall(rf"^\| {re.escape(first)} \|(.*)\|$", section, re.MULTILINE)
    return [cell.strip() for cell in row.split("|")]


COUNTER = "### counter: one node, a loop of 20 steps, all runs in step"
CROSSOVERS = "## From how many runs on vecgraph is faster"


def test_times_are_per_run_and_superstep_and_the_least_is_bold() -> None:
    page = render(results())
    assert cells(page, FORMS["vector"], COUNTER) == ["10,000", "100", "1.00"]
    assert cells(page, FORMS["python"], COUNTER) == ["**200**", "200", "200"]
    assert cells(page, FORMS["numpy"], COUNTER) == ["1,000", "**50.0**", "**0.500**"]
    assert cells(page, FORMS["langgraph"], COUNTER) == ["150,000", "-", "-"]


def test_crossovers_and_losses_are_shown() -> None:
    page = render(results())
    found = dict(
        zip(
            cells(page, "faster than", CROSSOVERS),
            cells(page, f"counter, {FORMS['vector']}", CROSSOVERS),
            strict=True,
        )
    )
    assert found[FORMS["numpy"]] == "never"
    assert found[FORMS["python"]] == "1,000"
    # Measured at one run only; its time per run is taken to stay.
    assert found[FORMS["langgraph"]] == "1"
    assert found[FORMS["numba"]] == "-"


def test_the_classic_table_has_our_columns_and_says_what_is_not_measured() -> None:
    page = render(results())
    classic = "## The classic table"
    assert cells(page, "LastValue update", classic) == ["13.5", "2,000", "**1.00**"]
    assert cells(page, "checkpoint creation", classic) == ["1,700", *["not measured"] * 2]


def test_a_checkpoint_benchmark_of_another_file_fills_its_row() -> None:
    found = results()
    name = "checkpoints.ClassicCheckpoint.time_checkpoint_creation"
    found = replace(found, values={**found.values, name: {(100_000,): 1e-3}})
    row = cells(render(found), "checkpoint creation", "## The classic table")
    assert row == ["1,700", "-", "**10.0**"]


def test_the_page_names_the_class_of_machine_and_the_versions() -> None:
    head = render(results()).partition("\n## ")[0]
    assert "`toy-1cpu` (abacus, 1 cores, 1 GiB)" in head
    assert "Python 3.11, langgraph 1.2.24, numpy 2.4.6" in head
    assert "`01234567` of 2026-11-25" in head


def test_without_the_main_benchmark_there_is_no_page() -> None:
    found = results()
    with pytest.raises(BenchError, match="vecgraph bench run"):
        render(replace(found, values={}))


def test_results_are_read_as_asv_wrote_them(toy: Path) -> None:
    found = load(toy / "results", "toy-1cpu")
    assert found.requirements == {"numpy": "2.4.6"}
    assert found.machine["cpu"] == "abacus"
    # The third commit is the latest: twice the numbers of the first. What asv skipped is absent.
    assert found.values["toy.Toy.track_cost"] == {
        ("vector", 1): 10.0,
        ("vector", 10): 1.0,
        ("vector", 100): 0.1,
        ("numpy", 10): 0.6,
        ("numpy", 100): 0.06,
    }
    assert found.get("toy.Toy.track_cost", "numpy", 1) is None


def test_a_commit_can_be_chosen_and_an_unknown_one_is_said(toy: Path) -> None:
    paths = (toy / "results" / "toy-1cpu").glob("*-virtualenv*.json")
    first = min((json.loads(path.read_text()) for path in paths), key=lambda one: one["date"])
    found = load(toy / "results", "toy-1cpu", first["commit_hash"][:7])
    assert found.get("toy.Toy.track_cost", "vector", 1) == 5.0
    with pytest.raises(BenchError, match="there are some of toy-1cpu"):
        load(toy / "results", "other")


def test_a_damaged_result_file_is_named(toy: Path) -> None:
    path = next((toy / "results" / "toy-1cpu").glob("*-virtualenv*.json"))
    path.write_text(path.read_text()[:40])
    with pytest.raises(BenchError, match=f"{path.name} is not JSON"):
        load(toy / "results", "toy-1cpu")


def test_the_command_refuses_a_project_without_the_main_benchmark(toy: Path) -> None:
    config = ["--config", str(toy / "asv.conf.json"), "--machine", "toy-1cpu"]
    done = CliRunner().invoke(main, ["bench", "page", *config])
    assert done.exit_code == 1
    assert "engine.Runs.time_batch was not measured" in done.output


def test_the_page_in_the_documentation_is_a_generated_one() -> None:
    """With the sections of this version of the generator, from a run on a named class of machine."""
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "% Generated by `vecgraph bench page`" in page
    assert "on a machine of class `" in page
    for heading in (COUNTER, CROSSOVERS, "## The classic table"):
        assert heading in page
