"""The streams of many rows at once, equal to one NumPy generator per row."""

from __future__ import annotations

import operator
import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from vecgraph.rng._philox import Positions, Words, counters, multiply, stream_key
from vecgraph.rng._words import RowWords
from vecgraph.rng._ziggurat import layers_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RowStreams"]

Floats: TypeAlias = npt.NDArray[np.float64]
Size: TypeAlias = int | tuple[int, ...] | None

_LOW: Final = np.uint64(0xFFFFFFFF)
_SHIFT: Final = np.uint64(32)
# 53 random bits to a double in [0, 1), as NumPy's next_double.
_UNIT: Final = 2.0**-53
_LOCAL: Final = threading.local()
_REFUSED: Final = {
    "bit_generator": "; take `row_generator` of one row",
    "shuffle": ", which works in place; use `permutation`",
    "spawn": "; streams are told apart by row, step, node and task",
}


class RowStreams:
    """The streams of many rows at once: entry i of a result is what row i alone would draw.

    Parameters
    ----------
    seed : int
        The seed of the batch.
    rows : int64 array_like of shape (M,)
        Row numbers, from 0; kept, not modified. A row may repeat with another step or task.
    steps : int, or int64 array_like of shape (M,)
        The superstep of each row.
    node : str
        The node's name.
    tasks : int, or int64 array_like of shape (M,)
        As `task` of `row_generator`.

    Notes
    -----
    Every method gives, for row i, bit for bit what the same calls in the same order on
    ``row_generator(seed, rows[i], steps[i], node, tasks[i])`` give; ``size=k`` is the size per
    row, so results have shape (M, k). `random`, `uniform`, `integers` (of int64), `normal`,
    `standard_normal`, `exponential`, `standard_exponential` and `choice` (with replacement)
    are computed on whole columns; their parameters may be arrays of shape (M,), one for each
    row, except for those of `choice`. Any other method of `numpy.random.Generator` works too,
    with the same arguments for all rows, at the cost of a Python call per row.

    Examples
    --------
    >>> from vecgraph.rng import RowStreams, row_generator
    >>> streams = RowStreams(0, [5, 9], 2, "draw")
    >>> alone = row_generator(0, 9, 2, "draw")
    >>> bool(streams.random()[1] == alone.random())
    True
    >>> streams.normal(size=3)[1].tolist() == alone.normal(size=3).tolist()
    True
    """

    def __init__(
        self,
        seed: int,
        rows: npt.ArrayLike,
        steps: npt.ArrayLike,
        node: str,
        tasks: npt.ArrayLike = 0,
    ) -> None:
        self._key = stream_key(seed, node)
        given = {"tasks": tasks, "steps": steps, "rows": rows}
        words = [counters(value, name) for name, value in given.items()]
        self._m = words[2].size
        for name, each in zip(given, words, strict=True):
            if each.size not in {1, self._m}:
                raise ValueError(f"{name} has {each.size} entries, rows has {self._m}")
        self._counters = words
        self._words = RowWords(self._m, words, self._key)
        # The upper half of a word, where a 32-bit draw has taken the lower one.
        self._kept = np.zeros(self._m, np.bool_)
        self._half = np.zeros(self._m, np.uint64)

    def __len__(self) -> int:
        """Return M."""
        return self._m

    def __getattr__(self, name: str) -> Callable[..., npt.NDArray[Any]]:
        """Return a method of `numpy.random.Generator` that is not computed on columns."""
        if name.startswith("_") or name in _REFUSED or not hasattr(np.random.Generator, name):
            raise AttributeError(f"RowStreams has no method {name!r}{_REFUSED.get(name, '')}")

        def per_row(*args: Any, **kwargs: Any) -> npt.NDArray[Any]:
            return self._per_row(name, args, kwargs)

        return per_row

    def random(self, size: Size = None) -> Floats:
        """Draw doubles uniform on [0, 1), one word each."""
        return self._map(size, _double)

    def uniform(
        self, low: npt.ArrayLike = 0.0, high: npt.ArrayLike = 1.0, size: Size = None
    ) -> Floats:
        """Draw doubles uniform on [low, high); the bounds may be of shape (M,)."""
        low, high = self._parameters("uniform", low, high)
        return self._map(size, lambda words: low + (high - low) * _double(words))

    def standard_normal(self, size: Size = None) -> Floats:
        """Draw from the normal distribution of mean 0 and deviation 1."""
        return self._map(size, self._ziggurat("standard_normal"))

    def normal(
        self, loc: npt.ArrayLike = 0.0, scale: npt.ArrayLike = 1.0, size: Size = None
    ) -> Floats:
        """Draw normal deviates; mean and deviation may be of shape (M,)."""
        loc, scale = self._parameters("normal", loc, scale)
        draw = self._ziggurat("standard_normal")
        return self._map(size, lambda words: loc + scale * draw(words))

    def standard_exponential(self, size: Size = None) -> Floats:
        """Draw from the exponential distribution of mean 1."""
        return self._map(size, self._ziggurat("standard_exponential"))

    def exponential(self, scale: npt.ArrayLike = 1.0, size: Size = None) -> Floats:
        """Draw exponential deviates; the mean may be of shape (M,)."""
        (scale,) = self._parameters("exponential", scale)
        draw = self._ziggurat("standard_exponential")
        return self._map(size, lambda words: scale * draw(words))

    def integers(
        self,
        low: npt.ArrayLike,
        high: npt.ArrayLike | None = None,
        size: Size = None,
        dtype: npt.DTypeLike = np.int64,
        endpoint: bool = False,
    ) -> npt.NDArray[Any]:
        """Draw ints from [low, high), or [low, high]; int64 bounds may be of shape (M,).

        Notes
        -----
        D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29(1), 2019.
        """
        if np.dtype(dtype) != np.int64:
            keywords = {"size": size, "dtype": dtype, "endpoint": endpoint}
            return self._per_row("integers", (low, high), keywords)
        low, high = (0, low) if high is None else (low, high)
        self._validate("integers", low, high, endpoint=endpoint)
        least, most = _word(low), _word(high)
        span = most - least if endpoint else most - least - np.uint64(1)
        span = np.broadcast_to(span, (self._m,))
        result, shape = self._result(size, np.int64)
        done = self._pairs(result, least, span)
        short = bool((span <= _LOW).all())
        for entry in range(done, result.shape[1]):
            left = result.shape[1] - entry
            self._words.ahead = (left + 1) // 2 if short else left
            result[:, entry] = (least + self._bounded(span)).view(np.int64)
        return result.reshape(shape)

    def choice(
        self,
        a: npt.ArrayLike,
        size: Size = None,
        replace: bool = True,
        p: npt.ArrayLike | None = None,
        axis: int = 0,
        shuffle: bool = True,
    ) -> npt.NDArray[Any]:
        """Draw from `a`, the same for all rows; without replacement it costs a call per row."""
        items = np.asarray(a)
        weights = None if p is None else np.asarray(p, np.float64)
        if not replace or items.ndim > 1:
            keywords = {"size": size, "replace": replace, "p": p, "axis": axis, "shuffle": shuffle}
            return self._per_row("choice", (a,), keywords)
        _scratch().choice(items, p=weights)  # raises what NumPy raises on bad arguments
        count = items.size if items.ndim else int(items)
        if weights is None:
            index = self.integers(0, count, size=size)
        else:
            steps = weights.cumsum()
            steps /= steps[-1]
            index = steps.searchsorted(self.random(size), side="right").astype(np.int64)
        return items[index] if items.ndim else index

    def _result(self, size: Size, dtype: type) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
        """Make an array of shape (M, entries of each row), and name the shape asked for."""
        given = () if size is None else size
        shape = given if isinstance(given, tuple) else (operator.index(given),)
        entries = int(np.prod(shape, dtype=np.int64))
        return np.empty((self._m, entries), dtype), (self._m, *shape)

    def _map(self, size: Size, draw: Callable[[Words], npt.NDArray[Any]]) -> Floats:
        """Turn a word of each row into each entry; `draw` maps shape (words, M) to the same."""
        if size is None:
            self._words.ahead = 1
            one: Floats = draw(self._words.take(1))[0]
            return one
        result, shape = self._result(size, np.float64)
        done = 0
        while left := result.shape[1] - done:
            self._words.ahead = left
            values = draw(self._words.take(left))
            result[:, done : done + len(values)] = values.T
            done += len(values)
        return result.reshape(shape)

    def _parameters(self, method: str, *values: npt.ArrayLike) -> list[Floats]:
        self._validate(method, *values)
        return [np.asarray(value, np.float64) for value in values]

    def _validate(self, method: str, *values: npt.ArrayLike, **keywords: Any) -> None:
        """Raise what NumPy raises on bad parameters, by drawing from a scratch generator."""
        for value in values:
            if np.shape(value) not in {(), (self._m,)}:
                raise ValueError(
                    f"{method}: a parameter has shape {np.shape(value)}, "
                    f"expected a number or shape ({self._m},), one for each row"
                )
        getattr(_scratch(), method)(*values, **keywords)

    def _next32(self, where: Positions | None = None) -> Words:
        """Draw the next half word, low halves first, as NumPy's next_uint32 buffers them."""
        kept = self._kept.copy() if where is None else self._kept[where]
        if not kept.any():
            words = self._words.take_at(where)
            rows = slice(None) if where is None else where
            self._half[rows] = words >> _SHIFT
            self._kept[rows] = True
            return words & _LOW
        positions = np.arange(self._m) if where is None else where
        halves = self._half[positions]
        self._kept[positions] = False
        if not kept.all():
            fresh = np.flatnonzero(~kept)
            halves[fresh] = self._next32(positions[fresh])
        return halves

    def _bounded(self, span: Words) -> Words:
        """Draw from [0, span] for each row."""
        narrow = span <= _LOW
        constant = span == 0
        if narrow.all() and not constant.any():
            return self._lemire32(None, span)
        result = np.zeros(self._m, np.uint64)
        for mask, draw in ((narrow & ~constant, self._lemire32), (~narrow, self._lemire64)):
            rows = np.flatnonzero(mask)
            if rows.size:
                result[rows] = draw(rows, span[rows])
        return result

    def _pairs(self, result: npt.NDArray[np.int64], least: Words, span: Words) -> int:
        """Draw 32-bit entries by whole words, up to the first rejection; returns how many."""
        if not ((span > 0) & (span <= _LOW)).all() or self._kept.any():
            return 0
        count = span + np.uint64(1)
        limit = (_LOW - span) % count
        done = 0
        while pairs := (result.shape[1] - done) // 2:
            self._words.ahead = pairs
            words = self._words.take(pairs)
            halves = np.empty((2 * len(words), self._m), np.uint64)
            np.bitwise_and(words, _LOW, out=halves[0::2])
            np.right_shift(words, _SHIFT, out=halves[1::2])
            halves *= count
            if ((halves & _LOW) < limit).any():
                self._words.back(len(words))
                break
            halves >>= _SHIFT
            halves += least
            result[:, done : done + len(halves)] = halves.view(np.int64).T
            done += len(halves)
        return done

    def _lemire32(self, where: Positions | None, span: Words) -> Words:
        count = span + np.uint64(1)
        limit = (_LOW - span) % count
        product = self._next32(where) * count
        retry = np.flatnonzero((product & _LOW) < limit)
        while retry.size:
            rows = retry if where is None else where[retry]
            product[retry] = self._next32(rows) * count[retry]
            retry = retry[(product[retry] & _LOW) < limit[retry]]
        return product >> _SHIFT

    def _lemire64(self, where: Positions, span: Words) -> Words:
        count = span + np.uint64(1)
        words = self._words.take_at(where)
        high, low = multiply(words, count)
        whole = count == 0  # a span of all 64 bits takes the word as it is
        limit = (~span) % np.where(whole, np.uint64(1), count)
        retry = np.flatnonzero((low < limit) & ~whole)
        while retry.size:
            high[retry], low[retry] = multiply(self._words.take_at(where[retry]), count[retry])
            retry = retry[low[retry] < limit[retry]]
        return np.where(whole, words, high)

    def _ziggurat(self, method: str) -> Callable[[Words], Floats]:
        """Draw by NumPy's ziggurat: rows in its core on columns, the others by NumPy."""
        layers = layers_of(method)

        def draw(words: Words) -> Floats:
            layer, mantissa, sign = layers.split(words)
            values: Floats = mantissa * layers.widths[layer] * sign
            outside = mantissa >= layers.limits[layer]
            rows = np.flatnonzero(outside.any(axis=0))
            if rows.size:
                # From a row's first word outside the core on, the rest of its entries.
                firsts = outside[:, rows].argmax(axis=0)
                self._words.part()[rows] -= len(words) - firsts
                for row, first in zip(rows.tolist(), firsts.tolist(), strict=True):
                    size = len(words) - first
                    values[first:, row] = self._alone(row, method, (), {"size": size})
            return values

        return draw

    def _per_row(
        self, method: str, args: tuple[Any, ...], keywords: dict[str, Any]
    ) -> npt.NDArray[Any]:
        """Call a method of NumPy's generator on each row's stream, and stack the results."""
        if keywords.get("out") is not None:
            raise TypeError(f"{method}: 'out' is not supported, the result is a new array")
        self._words.part()
        drawn = [self._alone(row, method, args, keywords) for row in range(self._m)]
        if drawn and isinstance(drawn[0], bytes):
            return np.array(drawn, object)
        return np.array(drawn)

    def _alone(self, row: int, method: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Continue one row's stream in a NumPy generator, and take its state back."""
        generator = _scratch()
        philox = generator.bit_generator
        used = self._words.part()
        number, skip = divmod(int(used[row]), 4)
        words = [int(each[row if each.size > 1 else 0]) for each in self._counters]
        philox.state = {
            "bit_generator": "Philox",
            "state": {
                "counter": np.array([number, *words], np.uint64),
                "key": np.array(self._key, np.uint64),
            },
            "buffer": np.zeros(4, np.uint64),
            "buffer_pos": 4,
            "has_uint32": int(self._kept[row]),
            "uinteger": int(self._half[row]),
        }
        philox.random_raw(skip, output=False)
        drawn = getattr(generator, method)(*args, **keywords)
        state: Any = philox.state
        blocks, unread = int(state["state"]["counter"][0]), 4 - state["buffer_pos"]
        used[row] = 4 * blocks - unread
        self._kept[row], self._half[row] = state["has_uint32"], state["uinteger"]
        return drawn


def _word(value: npt.ArrayLike) -> Words:
    """Return ints as words of two's complement, shape (1,) or (M,)."""
    if np.ndim(value) == 0:
        return np.array([int(value) % (1 << 64)], np.uint64)  # type: ignore[arg-type]
    return np.asarray(value).astype(np.int64).astype(np.uint64)


def _scratch() -> np.random.Generator:
    """Return a generator of this thread whose state nobody relies on."""
    if not hasattr(_LOCAL, "generator"):
        _LOCAL.generator = np.random.Generator(np.random.Philox(0))
    generator: np.random.Generator = _LOCAL.generator
    return generator


def _double(words: Words) -> Floats:
    return (words >> np.uint64(11)).astype(np.float64) * _UNIT
