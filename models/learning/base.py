"""The base class of all learners: it builds the parts of a model, sends tensors, averages parts and saves."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ...scenarios.random_streams import stream_seed
from ...scenarios.schema.compression import Compression
from ...scenarios.schema.scenario import ClientsPass, Optimizer
from ..compression.compressor import ClientCompression
from .client_data import ClientData
from .evaluation import EvaluatedModels
from .parts.client_batching import PassChoice
from .parts.client_parts import ClientParts, average_into
from .parts.part import Part, Updates, copied_part, draws_values, new_part

__all__ = ["Learner", "LearnerConfig", "unit_range"]

_NOT_SAVED = {"data", "_build"}  # the scenario determines these attributes, so every new learner has them


@dataclass(frozen=True)
class LearnerConfig:
    """Everything that a learner is built from.

    Attributes
    ----------
    build : callable
        Builds the model, an ``nn.Sequential`` of units, with weights from torch's global generator.
    cut : int
        Number of units on the client; 0 if the model is not split.
    data : ClientData
        All clients' samples, the test set and the validation set, on the device that trains.
    optimizer : Optimizer
        The optimiser section of the scenario.
    seed : int
        The seed of the scenario.
    compression : Compression or None
        The compression that applies to the scheme.
    clients_pass : {"looped", "batched", "measured"}
        How the learner runs equal parts of several clients.
    """

    build: Callable[[], nn.Sequential]
    cut: int
    data: ClientData
    optimizer: Optimizer
    seed: int
    compression: Compression | None = None
    clients_pass: ClientsPass = "looped"


def unit_range(model: nn.Sequential, first: int, end: int) -> nn.Sequential:
    """Return units ``first`` to ``end - 1`` of a model, counted from 0, in the model's container type."""
    units = model[first:end]
    assert isinstance(units, nn.Sequential)
    return units


