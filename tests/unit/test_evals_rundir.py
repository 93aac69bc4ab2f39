"""Run directories: whole or not at all, and readable by pandas alone."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from vecgraph.evals import rundir
from vecgraph.evals.rundir import RunDirectory, RunDirectoryError, RunDirectoryExistsError

pd = pytest.importorskip("pandas")


def superstep(*tasks: tuple[str, list[int], int | list[int]]) -> SimpleNamespace:
    made = [SimpleNamespace(node=n, rows=np.array(r), step=np.array(s)) for n, r, s in tasks]
    return SimpleNamespace(tasks=made)


@pytest.mark.parametrize("flush_at", [1, 3, 1000])
def test_steps_round_trip_through_pandas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flush_at: int
) -> None:
    """Nodes that turn up later extend the dictionary, in one batch or in many."""
    monkeypatch.setattr(rundir, "FLUSH_AT", flush_at)
    with RunDirectory(tmp_path / "run") as directory, directory.steps() as observer:
        observer(superstep(("read", [0, 1, 2], 1)))
        observer(superstep(("walk", [0, 2], [2, 2]), ("jump", [1], [2])))
        observer(superstep(("read", [2], [3])))
        observer(superstep())
    steps = pd.read_feather(tmp_path / "run" / "steps.arrow")
    assert steps["row"].tolist() == [0, 1, 2, 0, 2, 1, 2]
    assert steps["step"].tolist() == [1, 1, 1, 2, 2, 2, 3]
    assert steps["node"].tolist() == ["read"] * 3 + ["walk", "walk", "jump", "read"]
    with pa.ipc.open_file(tmp_path / "run" / "steps.arrow") as file:
        assert file.schema == rundir.STEP_SCHEMA


def test_steps_do_not_keep_the_engine_s_arrays(tmp_path: Path) -> None:
    record = superstep(("a", [0, 1], [1, 1]))
    with RunDirectory(tmp_path / "run") as directory, directory.steps() as observer:
        observer(record)
        record.tasks[0].rows[:] = 9
    assert pd.read_feather(tmp_path / "run" / "steps.arrow")["row"].tolist() == [0, 1]


def test_no_steps_make_an_empty_table(tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "run") as directory, directory.steps():
        pass
    assert list(pd.read_feather(tmp_path / "run" / "steps.arrow")) == ["row", "step", "node"]


def test_tables_and_json_are_readable_by_others(tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "deep" / "run") as directory:
        directory.write_table("runs.arrow", pa.table({"x": [1.5, None], "s": ["a", None]}))
        directory.write_json("run.json", {"a": 1})
    path = tmp_path / "deep" / "run"
    assert pd.read_feather(path / "runs.arrow")["x"].tolist()[0] == 1.5
    assert json.loads((path / "run.json").read_text()) == {"a": 1}
    assert [item.name for item in path.parent.iterdir()] == ["run"]
    # Whoever may read the parent's other directories may read this one.
    (path.parent / "other").mkdir()
    assert path.stat().st_mode == (path.parent / "other").stat().st_mode


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["directory", "file"])
def test_what_exists_is_named_and_left_alone(tmp_path: Path, make) -> None:
    path = tmp_path / "run"
    make(path)
    with pytest.raises(RunDirectoryExistsError, match=r"run' exists already.*--out") as caught:
        RunDirectory(path)
    assert caught.value.path == path
    assert isinstance(caught.value, FileExistsError)
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_made_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run"

    def write() -> None:
        with RunDirectory(path) as directory:
            directory.write_json("run.json", {})
            path.mkdir()
            (path / "mine").touch()

    with pytest.raises(RunDirectoryExistsError):
        write()
    assert [item.name for item in tmp_path.rglob("*")] == ["run", "mine"]


def test_a_file_in_the_way_is_an_error_that_names_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match=r"file/run' cannot be made.*--out"):
        RunDirectory(tmp_path / "file" / "run").__enter__()


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    def write() -> None:
        with RunDirectory(tmp_path / "run") as directory:
            directory.write_json("run.json", {})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert list(tmp_path.iterdir()) == []
