"""Explanation of rounds: critical path, blame, slack and percentiles, from the tables of a finished run."""
