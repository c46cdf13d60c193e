"""Services of the operating system for runs: worker processes, folder locks, signals, library threads.

Read :mod:`.worker_processes` first.
"""
