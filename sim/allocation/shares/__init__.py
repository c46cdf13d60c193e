"""Divides one resource among devices and chooses a cut for each, as in EdgeSplit and ESFL.

Read `problem.py` first: it defines the times that `solvers.py` minimises.
"""
