"""What a function takes from outside: constants, checked again at every call, and known functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

__all__ = ["Outside", "is_constant"]

_ATOMS: Final = (bool, int, float, str, type(None))
_MISSING: Final = object()


def is_constant(value: object) -> bool:
    """Return whether a value can never change, and compares without running a user's code."""
    if type(value) in {tuple, frozenset}:
        return all(map(is_constant, value))  # type: ignore[call-overload]
    return type(value) in _ATOMS


class Outside:
    """The names that a function does not bind itself.

    Parameters
    ----------
    fn : function

    Notes
    -----
    Every name that is looked up is remembered with what it was; `holds` looks again.

    Attributes
    ----------
    called : list of Outside
        Of the functions that it calls.
    """

    def __init__(self, fn: FunctionType) -> None:
        self._fn = fn
        self._cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
        self._builtins: dict[str, Any] = getattr(fn, "__builtins__")  # noqa: B009 - typeshed lacks it
        self.called: list[Outside] = []
        self._guards: dict[Any, tuple[Callable[[], Any], Any]] = {}
        self._guard("code", lambda: fn.__code__)
        self._guard("defaults", lambda: fn.__defaults__)
        self._guard("keywords", lambda: fn.__kwdefaults__)

    def _guard(self, key: Any, get: Callable[[], Any]) -> Any:
        if key not in self._guards:
            self._guards[key] = (get, get())
        return self._guards[key][1]

    def holds(self) -> bool:
        """Return whether every name still means what it meant."""
        known = all(get() is value for get, value in self._guards.values())
        return known and all(each.holds() for each in self.called)

    def defaults(self) -> dict[str, Any]:
        """Return the defaults of parameters by name."""
        code, fn = self._fn.__code__, self._fn
        names = code.co_varnames[: code.co_argcount]
        given = fn.__defaults__ or ()
        return {
            **dict(zip(names[len(names) - len(given) :], given, strict=True)),
            **(fn.__kwdefaults__ or {}),
        }

    def value(self, name: str) -> Any:
        """Return what a name means now.

        Raises
        ------
        NameError
            Nothing, so far.
        """
        value = self._guard(name, lambda: self._find(name))
        if value is _MISSING:
            raise NameError(name)
        return value

    def attribute(self, module: ModuleType, name: str) -> Any:
        """Return an attribute of a module.

        Raises
        ------
        NameError
            It has none of that name.
        """
        value = self._guard((module.__name__, name), lambda: getattr(module, name, _MISSING))
        if value is _MISSING:
            raise NameError(f"{module.__name__}.{name}")
        return value

    def _find(self, name: str) -> Any:
        if name in self._cells:
            try:
                return self._cells[name].cell_contents
            except ValueError:  # not bound yet
                return _MISSING
        space = self._fn.__globals__
        return space[name] if name in space else self._builtins.get(name, _MISSING)


def is_math(value: object) -> bool:
    """Return whether a value is the module `math`."""
    return value is math
