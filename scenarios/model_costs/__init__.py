"""Tables of the costs of a model: FLOPs and bits of each unit, or measured times of each layer.

Read ``unit_table.py`` first.
"""
