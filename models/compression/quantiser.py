"""An unbiased stochastic quantiser that works in buckets, and its messages in bytes.

Alistarh, Grubic, Li, Tomioka, Vojnović, "QSGD: Communication-Efficient SGD via Gradient Quantization and
Encoding", NeurIPS 2017, section 3. A value is sent as a sign and q − 1 bits of magnitude instead of an Elias
code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...scenarios.schema.compression import Quantisation

__all__ = ["Quantiser"]

_NORM = np.dtype("<f4")


@dataclass(frozen=True)
class _Codes:
    """Signed levels ``[num_values]``, from −s to s, and norms ``[num_buckets]``, fp32."""

    levels: Tensor
    norms: Tensor


class Quantiser:
    """Rounds each value x of a bucket to ±ℓ·‖bucket‖/s with one of the two levels ℓ around s·|x|/‖bucket‖.

    The probability of the upper level is such that the expected result is x. For a bucket g of d values
    ``E‖Q(g) − g‖² ≤ min(d/s², √d/s)·‖g‖²`` (QSGD, Lemma 3.1). A bucket whose norm is not finite becomes NaN,
    so that diverging training is noticed.

    Parameters
    ----------
    section : Quantisation
        Bits per value q, with s = 2^(q−1) − 1 levels, and values per bucket d.
    """

    def __init__(self, section: Quantisation) -> None:
        self._bits = section.bits
        self._top = section.levels
        self._bucket = section.bucket

    def quantise(self, values: Tensor, generator: torch.Generator) -> Tensor:
        """Return the values as the receiver decodes them, bit-identical to ``decode(encode(…))``.

        Parameters
        ----------
        values : Tensor, any shape
            Buckets are filled in the order of the flattened values.
        generator : torch.Generator
            A generator on the device of the values.
        """
        return self._values_of_codes(self._quantise_to_codes(values, generator), values.dtype).view(
            values.shape
        )

    def encode(self, values: Tensor, generator: torch.Generator) -> bytes:
        """Return the message: 4 bytes per norm, then q bits per value; zeros fill the last byte."""
        codes = self._quantise_to_codes(values, generator)
        levels = codes.levels.cpu().numpy()
        # [num_values], the sign above the magnitude
        words = np.abs(levels) | np.where(levels < 0, self._top + 1, 0)
        # [num_values, q], the most significant bit first
        bits = (words[:, None] >> np.arange(self._bits - 1, -1, -1)) & 1
        norms: NDArray[np.float32] = codes.norms.cpu().numpy()
        return norms.astype(_NORM).tobytes() + np.packbits(bits.astype(np.uint8)).tobytes()

    def decode(self, message: bytes, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the values of a message, ``[count]``."""
        buckets = -(-count // self._bucket)
        norms = np.frombuffer(message, dtype=_NORM, count=buckets).astype(np.float32)
        packed = np.frombuffer(message, dtype=np.uint8, offset=norms.nbytes)
        bits = np.unpackbits(packed, count=count * self._bits).reshape(count, self._bits)
        words = bits.astype(np.int64) @ (1 << np.arange(self._bits - 1, -1, -1))
        magnitudes = words & self._top
        levels = np.where(words > self._top, -magnitudes, magnitudes)
        return self._values_of_codes(_Codes(torch.as_tensor(levels), torch.as_tensor(norms)), dtype)

    def _quantise_to_codes(self, values: Tensor, generator: torch.Generator) -> _Codes:
        flat = values.detach().flatten()
        # [num_buckets, d]
        buckets = functional.pad(flat, (0, -len(flat) % self._bucket)).view(-1, self._bucket)
        norms = _fp32_above(torch.linalg.vector_norm(buckets, dim=1))
        ratios = buckets.abs() / norms.to(buckets.dtype).unsqueeze(1) * self._top
        # NaN comes from buckets of zeros, and from buckets with values that are not finite
        ratios = ratios.nan_to_num(nan=0.0)
        draws = torch.rand(ratios.shape, generator=generator, dtype=ratios.dtype, device=ratios.device)
        floors = ratios.floor()
        magnitudes = floors + (draws < ratios - floors)
        levels = (magnitudes * buckets.sign().nan_to_num(nan=0.0)).to(torch.int64)
        return _Codes(levels.flatten()[: len(flat)], norms)

    def _values_of_codes(self, codes: _Codes, dtype: torch.dtype) -> Tensor:
        norms = codes.norms.to(dtype).repeat_interleave(self._bucket)[: len(codes.levels)]
        return codes.levels.to(dtype) * norms / self._top


def _fp32_above(norms: Tensor) -> Tensor:
    """Return the norms in fp32, rounded up, so that no value exceeds the norm of its bucket."""
    rounded = norms.to(torch.float32)
    above = torch.nextafter(rounded, torch.full_like(rounded, torch.inf))
    return torch.where(rounded.to(norms.dtype) < norms, above, rounded)
