"""The errors of storing and reading: what cannot be stored, and what was stored and is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vecgraph.errors._langgraph import first_few

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CorruptDataError", "DamagedCheckpointError", "UnserialisableError"]

_STEPS_SHOWN = 12


class UnserialisableError(TypeError):
    """A value that cannot be stored and come back exactly; nothing was written.

    Attributes
    ----------
    path : str
        Where the value is in what was to be stored, such as ``messages[3].tool``; empty for
        the whole of it.
    reason : str
        What is wrong with it.
    """

    path: str = ""
    reason: str = ""
    _steps: tuple[str, ...] = ()
    _hint: str = ""

    @classmethod
    def at(cls, steps: Sequence[str], reason: str, hint: str) -> UnserialisableError:
        """Build the error of one value, from the steps that lead to it, outermost first.

        Examples
        --------
        >>> print(UnserialisableError.at([".messages", "[3]", ".tool"], "function", "Leave it out."))
        Cannot store messages[3].tool: function.
        Hint: Leave it out.
        """
        path = "".join(steps[:_STEPS_SHOWN]).removeprefix(".")
        if len(steps) > _STEPS_SHOWN:
            path = f"{path}... ({len(steps)} levels)"
        error = cls(f"Cannot store {path or 'the value'}: {reason}.\nHint: {hint}")
        error.path, error.reason = path, reason
        error._steps, error._hint = tuple(steps), hint
        return error

    def within(self, *steps: str) -> UnserialisableError:
        """Return the same error, seen from further out: `steps` come before its own."""
        return self.at([*steps, *self._steps], self.reason, self._hint)


class CorruptDataError(ValueError):
    """Bytes that are not what was stored: damaged, cut off, or written by something else."""

    @classmethod
    def reading(cls, what: str, reason: Any) -> CorruptDataError:
        """Build the error from what was being read and what is wrong with it."""
        return cls(
            f"Cannot read {what}: {reason}.\n"
            "Hint: the bytes are damaged or were written by another program; nothing of them "
            "was used. Restore them from a copy."
        )


class DamagedCheckpointError(Exception):
    """A part of a checkpoint store is missing or fails its checksum; it is never returned as data.

    Attributes
    ----------
    file : str
        File, object or table that holds the damaged part.
    offset : int or None
        First byte of it there.
    chunk : int or None
        Number of the chunk.
    threads : tuple of int or str
        Threads whose history is touched, as far as they are known.
    """

    file: str = ""
    offset: int | None = None
    chunk: int | None = None
    threads: tuple[int | str, ...] = ()

    @classmethod
    def found(
        cls,
        reason: str,
        file: str,
        *,
        offset: int | None = None,
        chunk: int | None = None,
        threads: Sequence[int | str] = (),
    ) -> DamagedCheckpointError:
        """Build the error from where the damage is and whom it touches.

        Examples
        --------
        >>> print(DamagedCheckpointError.found("its checksum differs", "log-0.arrows", chunk=7))
        Damaged checkpoint in log-0.arrows, chunk 7: its checksum differs.
        Hint: nothing of this part is returned, all the rest stays readable. Restore the file \
from a copy, or delete the threads.
        """
        place = file
        place += "" if offset is None else f" at byte {offset}"
        place += "" if chunk is None else f", chunk {chunk}"
        whose = f" Threads: {first_few(threads)}." if threads else ""
        error = cls(
            f"Damaged checkpoint in {place}: {reason}.{whose}\n"
            "Hint: nothing of this part is returned, all the rest stays readable. "
            "Restore the file from a copy, or delete the threads."
        )
        error.file, error.offset, error.chunk = file, offset, chunk
        error.threads = tuple(threads)
        return error
