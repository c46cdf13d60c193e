"""Comparisons of ways to train: batched passes, joint updates, bfloat16 autocast and torch.compile.

* The clients' passes and updates of a round, with ``learning.clients_pass: batched`` and ``looped``. With 100
  clients this is measured on a GPU too, if there is one.
* One optimiser call for all clients' parts, and one call per client; torch's ``foreach`` by size of tensors.
* A training step under bfloat16 autocast (``learning.precision: mixed``), and a step compiled by
  torch.compile, both against a plain step. The simulator itself compiles nothing.

Each ratio is one of times. It is below 1 if the first of the two is faster.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from measuring import Figure, interleaved, ratios, show, timed
from torch import nn
from torch.nn import functional

from cutlayer.experiments.execution.scheme_run import scheme_learner
from cutlayer.experiments.preparation import prepare
from cutlayer.models.learning.parts.part import Part, Updates
from cutlayer.models.networks.lenet import build
from cutlayer.models.networks.parameters import LenetParameters
from cutlayer.scenarios.loading.loader import load_scenario
from cutlayer.scenarios.schema.scenario import Optimizer

__all__ = ["figures"]

REPEATS = 7
ROUNDS = 3  # in one timing
TENSORS = ((2, 1_000), (6, 1_000), (40, 1_000), (40, 100_000))
COMPILED_ROWS = 160
MODELS = {
    "lenet": "{name: lenet, input_shape: [1, 8, 8], classes: 10}",
    "mlp": "{name: mlp, input_shape: [1, 8, 8], classes: 10, hidden: [64, 64]}",
    "vgg16": "{name: vgg16, input_shape: [3, 32, 32], classes: 10}",
}
CASES = (("lenet", 5), ("lenet", 100), ("mlp", 5), ("mlp", 100), ("vgg16", 5))
ON_GPU = (("lenet", 100), ("mlp", 100), ("vgg16", 100))


def rounds_of(model: str, clients: int, clients_pass: str, device: str) -> Callable[[], None]:
    """Return a function that runs the clients' side of PSL rounds, with gradients of ones."""
    overrides = [
        f"model={MODELS[model]}",
        "learning.dataset={name: synthetic}",
        f"learning.clients_pass={clients_pass}",
        f"learning.device={device}",
        f"devices.count={clients}",
        "devices.clock_hz=1.0e9",
        f"radio.subchannels={clients}",
        "allocation.power=uniform",
        "batch_size=16",
    ]
    experiment = prepare(load_scenario("quickstart", overrides, schemes=["psl"]))
    ((scheme, plan),) = experiment.schemes
    learner = scheme_learner(experiment, scheme, plan)
    all_clients = tuple(range(clients))

    def run_rounds() -> None:
        for number in range(1, ROUNDS + 1):
            learner.client_forward(all_clients, number)
            learner.cut_gradients = [torch.ones_like(smashed) for smashed in learner.smashed]
            learner.client_step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run_rounds


def passes(model: str, clients: int, device: str) -> Figure:
    """Return the time of batched passes divided by the time of looped passes."""
    rounds = [rounds_of(model, clients, clients_pass, device) for clients_pass in ("batched", "looped")]
    clock = timed if device == "cpu" else wall_time_s
    for run_rounds in rounds:
        run_rounds()  # the first time costs more
    batched_s, looped_s = interleaved(REPEATS, *(partial(clock, run_rounds) for run_rounds in rounds))
    name = f"clients' side, {model}, {clients} clients, {device}: batched / looped"
    return Figure(name, ratios(batched_s, looped_s))


def wall_time_s(work: Callable[[], object]) -> float:
    """Return the wall time of one call, [s]. Processor time would not count a GPU's work."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def updates(count: int) -> Figure:
    """Return the time of a joint update of all clients' parts, divided by that of separate updates."""
    settings = Optimizer(name="adam")
    parts = [Part(nn.Conv2d(1, 16, 5), settings, 0.01) for _ in range(count)]
    for part in parts:
        for parameter in part.parameters:
            parameter.grad = torch.ones_like(parameter)
    joint = Updates(settings)

    def update_separately() -> None:
        for part in parts:
            part.step()

    joint.step(parts)  # the first time costs more
    joint_s, separate_s = interleaved(
        REPEATS, lambda: timed(lambda: joint.step(parts)), lambda: timed(update_separately)
    )
    return Figure(f"update of {count} clients' parts: one call / one each", ratios(joint_s, separate_s))


def foreach(count: int, size: int) -> Figure:
    """Return the time of updates with torch's ``foreach``, divided by that of one tensor after another."""
    optimizers = []
    for is_joint in (True, False):
        parameters = [nn.Parameter(torch.ones(size)) for _ in range(count)]
        for parameter in parameters:
            parameter.grad = torch.ones(size)
        optimizers.append(torch.optim.Adam(parameters, foreach=is_joint))
        optimizers[-1].step()  # the first time costs more
    foreach_s, each_s = interleaved(REPEATS, *(partial(steps_s, optimizer) for optimizer in optimizers))
    return Figure(f"update of {count} tensors of {size:,} values: foreach / each", ratios(foreach_s, each_s))


def steps_s(optimizer: torch.optim.Optimizer) -> float:
    """Return the time of twenty updates, [s]."""
    return timed(lambda: [optimizer.step() for _ in range(20)])


def training_steps(model: nn.Module, forward: Any, *, autocast: bool = False) -> Callable[[], None]:
    """Return ten steps of Adam on one mini-batch. ``forward`` is the model, or its compiled version."""
    optimizer = torch.optim.Adam(model.parameters())
    images = torch.randn(COMPILED_ROWS, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(COMPILED_ROWS) % 10

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()

    return lambda: [step() for _ in range(10)]  # type: ignore[return-value]


def alternatives() -> list[Figure]:
    """Return the times of autocast and, if there is a compiler, of a compiled step, over a plain step."""
    lenet = LenetParameters(name="lenet", input_shape=(1, 8, 8), classes=10)
    plain_model, half_model, compiled_model = (build(lenet) for _ in range(3))
    plain = training_steps(plain_model, plain_model)
    half = training_steps(half_model, half_model, autocast=True)
    half()
    half_s, plain_s = interleaved(REPEATS, lambda: timed(half), lambda: timed(plain))
    rows = [Figure("training step, lenet, cpu: bfloat16 autocast / float32", ratios(half_s, plain_s))]
    if shutil.which("g++"):
        compiled = training_steps(compiled_model, torch.compile(compiled_model))
        first_s = wall_time_s(compiled)
        compiled_s, plain_s = interleaved(REPEATS, lambda: timed(compiled), lambda: timed(plain))
        rows += [
            Figure("training step, lenet, cpu: torch.compile / eager", ratios(compiled_s, plain_s)),
            Figure("training step, lenet, cpu: compiling", (first_s,), "s"),
        ]
    return rows


def figures() -> list[Figure]:
    """Return all ratios."""
    torch.set_num_threads(1)
    cases = [(*case, "cpu") for case in CASES]
    if torch.cuda.is_available():
        cases += [(*case, "cuda") for case in ON_GPU]
    return [
        *(passes(*case) for case in cases),
        updates(5),
        updates(100),
        *(foreach(*case) for case in TENSORS),
        *alternatives(),
    ]


if __name__ == "__main__":
    show(figures())
