"""The quantiser is unbiased, its error is bounded, and its messages have the counted size."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cutlayer.models.compression.quantiser import Quantiser
from cutlayer.scenarios.schema.compression import Quantisation

FALSE_ALARM = 1e-9
DRAWS = 20_000
VALUES = 40


def seeded(seed: int = 5) -> torch.Generator:
    """Return a new generator."""
    return torch.Generator().manual_seed(seed)


def bucket(kind: str) -> Tensor:
    """Return one bucket: even, heavy-tailed, or with one value that holds nearly all of the norm."""
    values = torch.randn(VALUES, generator=seeded(1), dtype=torch.float64)
    if kind == "heavy":
        return values**5
    if kind == "spike":
        values[3] = -1000.0
    return values


def drawn(values: Tensor, bits: int) -> Tensor:
    """Return the bucket quantised many times, ``[num_draws, num_values]``."""
    quantiser = Quantiser(Quantisation(bits=bits, bucket=len(values)))
    return quantiser.quantise(values.repeat(DRAWS, 1), seeded())


@pytest.mark.parametrize("bits", [2, 3, 8])
@pytest.mark.parametrize("kind", ["even", "heavy", "spike"])
def test_no_value_is_biased(kind: str, bits: int) -> None:
    """E[Q(g)] = g for every value; Hoeffding's bound for all values together, false alarm 1e-9."""
    values = bucket(kind)
    width = float(values.norm()) / Quantisation(bits=bits).levels
    margin = width * math.sqrt(math.log(2 * VALUES / FALSE_ALARM) / (2 * DRAWS))
    assert float((drawn(values, bits).mean(dim=0) - values).abs().max()) <= margin


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
@pytest.mark.parametrize("kind", ["even", "heavy", "spike"])
def test_the_error_is_within_the_bound(kind: str, bits: int) -> None:
    """E‖Q(g) − g‖² ≤ min(d/s², √d/s)·‖g‖²; Hoeffding's bound for the mean, false alarm 1e-9."""
    values = bucket(kind)
    levels, energy = Quantisation(bits=bits).levels, float(values.square().sum())
    errors = (drawn(values, bits) - values).square().sum(dim=1)
    # each value is at most a level away
    margin = VALUES * energy / levels**2 * math.sqrt(math.log(1 / FALSE_ALARM) / (2 * DRAWS))
    bound = min(VALUES / levels**2, math.sqrt(VALUES) / levels) * energy
    assert float(errors.mean()) <= bound + margin


def test_values_fall_on_one_of_the_two_levels_around_them() -> None:
    """The error of each value is at most one level, and no sign changes."""
    values = torch.randn(1000, generator=seeded(2))
    section = Quantisation(bits=4, bucket=1000)
    arrived = Quantiser(section).quantise(values, seeded())
    assert float((arrived - values).abs().max()) <= float(values.norm()) / section.levels * (1 + 1e-6)
    assert bool((arrived * values >= 0).all())


def test_a_norm_is_never_below_its_values() -> None:
    """Norms are rounded up to fp32: with one level, a bucket of one value arrives no smaller."""
    values = torch.rand(1000, generator=seeded(3), dtype=torch.float64) + 1.0
    arrived = Quantiser(Quantisation(bits=2, bucket=1)).quantise(values, seeded())
    assert bool((arrived >= values).all())
    assert float((arrived - values).max()) <= 2e-7


@given(
    st.lists(st.floats(-(2.0**100), 2.0**100, width=32), max_size=70),
    st.integers(2, 16),
    st.integers(1, 40),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_what_is_computed_is_what_the_bytes_hold(
    values: list[float], bits: int, size: int, dtype: torch.dtype
) -> None:
    """``quantise`` is bit-identical to ``decode(encode(…))``, and the message has the counted size."""
    section = Quantisation(bits=bits, bucket=size)
    quantiser, message = Quantiser(section), torch.tensor(values, dtype=dtype)
    sent = quantiser.encode(message, seeded())
    arrived = quantiser.quantise(message, seeded())
    assert torch.equal(arrived.nan_to_num(7.0), quantiser.decode(sent, len(values), dtype).nan_to_num(7.0))
    assert math.ceil(section.message_bits(len(values)) / 8) == len(sent)


def test_a_message_costs_its_values_and_a_norm_for_each_bucket() -> None:
    """513 values of 8 bits in buckets of 512 take 513 bytes and two norms."""
    assert 8 * 513 + 2 * 32 == Quantisation().message_bits(513)
    assert 0 == Quantisation().message_bits(0)


def test_every_bucket_has_a_norm_of_its_own() -> None:
    """A bucket of large values does not change the error of the next bucket."""
    values = torch.cat([torch.full((4,), 1e6), torch.full((4,), 1e-3)])
    arrived = Quantiser(Quantisation(bits=8, bucket=4)).quantise(values, seeded())
    assert float((arrived[4:] - values[4:]).abs().max()) <= 2e-3 / 127 * (1 + 1e-6)


def test_zeros_stay_zeros() -> None:
    """A bucket of zeros stays zeros."""
    assert torch.equal(torch.zeros(5), Quantiser(Quantisation()).quantise(torch.zeros(5), seeded()))


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_is_seen(wrong: float) -> None:
    """The bucket with this value becomes NaN, and the others do not change."""
    values = torch.tensor([1.0, wrong, 3.0, 4.0])
    arrived = Quantiser(Quantisation(bucket=2)).quantise(values, seeded())
    assert [True, True, False, False] == arrived.isnan().tolist()
