"""Scenarios: their schema, their loading, and the library of YAML files."""
