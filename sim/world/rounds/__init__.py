"""What a round needs besides time: its members, its policy, its parallel steps, and the check that it ends.

Read ``round_policy`` first, then ``parallel_step``, which carries a policy out.
"""
