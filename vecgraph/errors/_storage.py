"""The errors of places where checkpoints live: locks, formats, budgets."""

from __future__ import annotations

__all__ = [
    "CheckpointBudgetError",
    "CheckpointClosedError",
    "CheckpointConnectionError",
    "CheckpointError",
    "CheckpointFormatError",
    "CheckpointLockedError",
    "CheckpointWriteError",
]


class CheckpointError(Exception):
    """What only checkpoints can get wrong."""


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


class CheckpointConnectionError(CheckpointError, ConnectionError):
    """A database that holds checkpoints could not be asked; nothing in it was changed."""

    @classmethod
    def of(cls, place: str, error: BaseException) -> CheckpointConnectionError:
        """Build the error of a question that was not answered."""
        made = cls(
            f"checkpoints could not be read from {place}: {error}\n"
            "Hint: see whether the server runs and takes this connection, then ask again."
        )
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
