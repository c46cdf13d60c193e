"""Scenarios: the schema of their keys, their loading, and the library of YAML files.

Read ``schema/scenario.py`` first.
"""
