"""Fixtures of the comparisons with LangGraph."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(scope="module")
def quiet():
    """Keep vecgraph's warnings out of a long comparison's report, and give them back after it."""
    logger = logging.getLogger("vecgraph")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)
