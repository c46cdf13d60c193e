"""Batched passes and joint updates give the results of one part after another."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import cutlayer
from cutlayer.models.learning.epsl import EpslLearner
from cutlayer.models.learning.fl import FedAvgLearner
from cutlayer.models.learning.parts import client_batching as passes_module
from cutlayer.models.learning.parts.client_batching import (
    BatchedPass,
    LoopedPass,
    Pass,
    PassError,
    fastest_pass,
)
from cutlayer.models.learning.parts.part import Part, Updates
from cutlayer.models.learning.sfl import PrivateServerLearner, SharedServerLearner
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.schema.compression import Compression, Dropout, Pruning
from cutlayer.scenarios.schema.scenario import Optimizer
from tests.support.learners import (
    CLASSES,
    SHAPE,
    Counting,
    adam,
    client_data,
    composites,
    counting,
    gap,
    make,
    normed,
    sgd,
    smooth,
    state,
)

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
ROWS = 5
RATES = (0.1, 0.2, 0.1, 0.1)
RULES = [sgd(), Optimizer(name="sgd", client_lr=0.2, server_lr=0.1, momentum=0.7, weight_decay=0.1),
         Optimizer(name="adam", client_lr=0.02, server_lr=0.01, weight_decay=0.1)]  # fmt: skip


def parts_of(build: Callable[[], nn.Module], count: int, dtype: torch.dtype = torch.float64) -> list[Part]:
    """Return parts of one architecture with different weights."""
    torch.manual_seed(count)
    return [Part(build().to(dtype).train(), adam(), 0.01) for _ in range(count)]


def random_inputs(count: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Return random inputs that require a gradient."""
    generator = torch.Generator().manual_seed(count)
    return [
        torch.randn(ROWS, *SHAPE, generator=generator, dtype=dtype).requires_grad_() for _ in range(count)
    ]


def gradients_of(parts: list[Part]) -> list[Tensor]:
    """Return all gradients, zeros where there is none."""
    return [torch.zeros_like(p) if p.grad is None else p.grad for part in parts for p in part.parameters]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("build", [smooth, normed])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_batched_pass_equals_a_looped_one(
    build: Callable[[], nn.Sequential], count: int, dtype: torch.dtype
) -> None:
    """Outputs, gradients and running statistics of each part agree up to rounding."""
    found = {}
    for one in (LoopedPass(), BatchedPass()):
        parts, inputs = parts_of(build, count, dtype), [own.detach() for own in random_inputs(count, dtype)]
        graph = one.forward(parts, inputs)
        outputs = [own.detach().clone() for own in graph.outputs]
        graph.backward([torch.cos(own) for own in outputs])
        found[one.name] = [*outputs, *gradients_of(parts), *state(*(part.module for part in parts))]
    assert gap(found["looped"], found["batched"]) <= TOLERANCE[dtype]
    assert any(float(value.abs().max()) > 0 for value in found["batched"][count : count + 2])


@pytest.mark.parametrize("build", [smooth, normed])
def test_batched_losses_equal_looped_ones(build: Callable[[], nn.Sequential]) -> None:
    """Losses, and the gradients of parameters and of inputs, agree up to rounding."""
    labels = torch.arange(4 * ROWS).view(4, ROWS) % CLASSES
    found = {}
    for one in (LoopedPass(), BatchedPass()):
        parts, inputs = parts_of(build, 4), random_inputs(4)
        losses = one.losses(parts, inputs, labels)
        of_inputs = [own.grad for own in inputs if own.grad is not None]
        assert len(inputs) == len(of_inputs)
        found[one.name] = [losses, *gradients_of(parts), *of_inputs]
    assert gap(found["looped"], found["batched"]) <= TOLERANCE[torch.float64]
    assert not found["batched"][0].requires_grad


