"""Multi-hop split learning: U-shaped models whose middle part is trained on compute nodes.

Read ``structure`` first, which says which units are where, then ``epoch``, which is the round.
"""
