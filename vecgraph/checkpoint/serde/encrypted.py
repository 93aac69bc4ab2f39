"""A serialiser whose bytes nobody reads or changes without the key: AES-GCM."""

from __future__ import annotations

import os
from typing import Any, Final

from vecgraph.checkpoint.serde.base import CipherProtocol, SerializerProtocol
from vecgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from vecgraph.errors import CorruptDataError

__all__ = ["AesGcmCipher", "EncryptedSerializer"]

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = (16, 24, 32)
_KEY_VARIABLE: Final = "LANGGRAPH_AES_KEY"


class AesGcmCipher(CipherProtocol):
    """AES in Galois/counter mode (NIST SP 800-38D), with a random nonce for each message.

    Parameters
    ----------
    key : bytes
        16, 24 or 32 of them. One key is good for about four thousand million messages.

    Raises
    ------
    ValueError
        The key has another length.
    ImportError
        The extra ``encryption`` is not installed.
    """

    name: Final = "aesgcm"

    def __init__(self, key: bytes) -> None:
        if len(key) not in _KEY_BYTES:
            raise ValueError(
                f"An AES key has 16, 24 or 32 bytes, but this one has {len(key)}.\n"
                "Hint: make one with secrets.token_bytes(32), and keep it where the data are not."
            )
        self._aead = _aesgcm(key)

    def encrypt(self, plaintext: bytes, context: bytes = b"") -> tuple[str, bytes]:
        """Return the cipher's name, and nonce, ciphertext and tag in one.

        Whoever decrypts must give the same `context`, which is not in the ciphertext.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return self.name, nonce + self._aead.encrypt(nonce, plaintext, context)

    def decrypt(self, ciphername: str, ciphertext: bytes, context: bytes = b"") -> bytes:
        """Return the plaintext.

        Raises
        ------
        CorruptDataError
            The key is another one, or a byte of the ciphertext or of the context has changed.
        """
        from cryptography.exceptions import InvalidTag

        if ciphername != self.name:
            raise CorruptDataError.reading(
                "encrypted values", f"they were encrypted with {ciphername!r}, not {self.name!r}"
            )
        nonce, body = ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:]
        try:
            return bytes(self._aead.decrypt(nonce, body, context))
        except (InvalidTag, ValueError) as error:
            raise CorruptDataError.reading(
                "encrypted values", "the key is another one, or the bytes have changed"
            ) from error


def _aesgcm(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ImportError("AES needs cryptography: pip install 'vecgraph[encryption]'") from error
    return AESGCM(key)


class EncryptedSerializer(SerializerProtocol):
    """Encrypts what another serialiser writes; its kind gets the suffix ``+<name of the cipher>``.

    Parameters
    ----------
    cipher : CipherProtocol
    serde : SerializerProtocol, optional
    allow_plain : bool
        Whether values that were stored before there was a key are read. While they are,
        whoever can write to the store can put unencrypted values there.

    Examples
    --------
    >>> serde = EncryptedSerializer.from_aes_key(b"0123456789abcdef")
    >>> kind, data = serde.dumps_typed({"secret": 42})
    >>> kind, serde.loads_typed((kind, data))
    ('msgpack+aesgcm', {'secret': 42})
    """

    def __init__(
        self,
        cipher: CipherProtocol,
        serde: SerializerProtocol | None = None,
        *,
        allow_plain: bool = True,
    ) -> None:
        self.cipher = cipher
        self.serde = JsonPlusSerializer() if serde is None else serde
        self.allow_plain = allow_plain

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Return the kind with the cipher's name, and the ciphertext."""
        kind, data = self.serde.dumps_typed(obj)
        if isinstance(self.cipher, AesGcmCipher):
            # The kind is not secret, but nobody may swap it for another.
            name, ciphertext = self.cipher.encrypt(data, kind.encode())
        else:
            name, ciphertext = self.cipher.encrypt(data)
        return f"{kind}+{name}", ciphertext

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the value that `dumps_typed` took.

        Raises
        ------
        CorruptDataError
            The bytes have changed, the key is another one, or they are plain and may not be.
        """
        full, ciphertext = data
        kind, encrypted, name = full.partition("+")
        if not encrypted:
            if not self.allow_plain:
                raise CorruptDataError.reading("encrypted values", "they are not encrypted")
            return self.serde.loads_typed(data)
        if isinstance(self.cipher, AesGcmCipher):
            plaintext = self.cipher.decrypt(name, ciphertext, kind.encode())
        else:
            plaintext = self.cipher.decrypt(name, ciphertext)
        return self.serde.loads_typed((kind, plaintext))

    @classmethod
    def from_aes_key(
        cls,
        key: bytes | None = None,
        serde: SerializerProtocol | None = None,
        *,
        allow_plain: bool = True,
    ) -> EncryptedSerializer:
        """Return a serialiser with AES-GCM.

        Parameters
        ----------
        key : bytes, optional
            16, 24 or 32 of them; else those of the environment's ``LANGGRAPH_AES_KEY``.
        serde, allow_plain
            As for the class.

        Raises
        ------
        ValueError
            There is no key, or it has another length.
        ImportError
            The extra ``encryption`` is not installed.
        """
        if key is None:
            text = os.environ.get(_KEY_VARIABLE)
            if text is None:
                raise ValueError(f"{_KEY_VARIABLE} environment variable is not set.")
            key = text.encode()
        return cls(AesGcmCipher(key), serde, allow_plain=allow_plain)

    @classmethod
    def from_pycryptodome_aes(
        cls, serde: SerializerProtocol | None = None, **kwargs: Any
    ) -> EncryptedSerializer:
        """Do the same under LangGraph's name; ``key=`` is the only argument that it takes.

        Raises
        ------
        TypeError
            Another mode or argument of PyCryptodome's was given.
        """
        key = kwargs.pop("key", None)
        if kwargs:
            raise TypeError(
                f"from_pycryptodome_aes() takes no {', '.join(sorted(kwargs))} here: it encrypts "
                "with AES-GCM, by cryptography.\nHint: leave it out, or pass a cipher of your own."
            )
        return cls.from_aes_key(key, serde)
