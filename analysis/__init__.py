"""The results of finished runs: tables, comparisons, figures, explanations, timelines, traces and reports.

Read ``results/run.py`` first.
"""
