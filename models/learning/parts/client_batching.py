"""Forward and backward passes through several clients' parts of one architecture.

A looped pass runs one part after another. A batched pass runs all parts as one computation (``torch.func``:
the parameters are stacked, and ``vmap`` maps the forward pass over them). Both give the same numbers up to
rounding. The faster one depends on the parts and on the device, so it can be measured.
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
from .part import Part, mean_loss, mean_losses

__all__ = [
    "BatchedPass",
    "DropoutStreams",
    "Graph",
    "LoopedPass",
    "Pass",
    "PassChoice",
    "PassError",
    "fastest_pass",
]

DropoutStreams: TypeAlias = Callable[[int], AbstractContextManager[None]]
"""Maps a part's index in the pass to the context in which its dropout draws random values."""

PerPart: TypeAlias = Sequence[Tensor] | Tensor
"""One tensor per part, in a sequence or stacked."""

_REPEATS = 3  # of each pass in a measurement


class PassError(ValueError):
    """Raised if a model cannot be run by the pass that the scenario asks for."""


def _no_dropout(index: int) -> AbstractContextManager[None]:
    return nullcontext()


class Graph(ABC):
    """The outputs of a forward pass, and the backward pass from them.

    Attributes
    ----------
    outputs : sequence of Tensor, [num_parts] of [num_rows, ...]
    """

    outputs: Sequence[Tensor]

    @abstractmethod
    def backward(self, gradients: PerPart, indices: Sequence[int] | None = None) -> None:
        """Compute the gradients of the parameters of some parts.

        Parameters
        ----------
        gradients : sequence of Tensor, [num_parts] of [num_rows, ...]
            Gradients with respect to the outputs of all parts.
        indices : sequence of int, optional
            The parts; all of them by default.
        """


class Pass(ABC):
    """A way to run several parts, no two of which are the same object.

    Attributes
    ----------
    name : str
        The name in scenarios.
    """

    name: ClassVar[str]

    @abstractmethod
    def forward(self, parts: Sequence[Part], inputs: PerPart, streams: DropoutStreams = ...) -> Graph:
        """Run each part on its input, and return the outputs with their backward pass.

        Parameters
        ----------
        inputs : sequence of Tensor, [num_parts] of [num_rows, ...]
        streams : callable
            The random streams of the parts' dropout.
        """

    @abstractmethod
    def losses(
        self, parts: Sequence[Part], inputs: PerPart, labels: PerPart, streams: DropoutStreams = ...
    ) -> Tensor:
        """Return each part's mean cross-entropy, ``[num_parts]``, and compute all gradients.

        Parameters
        ----------
        inputs : sequence of Tensor, [num_parts] of [num_rows, ...]
            Inputs that require a gradient receive it.
        labels : sequence of Tensor, [num_parts] of [num_rows], int64
        streams : callable
            The random streams of the parts' dropout.
        """


class _LoopedGraph(Graph):
    def __init__(self, parts: Sequence[Part], outputs: Sequence[Tensor]) -> None:
        self.outputs = outputs
        self._parts = parts

    def backward(self, gradients: PerPart, indices: Sequence[int] | None = None) -> None:
        for index in range(len(self._parts)) if indices is None else indices:
            self._parts[index].zero_grad()
            if self.outputs[index].requires_grad:
                self.outputs[index].backward(gradients[index])


class LoopedPass(Pass):
    """Runs one part after another. Each part's dropout has a random stream of its own."""

    name = "looped"

    def forward(self, parts: Sequence[Part], inputs: PerPart, streams: DropoutStreams = _no_dropout) -> Graph:
        """Run each part on its input."""
        outputs = []
        for index, (part, part_input) in enumerate(zip(parts, inputs, strict=True)):
            with streams(index):
                outputs.append(part(part_input))
        return _LoopedGraph(parts, outputs)

    def losses(
        self,
        parts: Sequence[Part],
        inputs: PerPart,
        labels: PerPart,
        streams: DropoutStreams = _no_dropout,
    ) -> Tensor:
        """Return each part's mean cross-entropy. Memory holds the activations of one part at a time."""
        losses = []
        for index, (part, part_input, part_labels) in enumerate(zip(parts, inputs, labels, strict=True)):
            part.zero_grad()
            with streams(index):
                logits = part(part_input)
            loss = mean_loss(logits, part_labels)
            loss.backward()
            losses.append(loss.detach())
        return torch.stack(losses)


def _stack(tensors: PerPart) -> Tensor:
    return tensors if isinstance(tensors, Tensor) else torch.stack(list(tensors))


