"""Methods that choose subchannels, power and cut together, and lower bounds on the round time.

Read :mod:`.published_baselines` first, then :mod:`.bcd` for the plan that is near the optimum.
"""
