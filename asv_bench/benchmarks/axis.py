"""Numbers as an axis whose values are evenly spaced on asv's plots."""

from __future__ import annotations


class Size(int):
    """A number that asv takes for a label, since its plots have no logarithmic x-axis.

    asv knows a parameter by its ``repr`` and plots what is not a number as categories, at equal
    distances and in the order of `params`: powers of ten then make a logarithmic axis.

    >>> Size(1_000) + 1, Size(1_000)
    (1001, '1,000')
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{self:,}'"


def sizes(*numbers: int) -> list[Size]:
    """Make an axis.

    >>> sizes(1, 10_000)
    ['1', '10,000']
    """
    return [Size(number) for number in numbers]
