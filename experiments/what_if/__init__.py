"""Savings of changes: changes of a run's scenario, and their re-simulation with the same draws."""
