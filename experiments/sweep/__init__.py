"""Sweeps: many points of one scenario, run by worker processes or by the workers of a Dask scheduler.

Read ``sweep.py`` first; ``worker_pool.py`` explains what happens when a worker dies.
"""
