"""The directory that an evaluation leaves behind, written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vecgraph.constants import START

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

__all__ = [
    "KeptDirectory",
    "RunDirectory",
    "RunDirectoryError",
    "RunDirectoryExistsError",
    "StepWriter",
]

STEP_SCHEMA = pa.schema(
    [("row", pa.int64()), ("step", pa.int64()), ("node", pa.dictionary(pa.int32(), pa.string()))]
)
FLUSH_AT = 1 << 16
"""Rows of a record batch of steps; more, smaller batches would compress badly."""


class RunDirectoryError(OSError):
    """The run directory cannot be made."""


class RunDirectoryExistsError(RunDirectoryError, FileExistsError):
    """The run directory is there already; `path` is which."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the run directory {str(path)!r} exists already and nothing was written. "
            "Hint: choose another with --out, or remove it"
        )
        self.path = path


class RunDirectory:
    """Collect a run's files beside their place, and move them there when all are complete.

    Parameters
    ----------
    path : Path
        The directory to make; its parents are made too.

    Raises
    ------
    RunDirectoryExistsError
        There is something at `path`, at the start or at the end.
    RunDirectoryError
        There is no room for it: a file in the way, or no permission.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() or path.is_symlink():
            raise RunDirectoryExistsError(path)
        self.path = path
        self._draft = Path()

    def __enter__(self) -> Self:
        """Make the draft, on the same file system: a rename must do to publish it."""
        parent, prefix = self.path.parent, f".{self.path.name}."
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self._draft = Path(tempfile.mkdtemp(prefix=prefix, suffix=".partial", dir=parent))
        except OSError as error:
            raise RunDirectoryError(
                f"the run directory {str(self.path)!r} cannot be made: {error}. "
                "Hint: choose another with --out"
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish the draft, or remove it after an error."""
        try:
            if kind is None:
                self._publish()
        finally:
            shutil.rmtree(self._draft, ignore_errors=True)

    def _publish(self) -> None:
        # mkdtemp makes private directories; results are for whoever may read the others.
        self._draft.chmod(0o777 & ~_umask())
        try:
            # rename replaces an empty directory that somebody made meanwhile: mkdir refuses.
            self.path.mkdir()
            self._draft.rename(self.path)
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.ENOTEMPTY}:
                raise RunDirectoryExistsError(self.path) from error
            raise

    def steps(self) -> StepWriter:
        """Open ``steps.arrow``."""
        return StepWriter(self._draft / "steps.arrow")

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a table as an Arrow IPC file, compressed with zstd."""
        with _new_file(self._draft / name, table.schema) as sink:
            sink.write_table(table)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file."""
        text = json.dumps(value, indent=2, allow_nan=False)
        (self._draft / name).write_text(text + "\n", encoding="utf-8")


class KeptDirectory:
    """A run directory that is there while the runs go on, so that they can be gone on with.

    It holds ``plan.json`` and ``checkpoints`` from the start; what `RunDirectory` holds is
    added when all runs have ended, ``run.json`` last.

    Parameters
    ----------
    path : Path
    resume : bool
        It has been begun before.

    Raises
    ------
    RunDirectoryExistsError
        Without `resume`: there is something at `path`.
    RunDirectoryError
        With `resume`: nothing was begun there, or it has ended. Else: it cannot be made.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        self._resume = resume
        if resume:
            if not (path / "plan.json").exists():
                raise RunDirectoryError(
                    f"{str(path)!r} has no plan.json: no evaluation with checkpoints was begun "
                    "there.\nHint: vecgraph eval TASK --checkpoints --out DIR begins one"
                )
            if (path / "run.json").exists():
                raise RunDirectoryError(
                    f"the evaluation in {str(path)!r} has ended: there is nothing to go on with"
                )
        elif path.exists() or path.is_symlink():
            raise RunDirectoryExistsError(path)

    def __enter__(self) -> Self:
        """Make the directory."""
        if not self._resume:
            try:
                self.path.mkdir(parents=True)
            except OSError as error:
                raise RunDirectoryError(
                    f"the run directory {str(self.path)!r} cannot be made: {error}. "
                    "Hint: choose another with --out"
                ) from error
        return self

    def __exit__(self, *error: object) -> None:
        """Leave what is there: the runs can be gone on with."""

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a table as an Arrow IPC file, whole or not at all."""
        draft = self.path / f".{name}.partial"
        with _new_file(draft, table.schema) as sink:
            sink.write_table(table)
        draft.replace(self.path / name)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file, whole or not at all."""
        draft = self.path / f".{name}.partial"
        draft.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        draft.replace(self.path / name)


class StepWriter:
    """Write one row per (run, superstep, node) as the engine reports them.

    Call it with each `Superstep`: the observer of `batch`. Columns: `row` and `step` (int64),
    `node` (dictionary of strings).
    """

    def __init__(self, path: Path) -> None:
        self._sink = _new_file(path, STEP_SCHEMA)
        self._nodes: dict[str, int] = {}
        self._waiting: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]] = []
        self._rows = 0

    def __call__(self, superstep: Any) -> None:
        """Take the tasks of a superstep."""
        for task in superstep.tasks:
            if task.node == START:
                # The input is no step of the run: `steps` of a run does not count it either.
                continue
            code = self._nodes.setdefault(task.node, len(self._nodes))
            rows = np.asarray(task.rows, np.int64)
            # The engine may reuse its arrays for the next superstep.
            steps = np.broadcast_to(np.asarray(task.step, np.int64), rows.shape)
            self._waiting.append((rows.copy(), steps.copy(), code))
            self._rows += rows.size
        if self._rows >= FLUSH_AT:
            self._flush()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Write what is left and the footer."""
        self._flush()
        self._sink.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        rows, steps, codes = zip(*self._waiting, strict=True)
        nodes = np.repeat(np.array(codes, np.int32), [len(part) for part in rows])
        # Names are only ever added at the end, so that each dictionary extends the last one.
        node = pa.DictionaryArray.from_arrays(nodes, pa.array(list(self._nodes)))
        batch = [pa.array(np.concatenate(rows)), pa.array(np.concatenate(steps)), node]
        self._sink.write_batch(pa.record_batch(batch, schema=STEP_SCHEMA))
        self._waiting, self._rows = [], 0


def _new_file(path: Path, schema: pa.Schema) -> Any:
    # A file cannot hold a dictionary that replaces an earlier one, but it can hold additions.
    options = pa.ipc.IpcWriteOptions(compression="zstd", emit_dictionary_deltas=True)
    return pa.ipc.new_file(str(path), schema, options=options)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
