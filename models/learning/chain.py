"""The learner of schemes in which each client's model is cut into a chain of parts.

EdgeSplit cuts each model once, at the cut layer of its client. MP-SL and FedSL cut it several times: the
first and, in a U-shape, the last part run on the client, and the parts between them run on compute nodes.
Every client has a copy of every part. All parts of all clients are averaged.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from .base import Learner, LearnerConfig, unit_range
from .evaluation import Composite
from .parts.client_parts import ClientParts, average_into
from .parts.part import Part, mean_loss

__all__ = ["ChainLearner"]


class ChainLearner(Learner):
    """Models in parts. Each part receives its input from the previous part and its gradient from the next.

    The cut layers of two clients may differ. A unit may then train on one client itself and on the server for
    the other. Both copies are averaged like all others, because the average is taken over whole models.

    Parameters
    ----------
    bounds : sequence or mapping of sequences of int, [num_clients][num_parts + 1]
        Part p of client i consists of its units ``bounds[i][p]`` to ``bounds[i][p + 1] - 1``, counted from 0.
        The learner reads the bounds at each step, so a scheme may move a cut layer from one round to the
        next.
    at_client : sequence of bool, [num_parts]
        Whether a part runs on the client and trains at the clients' learning rate.
    batches, repeats : int
        In each round a client trains on ``batches`` mini-batches, ``repeats`` times. The next round continues
        after them.
    """

    def __init__(
        self,
        config: LearnerConfig,
        *,
        bounds: Mapping[int, Sequence[int]],
        at_client: Sequence[bool],
        batches: int = 1,
        repeats: int = 1,
    ) -> None:
        super().__init__(config)
        self._bounds = dict(bounds)
        self._at_client = at_client
        self._batches, self._repeats = batches, repeats
        template = self.new_model()
        self._models = ClientParts(
            self.data.clients,
            partial(_copied_model, template),
            [*template.parameters(), *template.buffers()],
        )
        if self.compression is not None:  # it numbers the clients' parts in the order of their creation
            for client in range(self.data.clients):
                self._parts_of(client)

    def _parts_of(self, client: int) -> list[Part]:
        """Return a client's parts at its present bounds. Parts at earlier bounds are kept for later."""
        model = self._models[client]
        bounds = tuple(self._bounds.get(client) or next(iter(self._bounds.values())))
        if bounds not in model.parts:
            model.parts[bounds] = self._new_parts(model.module, bounds)
        return model.parts[bounds]

    def _new_parts(self, model: nn.Sequential, bounds: Sequence[int]) -> list[Part]:
        first, *others = [unit_range(model, first, end) for first, end in pairwise(bounds)]
        rates = [
            self.optimizer.client_lr if at_client else self.optimizer.server_lr
            for at_client in self._at_client
        ]
        return [
            self.client_part(self.with_channel_gate(first)),  # compression applies to this part alone
            *(Part(units, self.optimizer, rate) for units, rate in zip(others, rates[1:], strict=True)),
        ]

    def local_steps(self, clients: tuple[int, ...], number: int) -> None:
        """Train each of these clients' models, part by part, on the mini-batches of round ``number``."""
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
            Number of the mini-batch in the client's sequence, from 1.
        number : int
            Number of the step, from 1; it selects the random streams.
        """
        images, labels = self.data.batch(client, batch)
        parts = self._parts_of(client)
        inputs, outputs = [images], []
        for index, part in enumerate(parts):
            part.zero_grad()
            purpose = "client dropout" if self._at_client[index] else "server dropout"
            with self.dropout_stream(purpose, client, number, *([index] if index > 1 else [])):
                outputs.append(part(inputs[index]))
            if index == 0:  # the first cut layer: compression applies to these tensors alone
                inputs.append(self.send_smashed(outputs[0], client, number).requires_grad_())
            else:
                inputs.append(outputs[-1].detach().requires_grad_())
        logits = outputs[-1]
        loss = mean_loss(logits, labels)
        loss.backward()
        parts[-1].step()
        for index in reversed(range(len(parts) - 1)):
            gradient = inputs[index + 1].grad
            if outputs[index].requires_grad and gradient is not None:
                if index == 0:
                    gradient = self.send_gradient(gradient, client, number)
                outputs[index].backward(gradient)
            parts[index].step()
        return loss.detach()

    def average(self, clients: tuple[int, ...]) -> None:
        """Give every client the λ-weighted average of these clients' models, as the server received them."""
        if self.compression is None:
            self._models.average(clients, self.weights(clients))
            return
        tensors = [model.tensors for model in self._models]
        uploads = [self._uploaded_tensors(i, tensors[i]) for i in clients]
        average_into(tensors, uploads, self.weights(clients))
        for client in self.everyone:
            self.compression.record_download(client, self._parts_of(client)[0].module)

    def _uploaded_tensors(self, client: int, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return a client's model as the server receives it: only its first part may be compressed."""
        assert self.compression is not None
        module = self._parts_of(client)[0].module
        sent = [*module.parameters(), *module.buffers()]
        received = dict(zip(map(id, sent), self.compression.uploaded_tensors(client, module), strict=True))
        return [received.get(id(tensor), tensor) for tensor in tensors]

    def set_bounds(self, bounds: Mapping[int, Sequence[int]]) -> None:
        """Cut the models of these clients at other units from now on."""
        self._bounds.update(bounds)

    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the one model that all clients have after averaging."""
        first, *others = (part.module for part in self._parts_of(clients[0]))
        return [(first, nn.Sequential(*others))]  # the first part ends with the gate of pruned channels

    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the one model that all clients have after averaging."""
        return self.composites_of(clients)[0]


class _WholeModel:
    """A client's model, and the parts that it was cut into, by their bounds."""

    def __init__(self, module: nn.Sequential) -> None:
        self.module = module
        self.parts: dict[tuple[int, ...], list[Part]] = {}

    @property
    def tensors(self) -> list[Tensor]:
        """Return the parameters and buffers, which are averaged. Units may replace their buffers."""
        return [*self.module.parameters(), *self.module.buffers()]


def _copied_model(template: nn.Sequential) -> _WholeModel:
    return _WholeModel(copy.deepcopy(template))
