"""Networks to split: one file a family, each with ``build(parameters) -> nn.Sequential`` of named units.

``catalogue`` registers them; ``parameters`` holds what scenarios can set, and imports no torch.
"""
