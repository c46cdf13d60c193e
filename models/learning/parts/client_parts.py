"""The clients' parts of a model, each created when it is first needed, and their weighted average."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

__all__ = ["ClientParts", "average_into"]


class HasTensors(Protocol):
    """Part of a model with the tensors that are sent and averaged."""

    @property
    def tensors(self) -> Sequence[Tensor]:
        """Return the parameters and buffers."""


P = TypeVar("P", bound=HasTensors)


class ClientParts(Sequence[P], Generic[P]):
    """One part per client, by client number. All of them start equal.

    An average is written once, to a template. A client's part copies it when the part is next accessed, and a
    new part is created from it. So the cost of a round depends on the clients of the round alone, not on the
    number of all clients.

    Parameters
    ----------
    count : int
        Number of clients.
    make : callable
        Creates a part from the present template. It must be a function of a module, so that it can be saved.
    template : sequence of Tensor
        The tensors that averages are written to and that ``make`` copies; empty if parts are never averaged.
    """

    def __init__(self, count: int, make: Callable[[], P], template: Sequence[Tensor] = ()) -> None:
        self._count = count
        self._make = make
        self._template = template
        self._parts: dict[int, P] = {}
        self._num_averages = 0
        self._last_average: dict[int, int] = {}  # number of the average that each part last copied

    def __len__(self) -> int:
        """Return the number of clients."""
        return self._count

    def __getitem__(self, client: int) -> P:  # type: ignore[override]  # a part, never a slice
        """Return a client's part, updated with the last average."""
        number = range(self._count)[client]
        if number not in self._parts:
            self._parts[number] = self._make()
            self._last_average[number] = self._num_averages
        part = self._parts[number]
        if self._last_average[number] != self._num_averages:
            self._last_average[number] = self._num_averages
            _copy(self._template, part.tensors)
        return part

    def __iter__(self) -> Iterator[P]:
        """Yield every client's part, and create those that do not exist yet."""
        return (self[client] for client in range(self._count))

    def average(self, clients: Sequence[int], weights: Tensor) -> None:
        """Give every client the weighted average of these clients' parts.

        Parameters
        ----------
        weights : Tensor, [num_clients]
            One weight per client; they sum to one.
        """
        average_into([self._template], [self[i].tensors for i in clients], weights)
        self._num_averages += 1


@torch.no_grad()
def average_into(
    targets: Sequence[Sequence[Tensor]], models: Sequence[Sequence[Tensor]], weights: Tensor
) -> None:
    """Write ``Σ_i weights_i · model_i`` into each target, tensor by tensor.

    Counters (integer buffers, such as the number of batches of a batch norm) are copied from the first model,
    because they have no average. Sums run in the order of the models.

    Parameters
    ----------
    targets : sequence of sequences of Tensor
        They may be among the models.
    models : sequence of sequences of Tensor, [num_models]
        Parameters and buffers of each model, in the same order as in the targets.
    weights : Tensor, [num_models]
        They sum to one.
    """
    for values, copies in zip(zip(*models, strict=True), zip(*targets, strict=True), strict=True):
        average = values[0]
        if average.is_floating_point():
            # [num_models, ...]
            stacked = torch.stack(values)
            average = torch.tensordot(weights.to(stacked.dtype), stacked, dims=1)
        for copy in copies:
            copy.copy_(average)


@torch.no_grad()
def _copy(source: Sequence[Tensor], target: Sequence[Tensor]) -> None:
    for values, copy in zip(source, target, strict=True):
        copy.copy_(values)
