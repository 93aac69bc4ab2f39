"""Checkpoints in an object store: a real S3 server on loopback, and what goes wrong there."""

from __future__ import annotations

import contextlib
import socket
import threading

import pyarrow as pa
import pytest
from pyarrow import fs as filesystems

from tests.checkpoint.storages import columns, held, rows, said
from tests.checkpoint.test_compaction import app, batch, config, everything, same
from vecgraph.checkpoint.arrow import ArrowSaver
from vecgraph.checkpoint.directory import lease
from vecgraph.checkpoint.directory.remote import ObjectStorage
from vecgraph.checkpoint.storage import KINDS
from vecgraph.errors import (
    CheckpointConnectionError,
    CheckpointFormatError,
    CheckpointLockedError,
    CheckpointWriteError,
    DamagedCheckpointError,
)

FIRST = [rows(0, b"a" * 50), columns(1, 300, "x")]
LAST = [rows(1, b"b" * 50), columns(1, 300, "x", step=1), columns(1, 300, "x", "y")]
NEXT = [rows(2, b"c")]


@pytest.fixture
def local(tmp_path):
    """A file system that is one of folders, seen as an object store."""
    return lambda **more: ObjectStorage(
        filesystems.LocalFileSystem(), str(tmp_path / "run"), **more
    )


class Wire(threading.Thread):
    """Passes bytes on to a server, until it is cut."""

    def __init__(self, port) -> None:
        super().__init__(daemon=True)
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.left = None  # bytes that still go through; None: any number
        self.start()

    def run(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source, target) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(1 << 14)) and self._goes_through(data):
                target.sendall(data)
        for end in (source, target):
            end.close()

    def _goes_through(self, data) -> bool:
        if self.left is not None:
            self.left -= len(data)
        return self.left is None or self.left >= 0

    def close(self) -> None:
        self._listening.close()


@pytest.fixture(scope="module")
def server():
    from moto.server import ThreadedMotoServer  # here: it takes a second to load

    started = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    started.start()
    yield started.get_host_and_port()[1]
    started.stop()


@pytest.fixture
def wire(server):
    made = Wire(server)
    yield made
    made.close()


def s3(port, **more):
    return filesystems.S3FileSystem(
        access_key="key",
        secret_key="secret",
        endpoint_override=f"127.0.0.1:{port}",
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
        request_timeout=5,
        connect_timeout=5,
        retry_strategy=filesystems.AwsStandardS3RetryStrategy(max_attempts=1),
        **more,
    )


@pytest.fixture
def bucket(server, monkeypatch, request):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    name = f"bucket-{abs(hash(request.node.name)) % 10**9}"
    s3(server).create_dir(name)
    return name


def test_checkpoints_in_s3_are_those_of_a_folder(server, bucket, tmp_path) -> None:
    saver = ArrowSaver(f"{bucket}/runs", filesystem=s3(server))
    batch(saver, 2)
    expected = everything(saver)
    reader = ArrowSaver(f"{bucket}/runs", filesystem=s3(server), read_only=True)
    same(everything(reader), expected)

    saver.compact()

    same(everything(saver), expected)
    same(everything(reader), expected)
    saver.close()
    reader.close()
    with ArrowSaver(f"{bucket}/runs", filesystem=s3(server)) as again:
        same(everything(again), expected)
        app(again).invoke({"n": 3}, config("x"))
        assert len(everything(again)) > len(expected)


def test_a_uri_names_an_object_store(server, bucket) -> None:
    uri = f"s3://key:secret@{bucket}/runs"
    uri += f"?endpoint_override=127.0.0.1%3A{server}&scheme=http&region=us-east-1"
    with ArrowSaver(uri) as saver:
        app(saver).invoke({"n": 3}, config("x"))
        assert everything(saver)
        assert saver.storage.place == f"s3://{bucket}/runs"


def test_a_uri_of_files_names_a_folder(tmp_path) -> None:
    with ArrowSaver((tmp_path / "run").as_uri()) as saver:
        app(saver).invoke({"n": 3}, config("x"))
    assert (tmp_path / "run" / "manifest.json").exists()


def test_a_connection_that_breaks_loses_nothing_that_was_acknowledged(server, bucket, wire) -> None:
    storage = ObjectStorage(s3(wire.port), f"{bucket}/runs")
    storage.append(FIRST)
    kept = list(FIRST)
    for n in range(6):
        more = [rows(10 + n, bytes([n]) * 40_000)]
        wire.left = 9000 * n
        try:
            storage.append(more)
            kept += more
        except CheckpointWriteError:
            pass
        wire.left = None
    storage.append(NEXT)
    kept += NEXT

    assert held(storage) == said(kept)
    reader = ObjectStorage(s3(server), f"{bucket}/runs", read_only=True)
    assert held(reader) == said(kept)
    reader.close()
    storage.close()


