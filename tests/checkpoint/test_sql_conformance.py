"""Savers of SQL databases hold what a perfect one holds, on the real servers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, settings

from tests.checkpoint import sql_savers
from vecgraph.testing.savers import conformance

SHORT = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


TestSqlite = conformance(sql_savers.sqlite).TestCase
TestSqlite.settings = SHORT

TestSqliteSnapshots = conformance(
    lambda folder: sql_savers.sqlite(folder, snapshot_every=2, blob_at=20)
).TestCase
TestSqliteSnapshots.settings = SHORT


class Turns:
    """Several savers of the same tables that take turns: each call goes to the next one."""

    def __init__(self, savers):
        self._savers = savers
        self._turns = itertools.cycle(savers)

    def __getattr__(self, name):
        getattr(self._savers[0], name)
        return getattr(next(self._turns), name)

    def close(self):
        for saver in self._savers:
            saver.close()


TestTurns = conformance(
    lambda folder: Turns([sql_savers.sqlite(folder, blob_at=20) for _ in range(3)])
).TestCase
TestTurns.settings = SHORT

TestPostgres = conformance(sql_savers.postgres).TestCase
TestPostgres.settings = SHORT
TestPostgres = pytest.mark.usefixtures("postgres")(TestPostgres)

TestMySQL = conformance(sql_savers.mysql).TestCase
TestMySQL.settings = SHORT
TestMySQL = pytest.mark.usefixtures("mysql")(TestMySQL)
