"""Figures of runs and sweeps, drawn by Matplotlib from tables. Read ``run.py`` first."""

from .matplotlib_import import import_matplotlib

import_matplotlib()  # before any module of this package does so
