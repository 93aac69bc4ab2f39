"""Caches: what nodes wrote for an input, kept for the next time, under LangGraph's names."""

from __future__ import annotations
