"""Scenario texts that several tests read."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CONTRACT"]

CONTRACT = Path(__file__).with_name("full_scenario.yaml").read_text(encoding="utf-8")
"""A scenario that gives nearly every key; its form and its values are promised to users."""
