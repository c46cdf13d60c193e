"""Allocation of subchannels, power, bandwidth shares and cuts to clients, and placement on compute nodes.

Read :mod:`.problem` first for the quantities, then :mod:`.planner` for the search over all of them.
"""
