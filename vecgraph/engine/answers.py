"""What runs in lanes have been told: the answers to their questions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vecgraph.constants import MISSING
from vecgraph.engine.ids import interrupt_id

__all__ = ["Answers"]


@dataclass(slots=True)
class Answers:
    """The answers that one run has, for the superstep in which it goes on.

    Attributes
    ----------
    given : object
        For whoever asks first; `MISSING`: there is none, or it has been taken.
    mapped : dict of str to object
        Answers by the id of the question.
    known : dict of str to list
        Those that each task got before, in the order of its questions.
    told : dict of str to list
        Those that each task has asked for now.
    """

    given: Any = MISSING
    mapped: dict[str, Any] = field(default_factory=dict)
    known: dict[str, list[Any]] = field(default_factory=dict)
    told: dict[str, list[Any]] = field(default_factory=dict)

    def of(self, task_id: str, ns: str) -> list[Any]:
        """Return the answers of a task that begins; `ns` is the namespace inside it."""
        answers = list(self.known.get(task_id, ()))
        # Early LangGraph gave all questions of a task the first one's id.
        idents = (interrupt_id(ns, len(answers)), interrupt_id(ns, 0))
        found = next((ident for ident in idents if ident in self.mapped), None)
        return answers if found is None else [*answers, self.mapped[found]]

    def take(self) -> Any:
        """Take the answer for whoever asks first; None if there is none."""
        given, self.given = self.given, MISSING
        return None if given is MISSING else given
