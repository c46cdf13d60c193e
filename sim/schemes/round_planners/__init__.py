"""Round planners: they decide before each round which clients take part, and by which plan.

Read ``fixed_plan`` first, which keeps one plan for all rounds; the others replace what changes.
"""
