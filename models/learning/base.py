"""What every learner shares: its model and parts, what is sent, averages, evaluation, the fingerprint."""

from __future__ import annotations

import contextlib
import copy
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ...scenarios.random_streams import stream_seed
from ...scenarios.schema.compression import Compression
from ...scenarios.schema.scenario import ClientsPass, Optimizer
from ..compression.compressor import ClientCompression
from .evaluation import Composite, Evaluation, accuracy, weights_hash
from .parts.averaging import average_into
from .parts.client_batching import PassChoice
from .parts.client_parts import ClientParts
from .parts.part import Part, Updates, copied_part, draws_values, new_part
from .samples.client_data import ClientData

__all__ = ["Learner", "LearnerConfig", "stretch"]

_GIVEN = {"data", "_build"}  # of a learner's attributes, what every learner of a scenario is given anew


@dataclass(frozen=True)
class LearnerConfig:
    """What a learner is made from.

    Attributes
    ----------
    build : makes the model, an ``nn.Sequential`` of units, with weights from torch's global generator
    cut : int
        Units on the client; 0 where the model is not split.
    data : every client's samples, the test and the validation set, on the device that trains
    optimizer : the scenario's optimiser section
    seed : int
        Of the scenario.
    compression : what of the clients' parts and messages is compressed; None: nothing
    clients_pass : how equal parts of several clients are passed through
    """

    build: Callable[[], nn.Sequential]
    cut: int
    data: ClientData
    optimizer: Optimizer
    seed: int
    compression: Compression | None = None
    clients_pass: ClientsPass = "looped"


def stretch(model: nn.Sequential, first: int, end: int) -> nn.Sequential:
    """Return units ``first`` to ``end - 1`` of a model, from 0, as a model of its kind."""
    units = model[first:end]
    assert isinstance(units, nn.Sequential)
    return units


