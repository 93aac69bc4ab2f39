"""The manifest: what a directory is, and which of its files count."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vecgraph.checkpoint.chunks import FORMAT
from vecgraph.errors import CheckpointFormatError, DamagedCheckpointError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MANIFEST", "Manifest", "sync_folder", "write_whole"]

MANIFEST = "manifest.json"
_PROGRAM = "vecgraph checkpoints"
_LARGEST = 64 << 20


@dataclass(slots=True)
class Manifest:
    """What stands in ``manifest.json``.

    Attributes
    ----------
    generation : int
        Goes up when files are replaced by others; the commit records are in
        ``commits-<generation>``.
    first_segment : int
        Segments with a smaller number are of an earlier generation, unless `files` has them.
    next_number, next_thread, next_flush : int
        Numbers below were handed out in earlier generations.
    files : dict
        Name of each compacted file by its number.
    """

    generation: int = 0
    first_segment: int = 0
    next_number: int = 0
    next_thread: int = 0
    next_flush: int = 0
    files: dict[int, str] = field(default_factory=dict)

    @property
    def commits(self) -> str:
        """Name of the file of commit records."""
        return f"commits-{self.generation:05}"

    def name_of(self, segment: int) -> str:
        """Return the name of a segment's file."""
        return self.files.get(segment, f"log-{segment:05}.arrows")

    def write(self, folder: Path) -> None:
        """Put it in the place of the one before, at once and for good."""
        said: dict[str, Any] = {
            "program": _PROGRAM,
            "format": FORMAT,
            "generation": self.generation,
            "commits": self.commits,
            "first_segment": self.first_segment,
            "next": {
                "number": self.next_number,
                "thread": self.next_thread,
                "flush": self.next_flush,
            },
            "files": {str(number): name for number, name in self.files.items()},
        }
        said["check"] = _check(said)
        text = json.dumps(said, indent=1, sort_keys=True)
        write_whole(folder / MANIFEST, text.encode())

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Read the manifest of a folder; None: it has none.

        Raises
        ------
        CheckpointFormatError
            It is another program's, or of a version that this one does not know.
        DamagedCheckpointError
            It cannot be read.
        """
        path = folder / MANIFEST
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST + 1)
        except FileNotFoundError:
            return None
        try:
            said = json.loads(data) if len(data) <= _LARGEST else None
            return cls._of(said, folder)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, CheckpointFormatError):
                raise
            raise DamagedCheckpointError.found(
                f"it cannot be read ({type(error).__name__}: {error})", str(path)
            ) from error

    @classmethod
    def _of(cls, said: Any, folder: Path) -> Manifest:
        if said["program"] != _PROGRAM:
            raise CheckpointFormatError(f"{folder} holds no checkpoints of vecgraph.")
        if _number(said["format"]) > FORMAT:
            raise CheckpointFormatError(
                f"{folder} has format {said['format']}, and this vecgraph knows up to {FORMAT}.\n"
                "Hint: use a newer vecgraph."
            )
        if said.pop("check") != _check(said):
            raise ValueError("it fails its checksum")
        files = {_number(int(key)): _name(name) for key, name in said["files"].items()}
        more = said["next"]
        return cls(
            generation=_number(said["generation"]),
            first_segment=_number(said["first_segment"]),
            next_number=_number(more["number"]),
            next_thread=_number(more["thread"]),
            next_flush=_number(more["flush"]),
            files=files,
        )


def _check(said: dict[str, Any]) -> int:
    """Return the CRC-32 of a manifest without its own: compact JSON with sorted keys."""
    return zlib.crc32(json.dumps(said, separators=(",", ":"), sort_keys=True).encode())


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"{value!r} is no number from 0 on")
    return value


def _name(value: Any) -> str:
    """Return the name of a file, which leads out of the folder by no trick."""
    if not isinstance(value, str) or not value.replace("-", "").replace(".", "").isalnum():
        raise ValueError(f"{value!r} is no name of a file")
    if value.startswith(".") or not value.isascii():
        raise ValueError(f"{value!r} is no name of a file")
    return value


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that there is the old one or the new one, whatever happens."""
    temporary = path.with_name(path.name + ".tmp")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names of a folder's files durable."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
