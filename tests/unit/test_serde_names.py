"""LangGraph's names for serialisers, pickle's absence, and encryption."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import sys

import pytest

from tests.property.serde_bytes import SAMPLES
from tests.property.serde_values import CLASSES, Color, Frozen, Pair, Point, difference
from vecgraph.checkpoint.serde import Record
from vecgraph.checkpoint.serde.base import (
    SerializerCompat,
    SerializerProtocol,
    maybe_add_typed_methods,
)
from vecgraph.checkpoint.serde.encrypted import AesGcmCipher, EncryptedSerializer
from vecgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from vecgraph.errors import CorruptDataError, UnserialisableError, UnsupportedError

KEY = bytes(range(32))


@pytest.mark.parametrize("value", [None, b"x", bytearray(b"x"), 1, "x", [None], {"a": b"x"}])
def test_kinds_are_those_of_langgraph(value):
    theirs = pytest.importorskip("langgraph.checkpoint.serde.jsonplus").JsonPlusSerializer()
    ours = JsonPlusSerializer()
    kind, data = ours.dumps_typed(value)
    assert kind == theirs.dumps_typed(value)[0]
    assert type(data) is bytes
    assert difference(value, ours.loads_typed((kind, data))) is None


def test_any_sample_comes_back():
    serde = JsonPlusSerializer(allowed_msgpack_modules=CLASSES)
    for value in SAMPLES[:-1]:
        assert difference(value, serde.loads_typed(serde.dumps_typed(value))) is None
        assert difference(value, serde.loads(serde.dumps(value))) is None


def test_langgraphs_own_bytes_are_told_apart():
    """Ours and theirs share a name; their extension types have other numbers."""
    theirs = pytest.importorskip("langgraph.checkpoint.serde.jsonplus").JsonPlusSerializer()
    with pytest.raises(CorruptDataError, match="there is no extension type"):
        JsonPlusSerializer().loads_typed(theirs.dumps_typed({"seen": {1, 2}}))
    assert JsonPlusSerializer().loads_typed(theirs.dumps_typed({"n": [1, "x"]})) == {"n": [1, "x"]}


def test_there_is_no_pickle():
    with pytest.raises(ValueError, match="There is no pickle_fallback") as caught:
        JsonPlusSerializer(pickle_fallback=True)
    assert "Hint: leave it out" in str(caught.value)

    class Boom:
        def __reduce__(self):
            return os.abort, ()

    with pytest.raises(UnsupportedError, match="Unknown serialization type: pickle"):
        JsonPlusSerializer().loads_typed(("pickle", pickle.dumps(Boom())))
    with pytest.raises(UnserialisableError):
        JsonPlusSerializer().dumps_typed(Boom())
    with pytest.raises(ValueError, match="pickle runs code"):
        maybe_add_typed_methods(pickle)


def test_nothing_may_allow_every_class_or_hook_in():
    for name in ("allowed_json_modules", "allowed_msgpack_modules"):
        with pytest.raises(ValueError, match="list the classes of your state"):
            JsonPlusSerializer(**{name: True})
    with pytest.raises(ValueError, match="a closed set"):
        JsonPlusSerializer(__unpack_ext_hook__=lambda code, data: None)


def test_the_allow_list_takes_classes_and_pairs():
    pair = (Point.__module__, "Point")
    serde = JsonPlusSerializer(allowed_msgpack_modules=[pair, Color])
    value = {"p": Point(1), "c": Color.RED, "f": Frozen(1, 2)}
    back = serde.loads_typed(serde.dumps_typed(value))
    assert (back["p"], back["c"], type(back["f"])) == (Point(1), Color.RED, Record)
    wider = serde.with_msgpack_allowlist([Frozen, (Pair.__module__, "Pair")])
    assert wider.loads_typed(serde.dumps_typed(value)) == value
    assert type(serde.loads_typed(serde.dumps_typed(Frozen(1, 2)))) is Record
    with pytest.raises(ImportError):
        JsonPlusSerializer(allowed_msgpack_modules=[("no_such_module", "X")])


def test_json_is_plain_data():
    envelope = {"lc": 2, "type": "constructor", "id": ["os", "system"], "args": ["echo"]}
    serde = JsonPlusSerializer(allowed_json_modules=[("os", "system")])
    assert serde.loads_typed(("json", json.dumps(envelope).encode())) == envelope
    for bad in (b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(CorruptDataError, match="Cannot read JSON"):
            serde.loads_typed(("json", bad))


def test_an_untyped_serialiser_gets_the_typed_methods():
    typed = maybe_add_typed_methods(json)
    assert type(typed) is SerializerCompat
    assert typed.loads_typed(typed.dumps_typed({"a": 1})) == {"a": 1}
    ours = JsonPlusSerializer()
    assert maybe_add_typed_methods(ours) is ours
    assert isinstance(ours, SerializerProtocol)


def test_encrypted_values_come_back_and_show_nothing():
    pytest.importorskip("cryptography")
    serde = EncryptedSerializer.from_aes_key(
        KEY, JsonPlusSerializer(allowed_msgpack_modules=CLASSES)
    )
    for value in SAMPLES[:-1]:
        kind, data = serde.dumps_typed(value)
        assert kind.endswith("+aesgcm")
        assert difference(value, serde.loads_typed((kind, data))) is None
    secret = {"password": "correct horse battery staple"}
    assert serde.dumps_typed(secret)[1] != serde.dumps_typed(secret)[1]
    assert b"horse" not in serde.dumps_typed(secret)[1]


def test_no_changed_byte_is_decrypted():
    pytest.importorskip("cryptography")
    serde = EncryptedSerializer.from_aes_key(KEY)
    kind, data = serde.dumps_typed({"n": 1})
    for place in range(len(data)):
        changed = bytes([*data[:place], data[place] ^ 1, *data[place + 1 :]])
        with pytest.raises(CorruptDataError, match="the key is another one, or the bytes"):
            serde.loads_typed((kind, changed))
        with pytest.raises(CorruptDataError):
            serde.loads_typed((kind, data[:place]))
    with pytest.raises(CorruptDataError, match="another one"):
        serde.loads_typed(("bytes+aesgcm", data))
    with pytest.raises(CorruptDataError, match="another one"):
        EncryptedSerializer.from_aes_key(KEY[::-1]).loads_typed((kind, data))
    with pytest.raises(CorruptDataError, match="encrypted with 'aes'"):
        serde.loads_typed(("msgpack+aes", data))


def test_plain_values_are_read_unless_told_otherwise():
    pytest.importorskip("cryptography")
    plain = JsonPlusSerializer().dumps_typed([1])
    assert EncryptedSerializer.from_aes_key(KEY).loads_typed(plain) == [1]
    strict = EncryptedSerializer.from_aes_key(KEY, allow_plain=False)
    with pytest.raises(CorruptDataError, match="they are not encrypted"):
        strict.loads_typed(plain)


def test_the_key_comes_from_langgraphs_variable(monkeypatch):
    pytest.importorskip("cryptography")
    monkeypatch.delenv("LANGGRAPH_AES_KEY", raising=False)
    with pytest.raises(ValueError, match="LANGGRAPH_AES_KEY environment variable is not set"):
        EncryptedSerializer.from_pycryptodome_aes()
    monkeypatch.setenv("LANGGRAPH_AES_KEY", "sixteen letters.")
    stored = EncryptedSerializer.from_pycryptodome_aes().dumps_typed([1])
    assert EncryptedSerializer.from_aes_key(b"sixteen letters.").loads_typed(stored) == [1]
    monkeypatch.setenv("LANGGRAPH_AES_KEY", "short")
    with pytest.raises(ValueError, match="this one has 5"):
        EncryptedSerializer.from_aes_key()
    with pytest.raises(TypeError, match="takes no mode here"):
        EncryptedSerializer.from_pycryptodome_aes(key=KEY, mode=1)


def test_a_cipher_of_ones_own_serves_too():
    class Turned:
        def encrypt(self, plaintext):
            return "turned", plaintext[::-1]

        def decrypt(self, ciphername, ciphertext):
            assert ciphername == "turned"
            return ciphertext[::-1]

    serde = EncryptedSerializer(Turned())
    kind, data = serde.dumps_typed("abc")
    assert (kind, data) == ("msgpack+turned", b"cba\xa3")
    assert serde.loads_typed((kind, data)) == "abc"


def test_a_missing_extra_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match="pip install 'vecgraph\\[encryption\\]'"):
        AesGcmCipher(KEY)
