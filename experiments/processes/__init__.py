"""What runs need of the operating system: worker processes, locks of folders, signals, threads of libraries.

Read :mod:`.worker_processes` first.
"""
