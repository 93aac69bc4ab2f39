"""Arithmetic on int64 that says whether its result needs more; for Numba alone.

Numba tells LLVM that ints never overflow, and LLVM believes it: what a loop found out afterwards
about a sum would be optimised away. LLVM's own instructions with overflow make no such promise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["added", "multiplied", "subtracted"]


def _checked(verb: str) -> Any:
    def typed(_context: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
        pair_of: Any = types.Tuple
        signature = pair_of((types.int64, types.boolean))(types.int64, types.int64)

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pair = getattr(builder, verb)(*args)
            value, flag = (builder.extract_value(pair, at) for at in range(2))
            return context.make_tuple(builder, signature.return_type, [value, flag])

        return signature, code

    typed.__name__ = verb
    return intrinsic(typed)


added = _checked("sadd_with_overflow")
subtracted = _checked("ssub_with_overflow")
multiplied = _checked("smul_with_overflow")
