"""FedSL: federated split learning that prunes, quantises and drops out; in its rounds it is SplitFed V1.

"Federated Split Learning with Model Pruning and Gradient Quantization in Wireless Networks",
arXiv 2412.06414.
"""

from __future__ import annotations

from ...scenarios.schema.compression import Compression, Dropout, Pruning, Quantisation
from .sfl import SflParameters

__all__ = ["FedslParameters"]


class FedslParameters(SflParameters):
    """FedSL is SplitFed V1 with all three compressions on; ``compression: {}`` makes it SplitFed V1.

    Gradients of 8 bits are the paper's; how much is pruned and dropped is ours.
    """

    compression: Compression = Compression(
        pruning=Pruning(share=0.3), quantisation=Quantisation(bits=8), dropout=Dropout(share=0.2)
    )
