"""The execution of schemes: their rounds, their tables, worker processes and callbacks.

Read ``scheme_run`` first.
"""
