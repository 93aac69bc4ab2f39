"""A toy project with a history and real asv results, for what publishes and reads them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = '''
"""Toy benchmarks."""


class Toy:
    """Numbers that are known."""

    params = (["vector", "numpy"], [1, 10, 100])
    param_names = ("form", "n_runs")
    version = "1"

    def setup(self, form, n_runs):
        if form == "numpy" and n_runs == 1:
            raise NotImplementedError("not measured")

    def track_cost(self, form, n_runs):
        return {"vector": 5.0, "numpy": 3.0}[form] / n_runs

    track_cost.unit = "ns"
'''
CONFIG = {
    "version": 1,
    "project": "toy",
    "repo": ".",
    "branches": ["main"],
    "environment_type": "virtualenv",
    "benchmark_dir": "benchmarks",
    "results_dir": "results",
    "html_dir": "html",
    "env_dir": "env",
}


def command(folder: Path, *arguments: str) -> str:
    """Run a command in a folder and give its output; no setting of this machine has a say."""
    environment = {
        **os.environ,
        "HOME": str(folder.parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    for person in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{person}_NAME": "Toy", f"GIT_{person}_EMAIL": "toy@localhost"}
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with three commits, measured by asv in the environment that runs this test."""
    pytest.importorskip("asv", reason="the bench extra is not installed")
    folder = tmp_path_factory.mktemp("toy") / "project"
    (folder / "benchmarks").mkdir(parents=True)
    (folder / "benchmarks" / "__init__.py").write_text("")
    (folder / "benchmarks" / "toy.py").write_text(BENCHMARKS)
    (folder / "asv.conf.json").write_text(json.dumps(CONFIG))
    command(folder, "git", "init", "--quiet", "--initial-branch=main")
    asv = (sys.executable, "-m", "asv")
    machine = {"machine": "toy-1cpu", "cpu": "abacus", "num_cpu": "1", "ram": "1 GiB", "os": "Toy"}
    known = json.dumps({"toy-1cpu": machine, "version": 1})
    (folder.parent / ".asv-machine.json").write_text(known)
    commits = []
    for number in range(3):
        (folder / "number.txt").write_text(str(number))
        command(folder, "git", "add", ".")
        command(folder, "git", "commit", "--quiet", "--message", f"number {number}")
        commits.append(command(folder, "git", "rev-parse", "HEAD"))
    flags = ("--environment", "existing:same", "--machine", "toy-1cpu", "--quick")
    command(folder, *asv, "run", *flags, "--set-commit-hash", commits[0])
    _as_if_measured_too(folder / "results" / "toy-1cpu", commits)
    return folder


def _as_if_measured_too(folder: Path, commits: list[str]) -> None:
    """Copy the first commit's results to the others, a little slower at each: asv takes seconds."""
    (first,) = folder.glob("*-existing-*.json")
    found = json.loads(first.read_text())
    (numbers, *rest) = found["results"]["toy.Toy.track_cost"]
    for times, commit in enumerate(commits[1:], 1):
        slower = [number and number * (1 + times / 2) for number in numbers]
        other = {
            **found,
            "commit_hash": commit,
            "date": found["date"] + 60_000 * times,
            "results": {"toy.Toy.track_cost": [slower, *rest]},
        }
        path = first.with_name(first.name.replace(commits[0][:8], commit[:8]))
        path.write_text(json.dumps(other))


@pytest.fixture
def toy(measured: Path, tmp_path: Path) -> Path:
    """A copy of the measured project, with results as an environment of asv's own leaves them."""
    folder = tmp_path / "project"
    shutil.copytree(measured, folder)
    for path in (folder / "results" / "toy-1cpu").glob("*-existing-*.json"):
        found = json.loads(path.read_text())
        found["env_name"], found["python"] = "virtualenv-py3.11-numpy2.4.6", "3.11"
        found["params"] |= {"python": "3.11", "numpy": "2.4.6"}
        found["requirements"] = {"numpy": "2.4.6"}
        path.with_name(f"{found['commit_hash'][:8]}-virtualenv-py3.11-numpy2.4.6.json").write_text(
            json.dumps(found)
        )
        path.unlink()
    return folder
