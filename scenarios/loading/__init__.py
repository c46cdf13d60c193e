"""Read and check scenarios and the points of their sweeps, and collect all issues with file and line.

Read ``loader.py`` first.
"""
