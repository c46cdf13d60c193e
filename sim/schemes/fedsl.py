"""FedSL: SplitFed V1 with pruned client parts, quantised gradients and dropout of activations.

After "Federated Split Learning with Model Pruning and Gradient Quantization in Wireless Networks",
arXiv 2412.06414.
"""

from __future__ import annotations

from pydantic import Field

from ...scenarios.schema.compression import Compression, Dropout, Pruning, Quantisation
from .sfl import SflParameters

__all__ = ["FedslParameters"]


class FedslParameters(SflParameters):
    """The parameters of SplitFed V1, with all three kinds of compression by default.

    With ``compression: {}`` the scheme is SplitFed V1. The 8 bits of a gradient are the paper's value. The
    shares that are pruned and dropped are our choice.
    """

    compression: Compression = Field(
        default=Compression(
            pruning=Pruning(share=0.3), quantisation=Quantisation(bits=8), dropout=Dropout(share=0.2)
        ),
        description="compression of this scheme; {}: none, which is SplitFed V1",
    )
