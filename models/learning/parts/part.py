"""One part of a model: its units, its optimiser, its loss, and joint updates of several parts."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ....scenarios.schema.scenario import Optimizer
from ...compression.compressor import ClientCompression
from .eager_optimizer import new_optimizer, step

__all__ = [
    "MixedSequential",
    "Part",
    "Updates",
    "copied_part",
    "draws_values",
    "mean_loss",
    "mean_losses",
    "new_part",
    "weighted_loss",
]


def weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the objective ``Σ_j weights_j ℓ_j`` with the cross-entropy ℓ_j of row j, as a scalar.

    Parameters
    ----------
    logits : Tensor, [num_rows, num_classes]
    labels : Tensor, [num_rows], int64
    weights : Tensor, [num_rows]
    """
    return functional.cross_entropy(logits, labels, reduction="none") @ weights


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the objective of one client, whose rows have equal weights, as a scalar."""
    return functional.cross_entropy(logits, labels)


def mean_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean loss of each client's rows, ``[num_clients]``.

    Parameters
    ----------
    logits : Tensor, [num_clients, num_rows, num_classes]
    labels : Tensor, [num_clients, num_rows], int64
    """
    rows = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return rows.view(labels.shape).mean(dim=1)


class MixedSequential(nn.Sequential):
    """Units that compute under torch's autocast to bfloat16. Their outputs are converted to float32.

    So tensors are sent, averaged and updated in float32. Losses need no scaling, because bfloat16 has the
    exponents of float32. A slice of a ``MixedSequential`` is a ``MixedSequential``.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs of the last unit."""
        with torch.autocast(inputs.device.type, torch.bfloat16):
            outputs: Tensor = super().forward(inputs)  # type: ignore[no-untyped-call]
        return outputs.float()


# from so many tensors on, of at most so many values each, a joint call was measured to be faster
_MANY, _SMALL = 6, 16_384


class Part:
    """Consecutive units of the model, and the optimiser of their parameters (None without parameters)."""

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
        """Return the parameters and buffers, which are sent and averaged."""
        if not self._has_buffers:
            return self.parameters  # a search through the module takes longer than the average itself
        return [*self.parameters, *self.module.buffers()]

    def zero_grad(self) -> None:
        """Delete the gradients."""
        for parameter in self.parameters:  # the optimiser's method of this name takes ten times as long
            parameter.grad = None

    def step(self) -> None:
        """Update the parameters."""
        if self.optimizer is not None:
            step(self.optimizer)


class Updates:
    """Updates several parts with one optimiser call. The result is bit-identical to separate calls.

    Each parameter keeps its state (Adam's moments and step count, momentum) in the optimiser of its part. So
    the parts that are updated together may differ from round to round.

    Parameters
    ----------
    settings : Optimizer
        The optimiser section of the scenario.
    hooked : bool
        Whether hooks are registered on the parts' optimisers, which are then called one by one.
    """

    def __init__(self, settings: Optimizer, *, hooked: bool = False) -> None:
        self._settings, self._hooked = settings, hooked
        self._parts: tuple[Part, ...] = ()
        self._joint: torch.optim.Optimizer | None = None

    def step(self, parts: Iterable[Part]) -> None:
        """Update the parameters of these parts."""
        if self._hooked:
            for part in parts:
                part.step()
            return
        trainable = tuple(part for part in parts if part.optimizer is not None)
        if trainable != self._parts:
            self._parts, self._joint = trainable, self._joint_optimizer(trainable)
        if self._joint is not None:
            step(self._joint)

    def _joint_optimizer(self, parts: Sequence[Part]) -> torch.optim.Optimizer | None:
        rates: dict[float, list[nn.Parameter]] = {}
        for part in parts:
            rates.setdefault(part.lr, []).extend(part.parameters)
        if not rates:
            return None
        joint = optimizer_of(rates, self._settings)
        for part in parts:
            assert part.optimizer is not None
            for parameter in part.parameters:
                joint.state[parameter] = part.optimizer.state[parameter]  # both share one state object
        return joint


def draws_values(model: nn.Module, images: Tensor) -> bool:
    """Return whether a training pass draws random values, as dropout does; a pass on one image shows it."""
    devices = [images.device] if images.is_cuda else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        before = _generator_state(images.device)
        model(images[:1].expand(2, *images.shape[1:]))  # twice, since batch norm needs two rows
        return not torch.equal(before, _generator_state(images.device))


def _generator_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def optimizer_of(rates: Mapping[float, Sequence[nn.Parameter]], settings: Optimizer) -> torch.optim.Optimizer:
    """Return the optimiser of the scenario for the parameters of each learning rate."""
    groups = [
        {"params": parameters, "lr": lr, "foreach": _many_small(parameters)}
        for lr, parameters in rates.items()
    ]
    if settings.name == "adam":
        return new_optimizer(torch.optim.Adam, groups, weight_decay=settings.weight_decay)
    return new_optimizer(
        torch.optim.SGD, groups, momentum=settings.momentum, weight_decay=settings.weight_decay
    )


def _many_small(parameters: Sequence[nn.Parameter]) -> bool | None:
    """Return torch's option ``foreach``: one call per operation for all tensors. None leaves it to torch.

    The option changes no bit. On a CPU it saves calls, but it is slower where tensors are too large for the
    cache (benchmarks/learning_speed.py).
    """
    if parameters[0].is_cuda:
        return None
    values = sum(parameter.numel() for parameter in parameters)
    return len(parameters) >= _MANY and values / len(parameters) <= _SMALL


def new_part(
    module: nn.Module, settings: Optimizer, lr: float, compression: ClientCompression | None
) -> Part:
    """Return the module with an optimiser at this rate, registered with the compression if there is one."""
    part = Part(module, settings, lr)
    if compression is not None:
        compression.add_client_part(module, part.optimizer)
    return part


def copied_part(
    template: nn.Module, settings: Optimizer, lr: float, compression: ClientCompression | None
) -> Part:
    """Return a new part with a copy of the module."""
    return new_part(copy.deepcopy(template), settings, lr, compression)
