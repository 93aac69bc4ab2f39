"""What was found in a database, as long as nobody else has changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vecgraph.checkpoint.storage import Header, Kind

__all__ = ["Memo", "Question"]

_MOST_ADDED = 256
_MOST_ANSWERS = 1024


class Question(NamedTuple):
    """What `Storage.find` is asked."""

    kinds: tuple[Kind, ...]
    lo: int | None
    hi: int | None
    key: str | None
    after: int

    def means(self, header: Header) -> bool:
        """Return whether a header is part of the answer."""
        return (
            header.kind in self.kinds
            and header.number > self.after
            and (self.key is None or header.key == self.key)
            and (self.lo is None or self.hi is None or self._meets(header, self.lo, self.hi))
        )

    @staticmethod
    def _meets(header: Header, lo: int, hi: int) -> bool:
        return header.hi >= lo and header.lo <= hi


class Memo:
    """Answers of a database to questions, and what was added since by the same program.

    Valid at one state of the log only: whoever begins a transaction says which one it sees.
    """

    def __init__(self) -> None:
        self._state: tuple[int, int] | None = None
        self._begin = 0
        self._added: list[Header] = []
        self._answers: dict[Question, tuple[list[Header], int]] = {}

    def sees(self, chunks: int, replaced: int) -> None:
        """Forget everything unless this is the state that is known.

        Parameters
        ----------
        chunks : int
            The next number of a chunk.
        replaced : int
            How often chunks were replaced.
        """
        if self._state != (chunks, replaced) or len(self._added) > _MOST_ADDED:
            self._state, self._begin = (chunks, replaced), chunks
            self._added.clear()
            self._answers.clear()

    def forget(self) -> None:
        """Forget everything: it may never have been stored."""
        self._state = None

    def add(self, headers: Sequence[Header]) -> None:
        """Note what was appended."""
        if self._state is not None:
            self._added += headers
            self._state = (self._state[0] + len(headers), self._state[1])

    def answer(self, question: Question, ask: Callable[[Question], list[Header]]) -> list[Header]:
        """Return the answer to a question, from the database only if it is not known."""
        if question.after >= self._begin - 1:
            return self._since(question)
        known, upto = self._answers.get(question, (None, 0))
        if known is None:
            found = ask(question)
        else:
            found = [*known, *filter(question.means, self._added[upto:])]
        if len(self._answers) >= _MOST_ANSWERS:
            self._answers.clear()
        self._answers[question] = (found, len(self._added))
        return list(found)

    def _since(self, question: Question) -> list[Header]:
        """Return the answer to a question that is about nothing but what was added."""
        found = []
        for header in reversed(self._added):
            if header.number <= question.after:
                break
            if question.means(header):
                found.append(header)
        return found[::-1]
