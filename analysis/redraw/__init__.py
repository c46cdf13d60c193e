"""Figures of finished runs, sweeps and comparisons, drawn again by name. Read ``named_figures.py`` first."""
