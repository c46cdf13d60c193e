"""Prunable filters; and masked parts, which compute the outputs of really smaller parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from cutlayer.models.compression.cut_layer_codec import ChannelGate
from cutlayer.models.compression.filter_removal import remove_filters
from cutlayer.models.compression.filters import FilterLayer, filter_layers, tensor_masks
from cutlayer.models.networks.resnet import BasicBlock

ROWS, SHAPE = 6, (2, 8, 8)


def convolution(inputs: int, outputs: int, **options: int) -> nn.Conv2d:
    """Return a 3x3 convolution."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, **options)  # type: ignore[arg-type]


def plain() -> nn.Sequential:
    """Return convolutions with a bias and fully connected layers, with activations that are not 0 at 0."""
    return nn.Sequential(
        nn.Sequential(convolution(2, 4), nn.Sigmoid()),
        nn.MaxPool2d(2),
        nn.Sequential(convolution(4, 5), nn.Sigmoid(), nn.AvgPool2d(2)),
        nn.Sequential(nn.Flatten(), nn.Linear(20, 7), nn.Sigmoid()),
        nn.Linear(7, 6),
    )


def normed() -> nn.Sequential:
    """Return batch norms after convolutions, after a Flatten and after a fully connected layer."""
    return nn.Sequential(
        nn.Sequential(convolution(2, 4), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(convolution(4, 3), nn.BatchNorm2d(3, affine=False), nn.Tanh(), nn.MaxPool2d(4)),
        nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12), nn.Linear(12, 5), nn.BatchNorm1d(5), nn.Sigmoid()),
    )


def maps() -> nn.Sequential:
    """Return a part whose outputs are feature maps."""
    return nn.Sequential(convolution(2, 4), nn.BatchNorm2d(4), nn.GELU(), convolution(4, 6), nn.Sigmoid())


def flattened() -> nn.Sequential:
    """Return a part whose outputs are flattened feature maps."""
    return nn.Sequential(convolution(2, 4), nn.Tanh(), nn.MaxPool2d(4), nn.Flatten())


def residual() -> nn.Sequential:
    """Return basic blocks between convolutions, with and without a projection."""
    return nn.Sequential(
        nn.Sequential(convolution(2, 4), nn.BatchNorm2d(4), nn.ReLU()),
        BasicBlock(4, 4, 1, "relu", 1),
        BasicBlock(4, 6, 2, "sigmoid", 3),
        convolution(6, 5),
    )


PARTS: list[Callable[[], nn.Sequential]] = [plain, normed, maps, flattened, residual]


def paths(part: nn.Module, *, ends_model: bool = False) -> list[str]:
    """Return the prunable layers' paths."""
    return [layer.path for layer in filter_layers(part, ends_model=ends_model)]


@given(st.sampled_from(PARTS), st.integers(0, 10_000), st.booleans(), st.booleans())
def test_masked_is_smaller(
    make: Callable[[], nn.Sequential], seed: int, ends_model: bool, training: bool
) -> None:
    """For any masks, the masked part has the outputs and gradients of the smaller part."""
    torch.manual_seed(seed)
    part = make().double()
    for norm in (m for m in part.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)):
        assert norm.running_mean is not None
        norm.running_mean.uniform_(-1, 1)
    layers = filter_layers(part, ends_model=ends_model)
    masks = {layer.path: any_mask(layer.outputs) for layer in layers}
    small = remove_filters(part, layers, masks)
    gate = ChannelGate()
    if layers and layers[-1].consumer is None:
        gate.mask = masks[layers[-1].path]
    tensors = {**dict(part.named_parameters()), **dict(part.named_buffers())}
    kept = tensor_masks(tensors, layers, masks)
    with torch.no_grad():
        for name, mask in kept.items():
            tensors[name].masked_fill_(~mask, 0.0)
    images = torch.randn(ROWS, *SHAPE, dtype=torch.float64)
    masked_out, small_out = gate(part.train(training)(images)), small.train(training)(images)
    left = left_of(masked_out, gate)
    assert torch.allclose(masked_out[:, left], small_out, rtol=1e-12, atol=1e-13)
    assert not masked_out[:, ~left].any()
    weights = torch.randn_like(masked_out)
    (masked_out * weights).sum().backward()
    (small_out * weights[:, left]).sum().backward()
    for name, parameter in small.named_parameters():
        whole = part.get_parameter(name)
        assert whole.grad is not None
        assert parameter.grad is not None
        entries = whole.grad[kept[name]] if name in kept else whole.grad.flatten()
        assert torch.allclose(entries, parameter.grad.flatten(), rtol=1e-9, atol=1e-12), name


