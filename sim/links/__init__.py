"""Links that transport bits: radio links, the shared band with its schedulers, and wires.

Read ``link_rates`` first, and ``shared_medium`` for a band that several clients share.
"""
