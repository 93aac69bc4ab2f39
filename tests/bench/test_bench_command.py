"""`vecgraph bench`: what it asks of asv, and how it says that it cannot."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vecgraph.bench import settings
from vecgraph.cli import main


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", *arguments])


@pytest.fixture
def asked(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Commands that asv gets, in the toy project; none of them runs."""
    calls: list[tuple[str, ...]] = []

    def record(found: settings.Settings, *arguments: str) -> int:
        assert found.path == toy / "asv.conf.json"
        calls.append(arguments)
        return 1 if "continuous" in arguments else 0

    monkeypatch.chdir(toy / "benchmarks")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(settings, "run_asv", record)
    return calls


def test_run_measures_the_commit_that_is_checked_out(asked: list[tuple[str, ...]]) -> None:
    assert invoke("run", "--bench", "Toy", "--bench", "Other").exit_code == 0
    name = settings.machine_class()
    assert asked == [
        ("run", "--machine", name, "--bench", "Toy", "--bench", "Other", "HEAD^!"),
    ]


def test_quick_runs_do_not_mix_with_others(asked: list[tuple[str, ...]]) -> None:
    assert invoke("run", "--quick", "main~2..main").exit_code == 0
    name = settings.machine_class() + "-quick"
    assert asked == [("run", "--machine", name, "--quick", "main~2..main")]


def test_a_regression_is_the_exit_code_of_compare(asked: list[tuple[str, ...]]) -> None:
    assert invoke("compare", "main~2", "main", "--factor", "1.5").exit_code == 1
    (call,) = asked
    assert call[0] == "continuous"
    assert call[-2:] == ("main~2", "main")
    assert call[call.index("--factor") + 1] == "1.5"
    assert "--interleave-rounds" in call


def test_history_measures_a_few_benchmarks_over_the_branch(asked: list[tuple[str, ...]]) -> None:
    assert invoke("history", "--steps", "4").exit_code == 0
    (call,) = asked
    assert call[-1] == "main"
    assert call[call.index("--steps") + 1] == "4"
    assert "--skip-existing-successful" in call
    assert "--bench" in call


def test_what_is_not_committed_is_not_measured_and_that_is_said(
    asked: list[tuple[str, ...]], toy: Path
) -> None:
    assert "not committed" not in invoke("run").output
    (toy / "number.txt").write_text("changed")
    assert "what is not committed is not measured" in invoke("run").output


def test_the_machine_is_described_but_not_named_after_its_host(
    asked: list[tuple[str, ...]], tmp_path: Path
) -> None:
    assert invoke("run", "--machine", "laptop").exit_code == 0
    known = json.loads((tmp_path / ".asv-machine.json").read_text())["laptop"]
    assert known["machine"] == "laptop"
    assert known["num_cpu"] == str(settings.cpus())
    assert all(known[fact] for fact in ("os", "arch", "cpu", "ram"))
    assert platform.node() not in json.dumps(known)


def test_the_host_name_is_no_name_for_a_machine(asked: list[tuple[str, ...]]) -> None:
    done = invoke("run", "--machine", platform.node())
    assert done.exit_code == 1
    assert "is this host's name, which would be published" in done.output
    assert asked == []


def test_without_asv_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "asv", None)
    monkeypatch.chdir(tmp_path)
    for name in ("run", "compare", "history", "publish", "page"):
        done = invoke(name)
        assert done.exit_code == 1
        assert done.output == "Error: asv is not installed: pip install 'vecgraph[bench]'\n"


def test_outside_a_project_the_error_says_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("asv", reason="the bench extra is not installed")
    monkeypatch.chdir(tmp_path)
    done = invoke("run")
    assert done.exit_code == 1
    assert "no asv.conf.json here or in a folder above" in done.output


def test_a_configuration_that_asv_cannot_read_is_named(tmp_path: Path) -> None:
    pytest.importorskip("asv", reason="the bench extra is not installed")
    path = tmp_path / "asv.conf.json"
    path.write_text('{"version": 1}')
    done = invoke("publish", "--config", str(path))
    assert done.exit_code == 1
    assert "asv cannot read asv.conf.json" in done.output


def test_the_commands_are_listed_without_importing_asv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asv", None)
    done = invoke("--help")
    assert done.exit_code == 0
    for name in ("run", "compare", "history", "publish", "page"):
        assert f"  {name} " in done.output
