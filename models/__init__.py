"""The models that clients and server train, their data, their training steps and their compression.

Read ``learning.epsl`` first: it shows a complete round of parallel split learning.
"""
