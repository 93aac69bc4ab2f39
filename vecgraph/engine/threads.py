"""The threads of a batch: each run's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vecgraph.errors import BatchInputError

if TYPE_CHECKING:
    from vecgraph.config import RunnableConfig
    from vecgraph.typing import Rows

__all__ = ["Threads"]


class Threads:
    """The config of each run of a batch, made when it is asked for.

    Parameters
    ----------
    config : RunnableConfig
        Of all runs.
    names : list of str, or None
        Thread of each run; None: ``prefix/number``.
    prefix : str
    numbers : int64 ndarray of shape (N,)
    """

    def __init__(
        self, config: RunnableConfig, names: list[str] | None, prefix: str, numbers: Rows
    ) -> None:
        self.config = config
        self.names = names
        self.prefix = prefix
        self.numbers = numbers

    @classmethod
    def of(cls, config: RunnableConfig, threads: Any, inputs: Any, numbers: Rows) -> Threads:
        """Return the threads of a batch.

        Raises
        ------
        BatchInputError
            There are more or fewer than runs, or two are the same.
        """
        prefix = str(config["configurable"].get("thread_id"))
        names = None
        if threads is not None:
            names = _named(threads, inputs)
            if len(names) != len(numbers):
                raise BatchInputError.length("threads", len(names), len(numbers))
            _check_unique(names)
        return cls(config, names, prefix, numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, where: Rows) -> Threads:
        """Return the threads of some of the runs."""
        names = None if self.names is None else [self.names[i] for i in where.tolist()]
        return Threads(self.config, names, self.prefix, self.numbers[where])

    def register(self, saver: Any) -> Rows:
        """Return the number that a saver gives each thread."""
        names, numbers = self.names, self.numbers
        if names is not None:
            found: Rows = saver.register_threads(names)
        elif len(numbers) and (np.diff(numbers) == 1).all():
            found = saver.register_threads(
                prefix=f"{self.prefix}/", count=len(numbers), first=int(numbers[0])
            )
        else:
            found = saver.register_threads([f"{self.prefix}/{n}" for n in numbers.tolist()])
        return found

    def name(self, at: int) -> str:
        """Return the thread of the run at a position."""
        return f"{self.prefix}/{self.numbers[at]}" if self.names is None else self.names[at]

    def __getitem__(self, at: int) -> RunnableConfig:
        place = {**self.config["configurable"], "thread_id": self.name(at)}
        return {**self.config, "configurable": place}


def _named(threads: Any, inputs: Any) -> list[str]:
    if isinstance(threads, str):
        threads = _column(threads, inputs)
    values = threads.to_pylist() if hasattr(threads, "to_pylist") else list(threads)
    return [str(value) for value in values]


def _column(name: str, inputs: Any) -> Any:
    names: Any = inputs if isinstance(inputs, Mapping) else getattr(inputs, "column_names", None)
    known = list(getattr(inputs, "columns", ()) if names is None else names)
    if name not in known:
        raise BatchInputError.no_ids(name, [str(one) for one in known])
    return inputs[name]


def _check_unique(names: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for at, name in enumerate(names):
        if first.setdefault(name, at) != at:
            raise BatchInputError.one_thread(name, (first[name], at))
