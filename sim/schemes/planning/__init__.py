"""Plans: cuts, subchannels, powers and medium access, decided before a round as frozen values.

Read ``plan`` first, which is the result, then ``radio_planner``, which makes it.
"""
