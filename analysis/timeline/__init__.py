"""Analysis of the table of intervals: time by phase, idle time by cause, overlap, and differences of runs."""
