"""Networks that can be split: one module per family, each with ``build(parameters) -> nn.Sequential``.

Read ``lenet`` first for an example, then ``catalogue``, which registers all networks.
"""
