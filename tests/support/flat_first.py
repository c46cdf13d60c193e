"""A model whose first unit has nothing to prune."""

from __future__ import annotations

from torch import nn


def flat_first() -> nn.Sequential:
    """Return a model that begins with a layer norm."""
    first = nn.Sequential(nn.Flatten(), nn.LayerNorm(16))
    return nn.Sequential(first, nn.Linear(16, 8), nn.Linear(8, 3))
