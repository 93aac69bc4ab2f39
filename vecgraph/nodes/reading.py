"""Which keys of its state a scalar function reads, where its code says so."""

from __future__ import annotations

import dis
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

__all__ = ["keys_read", "narrowed"]

_LOADS = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK"})

_LOOKING = frozenset({"locals", "vars", "dir", "eval", "exec", "breakpoint", "_getframe", "frame"})
"""Names by which a function may get at its own variables."""


def narrowed(fn: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `names` that a function of a dict needs to be given: all, if in doubt."""
    keys = keys_read(fn)
    return names if keys is None else tuple(name for name in names if name in keys)


def keys_read(fn: Any) -> frozenset[str] | None:
    """Return the keys that a function looks up in its first argument.

    Parameters
    ----------
    fn : object
        Called with a dict first.

    Returns
    -------
    frozenset of str, or None
        None: the function does anything else with the dict, or nothing is known about it.

    Notes
    -----
    Read from the compiled code: each load of the argument must be followed by that of a
    constant string and by a subscription. A dict with these keys alone is then as good as a
    dict with all: a key that is missing is missing in both. Building less is what pays: a
    router that looks at a counter gets no copy of a long list.

    Examples
    --------
    >>> sorted(keys_read(lambda state: state["a"] + state["b"]))
    ['a', 'b']
    >>> keys_read(lambda state: len(state)) is None
    True
    """
    return _of_code(fn.__code__) if type(fn) is FunctionType else None


@lru_cache(maxsize=4096)
def _of_code(code: CodeType) -> frozenset[str] | None:
    if not code.co_argcount or not _LOOKING.isdisjoint(code.co_names):
        return None
    argument, keys = code.co_varnames[0], set()
    listed = [i for i in dis.get_instructions(code) if i.opname not in {"CACHE", "EXTENDED_ARG"}]
    for at, instruction in enumerate(listed):
        if not _names(instruction, argument):
            continue
        key = _subscript(instruction, listed[at + 1 : at + 3])
        if key is None:
            return None
        keys.add(key)
    return frozenset(keys)


def _names(instruction: dis.Instruction, argument: str) -> bool:
    value = instruction.argval
    return bool(value == argument) or (isinstance(value, tuple) and argument in value)


def _subscript(load: dis.Instruction, following: list[dis.Instruction]) -> str | None:
    """Return the key of ``argument["key"]``, None if that is not what stands there."""
    if load.opname not in _LOADS or len(following) < 2:
        return None
    key, use = following
    is_subscript = use.opname == "BINARY_SUBSCR" or use.argrepr == "[]"
    if key.opname == "LOAD_CONST" and type(key.argval) is str and is_subscript:
        return key.argval
    return None
