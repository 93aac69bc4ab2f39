"""Names that the whole library agrees on: LangGraph's reserved words and the mark of absence."""

from __future__ import annotations

from typing import Final

__all__ = ["END", "MISSING", "ROOT", "START", "TAG_HIDDEN", "TAG_NOSTREAM", "TASKS"]

START: Final = "__start__"
"""The virtual node that writes a run's input to the channels."""

END: Final = "__end__"
"""The virtual node where a run ends; never executed."""

TASKS: Final = "__pregel_tasks"
"""The channel that holds pending `Send` packets."""

ROOT: Final = "__root__"
"""The only channel of a graph whose state is not a class with annotations."""

TAG_HIDDEN: Final = "langsmith:hidden"
"""Tag of a node that streams and ``"*"`` breakpoints leave out."""

TAG_NOSTREAM: Final = "nostream"
"""Tag of a model whose messages are not streamed."""


class _Missing:
    """The type of `MISSING`; falsy, a singleton, kept by copy and pickle."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"

    def __copy__(self) -> _Missing:
        return self

    def __deepcopy__(self, memo: object) -> _Missing:
        return self


MISSING: Final = _Missing()
"""What a slot holds that was never written. ``None`` is a value; this is not."""
