"""The timeline: the record of all intervals, and the order of events at one instant.

Read ``interval_record`` first, and ``event_order`` for simultaneous events.
"""
