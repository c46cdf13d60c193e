"""The choice of a scheme's first plan: nominal, for stationary means, or by simulated rounds.

Read ``first_plan`` first. ``candidates`` makes the plans to choose from, ``replications`` simulates their
rounds, and ``racing`` decides which candidates are worse.
"""
