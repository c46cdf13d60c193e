"""What makes training faster, measured before it is chosen: batched clients, joint updates, bf16, compiling.

* A round's passes through the clients' parts and their updates, ``learning.clients_pass: batched`` over
  ``looped``; with 100 clients on a GPU too, where there is one.
* The update of all clients' parts by one call over one call a client; torch's foreach by size of tensors.
* A training step of a model under bfloat16 autocast, and compiled by torch.compile, over the plain one;
  compiling itself is told in seconds. ``learning.precision: mixed`` is the former; nothing is compiled.

Ratios are of times: below 1, the first is faster.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import torch
from measuring import Figure, interleaved, ratios, show, timed
from torch import nn
from torch.nn import functional

from cutlayer.experiments.preparation import prepare
from cutlayer.experiments.scheme_run import scheme_learner
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


def round_of(model: str, clients: int, clients_pass: str, device: str) -> Callable[[], None]:
    """Return a PSL round's work on the clients' side, with gradients of ones."""
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
    ((scheme, _),) = experiment.schemes
    learner = scheme_learner(experiment, scheme)
    everyone = tuple(range(clients))

    def work() -> None:
        for number in range(1, ROUNDS + 1):
            learner.client_forward(everyone, number)
            learner.cut_gradients = [torch.ones_like(own) for own in learner.smashed]
            learner.client_step()
        if device == "cuda":
            torch.cuda.synchronize()

    return work


def passes(model: str, clients: int, device: str) -> Figure:
    """Return the time of batched over looped passes."""
    works = [round_of(model, clients, one, device) for one in ("batched", "looped")]
    clock = timed if device == "cpu" else wall_time_s
    for work in works:
        work()
    batched_s, looped_s = interleaved(REPEATS, *(lambda work=work: clock(work) for work in works))  # type: ignore[misc]
    what = f"clients' side, {model}, {clients} clients, {device}: batched / looped"
    return Figure(what, ratios(batched_s, looped_s))


def wall_time_s(work: Callable[[], object]) -> float:
    """Return the wall time of one call, [s]: a GPU's work is not the processor's."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def updates(count: int) -> Figure:
    """Return the time of one update of all clients' first convolutions over one each."""
    rule = Optimizer(name="adam")
    parts = [Part(nn.Conv2d(1, 16, 5), rule, 0.01) for _ in range(count)]
    for part in parts:
        for parameter in part.parameters:
            parameter.grad = torch.ones_like(parameter)
    together = Updates(rule)

    def each() -> None:
        for part in parts:
            part.step()

    together.step(parts)
    joint_s, each_s = interleaved(REPEATS, lambda: timed(lambda: together.step(parts)), lambda: timed(each))
    return Figure(f"update of {count} clients' parts: one call / one each", ratios(joint_s, each_s))


def foreach(count: int, size: int) -> Figure:
    """Return the time of an update by torch's foreach over one tensor after the other."""
    rules = []
    for together in (True, False):
        parameters = [nn.Parameter(torch.ones(size)) for _ in range(count)]
        for parameter in parameters:
            parameter.grad = torch.ones(size)
        rules.append(torch.optim.Adam(parameters, foreach=together))
        rules[-1].step()
    together_s, each_s = interleaved(
        REPEATS,
        *(lambda rule=rule: timed(lambda: [rule.step() for _ in range(20)]) for rule in rules),  # type: ignore[misc]
    )
    return Figure(f"update of {count} tensors of {size:,} values: foreach / each", ratios(together_s, each_s))


def training_step(model: nn.Module, run: Any, *, autocast: bool = False) -> Callable[[], None]:
    """Return a step of Adam on one mini-batch; ``run`` is the model as it is called."""
    optimizer = torch.optim.Adam(model.parameters())
    images = torch.randn(COMPILED_ROWS, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(COMPILED_ROWS) % 10

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = functional.cross_entropy(run(images), labels)
        loss.backward()
        optimizer.step()

    return lambda: [step() for _ in range(10)]  # type: ignore[return-value]


def alternatives() -> list[Figure]:
    """Return the times of a step under autocast, and compiled where there is a compiler, over a plain one."""
    lenet = LenetParameters(name="lenet", input_shape=(1, 8, 8), classes=10)
    plain_model, half_model, compiled_model = (build(lenet) for _ in range(3))
    plain = training_step(plain_model, plain_model)
    half = training_step(half_model, half_model, autocast=True)
    half()
    half_s, plain_s = interleaved(REPEATS, lambda: timed(half), lambda: timed(plain))
    found = [Figure("training step, lenet, cpu: bfloat16 autocast / float32", ratios(half_s, plain_s))]
    if shutil.which("g++"):
        compiled = training_step(compiled_model, torch.compile(compiled_model))
        first_s = wall_time_s(compiled)
        compiled_s, plain_s = interleaved(REPEATS, lambda: timed(compiled), lambda: timed(plain))
        found += [
            Figure("training step, lenet, cpu: torch.compile / eager", ratios(compiled_s, plain_s)),
            Figure("training step, lenet, cpu: compiling", (first_s,), "s"),
        ]
    return found


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
