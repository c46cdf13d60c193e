"""The members of a round, its policy, its parallel steps, and the check that it can end.

Read ``round_policy`` first, then ``parallel_step``, which carries a policy out.
"""
