"""Training in mixed precision: weights of float32, products of bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MixedSequential"]


class MixedSequential(nn.Sequential):
    """Units that compute under torch's autocast to bfloat16; what they hand on is float32 again.

    So what is sent, averaged and updated is as without it; bfloat16 has the exponents of float32, and losses
    need no scaling. Slices of it are of its kind.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the last unit's outputs."""
        with torch.autocast(inputs.device.type, torch.bfloat16):
            outputs: Tensor = super().forward(inputs)  # type: ignore[no-untyped-call]
        return outputs.float()
