"""What a log of checkpoints does for many threads at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from vecgraph.checkpoint.base import BaseCheckpointSaver
from vecgraph.checkpoint.blobs import Blobs
from vecgraph.checkpoint.codec import Codec, Held
from vecgraph.checkpoint.columnread import ColumnReader
from vecgraph.checkpoint.columnwrite import ColumnWriter
from vecgraph.checkpoint.columnwrites import ManyWrites, read_writes
from vecgraph.checkpoint.deletion import Deletion
from vecgraph.checkpoint.marks import Marks
from vecgraph.checkpoint.past import Past, read_past
from vecgraph.checkpoint.reader import Reader
from vecgraph.checkpoint.serde.pack import Packer
from vecgraph.checkpoint.shelf import Shelf
from vecgraph.checkpoint.threads import Threads
from vecgraph.checkpoint.views import Views
from vecgraph.checkpoint.writer import Writer
from vecgraph.errors import DamagedCheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from vecgraph.checkpoint.chunks import Compression
    from vecgraph.checkpoint.codec import PacksValues
    from vecgraph.checkpoint.columnwalk import ColumnState
    from vecgraph.checkpoint.pipeline import Durability
    from vecgraph.checkpoint.storage import Storage
    from vecgraph.engine.flush import Flush, GraphForm
    from vecgraph.typing import Rows

__all__ = ["BulkSaver"]

P = ParamSpec("P")
T = TypeVar("T")


class BulkSaver(BaseCheckpointSaver[Any]):
    """The parts of a log, and what they do for many threads at once; see `LogSaver`."""

    _frees_at_once = True
    """Whether deleting gives room back, and not only `compact`."""

    def __init__(
        self,
        storage: Storage,
        *,
        packer: PacksValues | None = None,
        compression: Compression = "zstd",
        snapshot_every: int = 64,
        durability: Durability = "sync",
        blob_at: int = 1 << 14,
    ) -> None:
        super().__init__()
        self.storage = storage
        self.packer: PacksValues = Packer() if packer is None else packer
        self.snapshot_every = snapshot_every
        self._lock = threading.RLock()
        self._shelf = Shelf(storage, durability, compression, self._lost)
        self._marks = Marks(self._shelf)
        self._threads = Threads(self._shelf, self._marks)
        self._codec = Codec(self.packer, self._shelf, blob_at)
        self._views = Views(self._shelf, self._marks, self._codec.load)
        parts = (self._shelf, self._threads, self._marks, self._views, self._codec)
        self._writer = Writer(*parts, snapshot_every)
        self._reader = Reader(*parts)
        self._blobs = Blobs(self._shelf, self._marks, self._codec, counts=self._frees_at_once)
        self._deletion = Deletion(*parts, self._writer, self._reader, self._blobs)
        self._column_reader = ColumnReader(self._shelf, self._marks, self._views, self._codec.load)
        self._column_writer = ColumnWriter(
            self._shelf, self._threads, self._marks, self._codec, self._writer, snapshot_every
        )
        self._stale = True
        self._generation = 0

    def _lost(self) -> None:
        """Note that what is known by heart may be wrong: a flush was lost."""
        self._stale = True

    def _ready(self) -> None:
        """Make what is known true again."""
        generation = getattr(self.storage, "generation", 0)
        if generation != self._generation:
            # Chunks were put together: those that are known may be gone.
            self._generation, self._stale = generation, True
        if self._stale:
            self._shelf.forget()
            for part in (self._marks, self._threads, self._views, self._writer, self._codec):
                part.forget()
            self._stale = False
            self._marks.refresh()
        elif not self.storage.exclusive:
            self._marks.refresh()
            self._codec.forget()  # somebody else may have taken blobs away

    def _write(self, write: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            try:
                if self.storage.exclusive:  # there is nobody to be held back
                    self._shelf.check()
                    self._ready()
                    return write(*args, **kwargs)
                with self._shelf.writing():
                    self._ready()
                    return write(*args, **kwargs)
            except BaseException:
                # Something may be known by now that will never be stored.
                self._stale = True
                raise

    def _delete(self, delete: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Do what takes checkpoints away, and give room back where that is cheap."""
        self._write(delete, *args, **kwargs)
        if self._frees_at_once and self._blobs.is_worth_it:
            self.compact()

    def compact(self) -> None:
        """Give back the room of large values that nothing refers to any more.

        Values of `blob_at` bytes or more are kept once, whoever has them. They go when the last
        one who has them was deleted: with the deletion where finding that out takes little in
        comparison with what it may give back, else now.

        Raises
        ------
        CheckpointWriteError
            They could not be taken away; everything is as it was.
        """
        with self._lock:
            # Others may write meanwhile: what they came to refer to stays.
            found = self._read(self._blobs.unused_now)
            self._write(self._blobs.drop, *found)

    def _read(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            try:
                return self._read_once(read, *args, **kwargs)
            except DamagedCheckpointError:
                # A chunk that is not there may have been replaced since it was found.
                self._stale = True
                return self._read_once(read, *args, **kwargs)

    def _read_once(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._shelf.reading():
            self._ready()
            return read(*args, **kwargs)

    def register_threads(
        self,
        ids: Sequence[str] | None = None,
        *,
        prefix: str = "",
        count: int = 0,
        first: int = 0,
        ns: str = "",
    ) -> Rows:
        """Return the numbers of threads, for `write_columns`; unknown ones are made known.

        Parameters
        ----------
        ids : sequence of str, optional
            Ids. Without them, the threads ``prefix + str(i)`` are meant, for `count` numbers
            i from `first` on: that takes no room, however many they are.
        ns : str
            Namespace of all of them.

        Returns
        -------
        int64 ndarray
            In the order of the ids.
        """
        if ids is not None:
            return self._write(self._column_writer.register, [str(name) for name in ids], ns)
        return self._write(self._column_writer.register_counted, prefix, count, first, ns)

    def scratch(self) -> BulkSaver:
        """Return an empty saver in memory, for what is not to be kept.

        It keeps values themselves, not what they are as bytes.
        """
        from vecgraph.checkpoint.memory import InMemorySaver

        return InMemorySaver(packer=Held(), snapshot_every=self.snapshot_every, blob_at=1 << 30)

    def write_columns(self, flush: Flush) -> int:
        """Store a checkpoint of each of many threads.

        Returns
        -------
        int
            The time that the checkpoints got, in microseconds since 1970.
        """
        return self._write(self._column_writer.write, flush)

    def put_writes_many(
        self,
        threads: Rows,
        seq: npt.NDArray[np.int32],
        task_ids: Sequence[str],
        paths: Sequence[str] | str,
        channels: Sequence[str] | str,
        values: Sequence[Any],
        *,
        idx: npt.NDArray[np.int32] | None = None,
    ) -> None:
        """Store what tasks of many threads wrote, before their supersteps are complete.

        One call is one flush: all of it is stored or nothing. Each of the M writes stands beside
        the checkpoint that its task runs on, as after `put_writes`: `get_tuple` and `list` have
        it in ``pending_writes``, `pending_of` returns it in bulk, and `ColumnState.pending` says
        that there is one. Errors, questions, answers and what finished siblings of a failed task
        wrote are all writes, told apart by their channels.

        Parameters
        ----------
        threads : int64 ndarray of shape (M,)
            Numbers of threads; a thread occurs once for each of its writes.
        seq : int32 ndarray of shape (M,)
            Place of the checkpoint that the task runs on, as the engine gave it in `Flush`.
        task_ids : sequence of M str
        paths : sequence of M str, or str
            Of the tasks, as `put_writes` has them; writes apply in their order. One: of all.
        channels : sequence of M str, or str
            ``__error__``, ``__interrupt__``, ``__resume__``, or the channel written to.
        values : sequence of M objects
            Packed like the values of channels.
        idx : int32 ndarray of shape (M,), optional
            Place of each write in its task's list. None: a task's writes come in their order.
            It means nothing for special channels, of which a task has one write each.

        Raises
        ------
        ValueError
            The arguments are not of one length.

        Notes
        -----
        A second write to the same place of the same task is ignored, one to a special channel
        replaces the first.

        Examples
        --------
        >>> import numpy as np
        >>> from vecgraph.checkpoint.memory import InMemorySaver
        >>> saver = InMemorySaver()
        >>> threads = saver.register_threads(prefix="t", count=2)
        >>> at = np.zeros(2, np.int32)
        >>> saver.put_writes_many(threads, at, ["a", "b"], "", "__error__", ["no", "never"])
        >>> saver.pending_of(threads, at).values
        ['no', 'never']
        """
        paths, channels = (
            [given] * len(threads) if isinstance(given, str) else given
            for given in (paths, channels)
        )
        args = (threads, seq, (task_ids, paths), channels, values, idx)
        self._write(self._column_writer.put_writes, *args)

    def pending_of(self, threads: Rows, seq: npt.NDArray[np.int32] | None = None) -> ManyWrites:
        """Return the pending writes beside a checkpoint of each of many threads.

        Parameters
        ----------
        threads : int64 ndarray of shape (N,)
            Numbers of threads, each once.
        seq : int32 ndarray of shape (N,), optional
            Places of checkpoints; None: the latest.
        """
        return self._read(self._pending_of, threads, seq)

    def _pending_of(self, threads: Rows, seq: npt.NDArray[np.int32] | None) -> ManyWrites:
        places = self._column_reader.latest(threads) if seq is None else seq
        return read_writes(self._shelf, threads, places, self._codec.load)

    def find_threads(self, ids: Sequence[str], *, ns: str | None = None) -> Rows:
        """Return the numbers of those of some threads that there are, in the order of the ids.

        Parameters
        ----------
        ids : sequence of str
        ns : str, optional
            Namespace; None: all of each thread's.
        """
        return self._read(self._find_threads, [str(name) for name in ids], ns)

    def _find_threads(self, ids: Sequence[str], ns: str | None) -> Rows:
        if ns is not None:
            known = self._threads.numbers(ids, ns)
            return np.array([known[name] for name in ids if name in known], np.int64)
        found = [n for name in ids for n in self._threads.namespaces(name).values()]
        return np.array(found, np.int64)

    def thread_ids(self) -> list[str]:
        """Return the ids of all threads that there are, in the order of their registration."""
        return self._read(lambda: list(dict.fromkeys(name for _, name, _ in self._living())))

    def _living(self) -> list[tuple[int, str, str]]:
        return list(self._threads.living())

    def names_of(self, threads: Rows) -> list[str]:
        """Return the ids of threads by their numbers."""
        return self._read(lambda: [self._threads.name(int(n))[0] for n in threads.tolist()])

    def read_past(self, threads: Rows | None = None) -> Past:
        """Return all checkpoints of many threads, to be read column by column.

        Parameters
        ----------
        threads : int64 ndarray, optional
            Numbers of threads; None: all.
        """
        return self._read(self._past, threads)

    def _past(self, threads: Rows | None) -> Past:
        parts = (self._shelf, self._threads, self._marks, self._views)
        return read_past(*parts, self._codec.load, threads)

    def latest_places(self, threads: Rows) -> npt.NDArray[np.int32]:
        """Return the place of each thread's latest checkpoint, -1 where it has none.

        Parameters
        ----------
        threads : int64 ndarray of shape (N,)
            Numbers of threads.

        Returns
        -------
        int32 ndarray of shape (N,)
        """
        return self._read(self._column_reader.latest, threads)

    def read_columns(
        self,
        threads: Rows,
        seq: npt.NDArray[np.int32] | None = None,
        *,
        graph: GraphForm | None = None,
    ) -> ColumnState:
        """Return the states of many threads as columns.

        Parameters
        ----------
        threads : int64 ndarray of shape (N,)
            Numbers of threads.
        seq : int32 ndarray of shape (N,), optional
            Places of checkpoints; None: the latest.
        graph : GraphForm, optional
            Says which channels are signals and barriers, for checkpoints in row form.
        """
        return self._read(self._columns, threads, seq, graph)

    def _columns(
        self, threads: Rows, seq: npt.NDArray[np.int32] | None, graph: GraphForm | None
    ) -> ColumnState:
        places = self._column_reader.latest(threads) if seq is None else seq
        return self._column_reader.read(threads, places, graph)
