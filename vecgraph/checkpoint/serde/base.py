"""What a serialiser and a cipher offer, under LangGraph's names."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

__all__ = [
    "CipherProtocol",
    "SerializerCompat",
    "SerializerProtocol",
    "UntypedSerializerProtocol",
    "maybe_add_typed_methods",
]

_RUNS_CODE = frozenset(
    {"_pickle", "cloudpickle", "dill", "jsonpickle", "joblib", "marshal", "pickle", "shelve"}
)


class UntypedSerializerProtocol(Protocol):
    """Writes values to bytes that alone say what they hold."""

    def dumps(self, obj: Any) -> bytes:
        """Return the bytes of a value."""

    def loads(self, data: bytes) -> Any:
        """Return the value of bytes."""


@runtime_checkable
class SerializerProtocol(Protocol):
    """Writes values to a pair: what kind of bytes they are, and the bytes."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Return the kind and the bytes of a value."""

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the value of a kind and bytes."""


class CipherProtocol(Protocol):
    """Encrypts and decrypts."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        """Return the cipher's name and the ciphertext."""

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        """Return the plaintext of what the cipher of this name made."""


class SerializerCompat(SerializerProtocol):
    """A serialiser with the methods of `SerializerProtocol`, made of one that lacks them."""

    def __init__(self, serde: UntypedSerializerProtocol) -> None:
        self.serde = serde

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Return the name of the value's type and its bytes."""
        return type(obj).__name__, self.serde.dumps(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the value; the name of its type is not needed."""
        return self.serde.loads(data[1])


def maybe_add_typed_methods(
    serde: SerializerProtocol | UntypedSerializerProtocol,
) -> SerializerProtocol:
    """Return a serialiser that has the methods of `SerializerProtocol`.

    Raises
    ------
    ValueError
        It is `pickle` or one of its kind, which run code that the data name.

    Examples
    --------
    >>> import json
    >>> maybe_add_typed_methods(json).loads_typed(("dict", b'{"a": 1}'))
    {'a': 1}
    """
    origin = getattr(serde, "__name__", None) or type(serde).__module__
    if origin.partition(".")[0] in _RUNS_CODE:
        raise ValueError(
            f"{origin} runs code that stored data name, so it reads no checkpoints here.\n"
            "Hint: leave the serialiser out; Packer stores what a state may hold."
        )
    return serde if isinstance(serde, SerializerProtocol) else SerializerCompat(serde)
