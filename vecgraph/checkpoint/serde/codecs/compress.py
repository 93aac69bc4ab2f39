"""Compression of whole files, with a bound on what they may become again."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import pyarrow as pa

from vecgraph.errors import CorruptDataError

__all__ = ["MAX_BYTES", "SUFFIXES", "Compression", "compress", "expand"]

Compression: TypeAlias = Literal["none", "lz4", "zstd", "gzip"]

SUFFIXES: Final[dict[str, str]] = {"none": "", "lz4": ".lz4", "zstd": ".zst", "gzip": ".gz"}
"""What a file's name ends in; each is the format that the program of that name reads."""

MAX_BYTES: Final = 2**30
"""Bytes that a file may have uncompressed, unless told otherwise."""

_PIECE: Final = 2**20


def compress(data: bytes, compression: Compression) -> bytes:
    """Return the data compressed, as a gzip file, a Zstandard frame or an LZ4 frame."""
    if compression == "none":
        return data
    return pa.Codec(compression).compress(data, asbytes=True)


def expand(data: bytes, compression: Compression, max_bytes: int = MAX_BYTES) -> bytes:
    """Return what was compressed. Nothing that the data say of their size is believed.

    Raises
    ------
    CorruptDataError
        They are damaged, cut off, or become more than `max_bytes`.
    """
    if compression == "none":
        _check_size(len(data), max_bytes)
        return data
    pieces: list[bytes] = []
    size = 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), compression) as stream:
            while piece := stream.read(_PIECE):
                size += len(piece)
                _check_size(size, max_bytes)
                pieces.append(piece)
    except (OSError, pa.ArrowException) as error:
        raise CorruptDataError.reading(f"{compression} data", error) from error
    if not data:
        raise CorruptDataError.reading(f"{compression} data", "there are none")
    return b"".join(pieces)


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise CorruptDataError.reading(
            "compressed data", f"they become more than max_bytes, which is {max_bytes}"
        )
