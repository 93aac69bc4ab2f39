"""Values that a node reads like channels but that are computed from the run's step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from inspect import isclass
from typing import Annotated, Any, TypeAlias, TypeGuard

__all__ = [
    "IsLastStep",
    "IsLastStepManager",
    "ManagedValue",
    "RemainingSteps",
    "RemainingStepsManager",
    "StepClock",
    "is_managed_value",
]


@dataclass(frozen=True, slots=True)
class StepClock:
    """How far a run is.

    Attributes
    ----------
    step : int, or int64 ndarray
        The superstep that is running, one value a row in a batch.
    stop : int, or int64 ndarray
        The superstep that the recursion limit allows no more.
    """

    step: Any
    stop: Any


class ManagedValue(ABC):
    """A rule that computes a value; pass the class in ``Annotated[T, MyValue]``."""

    @staticmethod
    @abstractmethod
    def get(scratchpad: StepClock) -> Any:
        """Return the value: one, or an array of one a row if the clock holds arrays."""


class IsLastStepManager(ManagedValue):
    """Whether the recursion limit ends the run after this superstep."""

    @staticmethod
    def get(scratchpad: StepClock) -> Any:
        """Return the value.

        Examples
        --------
        >>> IsLastStepManager.get(StepClock(3, 4))
        True
        """
        return scratchpad.step == scratchpad.stop - 1


class RemainingStepsManager(ManagedValue):
    """How many supersteps the recursion limit still allows, this one included."""

    @staticmethod
    def get(scratchpad: StepClock) -> Any:
        """Return the value.

        Examples
        --------
        >>> RemainingStepsManager.get(StepClock(3, 4))
        1
        """
        return scratchpad.stop - scratchpad.step


IsLastStep: TypeAlias = Annotated[bool, IsLastStepManager]
"""Annotation of a state key that tells a node whether the limit ends the run after it."""

RemainingSteps: TypeAlias = Annotated[int, RemainingStepsManager]
"""Annotation of a state key that tells a node how many supersteps are left."""


def is_managed_value(value: Any) -> TypeGuard[type[ManagedValue]]:
    """Return whether `value` is a class of managed values."""
    return isclass(value) and issubclass(value, ManagedValue)
