"""Passes through several clients' parts of one architecture, and their updates.

A pass goes through one part after the other, or through all of them as one batched computation
(``torch.func``: the parameters are stacked, and a call is mapped over them). Both give the same numbers up
to rounding; which is faster depends on the parts and on the device, so it can be measured.
"""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from ....scenarios.schema.scenario import ClientsPass
from .loss import mean_loss, mean_losses
from .part import Part

__all__ = ["BatchedPass", "Draws", "Graph", "LoopedPass", "Pass", "PassChoice", "PassError", "faster"]

Draws: TypeAlias = Callable[[int], AbstractContextManager[None]]
"""From a part's place among those of a pass to the context that its dropout draws in."""

Each: TypeAlias = Sequence[Tensor] | Tensor
"""One tensor a part, in a sequence or stacked."""

_REPEATS = 3  # of each pass in a measurement


class PassError(ValueError):
    """A model that can't be passed through as the scenario wants it."""


def _nothing_drawn(place: int) -> AbstractContextManager[None]:
    return nullcontext()


class Graph(ABC):
    """The outputs of a forward pass, and the way back from them.

    Attributes
    ----------
    outputs : sequence of [num_rows, ...], float
        One a part.
    """

    outputs: Sequence[Tensor]

    @abstractmethod
    def backward(self, gradients: Each) -> None:
        """Give the parts' parameters their gradients.

        Parameters
        ----------
        gradients : sequence of [num_rows, ...], float
            With respect to the outputs.
        """


class Pass(ABC):
    """How a pass goes through several parts, no two of them the same object.

    Attributes
    ----------
    name : as a scenario has it
    """

    name: ClassVar[str]

    @abstractmethod
    def forward(self, parts: Sequence[Part], inputs: Each, draws: Draws = ...) -> Graph:
        """Run each part on its own input.

        Parameters
        ----------
        inputs : sequence of [num_rows, ...], float
        draws : where each part's dropout draws from
        """

    @abstractmethod
    def losses(self, parts: Sequence[Part], inputs: Each, labels: Each, draws: Draws = ...) -> Tensor:
        """Return each part's mean cross-entropy, ``[num_parts]``; all that wants a gradient is given one.

        Parameters
        ----------
        inputs : sequence of [num_rows, ...], float
            Those that require a gradient are given one.
        labels : sequence of [num_rows], int64
        draws : where each part's dropout draws from
        """


class _LoopedGraph(Graph):
    def __init__(self, parts: Sequence[Part], outputs: Sequence[Tensor]) -> None:
        self.outputs = outputs
        self._parts = parts

    def backward(self, gradients: Each) -> None:
        for part, output, gradient in zip(self._parts, self.outputs, gradients, strict=True):
            part.zero_grad()
            if output.requires_grad:
                output.backward(gradient)  # type: ignore[no-untyped-call]


class LoopedPass(Pass):
    """One part after the other; dropout draws from a stream of each part's own."""

    name = "looped"

    def forward(self, parts: Sequence[Part], inputs: Each, draws: Draws = _nothing_drawn) -> Graph:
        """Run each part on its own input."""
        outputs = []
        for place, (part, own) in enumerate(zip(parts, inputs, strict=True)):
            with draws(place):
                outputs.append(part(own))
        return _LoopedGraph(parts, outputs)

    def losses(
        self,
        parts: Sequence[Part],
        inputs: Each,
        labels: Each,
        draws: Draws = _nothing_drawn,
    ) -> Tensor:
        """Return each part's mean cross-entropy; only one part's activations are held at a time."""
        found = []
        for place, (part, own, wanted) in enumerate(zip(parts, inputs, labels, strict=True)):
            part.zero_grad()
            with draws(place):
                logits = part(own)
            loss = mean_loss(logits, wanted)
            loss.backward()  # type: ignore[no-untyped-call]
            found.append(loss.detach())
        return torch.stack(found)


def _stacked(each: Each) -> Tensor:
    return each if isinstance(each, Tensor) else torch.stack(list(each))


