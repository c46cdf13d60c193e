"""Round planners: they decide before each round which clients take part, and which plan the round follows.

Read ``round_planner`` first, which is the interface, and then ``fixed_plan``, which keeps one plan.
"""
