"""Measures the memory of a real training round: every tensor that autograd keeps, and the parts' state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from cutlayer.models.learning.parts.part import Part

__all__ = ["MemoryMeter", "tensors_bits"]


def tensors_bits(tensors: Iterable[Tensor]) -> int:
    """Return the size of these tensors, [bit]."""
    return sum(8 * tensor.numel() * tensor.element_size() for tensor in tensors)


def _physical(tensor: Tensor) -> Tensor:
    """Return the tensor of all clients that stands behind one client's tensor in ``torch.vmap``."""
    while torch._C._functorch.is_batchedtensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


class _Regions:
    """Distinct pieces of memory. Tensors that begin at the same place of a storage are one piece."""

    def __init__(self) -> None:
        self._tensors: dict[tuple[int, int], Tensor] = {}

    def add(self, tensor: Tensor) -> None:
        """Add a tensor and keep it alive, so that no other tensor gets its place."""
        key = int(tensor.untyped_storage()._cdata), int(tensor.storage_offset())
        if key not in self._tensors or tensor.numel() > self._tensors[key].numel():
            self._tensors[key] = tensor

    def bits(self, without: _Regions | None = None) -> int:
        """Return the size of all pieces that are not among the others, [bit]."""
        others = without._tensors if without is not None else {}
        return sum(
            min(8 * tensor.untyped_storage().nbytes(), tensors_bits([tensor]))  # less if it is expanded
            for key, tensor in self._tensors.items()
            if key not in others
        )


class MemoryMeter:
    """Measures what each machine holds in a round.

    Tensors that are kept belong to the machine whose part ran last. A loss belongs to the part before it.

    Parameters
    ----------
    sequential : set of str
        Machines that end one client's backward pass before the next client's forward pass.
    in_turn : set of str
        Machines on which moreover no data of other clients wait. The last client's turn is measured.
    """

    def __init__(self, sequential: Iterable[str] = (), in_turn: Iterable[str] = ()) -> None:
        self._sequential, self._in_turn = set(sequential), set(in_turn)
        self._resident: set[int] = set()
        self._state_bits: dict[str, int] = defaultdict(int)
        self._received: dict[str, _Regions] = defaultdict(_Regions)  # inputs of passes without gradients
        self._inputs: dict[str, _Regions] = defaultdict(_Regions)
        self._calls: dict[str, list[_Regions]] = defaultdict(list)
        self._gradient_bits: dict[str, int] = defaultdict(int)
        self._first_pass_bits: dict[str, int] = defaultdict(int)
        self._machine = ""
        self._parts: list[tuple[str, Part]] = []

    def add_part(self, machine: str, part: Part, *, ends_model: bool) -> None:
        """Count this part on a machine. Its output has a gradient unless the part ends the model."""
        hooked = any(part.module is other.module for _, other in self._parts)
        self._parts.append((machine, part))
        if hooked:  # one module goes from client to client
            return
        self.add_resident([*part.module.parameters(), *part.module.buffers()])

        def before(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            if not module.training:
                return
            args = (_physical(args[0]),)
            self._machine = machine
            if not torch.is_grad_enabled():
                self._received[machine].add(args[0])
                return
            if machine in self._in_turn:
                self._calls[machine], self._inputs[machine] = [], _Regions()
                self._gradient_bits[machine] = 0
            self._calls[machine].append(_Regions())
            self._inputs[machine].add(args[0])
            if args[0].requires_grad:
                self._gradient_bits[machine] += tensors_bits(args)

        def after(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            if module.training and torch.is_grad_enabled():
                output = _physical(output)
                self._calls[machine][-1].add(output)
                self._gradient_bits[machine] += 0 if ends_model else tensors_bits([output])

        def unit(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            if module.training and not torch.is_grad_enabled():
                is_first = module is next(iter(part.module.children()))
                held = tensors_bits([output]) + (0 if is_first else tensors_bits(args))
                self._first_pass_bits[machine] = max(self._first_pass_bits[machine], held)

        part.module.register_forward_pre_hook(before)
        part.module.register_forward_hook(after)
        for child in part.module.children():
            child.register_forward_hook(unit)

    def add_resident(self, tensors: Iterable[Tensor]) -> None:
        """Do not count these tensors where autograd keeps them: they are parameters or buffers."""
        self._resident |= {int(tensor.untyped_storage()._cdata) for tensor in tensors}

    def add_average(self, machine: str, module: nn.Module) -> None:
        """Count the average of models that a machine keeps."""
        self._state_bits[machine] += tensors_bits([*module.parameters(), *module.buffers()])

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Record all tensors that autograd keeps in this context."""

        def keep(tensor: Tensor) -> Tensor:
            kept = _physical(tensor)
            if self._machine and int(kept.untyped_storage()._cdata) not in self._resident:
                calls = self._calls[self._machine]
                if not calls:  # a loss whose logits were computed without autograd
                    calls.append(_Regions())
                calls[-1].add(kept)
            return tensor

        with saved_tensors_hooks(keep, lambda tensor: tensor):
            yield

    def bits(self) -> dict[str, int]:
        """Return the memory of each machine after the round, [bit]."""
        state = dict(self._state_bits)
        for machine, part in self._parts:
            state[machine] = state.get(machine, 0) + _part_bits(part)
        return {machine: bits + self._activation_bits(machine) for machine, bits in state.items()}

    def _activation_bits(self, machine: str) -> int:
        inputs = self._inputs[machine]
        kept = [call.bits(without=inputs) for call in self._calls[machine]] or [0]
        total = max(kept) if machine in self._sequential else sum(kept)
        with_gradients = inputs.bits() + total + self._gradient_bits[machine]
        return self._received[machine].bits() + max(with_gradients, self._first_pass_bits[machine])


def _part_bits(part: Part) -> int:
    """Return parameters, buffers, gradients and the optimiser's state of a part, [bit]."""
    gradients = [parameter.grad for parameter in part.parameters if parameter.grad is not None]
    states: list[Any] = []
    if part.optimizer is not None:
        states = [value for state in part.optimizer.state.values() for value in state.values()]
    moments = [value for value in states if isinstance(value, Tensor) and value.dim()]
    return tensors_bits([*part.tensors, *gradients, *moments])
