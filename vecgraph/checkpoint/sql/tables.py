"""The tables of a log of checkpoints, version by version."""

from __future__ import annotations

from vecgraph.checkpoint.sql.database import Tables

__all__ = ["TABLES"]

_LOG = """
CREATE TABLE IF NOT EXISTS {p}_log (
    id {small} NOT NULL PRIMARY KEY,
    version {small} NOT NULL,
    chunks {big} NOT NULL,
    threads {big} NOT NULL,
    replaced {big} NOT NULL
) {engine}
"""
"""One row: the version of the tables, the next numbers of chunks and of threads, and how often
chunks were replaced.
"""

_FIRST = (
    "INSERT {ignore} INTO {p}_log (id, version, chunks, threads, replaced) "
    "VALUES (1, 0, 0, 0, 0) {unless}"
)

_SCHEMAS = """
CREATE TABLE {p}_schemas (
    digest {text} NOT NULL PRIMARY KEY,
    body {blob} NOT NULL
) {engine}
"""

_CHUNKS = """
CREATE TABLE {p}_chunks (
    number {big} NOT NULL PRIMARY KEY,
    kind {small} NOT NULL,
    wide {small} NOT NULL,
    digest {text} NOT NULL,
    n_rows {big} NOT NULL,
    lo {big} NOT NULL,
    hi {big} NOT NULL,
    seq_lo {big} NOT NULL,
    seq_hi {big} NOT NULL,
    ts {big} NOT NULL,
    n_bytes {big} NOT NULL,
    crc {big} NOT NULL,
    name {text} NOT NULL,
    payload {blob} NOT NULL
) {engine}
"""

_PARTS = """
CREATE TABLE {p}_parts (
    number {big} NOT NULL,
    part {small} NOT NULL,
    payload {blob} NOT NULL,
    PRIMARY KEY (number, part)
) {engine}
"""

_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        _SCHEMAS,
        _CHUNKS,
        _PARTS,
        "CREATE INDEX {p}_by_kind ON {p}_chunks (kind, number)",
        "CREATE INDEX {p}_by_name ON {p}_chunks (kind, name, number)",
        "CREATE INDEX {p}_by_thread ON {p}_chunks (wide, kind, lo, hi, number)",
    ),
)
"""Statements that lead from each version to the next; add at the end only."""

TABLES = Tables("log", _LOG, _FIRST, _MIGRATIONS)
"""Of a log of checkpoints."""
