"""The timeline of a run as a file for Perfetto. Read ``run_trace`` first."""
