"""The progress of runs and sweeps for people who wait. Read ``displays`` first."""
