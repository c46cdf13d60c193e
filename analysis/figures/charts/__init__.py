"""Charts of results: learning curves, figures of sweeps, bars of a comparison. Read ``curves.py`` first."""
