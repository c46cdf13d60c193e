"""The results of sweeps: folders, tables, statistics over seeds, and points that are missing.

Read ``sweep_folder`` first.
"""
