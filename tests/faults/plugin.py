"""A pytest plugin that seeds one fault into vecgraph for a whole run of a suite.

``python -m pytest -p tests.faults.plugin --fault ints-wrap tests/differential``
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser) -> None:
    parser.addoption("--fault", default=None, help="name of a seeded fault")


@pytest.fixture(autouse=True, scope="session")
def _seeded(request):
    name = request.config.getoption("--fault")
    if name is None:
        yield
        return
    # Imported here: the engine must not be loaded before coverage and the like are.
    from tests.differential import cases
    from tests.faults.seeds import FAULTS

    cases.ORACLE_ONLY = True
    with pytest.MonkeyPatch.context() as patch:
        FAULTS[name](patch)
        yield