def test_what_has_no_gradient_gets_none() -> None:
    """Inputs that require no gradient receive none. Unused parameters, and parts without any, are allowed."""
    labels = torch.zeros(2, ROWS, dtype=torch.int64)
    for one in (LoopedPass(), BatchedPass()):
        inputs = [own.detach() for own in random_inputs(2)]
        one.losses(parts_of(smooth, 2), inputs, labels)
        assert [None, None] == [own.grad for own in inputs]
        empty = [Part(nn.Sequential(nn.MaxPool2d(2)), sgd(), 0.1) for _ in range(2)]
        graph = one.forward(empty, inputs)
        assert (2, 2) == tuple(graph.outputs[1].shape[-2:])
        graph.backward(list(graph.outputs))


def rounds(kind: Callable[..., Any], clients_pass: Any, build: Any, rule: Optimizer) -> list[Tensor]:
    """Return all weights after three rounds, the second without one of the clients."""
    learner = make(kind, build, client_data((12, 9, 6), 3), optimizer=rule, clients_pass=clients_pass)
    losses = []
    for number, members in enumerate([(0, 1, 2), (0, 2), (0, 1, 2)], start=1):
        if kind is FedAvgLearner:
            learner.local_steps(members, number)
        else:
            learner.client_forward(members, number)
            learner.server_step(2 if kind is EpslLearner else 0, number)
            learner.client_step()
        if kind is not EpslLearner:
            learner.average(members)
        losses.append(learner.train_loss)
    return [*state(*(module for composite in composites(learner) for module in composite)), *losses]


@pytest.mark.parametrize("rule", RULES, ids=["sgd", "momentum", "adam"])
@pytest.mark.parametrize("build", [smooth, normed])
@pytest.mark.parametrize("kind", [EpslLearner, PrivateServerLearner, SharedServerLearner, FedAvgLearner])
def test_learners_learn_the_same_batched(kind: Any, build: Any, rule: Optimizer) -> None:
    """After rounds with and without a late client all weights agree up to rounding."""
    looped, batched = (rounds(kind, one, build, rule) for one in ("looped", "batched"))
    assert gap(looped, batched) <= 1e-9


def test_a_measurement_changes_nothing() -> None:
    """The measurement runs on copies and changes no weight, statistic or gradient. A choice is final."""
    parts, inputs = parts_of(normed, 3), [own.detach() for own in random_inputs(3)]
    before = copy.deepcopy(state(*(part.module for part in parts)))
    assert fastest_pass(parts, inputs).name in {"looped", "batched"}
    assert gap(before, state(*(part.module for part in parts))) == 0
    assert all(p.grad is None for part in parts for p in part.parameters)


@pytest.mark.parametrize("slow", [LoopedPass, BatchedPass])
def test_the_faster_pass_is_chosen(slow: type[Pass], monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that adds a second to each call of one pass, the other is chosen, once."""
    clock = [0.0]
    calls = []
    original = slow.forward

    def forward(self: Pass, *arguments: Any) -> Any:
        clock[0] += 1.0
        return original(self, *arguments)

    def counted(*arguments: Any) -> Pass:
        calls.append(1)
        return fastest_pass(*arguments, clock_s=lambda tensor: clock[0])

    monkeypatch.setattr(slow, "forward", forward)
    monkeypatch.setattr(passes_module, "fastest_pass", counted)
    chooser = passes_module.PassChoice("measured")
    parts, inputs = parts_of(smooth, 3), random_inputs(3)
    assert "looped" == chooser.choose(parts[:1], inputs[:1]).name
    assert chooser.chosen is None
    names = {chooser.choose(parts, inputs).name for _ in range(3)}
    assert ({"batched", "looped"} - {slow.name}, 1) == (names, len(calls))


class Branching(nn.Module):
    """A unit whose control flow depends on values, so that it cannot be batched."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs, or their opposite."""
        return inputs if inputs.detach().sum().item() > 0 else -inputs


def test_what_cannot_be_batched_is_told() -> None:
    """A batched pass raises in one line; a measurement takes the looped pass."""
    parts = parts_of(lambda: nn.Sequential(nn.Linear(4, 4), Branching()), 2)
    inputs = [own.detach() for own in random_inputs(2)]
    with pytest.raises(PassError, match=r"^torch.func can't batch this model: ") as message:
        BatchedPass().forward(parts, inputs)
    assert "\n" not in str(message.value)
    assert "looped" == fastest_pass(parts, inputs).name


def dropping() -> nn.Sequential:
    """Return a model with dropout on both sides of the cut."""
    return nn.Sequential(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 9), nn.Dropout(0.5)),
        nn.Linear(9, 7),
        nn.Sequential(nn.Dropout(0.5), nn.Linear(7, CLASSES)),
    )


