"""The errors of checkpoints: damage, locks, formats and budgets."""

from __future__ import annotations

__all__ = [
    "CheckpointBudgetError",
    "CheckpointClosedError",
    "CheckpointError",
    "CheckpointFormatError",
    "CheckpointLockedError",
    "CheckpointWriteError",
    "DamagedCheckpointError",
]


class CheckpointError(Exception):
    """What only checkpoints can get wrong."""


class DamagedCheckpointError(CheckpointError, ValueError):
    """Stored bytes are not what was written; nothing of them is returned.

    Attributes
    ----------
    place : str
        The file, object or table concerned.
    offset : int or None
        Where in it, in bytes.
    chunk : int or None
        Number of the chunk.
    threads : tuple of int, or None
        Least and greatest number of a thread whose checkpoints are concerned.
    """

    def __init__(
        self,
        reason: str,
        *,
        place: str,
        offset: int | None = None,
        chunk: int | None = None,
        threads: tuple[int, int] | None = None,
    ) -> None:
        where = place if offset is None else f"{place}, byte {offset}"
        parts = [f"Damaged checkpoint in {where}: {reason}."]
        if chunk is not None:
            parts.append(f"Chunk {chunk}.")
        if threads is not None:
            parts.append(f"Threads numbered {threads[0]} to {threads[1]}.")
        parts.append(
            "\nHint: everything else stays readable; restore the file from a copy, or delete "
            "these threads and run them again."
        )
        super().__init__(" ".join(parts))
        self.place, self.offset, self.chunk, self.threads = place, offset, chunk, threads


class CheckpointLockedError(CheckpointError, BlockingIOError):
    """Another writer has the place; `place` says which, `holder` who."""

    def __init__(self, place: str, holder: str) -> None:
        super().__init__(
            f"Checkpoints in {place} are being written by {holder}.\n"
            "Hint: wait for it, stop it, or choose another place; readers may open it with "
            "read_only=True."
        )
        self.place, self.holder = place, holder


class CheckpointFormatError(CheckpointError, ValueError):
    """A place holds no checkpoints, or those of a version that this one does not know."""


class CheckpointWriteError(CheckpointError, OSError):
    """Checkpoints could not be stored; what was acknowledged before is unharmed."""

    @classmethod
    def of(cls, place: str, error: BaseException) -> CheckpointWriteError:
        """Build the error of a failed write; keeps the system's number of the error."""
        number = getattr(error, "errno", None)
        made = cls(number, f"checkpoints could not be written to {place}: {error}")
        made.__cause__ = error
        return made


class CheckpointClosedError(CheckpointError, RuntimeError):
    """A saver was used after it was closed."""


class CheckpointBudgetError(CheckpointError, MemoryError):
    """Memory that checkpoints may take is used up.

    Attributes
    ----------
    needed, budget : int
        Bytes.
    """

    def __init__(self, needed: int, budget: int) -> None:
        super().__init__(
            f"These checkpoints need {needed} bytes of memory, but the budget is {budget}.\n"
            "Hint: raise max_bytes, give a spill folder, prune old checkpoints, or use ArrowSaver."
        )
        self.needed, self.budget = needed, budget
