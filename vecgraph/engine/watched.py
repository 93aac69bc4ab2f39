"""What ``compile(debug=True)`` checks: that a node does not change its input in place."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from vecgraph.errors import InPlaceChangeError

__all__ = ["Untouched"]


class Untouched:
    """The input of a node, as it was before the node ran.

    Parameters
    ----------
    node : str
    value : object
        What cannot be copied is not looked at.
    """

    def __init__(self, node: str, value: Any) -> None:
        self._node = node
        self._value = value
        try:
            self._before = copy.deepcopy(value)
        except Exception:  # noqa: BLE001 - whatever a class does when it is copied
            self._before = value

    def check(self, result: Any) -> None:
        """Refuse a change of the input that is not in what the node returned.

        Raises
        ------
        InPlaceChangeError
            Names the node and the keys.
        """
        if not isinstance(self._value, dict):
            return
        returned = result if isinstance(result, dict) else {}
        changed = [
            key
            for key, before in self._before.items()
            if key not in returned and not _same(before, self._value.get(key))
        ]
        if changed:
            raise InPlaceChangeError.of(self._node, changed)


def _same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b) or a != a  # noqa: PLR0124 - NaN