@pytest.mark.parametrize("kind", [PrivateServerLearner, FedAvgLearner])
def test_what_a_client_draws_is_its_own(kind: Any) -> None:
    """Client 2 learns bit-identically whether it is alone in the round or not."""
    ends = []
    for members in ((2,), (0, 2), (0, 1, 2)):
        learner = make(kind, dropping, client_data((12, 9, 6), 3))
        if kind is FedAvgLearner:
            learner.local_steps(members, 1)
        else:
            learner.client_forward(members, 1)
            learner.server_step(0, 1)
            learner.client_step()
        parts = [learner.clients[2], *([] if kind is FedAvgLearner else [learner.server_for(2)])]
        ends.append(state(*(part.module for part in parts)))
    assert gap(ends[0], ends[1]) == gap(ends[0], ends[2]) == 0


def test_what_draws_is_looped() -> None:
    """Each client's dropout has a stream of its own, whatever pass the scenario asks for."""
    looped, batched = (rounds(EpslLearner, one, dropping, adam()) for one in ("looped", "batched"))
    assert gap(looped, batched) == 0


companies = st.lists(st.tuples(st.sets(st.integers(0, 3)).map(sorted), st.booleans()), max_size=6)


@settings(max_examples=30)
@given(companies, st.sampled_from(RULES))
def test_joint_updates_are_each_parts_own(steps: list[tuple[list[int], bool]], rule: Optimizer) -> None:
    """Joint updates of any groups of parts are bit-identical to separate updates."""
    torch.manual_seed(5)
    start = [nn.Linear(6, 3) for _ in range(4)]
    together, apart = (
        [Part(copy.deepcopy(one), rule, lr) for one, lr in zip(start, (0.1, 0.2, 0.1, 0.1), strict=True)]
        for _ in range(2)
    )
    updates = Updates(rule)
    for number, (members, jointly) in enumerate(steps):
        for parts in (together, apart):
            for place in members:
                for p in parts[place].parameters:
                    p.grad = torch.sin(p.detach() * (number + 2))
        for place in members:
            apart[place].step()
            if not jointly:
                together[place].step()
        if jointly:
            updates.step([together[place] for place in members])
    for one, other in zip(together, apart, strict=True):
        assert all(torch.equal(*pair) for pair in zip(one.parameters, other.parameters, strict=True))


def test_a_learner_goes_on_with_joint_updates() -> None:
    """A learner that is saved and restored between two rounds ends with bit-identical weights."""
    ends = []
    for saved in (False, True):
        data = client_data((12, 9, 6), 3)
        learner = make(PrivateServerLearner, smooth, data, optimizer=adam())
        for number in (1, 2, 3):
            learner.client_forward((0, 1, 2), number)
            learner.server_step(0, number)
            learner.client_step()
            if saved:
                kept, learner = learner.state(), make(PrivateServerLearner, smooth, data, optimizer=adam())
                learner.restore(kept)
        ends.append(state(*(module for composite in composites(learner) for module in composite)))
    assert gap(*ends) == 0


def test_a_run_tells_its_passes(tmp_path: Path) -> None:
    """Batched and looped runs have the same timeline, and the summary states the pass."""
    overrides = ["stop.rounds=2", "schemes=[sl, sfl, psl]", "learning.evaluate_every=2"]
    found = {
        one: cutlayer.run("quickstart", overrides=[*overrides, f"learning.clients_pass={one}"]).summary
        for one in ("looped", "batched", "measured")
    }
    for one, summary in found.items():
        schemes, looped = summary["schemes"], found["looped"]["schemes"]
        assert {} == schemes["sl"]["clients_pass"]
        assert {"client part", "server part"} == set(schemes["sfl"]["clients_pass"])
        taken = {name for figures in schemes.values() for name in figures["clients_pass"].values()}
        assert taken <= {"looped", "batched"} if one == "measured" else taken == {one}
        for label, figures in schemes.items():
            assert looped[label]["timeline_fingerprint"] == figures["timeline_fingerprint"]


