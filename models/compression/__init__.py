"""Compression of what clients train and send: pruning, quantisation, activation dropout."""
