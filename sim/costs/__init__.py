"""FLOPs and bits of a round: of each stage of split learning, of each layer, and after compression.

Read `stages.py` first: it turns a model's unit table and a cut into the numbers of one round.
"""
