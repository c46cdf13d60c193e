"""A stretch of the model with the optimiser of its parameters, and the updates of many such parts."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ....scenarios.schema.scenario import Optimizer
from ...compression.compressor import ClientCompression

__all__ = ["MixedSequential", "Part", "Updates", "copied_part", "draws_values", "new_part"]


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


_MANY, _SMALL = 6, 16_384  # tensors, and values in one, where one call for all was measured to be faster


class Part:
    """A stretch of the model and the optimiser of its parameters (it may have none)."""

    def __init__(self, module: nn.Module, settings: Optimizer, lr: float) -> None:
        self.module = module
        self.parameters = list(module.parameters())
        self._has_buffers = any(True for _ in module.buffers())
        self.lr = lr
        self.optimizer = optimizer_of({lr: self.parameters}, settings) if self.parameters else None

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the part's outputs."""
        outputs: Tensor = self.module(inputs)
        return outputs

    @property
    def tensors(self) -> Sequence[Tensor]:
        """Return the parameters and buffers: what is sent and averaged."""
        if not self._has_buffers:
            return self.parameters  # finding them in the module takes longer than averaging them
        return [*self.parameters, *self.module.buffers()]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:  # the optimiser's own method costs ten times as much
            parameter.grad = None

    def step(self) -> None:
        """Update the parameters."""
        if self.optimizer is not None:
            self.optimizer.step()


class Updates:
    """The updates of several parts: one call for all, to the bit what each one's own would do.

    Each parameter keeps its state (Adam's moments and its count of steps, momentum) in its part's optimiser,
    so that parts may be updated in any company, or alone, from one round to the next.

    Parameters
    ----------
    settings : the scenario's optimiser section
    hooked : bool
        Something hooks the parts' own optimisers, which are called one by one then.
    """

    def __init__(self, settings: Optimizer, *, hooked: bool = False) -> None:
        self._settings, self._hooked = settings, hooked
        self._parts: tuple[Part, ...] = ()
        self._all: torch.optim.Optimizer | None = None

    def step(self, parts: Iterable[Part]) -> None:
        """Update the parts' parameters."""
        if self._hooked:
            for part in parts:
                part.step()
            return
        now = tuple(part for part in parts if part.optimizer is not None)
        if now != self._parts:
            self._parts, self._all = now, self._joined(now)
        if self._all is not None:
            self._all.step()

    def _joined(self, parts: Sequence[Part]) -> torch.optim.Optimizer | None:
        rates: dict[float, list[nn.Parameter]] = {}
        for part in parts:
            rates.setdefault(part.lr, []).extend(part.parameters)
        if not rates:
            return None
        joined = optimizer_of(rates, self._settings)
        for part in parts:
            assert part.optimizer is not None
            for parameter in part.parameters:
                joined.state[parameter] = part.optimizer.state[parameter]  # one object for both
        return joined


def draws_values(model: nn.Module, images: Tensor) -> bool:
    """Tell whether a training pass draws random values, as dropout does: on an image, twice."""
    devices = [images.device] if images.is_cuda else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        before = _generator_state(images.device)
        model(images[:1].expand(2, *images.shape[1:]))
        return not torch.equal(before, _generator_state(images.device))


def _generator_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def optimizer_of(rates: Mapping[float, Sequence[nn.Parameter]], settings: Optimizer) -> torch.optim.Optimizer:
    """Return the optimiser that the scenario names, for the parameters of each rate."""
    groups = [
        {"params": parameters, "lr": lr, "foreach": _many_small(parameters)}
        for lr, parameters in rates.items()
    ]
    if settings.name == "adam":
        return torch.optim.Adam(groups, weight_decay=settings.weight_decay)
    return torch.optim.SGD(groups, momentum=settings.momentum, weight_decay=settings.weight_decay)


def _many_small(parameters: Sequence[nn.Parameter]) -> bool | None:
    """Tell whether to update all by one call an operation, which changes no bit; None: as torch chooses.

    On a processor that saves calls, and costs caches where tensors are large (benchmarks/learning_speed.py).
    """
    if parameters[0].is_cuda:
        return None
    values = sum(parameter.numel() for parameter in parameters)
    return len(parameters) >= _MANY and values / len(parameters) <= _SMALL


def new_part(
    module: nn.Module, settings: Optimizer, lr: float, compression: ClientCompression | None
) -> Part:
    """Return the module with an optimiser at this rate: the next client's part for a compression."""
    part = Part(module, settings, lr)
    if compression is not None:
        compression.watch(module, part.optimizer)
    return part


def copied_part(
    template: nn.Module, settings: Optimizer, lr: float, compression: ClientCompression | None
) -> Part:
    """Return a new part with a copy of the module."""
    return new_part(copy.deepcopy(template), settings, lr, compression)
