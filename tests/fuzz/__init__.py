"""A fuzz test of scenarios: random mutations of the library, each of which must run or be refused.

``python -m tests.fuzz --count 20000`` runs it; ``python -m tests.fuzz --show 17`` prints one scenario.
"""
