"""Parts of a split model: their optimisers and losses, their averages, and passes through many of them.

Read ``part`` first.
"""
