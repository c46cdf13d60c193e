"""Savings of last-layer gradient aggregation on the server: EPSL (φ = 1) against PSL, with ten clients.

Two computations are measured, each in time and in peak memory, as a ratio EPSL / PSL.

* The back-propagating pass: the forward pass with gradients and the backward pass through the server's part,
  with b rows against C·b rows. A tenth of the time is the lowest possible ratio.
* The whole server step. In EPSL it begins with a forward pass without gradients over all C·b rows
  (docs/model.md section 3.3). In both schemes it ends with the update.

A peak is the greatest total size of PyTorch's tensors during the step, minus the total before it. It comes
from the allocations in PyTorch's profiler, so it is exact and the same in every run. The resident set of the
process would also count memory that the allocator keeps from earlier work. Scratch memory inside oneDNN's
kernels is not counted. The optimiser is plain SGD, because Adam's moments, which are equal in both schemes,
would blur the ratio. The gradients of the parameters, 43 MiB in both, are counted.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measuring import Figure, interleaved, ratios, show, timed
from torch.profiler import ProfilerActivity, profile

from cutlayer.experiments.execution.scheme_run import scheme_learner
from cutlayer.experiments.preparation import prepare
from cutlayer.scenarios.loading.loader import load_scenario

__all__ = ["figures"]

CLIENTS = 10
BATCH = 16
CUT = 2  # after the stem and the max-pool
REPEATS = 7
MEBIBYTE = 2**20
SCHEMES = {"psl": 0, "epsl": BATCH}
"""The number of aggregated slots n_a of each scheme."""

OVERRIDES = (
    "schemes=[psl, {name: epsl, phi: 1.0}]",
    "model={name: resnet18, input_shape: [3, 64, 64], classes: 7}",
    "learning.dataset={name: synthetic}",
    "learning.optimizer={name: sgd, client_lr: 1.0e-3, server_lr: 1.0e-3}",
    f"devices.count={CLIENTS}",
    "devices.clock_hz=1.3e9",
    f"batch_size={BATCH}",
    f"allocation.cut={CUT}",
)


def learner_of(name: str) -> Any:
    """Return the scheme's learner after the forward pass of its clients."""
    experiment = prepare(load_scenario("quickstart", OVERRIDES, schemes=[name]))
    ((scheme, plan),) = experiment.schemes
    learner = scheme_learner(experiment, scheme, plan)
    learner.client_forward(tuple(range(CLIENTS)), 1)
    return learner


def step_of(name: str) -> Callable[[], None]:
    """Return the whole server step of a scheme."""
    learner = learner_of(name)
    return lambda: learner.server_step(SCHEMES[name], 1)


def pass_of(name: str) -> Callable[[], None]:
    """Return the back-propagating pass, over as many rows as the scheme back-propagates."""
    server = learner_of(name).server
    rows = BATCH if SCHEMES[name] else CLIENTS * BATCH
    generator = torch.Generator().manual_seed(0)
    smashed = torch.randn(rows, 64, 16, 16, generator=generator, requires_grad=True)

    def back_propagate() -> None:
        server.zero_grad()
        logits = server(smashed)
        logits.backward(torch.full_like(logits, 1.0 / rows))

    return back_propagate


COMPUTATIONS = {"back-propagating pass": pass_of, "whole server step": step_of}


def peak_mib(step: Callable[[], None]) -> float:
    """Return the greatest growth of the memory of all tensors during the step, [MiB]."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted((e for e in events if e.get("name") == "[memory]"), key=lambda e: e["ts"])
    totals = [change["args"]["Total Allocated"] for change in changes]
    before = totals[0] - changes[0]["args"]["Bytes"]
    return float(max(totals) - before) / MEBIBYTE


def figures() -> list[Figure]:
    """Return the ratios of time and of peak memory."""
    rows = []
    for name, computation in COMPUTATIONS.items():
        epsl, psl = computation("epsl"), computation("psl")
        epsl_mib, psl_mib = (peak_mib(epsl),), (peak_mib(psl),)
        epsl_s, psl_s = interleaved(REPEATS, lambda: timed(epsl), lambda: timed(psl))  # noqa: B023
        rows += [
            Figure(f"aggregation: {name}, time EPSL / PSL", ratios(epsl_s, psl_s)),
            Figure(f"aggregation: {name}, peak memory EPSL / PSL", ratios(epsl_mib, psl_mib)),
            Figure(f"aggregation: {name}, peak memory of EPSL", epsl_mib, "MiB"),
            Figure(f"aggregation: {name}, peak memory of PSL", psl_mib, "MiB"),
        ]
    return rows


if __name__ == "__main__":
    show(figures())