class _Stacked:
    """Parts of one architecture with their parameters and buffers stacked, ``[num_parts, ...]`` each."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        modules = [part.module for part in parts]
        self.parameters, self._buffers = stack_module_state(modules)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs, ``[num_parts, num_rows, ...]``, of inputs that are stacked alike."""
        module, names = self._parts[0].module, list(self._buffers)

        def call(
            parameters: dict[str, Tensor], buffers: dict[str, Tensor], own: Tensor
        ) -> tuple[Tensor, dict[str, Tensor]]:
            values = parameters | buffers
            outputs = functional_call(module, values, (own,))
            return outputs, {name: values[name] for name in names}

        try:
            outputs, self._buffers = vmap(call)(self.parameters, self._buffers, inputs)
        except RuntimeError as error:
            raise PassError(f"torch.func can't batch this model: {str(error).splitlines()[0]}") from error
        self._keep_buffers()
        return outputs

    @torch.no_grad()
    def _keep_buffers(self) -> None:
        """Write running statistics back to where they belong."""
        if self._buffers:
            for place, part in enumerate(self._parts):
                for name, buffer in part.module.named_buffers():
                    buffer.copy_(self._buffers[name][place])

    def take_from(self, outputs: Tensor, given: Tensor, *inputs: Tensor) -> tuple[Tensor | None, ...]:
        """Give each part its share of the parameters' gradients; return those of inputs that want one."""
        wanted = [*self.parameters.values(), *inputs]
        asked = [place for place, tensor in enumerate(wanted) if tensor.requires_grad]
        found: list[Tensor | None] = [None] * len(wanted)
        if outputs.requires_grad:
            gradients = torch.autograd.grad(outputs, [wanted[i] for i in asked], given, allow_unused=True)
            for place, gradient in zip(asked, gradients, strict=True):
                found[place] = gradient
        self._take(found[: len(self.parameters)])
        return tuple(found[len(self.parameters) :])

    def _take(self, gradients: Sequence[Tensor | None]) -> None:
        for part in self._parts:
            part.zero_grad()
        for place, gradient in enumerate(gradients):
            if gradient is not None:
                for part, own in zip(self._parts, gradient.unbind(), strict=True):
                    part.parameters[place].grad = own


class _BatchedGraph(Graph):
    def __init__(self, stacked: _Stacked, outputs: Tensor) -> None:
        self.outputs = outputs.detach().unbind()
        self._stacked, self._outputs = stacked, outputs

    def backward(self, gradients: Each) -> None:
        self._stacked.take_from(self._outputs, _stacked(gradients))


class BatchedPass(Pass):
    """All parts at once; for parts in which nothing is drawn."""

    name = "batched"

    def forward(self, parts: Sequence[Part], inputs: Each, draws: Draws = _nothing_drawn) -> Graph:
        """Run each part on its own input."""
        stacked = _Stacked(parts)
        return _BatchedGraph(stacked, stacked(_stacked(inputs)))

    def losses(
        self,
        parts: Sequence[Part],
        inputs: Each,
        labels: Each,
        draws: Draws = _nothing_drawn,
    ) -> Tensor:
        """Return each part's mean cross-entropy; the activations of all parts are held together."""
        stacked = _Stacked(parts)
        # [num_parts, num_rows, ...]
        together = _stacked(inputs).detach()
        backwards = inputs[0].requires_grad
        logits = stacked(together.requires_grad_(backwards))
        losses = mean_losses(logits, _stacked(labels))
        (gradient,) = stacked.take_from(losses, torch.ones_like(losses), together)
        if gradient is not None:
            for own, mine in zip(inputs, gradient.unbind(), strict=True):
                own.grad = mine
        return losses.detach()


def faster(parts: Sequence[Part], inputs: Each) -> Pass:
    """Return the pass that takes less time there and back through copies of these parts, here and now."""
    copies = copy.deepcopy(list(parts))
    # of their own too: a looped pass adds to the gradients of its inputs
    inputs = [own.detach().requires_grad_(own.requires_grad) for own in inputs]

    def time_s(one: Pass) -> float:
        began_s = _now_s(inputs[0])
        graph = one.forward(copies, inputs)
        graph.backward([torch.ones_like(own) for own in graph.outputs])
        return _now_s(inputs[0]) - began_s

    passes: list[Pass] = [LoopedPass(), BatchedPass()]
    try:
        for one in passes:
            time_s(one)  # the first time costs more
    except PassError:
        return passes[0]
    times_s = [[time_s(one) for one in passes] for _ in range(_REPEATS)]
    best = [min(column) for column in zip(*times_s, strict=True)]
    return passes[best.index(min(best))]


def _now_s(tensor: Tensor) -> float:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
    return time.perf_counter()


class PassChoice:
    """The pass through one kind of parts, chosen when they are first passed through.

    Parameters
    ----------
    wanted : ``measured`` times both on the first parts that come, at least two, and takes the faster
    """

    def __init__(self, wanted: ClientsPass) -> None:
        self.chosen: Pass | None = {"looped": LoopedPass(), "batched": BatchedPass()}.get(wanted)

    def through(self, parts: Sequence[Part], inputs: Each) -> Pass:
        """Return the pass for these parts and inputs."""
        if self.chosen is None and len(parts) > 1:
            self.chosen = faster(parts, inputs)
        return self.chosen or LoopedPass()
