"""The cores of NumPy's ziggurats, for drawing normal and exponential deviates on columns."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from vecgraph.rng._philox import Positions, Words

__all__ = ["Layers", "layers_of"]


@dataclass(frozen=True, slots=True)
class Layers:
    """The core of a ziggurat: a word whose mantissa is below its layer's limit is accepted.

    Attributes
    ----------
    widths : float64 ndarray of shape (256,)
        The deviate is mantissa * width.
    limits : uint64 ndarray of shape (256,)
        At most NumPy's limits: words between the two are left to NumPy.
    shift, offset : int
        Bits of a word below the mantissa, and below the layer.
    signed : bool
        Whether bit 8 is the sign.
    """

    widths: npt.NDArray[np.float64]
    limits: Words
    shift: int
    offset: int
    signed: bool

    def split(self, words: Words) -> tuple[Positions, Words, npt.NDArray[np.float64]]:
        """Cut words into layer, mantissa and sign (1.0 or -1.0)."""
        layer = ((words >> np.uint64(self.offset)) & np.uint64(255)).astype(np.intp)
        mantissa = words >> np.uint64(self.shift)
        if not self.signed:
            return layer, mantissa, np.ones(1)
        bits = (words >> np.uint64(8)) & np.uint64(1)
        # (r >> 1) & (2**52 - 1) of the bits above the layer, in ziggurat_constants.h's terms.
        mantissa &= np.uint64((1 << 52) - 1)
        return layer, mantissa, 1.0 - 2.0 * bits.astype(np.float64)


@functools.cache
def layers_of(method: str) -> Layers:
    """Read a ziggurat's tables off NumPy itself, by feeding it words of our choice.

    The tables are NumPy's own, so the draws stay equal to NumPy's should it change them.
    G. Marsaglia and W. W. Tsang, "The ziggurat method", J. Stat. Software 5(8), 2000.
    """
    shift, offset, bits = (9, 0, 52) if method == "standard_normal" else (11, 3, 53)
    generator = np.random.Generator(np.random.Philox(0))
    philox = generator.bit_generator
    state: Any = philox.state
    draw = getattr(generator, method)

    def feed(layer: int, mantissa: int) -> tuple[float, bool]:
        state["buffer"][3] = mantissa << shift | layer << offset
        state["buffer_pos"] = 3
        philox.state = state
        value = draw()
        after: Any = philox.state
        return value, bool((after["state"]["counter"] == state["state"]["counter"]).all())

    widths, limits = np.zeros(256), np.zeros(256, np.uint64)
    for layer in range(256):
        below = 0
        for bit in range(bits - 1, bits - 17, -1):
            if feed(layer, below | 1 << bit)[1]:
                below |= 1 << bit
        if below:
            # A power of two, so that dividing by it is exact.
            probe = 1 << (below.bit_length() - 1)
            widths[layer], limits[layer] = feed(layer, probe)[0] / probe, below
    return Layers(widths, limits, shift, offset, signed=method == "standard_normal")
