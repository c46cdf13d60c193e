"""Learners: the side of a scheme that computes with tensors, one module per scheme.

Read ``epsl`` first: it shows a complete round of parallel split learning.
"""