class _StackedParts:
    """Parts of one architecture. Their parameters and buffers are stacked, ``[num_parts, ...]`` each."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        modules = [part.module for part in parts]
        self.parameters, self._buffers = stack_module_state(modules)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs ``[num_parts, num_rows, ...]`` of stacked inputs."""
        module, names = self._parts[0].module, list(self._buffers)

        def call(
            parameters: dict[str, Tensor], buffers: dict[str, Tensor], part_input: Tensor
        ) -> tuple[Tensor, dict[str, Tensor]]:
            values = parameters | buffers
            outputs = functional_call(module, values, (part_input,))
            return outputs, {name: values[name] for name in names}

        try:
            outputs, self._buffers = vmap(call)(self.parameters, self._buffers, inputs)
        except RuntimeError as error:
            raise PassError(f"torch.func can't batch this model: {str(error).splitlines()[0]}") from error
        self._write_back_buffers()
        return outputs

    @torch.no_grad()
    def _write_back_buffers(self) -> None:
        """Write updated buffers, such as running statistics, to the parts' modules."""
        if self._buffers:
            for index, part in enumerate(self._parts):
                for name, buffer in part.module.named_buffers():
                    buffer.copy_(self._buffers[name][index])

    def backward(
        self, outputs: Tensor, output_gradients: Tensor, *inputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Set the gradients of the parts' parameters, and return those of inputs that require one."""
        tensors = [*self.parameters.values(), *inputs]
        indices = [index for index, tensor in enumerate(tensors) if tensor.requires_grad]
        gradients: list[Tensor | None] = [None] * len(tensors)
        if outputs.requires_grad:
            computed = torch.autograd.grad(
                outputs, [tensors[i] for i in indices], output_gradients, allow_unused=True
            )
            for index, gradient in zip(indices, computed, strict=True):
                gradients[index] = gradient
        self._set_gradients(gradients[: len(self.parameters)])
        return tuple(gradients[len(self.parameters) :])

    def _set_gradients(self, gradients: Sequence[Tensor | None]) -> None:
        for part in self._parts:
            part.zero_grad()
        for index, stacked in enumerate(gradients):
            if stacked is not None:
                for part, gradient in zip(self._parts, stacked.unbind(), strict=True):
                    part.parameters[index].grad = gradient


class _BatchedGraph(Graph):
    def __init__(self, stacked: _StackedParts, outputs: Tensor) -> None:
        self.outputs = outputs.detach().unbind()
        self._stacked, self._outputs = stacked, outputs

    def backward(self, gradients: PerPart, indices: Sequence[int] | None = None) -> None:
        self._stacked.backward(self._outputs, _stack(gradients))  # all parts: the batch is one computation


class BatchedPass(Pass):
    """Runs all parts as one computation. The parts must not draw random values."""

    name = "batched"

    def forward(self, parts: Sequence[Part], inputs: PerPart, streams: DropoutStreams = _no_dropout) -> Graph:
        """Run each part on its input."""
        stacked = _StackedParts(parts)
        return _BatchedGraph(stacked, stacked(_stack(inputs)))

    def losses(
        self,
        parts: Sequence[Part],
        inputs: PerPart,
        labels: PerPart,
        streams: DropoutStreams = _no_dropout,
    ) -> Tensor:
        """Return each part's mean cross-entropy. Memory holds the activations of all parts together."""
        stacked = _StackedParts(parts)
        # [num_parts, num_rows, ...]
        stacked_inputs = _stack(inputs).detach()
        logits = stacked(stacked_inputs.requires_grad_(inputs[0].requires_grad))
        losses = mean_losses(logits, _stack(labels))
        (input_gradients,) = stacked.backward(losses, torch.ones_like(losses), stacked_inputs)
        if input_gradients is not None:
            for part_input, gradient in zip(inputs, input_gradients.unbind(), strict=True):
                part_input.grad = gradient
        return losses.detach()


def fastest_pass(
    parts: Sequence[Part], inputs: PerPart, *, clock_s: Callable[[Tensor], float] | None = None
) -> Pass:
    """Return the pass that takes less time, measured now on copies of these parts, forward and backward.

    Parameters
    ----------
    clock_s : callable, optional
        Returns the time at which all work on a tensor's device is done, [s]. By default the system's clock.
    """
    clock_s = clock_s or _now_s
    copies = copy.deepcopy(list(parts))
    # copies as well, because a looped pass adds to the gradients of its inputs
    inputs = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in inputs]

    def time_s(candidate: Pass) -> float:
        start_s = clock_s(inputs[0])
        graph = candidate.forward(copies, inputs)
        graph.backward([torch.ones_like(output) for output in graph.outputs])
        return clock_s(inputs[0]) - start_s

    passes: list[Pass] = [LoopedPass(), BatchedPass()]
    try:
        for candidate in passes:
            time_s(candidate)  # the first run takes longer
    except PassError:
        return passes[0]
    times_s = [[time_s(candidate) for candidate in passes] for _ in range(_REPEATS)]
    best = [min(column) for column in zip(*times_s, strict=True)]
    return passes[best.index(min(best))]


def _now_s(tensor: Tensor) -> float:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
    return time.perf_counter()


class PassChoice:
    """The pass through one kind of part.

    Parameters
    ----------
    setting : {"looped", "batched", "measured"}
        ``measured`` times both passes on the first parts that are run, at least two, and takes the faster.
    """

    def __init__(self, setting: ClientsPass) -> None:
        self.chosen: Pass | None = {"looped": LoopedPass(), "batched": BatchedPass()}.get(setting)

    def choose(self, parts: Sequence[Part], inputs: PerPart) -> Pass:
        """Return the pass for these parts and inputs."""
        if self.chosen is None and len(parts) > 1:
            self.chosen = fastest_pass(parts, inputs)
        return self.chosen or LoopedPass()
