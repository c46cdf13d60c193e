"""Learners: the side of a scheme that computes with tensors."""
