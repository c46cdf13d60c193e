"""The sections of a scenario, with the type, default and description of each key.

Read ``scenario.py`` first.
"""
