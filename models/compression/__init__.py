"""Compression of client models and of the tensors that cross the cut layer.

Read ``compressor`` first: it holds the object that learners call.
"""
