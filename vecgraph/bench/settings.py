"""Where a project's benchmarks are, and what this machine is called in their results."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BenchError", "Settings", "cpus", "machine_class", "register_machine", "run_asv"]

CONFIG = "asv.conf.json"


class BenchError(RuntimeError):
    """Benchmarks cannot be run, read or published; the message says what to do."""


def _require_asv() -> None:
    try:
        import asv
    except ModuleNotFoundError as error:
        raise BenchError("asv is not installed: pip install 'vecgraph[bench]'") from error
    del asv


@dataclass(frozen=True)
class Settings:
    """A project's asv settings.

    Attributes
    ----------
    path : Path
        The configuration file, absolute; asv resolves the paths in it against its folder.
    results_dir, html_dir : Path
        Absolute.
    branches : tuple of str
        Branches that the dashboard shows.
    """

    path: Path
    results_dir: Path
    html_dir: Path
    branches: tuple[str, ...]

    @classmethod
    def find(cls, config: Path | None = None) -> Settings:
        """Read a configuration file; without one, that of this folder or of one above it.

        Raises
        ------
        BenchError
            asv is not installed, or there is no such file, or asv cannot read it.
        """
        _require_asv()
        from asv.config import Config
        from asv.util import UserError

        path = _find() if config is None else config.resolve()
        try:
            loaded = Config.load(str(path))
        except UserError as error:
            raise BenchError(f"asv cannot read {path.name}: {error}") from error
        return cls(
            path=path,
            results_dir=path.parent / loaded.results_dir,
            html_dir=path.parent / loaded.html_dir,
            branches=tuple(name or "HEAD" for name in loaded.branches),
        )


def _find() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / CONFIG).is_file():
            return folder / CONFIG
    raise BenchError(
        f"no {CONFIG} here or in a folder above: benchmarks run in a clone of the project. "
        "Change to one, or name the file with --config."
    )


def run_asv(settings: Settings, *arguments: str) -> int:
    """Run an asv command in the project's folder, its output going to ours.

    Returns
    -------
    int
        asv's exit code; `asv continuous` gives 1 for a regression.
    """
    command = [sys.executable, "-m", "asv", "--config", str(settings.path), *arguments]
    return subprocess.run(command, cwd=settings.path.parent, check=False).returncode


def cpus() -> int:
    """Count the cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def machine_class() -> str:
    """Name what kind of machine this is, such as ``x86_64-2cpu``; never its host name."""
    return f"{platform.machine()}-{cpus()}cpu"


def register_machine(name: str) -> None:
    """Tell asv what the machine of this name is, so that it asks nobody and takes no host name.

    Raises
    ------
    BenchError
        The name is the host name: it would be published.
    """
    if name == platform.node():
        raise BenchError(
            f"the machine name {name!r} is this host's name, which would be published: "
            f"choose another, such as {machine_class()}"
        )
    _require_asv()
    from asv.machine import MachineCollection
    from asv.util import get_cpu_info, get_memsize

    # Not `asv machine`: it leaves out whatever equals the defaults.
    memory = get_memsize()
    facts = {
        "machine": name,
        "os": platform.system(),
        "arch": platform.machine(),
        "cpu": get_cpu_info(),
        "num_cpu": str(cpus()),
        "ram": f"{round(memory / 2**30)} GiB" if memory else "",
    }
    MachineCollection.save(name, facts)