def any_mask(count: int) -> Tensor:
    """Return a random mask with at least one true entry."""
    mask = torch.rand(count) < 0.6
    mask[torch.randint(count, ())] = True
    return mask


def left_of(values: Tensor, gate: ChannelGate) -> Tensor:
    """Return the mask of the entries that remain in dimension 1."""
    if gate.mask is None:
        return torch.ones(values.shape[1], dtype=torch.bool)
    return gate.mask.repeat_interleave(values.shape[1] // len(gate.mask))


def test_a_smaller_part_has_fewer_parameters() -> None:
    """The smaller part has the filters that stay, their batch norms, and the weights of the next layer."""
    part = normed()
    layers = filter_layers(part, ends_model=True)
    masks = {layer.path: torch.arange(layer.outputs) < 2 for layer in layers}
    shapes = [tuple(p.shape) for p in remove_filters(part, layers, masks).parameters()]
    assert [
        (2, 2, 3, 3),
        (2,),
        (2,),
        (2,),
        (2, 2, 3, 3),
        (2,),
        (8,),
        (8,),
        (5, 8),
        (5,),
        (5,),
        (5,),
    ] == shapes


def test_the_last_layer_of_the_model_stays_whole() -> None:
    """The last layer of the model is not prunable; the last layer before a cut is."""
    assert ["0.0", "2.0", "3.1"] == paths(plain(), ends_model=True)
    assert ["0.0", "2.0", "3.1", "4"] == paths(plain())


def test_what_shortcuts_add_to_stays_whole() -> None:
    """In a basic block only the outputs of the first convolution are prunable."""
    assert ["1.residual.0", "2.residual.0", "3"] == paths(residual())
    assert ["1.residual.0", "2.residual.0"] == paths(residual()[:3])
    assert ["0.0"] == paths(residual()[:1])


def test_a_layer_knows_what_its_outputs_pass() -> None:
    """A prunable layer includes the batch norms after it and the layer that uses its outputs."""
    first, second, third = filter_layers(normed(), ends_model=False)
    assert FilterLayer("0.0", 4, ("0.1",), "1.0") == first
    assert FilterLayer("1.0", 3, ("1.1", "2.1"), "2.2") == second
    assert FilterLayer("2.2", 5, ("2.3",), None) == third


class Mixing(nn.Module):
    """A module of an unknown type."""

    def forward(self, values: Tensor) -> Tensor:
        """Return the channels in another order."""
        return values.flip(1)


class OwnConvolution(nn.Conv2d):
    """A subclass of a known module, which may compute anything."""


def shared() -> nn.Sequential:
    """Return a part in which one convolution occurs twice, as a stateless module may."""
    again, act = convolution(4, 4), nn.ReLU()
    return nn.Sequential(convolution(2, 4), act, again, act, again, act, convolution(4, 3), convolution(3, 2))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (nn.Sequential(convolution(2, 4), Mixing(), convolution(4, 6)), ["2"]),
        (nn.Sequential(convolution(2, 4), convolution(4, 4, groups=2), convolution(4, 6)), ["2"]),
        (nn.Sequential(convolution(2, 4), OwnConvolution(4, 6, 1)), []),
        (nn.Sequential(convolution(2, 4), nn.Linear(8, 8)), []),
        (nn.Sequential(convolution(2, 4), nn.Flatten(2), nn.Linear(64, 3)), []),
        (nn.Sequential(convolution(2, 4), nn.LayerNorm([4, 8, 8])), []),
        (shared(), ["6", "7"]),
        (nn.Sequential(nn.Flatten()), []),
    ],
    ids=["unknown", "groups", "subclass", "linear on columns", "half flat", "layer norm", "shared", "none"],
)
def test_what_is_not_known_keeps_all_that_enters_it(part: nn.Sequential, expected: list[str]) -> None:
    """A layer is prunable only if all modules between it and the next layer are of known types."""
    assert expected == paths(part)