class Learner(EvaluatedModels):
    """The side of a scheme that computes with tensors. A subclass holds the parts and defines the steps.

    All learners of a scenario start from the same weights and train on the same mini-batches.
    """

    def __init__(self, config: LearnerConfig) -> None:
        self.data = config.data
        self.seed = config.seed
        self.optimizer = config.optimizer
        self.cut = config.cut
        self._train_loss: Tensor = torch.tensor(float("nan"))
        self._build = config.build
        self._clients_pass = config.clients_pass
        self._pass_choices: dict[str, PassChoice] = {}
        self.compression: ClientCompression | None = None
        if config.compression is not None:
            rest = self.new_model()[self.cut :] if self.cut else nn.Sequential()
            ends_model = not any(True for _ in rest.parameters())
            self.compression = ClientCompression(config.compression, self.seed, ends_model=ends_model)
        self._stochastic = draws_values(self.new_model(), self.data.test[0])

    @property
    def train_loss(self) -> Tensor:
        """Return the λ-weighted mean loss of the last round, a scalar. Losses precede the updates."""
        return self._train_loss

    def weights(self, clients: Sequence[int]) -> Tensor:
        """Return the weights λ of these clients, scaled to sum to one: ``[num_clients]``."""
        return self.data.weights(tuple(clients))

    @contextlib.contextmanager
    def dropout_stream(self, purpose: str, *keys: int) -> Iterator[None]:
        """Let dropout draw from the random stream of this purpose; without dropout this does nothing."""
        if not self._stochastic:
            yield
            return
        devices = [self.data.device] if self.data.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(stream_seed(self.seed, purpose, *keys))
            yield

    # Building models and their parts

    def new_model(self) -> nn.Sequential:
        """Return the model with the initial weights, which are the same for every scheme."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(self.seed, "initial weights"))
            model = self._build()
        for module in model.modules():
            if hasattr(module, "inplace"):  # no unit may overwrite the smashed data that it receives
                setattr(module, "inplace", False)  # noqa: B010 - torch types attributes as tensors
        return model.to(device=self.data.device, dtype=self.data.dtype).train()

    def new_parts(self) -> tuple[nn.Sequential, nn.Sequential]:
        """Return units 1..cut and units cut+1..L of a new model."""
        model = self.new_model()
        return self.with_channel_gate(unit_range(model, 0, self.cut)), unit_range(model, self.cut, len(model))

    def with_channel_gate(self, units: nn.Sequential) -> nn.Sequential:
        """Return a client's units; with compression, the gate that zeroes pruned channels follows them."""
        return units if self.compression is None else units.append(self.compression.gate)

    def client_part(self, module: nn.Module) -> Part:
        """Return the module as the next client's part, with an optimiser at the clients' learning rate."""
        return new_part(module, self.optimizer, self.optimizer.client_lr, self.compression)

    def server_part(self, module: nn.Module) -> Part:
        """Return the module with an optimiser at the server's learning rate."""
        return Part(module, self.optimizer, self.optimizer.server_lr)

    def client_parts(self, module: nn.Module) -> ClientParts[Part]:
        """Return one part per client, each a copy of the module as it is now."""
        return self.registered_for_compression(
            self._copies(module, self.optimizer.client_lr, self.compression)
        )

    def server_parts(self, module: nn.Module) -> ClientParts[Part]:
        """Return one copy of the server's part per client, each a copy of the module as it is now."""
        return self._copies(module, self.optimizer.server_lr, None)

    def _copies(
        self, module: nn.Module, lr: float, compression: ClientCompression | None
    ) -> ClientParts[Part]:
        template = copy.deepcopy(module)
        make = partial(copied_part, template, self.optimizer, lr, compression)
        return ClientParts(self.data.clients, make, [*template.parameters(), *template.buffers()])

    def registered_for_compression(self, parts: ClientParts[Part]) -> ClientParts[Part]:
        """Return the clients' parts; with compression, create all of them now in the clients' order."""
        if self.compression is not None:
            list(parts)
        return parts

    def updates(self) -> Updates:
        """Return an object that updates several parts with one optimiser call."""
        return Updates(self.optimizer, hooked=self.compression is not None)

    def pass_choice(self, kind: str) -> PassChoice:
        """Return the choice of the pass through this kind of part: looped if it draws or is compressed."""
        must_loop = self._stochastic or self.compression is not None
        self._pass_choices[kind] = PassChoice("looped" if must_loop else self._clients_pass)
        return self._pass_choices[kind]

    @property
    def chosen_passes(self) -> dict[str, str]:
        """Return the name of the chosen pass for each kind of part."""
        return {kind: choice.chosen.name for kind, choice in self._pass_choices.items() if choice.chosen}

    # Sending tensors and averaging parts

    def send_smashed(self, smashed: Tensor, client: int, number: int) -> Tensor:
        """Return a client's smashed data as the server receives them in round ``number``, detached.

        Parameters
        ----------
        smashed : Tensor, [num_rows, ...]
            The outputs of the cut layer on the client's mini-batch.
        """
        if self.compression is None:
            return smashed.detach()
        return self.compression.codec.send_smashed(smashed, client, number)

    def send_gradient(self, gradient: Tensor, client: int, number: int, first_slot: int = 0) -> Tensor:
        """Return an activation gradient as the client receives it from the server.

        Parameters
        ----------
        gradient : Tensor, [num_rows, ...]
            The gradient with respect to the smashed data that the server received.
        client : int
            The receiver; -1 for a broadcast of merged rows to all clients.
        first_slot : int
            Position of the first row in the mini-batch.
        """
        if self.compression is None:
            return gradient
        return self.compression.codec.send_gradient(gradient, client, number, first_slot)

    def average_clients(self, parts: ClientParts[Part], clients: Sequence[int]) -> None:
        """Give every client the λ-weighted average of these clients' parts, as the server received them."""
        if self.compression is None:
            parts.average(clients, self.weights(clients))
            return
        received = [self.compression.uploaded_tensors(i, parts[i].module) for i in clients]
        average_into([part.tensors for part in parts], received, self.weights(clients))
        for client, part in enumerate(parts):
            self.compression.record_download(client, part.module)

    def restore_pruned(self) -> None:
        """Restore the weights that masks removed from the clients' parts, for a round without pruning."""
        if self.compression is not None:
            self.compression.restore_pruned()

    def renew_masks(self, clients: tuple[int, ...]) -> None:
        """Prune the clients' parts again, by the importances from these clients' steps without pruning."""
        if self.compression is not None:
            self.compression.renew_masks(clients, self.weights(clients))

    # Saving

    def state(self) -> bytes:
        """Return everything that rounds change: weights, buffers, optimisers, masks, received models.

        All attributes are saved except those that the scenario determines. A subclass therefore lists
        nothing, and objects that attributes share stay shared. Random draws have no state, because each has a
        stream of its own in its round.
        """
        saved = {name: value for name, value in vars(self).items() if name not in _NOT_SAVED}
        buffer = io.BytesIO()
        torch.save(saved, buffer)
        return buffer.getvalue()

    def restore(self, state: bytes) -> None:
        """Take over the state of a learner that was built from the same configuration."""
        vars(self).update(torch.load(io.BytesIO(state), weights_only=False))
