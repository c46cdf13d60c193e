"""Training schemes, one module each, with the loop that runs their rounds.

Read ``base`` first, which is the interface of a scheme, and then ``sl``, the shortest scheme.
"""
