"""Methods that choose the uplink power of each subchannel, and the optimal end times of the stages.

Read :mod:`.methods` first, then :mod:`.stage_deadlines` and :mod:`.water_filling` for optimal power.
"""
