"""The learner of schemes with a model for every client, cut into parts that train one behind the other.

EdgeSplit (two parts, at a cut of each client's own) and MP-SL (U-shaped: first and last part at the owner,
the others on compute nodes, a copy for every owner). All parts of all clients are averaged.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from .base import Learner, LearnerConfig, stretch
from .evaluation import Composite
from .parts.averaging import average_into
from .parts.client_parts import ClientParts
from .parts.loss import mean_loss
from .parts.part import Part

__all__ = ["ChainLearner"]


class ChainLearner(Learner):
    """Models in parts; each part is given its input by the one before, and its gradient by the one behind.

    Units that one client trains itself and another leaves to the server exist on both sides, and are
    averaged like all others: the average is one over whole models.

    Parameters
    ----------
    bounds : [num_clients][num_parts + 1], int
        Part p of client i are its units ``bounds[i][p]`` to ``bounds[i][p + 1] - 1``, from 0. Looked up at
        each step, so that a scheme may cut a client's model elsewhere in another round.
    at_client : [num_parts], bool
        Which parts train at the clients' learning rate, on the device.
    batches, repeats : int
        In a round a client goes through so many mini-batches, so many times; the next round goes on behind.
    """

    def __init__(
        self,
        setup: LearnerConfig,
        *,
        bounds: Mapping[int, Sequence[int]],
        at_client: Sequence[bool],
        batches: int = 1,
        repeats: int = 1,
    ) -> None:
        super().__init__(setup)
        self._bounds = dict(bounds)
        self._at_client = at_client
        self._batches, self._repeats = batches, repeats
        template = self.new_model()
        self._models = ClientParts(
            self.data.clients,
            partial(_copied_model, template),
            [*template.parameters(), *template.buffers()],
        )
        if self.compression is not None:  # it counts the clients' parts in their order
            for client in self.everyone:
                self._parts_of(client)

    def _parts_of(self, client: int) -> list[Part]:
        """Return a client's parts at the bounds that it has now; it keeps those of other bounds for later."""
        model, ends = self._models[client], tuple(self._bounds[client])
        if ends not in model.parts:
            model.parts[ends] = self._new_parts(model.module, ends)
        return model.parts[ends]

    def _new_parts(self, model: nn.Sequential, ends: Sequence[int]) -> list[Part]:
        at_client = self._at_client
        stretches = [stretch(model, first, end) for first, end in pairwise(ends)]
        first = self.client_part(self.gated(stretches[0]))
        rates = [self.settings.client_lr if mine else self.settings.server_lr for mine in at_client]
        return [
            first,  # the one part that a compression is for
            *(
                Part(stretch, self.settings, rate)
                for stretch, rate in zip(stretches[1:], rates[1:], strict=True)
            ),
        ]

    def local_steps(self, clients: tuple[int, ...], number: int) -> None:
        """Train each of these clients' models, part by part, on its own mini-batches."""
        steps = self._batches * self._repeats
        losses = []
        for i in clients:
            mean = self.data.shares.new_zeros(())
            for step in range(steps):
                batch = (number - 1) * self._batches + step % self._batches + 1
                mean += self.step(i, batch, (number - 1) * steps + step + 1) / steps
            losses.append(mean)
        self._train_loss = self.weights(clients) @ torch.stack(losses)

    def step(self, client: int, batch: int, number: int) -> Tensor:
        """Train all parts of a client's model on one mini-batch, and return its mean loss, a scalar.

        Parameters
        ----------
        batch : int
            Of the client's sequence of mini-batches, from 1.
        number : int
            Of the step, from 1: what is drawn in it has a stream of its own.
        """
        images, labels = self.data.batch(client, batch)
        parts = self._parts_of(client)
        inputs, outputs = [images], []
        for place, part in enumerate(parts):
            part.zero_grad()
            purpose = "client dropout" if self._at_client[place] else "server dropout"
            with self.draws(purpose, client, number, *([place] if place > 1 else [])):
                outputs.append(part(inputs[place]))
            if place == 0:  # the cut layer: the only tensors that a compression is for
                inputs.append(self.sent_smashed(outputs[0], client, number).requires_grad_())
            else:
                inputs.append(outputs[-1].detach().requires_grad_())
        logits = outputs[-1]
        loss = mean_loss(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        parts[-1].step()
        for place in reversed(range(len(parts) - 1)):
            gradient = inputs[place + 1].grad
            if outputs[place].requires_grad and gradient is not None:
                if place == 0:
                    gradient = self.sent_gradient(gradient, client, number)
                outputs[place].backward(gradient)  # type: ignore[no-untyped-call]
            parts[place].step()
        return loss.detach()

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the weighted average of these clients' whole models, as they arrive."""
        if self.compression is None:
            self._models.average(clients, self.weights(clients))
            return
        tensors = [model.tensors for model in self._models]
        average_into(tensors, [self._arrived(i, tensors[i]) for i in clients], self.weights(clients))
        for client in self.everyone:
            self.compression.receive(client, self._parts_of(client)[0].module)

    def _arrived(self, client: int, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return a client's model as the server gets it: what of its first part is sent may be compressed."""
        assert self.compression is not None
        module = self._parts_of(client)[0].module
        sent = [*module.parameters(), *module.buffers()]
        arrived = dict(zip(map(id, sent), self.compression.arrived(client, module), strict=True))
        return [arrived.get(id(tensor), tensor) for tensor in tensors]

    def set_bounds(self, bounds: Mapping[int, Sequence[int]]) -> None:
        """Cut the models of these clients elsewhere from now on."""
        self._bounds.update(bounds)

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the one model that all clients have after averaging."""
        first, *others = (part.module for part in self._parts_of(clients[0]))
        return [(first, nn.Sequential(*others))]  # with the gate of pruned channels in between

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the one model."""
        return self.composites_of(clients)[0]


class _WholeModel:
    """A client's model, and the parts that it was cut into, by their bounds."""

    def __init__(self, module: nn.Sequential) -> None:
        self.module = module
        self.parts: dict[tuple[int, ...], list[Part]] = {}

    @property
    def tensors(self) -> list[Tensor]:
        """Return the parameters and buffers: what is averaged. A unit may have put others in their place."""
        return [*self.module.parameters(), *self.module.buffers()]


def _copied_model(template: nn.Sequential) -> _WholeModel:
    return _WholeModel(copy.deepcopy(template))