class Learner(ABC):
    """The side of a scheme that computes with tensors. Subclasses hold the parts and offer the steps.

    All learners of a scenario start from the same weights and see the same mini-batches.
    """

    def __init__(self, setup: LearnerConfig) -> None:
        self.data = setup.data
        self.seed = setup.seed
        self.settings = setup.optimizer
        self.cut = setup.cut
        self._train_loss: Tensor = torch.tensor(float("nan"))
        self._build = setup.build
        self._clients_pass = setup.clients_pass
        self._passes_of: dict[str, PassChoice] = {}
        self.compression: ClientCompression | None = None
        if setup.compression is not None:
            rest = self.new_model()[self.cut :] if self.cut else nn.Sequential()
            ends_model = not any(True for _ in rest.parameters())
            self.compression = ClientCompression(setup.compression, self.seed, ends_model=ends_model)
        self._stochastic = draws_values(self.new_model(), self.data.test[0])

    @property
    def train_loss(self) -> Tensor:
        """Return the λ-weighted mean loss of the last round's samples, each before its step, a scalar."""
        return self._train_loss

    def new_model(self) -> nn.Sequential:
        """Return the model with the initial weights that every scheme starts from."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(self.seed, "initial weights"))
            model = self._build()
        for module in model.modules():
            if hasattr(module, "inplace"):  # nothing may overwrite the smashed data that a server part gets
                setattr(module, "inplace", False)  # noqa: B010 - torch types attributes as tensors
        return model.to(device=self.data.device, dtype=self.data.dtype).train()

    def new_parts(self) -> tuple[nn.Sequential, nn.Sequential]:
        """Return units 1..cut and cut+1..L of a new model."""
        model = self.new_model()
        return self.gated(stretch(model, 0, self.cut)), stretch(model, self.cut, len(model))

    def gated(self, units: nn.Sequential) -> nn.Sequential:
        """Return the units of a client's part, behind them the gate of pruned channels."""
        return units if self.compression is None else units.append(self.compression.gate)

    def passes(self, kind: str) -> PassChoice:
        """Return what chooses the pass through parts of a kind: looped where they draw or are compressed."""
        alone = self._stochastic or self.compression is not None
        self._passes_of[kind] = PassChoice("looped" if alone else self._clients_pass)
        return self._passes_of[kind]

    @property
    def chosen_passes(self) -> dict[str, str]:
        """Return how equal parts of several clients are passed through, by their kind."""
        return {kind: passes.chosen.name for kind, passes in self._passes_of.items() if passes.chosen}

    def updates(self) -> Updates:
        """Return what updates parts together."""
        return Updates(self.settings, hooked=self.compression is not None)

    def client_part(self, module: nn.Module) -> Part:
        """Return the module with an optimiser at the clients' rate: the next client's part."""
        return new_part(module, self.settings, self.settings.client_lr, self.compression)

    def server_part(self, module: nn.Module) -> Part:
        """Return the module with an optimiser at the server's rate."""
        return Part(module, self.settings, self.settings.server_lr)

    @contextlib.contextmanager
    def draws(self, purpose: str, *keys: int) -> Iterator[None]:
        """Let dropout draw from a stream of its own; costs nothing where nothing is drawn."""
        if not self._stochastic:
            yield
            return
        devices = [self.data.device] if self.data.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(stream_seed(self.seed, purpose, *keys))
            yield

    def sent_smashed(self, smashed: Tensor, client: int, number: int) -> Tensor:
        """Return what the server gets of a client's smashed data in round ``number``, detached.

        Parameters
        ----------
        smashed : [num_rows, ...], float
            The cut layer's outputs on the client's mini-batch.
        """
        if self.compression is None:
            return smashed.detach()
        return self.compression.wire.smashed(smashed, client, number)

    def sent_gradient(self, gradient: Tensor, client: int, number: int, first_slot: int = 0) -> Tensor:
        """Return what a client back-propagates of a gradient that the server sends it.

        Parameters
        ----------
        gradient : [num_rows, ...], float
            With respect to smashed data as the server got them.
        client : int
            Whom it is for; -1: a broadcast of merged rows.
        first_slot : int
            Position of the first row in the mini-batch.
        """
        if self.compression is None:
            return gradient
        return self.compression.wire.gradient(gradient, client, number, first_slot)

    def restore_pruned(self) -> None:
        """Give the clients' parts back what masks left out of them, for a round that runs unpruned."""
        if self.compression is not None:
            self.compression.restore_pruned()

    def renew_masks(self, clients: tuple[int, ...]) -> None:
        """Prune the clients' parts anew, by the importances of these clients' steps in the unpruned round."""
        if self.compression is not None:
            self.compression.renew_masks(clients, self.weights(clients))

    def weights(self, clients: Sequence[int]) -> Tensor:
        """Return λ of these clients, re-weighted to sum to one: ``[num_clients]``."""
        return self.data.weights(tuple(clients))

    @abstractmethod
    def composites_of(self, clients: Sequence[int]) -> list[Composite]:
        """Return the distinct models that these clients would use now; one where all have the same."""

    @abstractmethod
    def averaged_over(self, clients: Sequence[int]) -> Composite:
        """Return the model with the average of these clients' parts."""

    def composites(self) -> list[Composite]:
        """Return the distinct models of all clients."""
        return self.composites_of(self.everyone)

    def averaged(self) -> Composite:
        """Return the model with the average of all clients' parts."""
        return self.averaged_over(self.everyone)

    @property
    def everyone(self) -> Sequence[int]:
        """Return all clients."""
        return range(self.data.clients)

    @torch.no_grad()
    def evaluate(self, clients: Sequence[int] | None = None) -> Evaluation:
        """Return the accuracy of these clients' models on the test set, and the mean on the validation set.

        Parameters
        ----------
        clients : by number; all by default
        """
        clients = self.everyone if clients is None else clients
        data, composites = self.data, self.composites_of(clients)
        tested = [accuracy(composite, data.test) for composite in composites]
        validation = None
        if data.validation is not None:
            validated = [accuracy(composite, data.validation) for composite in composites]
            validation = sum(validated) / len(validated)
        if len(composites) == 1:
            return Evaluation(tuple(tested * len(clients)), tested[0], validation)
        return Evaluation(tuple(tested), accuracy(self.averaged_over(clients), data.test), validation)

    def fingerprint(self, clients: Sequence[int] | None = None) -> str:
        """Return a hash of all weights and buffers: two runs that agree in it learnt the same.

        They count unit by unit, whatever part a unit is in: where the model is cut does not show.

        Parameters
        ----------
        clients : whose; all by default
        """
        return weights_hash(self.composites_of(self.everyone if clients is None else clients))

    def client_parts(self, module: nn.Module) -> ClientParts[Part]:
        """Return a part for each client, all as the module is now."""
        return self.watched(self._copies(module, self.settings.client_lr, self.compression))

    def server_parts(self, module: nn.Module) -> ClientParts[Part]:
        """Return a copy of the server's part for each client, all as the module is now."""
        return self._copies(module, self.settings.server_lr, None)

    def _copies(
        self, module: nn.Module, lr: float, compression: ClientCompression | None
    ) -> ClientParts[Part]:
        template = copy.deepcopy(module)
        make = partial(copied_part, template, self.settings, lr, compression)
        return ClientParts(self.data.clients, make, [*template.parameters(), *template.buffers()])

    def watched(self, parts: ClientParts[Part]) -> ClientParts[Part]:
        """Return the clients' parts, all made at once where a compression counts them in their order."""
        if self.compression is not None:
            list(parts)
        return parts

    def state(self) -> bytes:
        """Return all that rounds have changed: weights, buffers, optimisers, masks, models received.

        Whole objects are saved rather than named tensors, so that whatever a learner keeps from one round to
        the next is among them, and what is shared stays shared. Random draws have no state: each has a stream
        of its own for its round.
        """
        kept = {name: value for name, value in vars(self).items() if name not in _GIVEN}
        buffer = io.BytesIO()
        torch.save(kept, buffer)
        return buffer.getvalue()

    def restore(self, state: bytes) -> None:
        """Take over the state of a learner that was made like this one."""
        vars(self).update(torch.load(io.BytesIO(state), weights_only=False))

    def average_of(
        self, parts: Sequence[Part] | Mapping[int, Part], clients: Sequence[int], into: nn.Module
    ) -> nn.Module:
        """Write the λ-weighted average of these clients' parts into a module, and return it."""
        target = [*into.parameters(), *into.buffers()]
        average_into([target], [parts[i].tensors for i in clients], self.weights(clients))
        return into

    def average_clients(self, parts: ClientParts[Part], clients: Sequence[int]) -> None:
        """Give every client the λ-weighted average of these clients' parts, as the server got them."""
        if self.compression is None:
            parts.average(clients, self.weights(clients))
            return
        arrived = [self.compression.arrived(i, parts[i].module) for i in clients]
        average_into([part.tensors for part in parts], arrived, self.weights(clients))
        for client, part in enumerate(parts):
            self.compression.receive(client, part.module)

    def begin_turn(self, part: Part, client: int) -> None:
        """Note that a client has the part that travels, as it is now."""
        if self.compression is not None:
            self.compression.receive(client, part.module)

    def end_turn(self, part: Part, client: int) -> None:
        """Make the part that travels what the server gets of it from this client."""
        if self.compression is not None:
            self.compression.hand_over(client, part.module)
