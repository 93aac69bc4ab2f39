"""Stores: what nodes remember beyond one run, under LangGraph's names."""

from __future__ import annotations
