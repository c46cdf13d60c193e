"""The clients' parts of a model, each made when it is first needed, and averaged by one write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from .averaging import average_into

__all__ = ["ClientParts"]


class HasTensors(Protocol):
    """A part: what of it is sent and averaged."""

    @property
    def tensors(self) -> Sequence[Tensor]:
        """Return the parameters and buffers."""


P = TypeVar("P", bound=HasTensors)


class ClientParts(Sequence[P], Generic[P]):
    """One part a client, by number. All start alike.

    An average is written once, to a template; a client's part takes it over when it is next asked for, and a
    part that is not there yet is made from it. So a round costs what its clients cost, whatever the number of
    clients that never trained, or did so long ago.

    Parameters
    ----------
    count : int
        Number of clients.
    make : makes a part as the template is now; a module's function, so that it can be saved
    template : the tensors that averages go to, which ``make`` copies; none where parts are never averaged
    """

    def __init__(self, count: int, make: Callable[[], P], template: Sequence[Tensor] = ()) -> None:
        self._count = count
        self._make = make
        self._template = template
        self._parts: dict[int, P] = {}
        self._average = 0  # how many averages there were
        self._taken: dict[int, int] = {}  # which of them each part has

    def __len__(self) -> int:
        """Return the number of clients."""
        return self._count

    def __getitem__(self, client: int) -> P:  # type: ignore[override]  # a part, never a slice
        """Return a client's part, with the last average in it."""
        number = range(self._count)[client]
        if number not in self._parts:
            self._parts[number] = self._make()
            self._taken[number] = self._average
        part = self._parts[number]
        if self._taken[number] != self._average:
            self._taken[number] = self._average
            _copy(self._template, part.tensors)
        return part

    def __iter__(self) -> Iterator[P]:
        """Yield every client's part; makes those that are not there yet."""
        return (self[client] for client in range(self._count))

    def average(self, clients: Sequence[int], weights: Tensor) -> None:
        """Let every client have the weighted average of these clients' parts.

        Parameters
        ----------
        clients : by number
        weights : [num_clients], float
            They sum to one.
        """
        average_into([self._template], [self[i].tensors for i in clients], weights)
        self._average += 1


@torch.no_grad()
def _copy(source: Sequence[Tensor], target: Sequence[Tensor]) -> None:
    for values, copy in zip(source, target, strict=True):
        copy.copy_(values)
