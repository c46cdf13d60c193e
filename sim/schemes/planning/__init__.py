"""Plans: cuts, subchannels, powers and medium access, decided before a round as frozen values.

Read ``plan`` for the values first, then ``radio_planner`` for the way to them.
"""
