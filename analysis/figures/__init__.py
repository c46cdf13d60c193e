"""Figures of runs and sweeps, drawn by Matplotlib from tables. Read ``run.py`` first."""
