"""What the savers of all SQL databases share."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from vecgraph.checkpoint.codec import SerdePacker
from vecgraph.checkpoint.log import LogSaver
from vecgraph.checkpoint.sql.storage import SqlStorage

if TYPE_CHECKING:
    from vecgraph.checkpoint.chunks import Compression
    from vecgraph.checkpoint.codec import PacksValues
    from vecgraph.checkpoint.sql.dialect import Dialect
    from vecgraph.checkpoint.sql.session import Session

__all__ = ["SqlSaver", "driver", "parts_of"]


class SqlSaver(LogSaver):
    """Keeps checkpoints in a SQL database. Several programs may write to it at once.

    Parameters
    ----------
    session : Session
    dialect : Dialect
    serde : object, optional
        Has `dumps_typed` and `loads_typed`, as LangGraph's serialisers have.
    packer : object, optional
        Has `pack` and `unpack`; `serde` wins.
    table_prefix : str
        Of the names of the tables; a prefix is a log of its own.
    compression, snapshot_every, blob_at
        See `LogSaver`.
    """

    storage: SqlStorage

    def __init__(
        self,
        session: Session,
        dialect: Dialect,
        *,
        serde: Any = None,
        packer: PacksValues | None = None,
        table_prefix: str = "vecgraph",
        compression: Compression = "zstd",
        snapshot_every: int = 64,
        blob_at: int = 1 << 14,
    ) -> None:
        super().__init__(
            SqlStorage(session, dialect, table_prefix),
            packer=packer if serde is None else SerdePacker(serde),
            compression=compression,
            snapshot_every=snapshot_every,
            blob_at=blob_at,
        )


def driver(module: str, extra: str) -> Any:
    """Import the driver of a database.

    Raises
    ------
    ImportError
        It is not installed; says what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"this needs {module}: pip install 'vecgraph[{extra}]'") from error


def parts_of(uri: str, scheme: str, port: int) -> dict[str, Any]:
    """Return what a URI of a server says: host, port, user, password, database, and options.

    Raises
    ------
    ValueError
        It has another scheme, or no host.

    Examples
    --------
    >>> parts_of("mysql://ann:p%40ss@localhost/test", "mysql", 3306)
    {'host': 'localhost', 'port': 3306, 'user': 'ann', 'password': 'p@ss', 'database': 'test'}
    """
    split = urlsplit(uri)
    if split.scheme.partition("+")[0] != scheme or not split.hostname:
        raise ValueError(f"a connection string begins with {scheme}://user:password@host/database")
    return {
        "host": split.hostname,
        "port": split.port or port,
        "user": unquote(split.username or ""),
        "password": unquote(split.password or ""),
        "database": unquote(split.path.lstrip("/")),
        **dict(parse_qsl(split.query)),
    }
