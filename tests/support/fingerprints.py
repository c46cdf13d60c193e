"""The frozen results of the scenario library: the cases, how one is computed, and how the file is renewed.

``python -m tests.support.fingerprints`` recomputes every case and rewrites ``tests/fingerprints.json``.
Names as arguments renew these cases alone: ``python -m tests.support.fingerprints quickstart``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import cutlayer
from cutlayer.experiments.provenance.machine import machine
from cutlayer.scenarios.loading.library import library

__all__ = ["CASES", "Case", "compute", "current_machine", "frozen"]

FILE = Path(__file__).parents[1] / "fingerprints.json"

SHORT = "stop={rounds: 3}"
EVERY_COMPRESSION = "compression={pruning: {share: 0.3}, quantisation: {bits: 8}, dropout: {share: 0.2}}"


@dataclass(frozen=True)
class Case:
    """A scenario of the library with overrides, and the schemes to run; an empty tuple means all of them."""

    scenario: str
    overrides: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()


def _variant(scenario: str, *overrides: str) -> Case:
    return Case(scenario, (SHORT, *overrides))


CASES: Mapping[str, Case] = {
    **{name: Case(name, (SHORT,)) for name in sorted(library())},
    # ResNet-18 takes minutes to train: its timeline with full batches, and a training with small ones.
    "epsl_after_lin": _variant("epsl_after_lin", "learning=null"),
    "epsl_after_lin with small batches": Case(
        "epsl_after_lin",
        (
            "stop={rounds: 1}",
            "learning.threads=1",
            "learning.device=cpu",
            "batch_size=8",
            "learning.dataset={name: synthetic, classes: 7, train_samples: 200, test_samples: 50}",
        ),
        ("psl", "epsl φ=0.5"),
    ),
    "all_schemes with a deadline": _variant("all_schemes", "round_policy={deadline_s: 0.02}"),
    "all_schemes with work-conserving subchannels": _variant("all_schemes", "radio.sharing=work_conserving"),
    "all_schemes with TDMA": _variant("all_schemes", "radio.sharing=tdma"),
    "all_schemes with batteries": _variant("all_schemes", "devices.battery_j=0.05"),
    "stragglers served on arrival": _variant("stragglers", "server.service=arrival"),
    "stragglers with fading and replanning": _variant(
        "stragglers",
        "radio.fading={model: rayleigh, coherence_s: 0.02}",
        "allocation.replan={every_rounds: 1}",
        "allocation.knowledge={age_s: 0.01, error_db: 2}",
    ),
    "stragglers with sampled clients": _variant("stragglers", "participation={per_round: 3}"),
    "timeline_only with sampled clients": _variant(
        "timeline_only", "participation={per_round: 3}", "devices.count=50", "devices.fleet=uk_5g"
    ),
    "timeline_only with availability": _variant(
        "timeline_only", "participation={per_round: 2, selection: available, mean_on_s: 10, mean_off_s: 5}"
    ),
    "quickstart with every compression": _variant("quickstart", EVERY_COMPRESSION),
    "quickstart with batched clients": _variant("quickstart", "learning.clients_pass=batched"),
    "timeline_only by block-coordinate descent": _variant("timeline_only", "allocation={method: bcd}"),
}
"""Every scenario of the library with three rounds, and variants for what no scenario of the library has."""


def compute(case: Case) -> dict[str, dict[str, Any]]:
    """Return the timeline, the weights, the time, the energy and the training losses of each scheme."""
    run = cutlayer.run(case.scenario, overrides=case.overrides, schemes=case.schemes or None)
    losses = {label: rows["train_loss"] for label, rows in run.rounds.groupby("label", sort=False)}
    return {
        label: {
            "timeline": summary["timeline_fingerprint"],
            "weights": summary["weights_fingerprint"],
            "total_time_s": summary["total_time_s"],
            "energy_j": summary["energy_j"],
            "train_loss": None if losses[label].isna().all() else losses[label].tolist(),
        }
        for label, summary in run.summary["schemes"].items()
    }


def current_machine() -> dict[str, Any]:
    """Return the properties of this machine on which the last bits of timelines and weights depend."""
    return {
        "torch": torch.__version__,
        "processor": machine(None)["processor"],
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def frozen() -> dict[str, Any]:
    """Return the file's contents: for each case the machine, and the results of each scheme."""
    contents: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return contents


def _renew(names: list[str]) -> None:
    cases = frozen() if FILE.exists() else {}
    for name in names:
        print(name, flush=True)
        schemes = compute(CASES[name])
        # The machine is read after the run, because a scenario sets torch's number of threads.
        cases[name] = {"machine": current_machine(), "schemes": schemes}
    ordered = {name: cases[name] for name in CASES if name in cases}
    FILE.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _renew(sys.argv[1:] or list(CASES))