def test_a_flush_that_is_half_there_does_not_count(local, tmp_path) -> None:
    storage = local()
    storage.append(FIRST)
    storage.append(LAST)
    storage.close()
    last = tmp_path / "run" / "flush-000000000001.arrows"
    whole = last.read_bytes()
    for cut in range(0, len(whole), 97):
        last.write_bytes(whole[:cut])
        reader = local(read_only=True)
        assert held(reader) == said(FIRST)
        reader.close()
    storage = local()
    storage.append(NEXT)
    assert held(storage) == said(FIRST + NEXT)
    storage.close()
    storage = local(read_only=True)
    assert held(storage) == said(FIRST + NEXT)
    storage.close()


def test_any_flipped_bit_is_harmless_or_reported(local, tmp_path) -> None:
    storage = local()
    storage.append(FIRST)
    storage.append(LAST)
    storage.append(NEXT)
    storage.close()
    path = tmp_path / "run" / "flush-000000000001.arrows"
    whole = path.read_bytes()
    reported = 0
    for at in range(0, len(whole), 41):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        try:
            reader = local(read_only=True)
            assert held(reader) == said(FIRST + LAST + NEXT), at
            reader.close()
        except DamagedCheckpointError as error:
            assert str(path) in error.file  # noqa: PT017
            reported += 1
    assert reported > 30


def test_a_damaged_index_of_the_newest_flush_is_no_torn_tail(local, tmp_path) -> None:
    storage = local()
    storage.append(FIRST)
    storage.append(LAST)
    storage.close()
    path = tmp_path / "run" / "flush-000000000001.arrows"
    whole = path.read_bytes()
    begin = int.from_bytes(whole[-24:-16], "little")
    for at in range(begin, len(whole) - 32, 41):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        storage = local()
        with pytest.raises(DamagedCheckpointError, match="checksum"):
            storage.find(KINDS)
        with pytest.raises(DamagedCheckpointError, match="checksum"):
            storage.append(NEXT)
        storage.close()
        assert path.read_bytes() == data
    path.write_bytes(whole)
    storage = local()
    assert held(storage) == said(FIRST + LAST)
    storage.close()


def test_a_newest_flush_that_cannot_be_reached_is_not_written_over(local, monkeypatch) -> None:
    storage = local()
    storage.append(FIRST)
    storage.append(LAST)
    storage.close()
    content = ObjectStorage._content

    def out_of_reach(self, info):
        if info.base_name.endswith("1.arrows"):
            raise OSError("the connection was reset")
        return content(self, info)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStorage, "_content", out_of_reach)
        for options in ({}, {"read_only": True}):
            with pytest.raises(CheckpointConnectionError, match="reset"):
                local(**options)
    storage = local()
    assert held(storage) == said(FIRST + LAST)
    storage.close()


def test_a_missing_object_is_named(local, tmp_path) -> None:
    storage = local()
    for flush in (FIRST, LAST, NEXT):
        storage.append(flush)
    storage.close()
    (tmp_path / "run" / "flush-000000000001.arrows").unlink()
    reader = local(read_only=True)
    with pytest.raises(DamagedCheckpointError, match="flush-000000000001"):
        reader.find(KINDS)
    reader.close()


def test_one_writer_at_a_time_and_a_dead_one_runs_out(local, monkeypatch) -> None:
    storage = local()
    storage.append(FIRST)
    with pytest.raises(CheckpointLockedError, match="process"):
        local()
    monkeypatch.setattr(lease, "RENEWED", -1.0)
    storage.append(LAST)  # renews
    real = lease.time.time
    monkeypatch.setattr(lease.time, "time", lambda: real() + 2 * lease.LASTS)
    other = local()
    with pytest.raises(CheckpointLockedError):
        storage.append(NEXT)
    assert held(other) == said(FIRST + LAST)
    other.close()
    storage.close()


def test_readers_see_what_was_added_once_they_ask(local) -> None:
    storage = local()
    storage.append(FIRST)
    reader = local(read_only=True)
    storage.append(LAST)
    assert held(reader) == said(FIRST)
    assert reader.generation == 0
    assert held(reader) == said(FIRST + LAST)
    with pytest.raises(CheckpointWriteError, match="read only"):
        reader.append(NEXT)
    reader.close()
    storage.close()


def test_a_reader_of_nothing_is_told(local) -> None:
    with pytest.raises(CheckpointFormatError, match="holds no checkpoints"):
        local(read_only=True)


def test_objects_are_arrow_streams(local, tmp_path) -> None:
    storage = local()
    storage.append([columns(1, 5, "x"), columns(1, 5, "x", step=1)])
    storage.close()
    path = tmp_path / "run" / "flush-000000000000.arrows"
    with pa.ipc.open_stream(path.read_bytes()) as reader:
        assert [batch["x"].to_pylist() for batch in reader] == [[1, 2, 3, 4, 5]] * 2