def test_a_model_that_cannot_be_batched_is_refused_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one-line error names the key and the alternative. A looped run succeeds."""
    (tmp_path / "branching.py").write_text(
        "from torch import nn\n"
        "class Branching(nn.Module):\n"
        "    def forward(self, inputs):\n"
        "        return inputs if inputs.is_meta or inputs.detach().sum().item() > 0 else -inputs\n"
        "def build():\n"
        "    return nn.Sequential(nn.Flatten(), Branching(), nn.Linear(64, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    overrides = [
        "stop.rounds=1", "schemes=[psl]", "allocation.cut=2",
        "model={name: imported, factory: 'branching:build', input_shape: [1, 8, 8], classes: 10}",
    ]  # fmt: skip
    with pytest.raises(ScenarioError, match=r"clients_pass: torch\.func can't batch this model") as message:
        batched = [*overrides, "learning.clients_pass=batched"]
        cutlayer.run("quickstart", overrides=batched, allow_imports=True)
    assert str(message.value).endswith("looped can")
    cutlayer.run("quickstart", overrides=overrides, allow_imports=True)


@pytest.mark.parametrize("rule", RULES, ids=["sgd", "momentum", "adam"])
def test_another_company_of_the_same_size_is_updated(rule: Optimizer) -> None:
    """Only parts of the present call are updated, even if the call before had as many parts."""
    parts = parts_of(smooth, 3)
    updates = Updates(rule)
    for members in ((0, 1), (1, 2), (0, 2)):
        before = [[p.detach().clone() for p in part.parameters] for part in parts]
        for place in members:
            for p in parts[place].parameters:
                p.grad = torch.ones_like(p)
        updates.step([parts[place] for place in members])
        for place, (part, old) in enumerate(zip(parts, before, strict=True)):
            stayed = all(torch.equal(*pair) for pair in zip(part.parameters, old, strict=True))
            assert stayed == (place not in members)


def test_unused_parameters_and_assigned_buffers_are_batched() -> None:
    """Each part has its running mean, counters stay integers, and unused parameters get no gradient."""
    labels = torch.arange(3 * ROWS).view(3, ROWS) % CLASSES
    found = {}
    for one in (LoopedPass(), BatchedPass()):
        parts, inputs = parts_of(counting, 3), [own.detach() for own in random_inputs(3)]
        for _ in range(2):
            graph = one.forward(parts, inputs)
            graph.backward([torch.cos(own.detach()) for own in graph.outputs])
            one.losses(parts, inputs, labels)
        found[one.name] = [*gradients_of(parts), *state(*(part.module for part in parts))]
        units = [unit for part in parts for unit in part.module.modules() if isinstance(unit, Counting)]
        assert [4, 4, 4] == [int(unit.passes) for unit in units]
        assert all(unit.unused.grad is None for unit in units)
    assert gap(found["looped"], found["batched"]) <= TOLERANCE[torch.float64]
    assert float(found["batched"][-1].abs().max()) > 0


def test_what_is_compressed_is_looped() -> None:
    """With compression all passes are looped, and all settings give the same weights."""
    compression = Compression(pruning=Pruning(share=0.3), dropout=Dropout(share=0.4))
    ends = []
    for one in ("looped", "batched", "measured"):
        learner = make(
            PrivateServerLearner,
            smooth,
            client_data((12, 9, 6), 3),
            compression=compression,
            clients_pass=one,
        )
        for number in (1, 2):
            learner.client_forward((0, 1, 2), number)
            learner.server_step(0, number)
            learner.client_step()
        assert {"looped"} == set(learner.chosen_passes.values())
        ends.append(state(*(module for composite in composites(learner) for module in composite)))
    assert gap(ends[0], ends[1]) == gap(ends[0], ends[2]) == 0


def test_a_choice_is_made_once_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restored learner uses the measured choice, and does not measure again."""
    measured = []

    def counted(*arguments: Any) -> Pass:
        measured.append(1)
        return BatchedPass()

    monkeypatch.setattr(passes_module, "fastest_pass", counted)
    data = client_data((12, 9, 6), 3)
    learner = make(PrivateServerLearner, smooth, data, clients_pass="measured")
    for number in (1, 2):
        learner.client_forward((0, 1, 2), number)
        learner.server_step(0, number)
        learner.client_step()
        kept, learner = learner.state(), make(PrivateServerLearner, smooth, data, clients_pass="measured")
        learner.restore(kept)
    assert {"client part": "batched", "server part": "batched"} == learner.chosen_passes
    assert 2 == len(measured)


@pytest.mark.parametrize("chosen", [LoopedPass, BatchedPass])
def test_a_measured_round_is_that_of_the_chosen_pass(
    chosen: type[Pass], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measurement adds nothing to the gradients that the clients receive."""

    def chosen_after_timing(*found: Any) -> Pass:
        fastest_pass(*found)
        return chosen()

    monkeypatch.setattr(passes_module, "fastest_pass", chosen_after_timing)
    asked, measured = (rounds(PrivateServerLearner, one, smooth, sgd()) for one in (chosen.name, "measured"))
    assert gap(asked, measured) == 0


def half_frozen() -> nn.Sequential:
    """Return a model in which some parameters are not trained."""
    model = smooth()
    for name in ("0.0.weight", "1.1.bias"):
        model.get_parameter(name).requires_grad_(False)
    model[2].requires_grad_(False)
    return model


@pytest.mark.parametrize("kind", [EpslLearner, PrivateServerLearner, SharedServerLearner, FedAvgLearner])
def test_frozen_parameters_stay_in_a_batch(kind: Any) -> None:
    """Parameters that require no gradient do not change, and the others learn the same."""
    ends = [rounds(kind, one, half_frozen, adam()) for one in ("looped", "batched", "measured")]
    assert all(gap(ends[0], end) <= 1e-9 for end in ends[1:])
    initial = make(kind, half_frozen, client_data((12, 9, 6), 3)).new_model()
    assert all(gap(end[:1], state(initial)[:1]) <= 1e-12 for end in ends)  # averages round


def test_batched_is_no_reason_to_refuse_dropout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with dropout is looped, and the check runs the model in training mode."""
    (tmp_path / "made.py").write_text(
        "from torch import nn\n"
        "def dropping():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.Dropout(0.5), nn.Linear(12, 10))\n"
        "def evaluated():\n"
        "    norm = nn.BatchNorm1d(12, momentum=None)\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), norm, nn.Linear(12, 10)).eval()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    overrides = ["stop.rounds=1", "schemes=[psl]", "allocation.cut=2", "learning.clients_pass=batched"]
    model = "model={name: imported, factory: 'made:%s', input_shape: [1, 8, 8], classes: 10}"
    run = cutlayer.run("quickstart", overrides=[*overrides, model % "dropping"], allow_imports=True)
    assert {"client part": "looped"} == run.summary["schemes"]["psl"]["clients_pass"]
    with pytest.raises(ScenarioError, match=r"can't batch this model"):
        cutlayer.run("quickstart", overrides=[*overrides, model % "evaluated"], allow_imports=True)


class FunctionalDropout(nn.Module):
    """A unit that draws random values without a dropout module."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs, half of them dropped."""
        return nn.functional.dropout(inputs, 0.5, self.training)


def test_dropout_by_a_function_draws_from_streams_too() -> None:
    """Draws elsewhere in the process do not change these, nor the other way round."""

    def dropping() -> nn.Sequential:
        return nn.Sequential(
            nn.Sequential(nn.Flatten(), nn.Linear(16, 9), FunctionalDropout()),
            nn.Linear(9, 7),
            nn.Linear(7, CLASSES),
        )

    ends = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        expected = torch.random.get_rng_state()
        ends.append(rounds(EpslLearner, "batched", dropping, adam()))
        assert torch.equal(expected, torch.random.get_rng_state())
    assert gap(*ends) == 0
