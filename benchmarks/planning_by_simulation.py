"""The time of planning by simulated rounds, and how accurate its planned round time is.

Twelve devices slow down eightfold for some time. The plan of EPSL(0.5) is chosen among all cuts of LeNet, and
of ResNet-18. The measured round is the mean of a run, whose slow-downs are not those of the planning.
"""

from __future__ import annotations

from dataclasses import replace

from measuring import Figure, interleaved, show, timed

import cutlayer
from cutlayer.experiments.preparation import prepare
from cutlayer.scenarios.loading.loader import load_scenario

__all__ = ["figures"]

SCENARIO, LABEL = "planning_by_simulation", "epsl φ=0.5"
REPEATS = 5
ROUNDS = 2000
CUTS = range(1, 6)
WIDE = ("radio.subchannels=24",)
RESNET = ("model={name: resnet18, input_shape: [3, 32, 32], classes: 10}", "devices.clock_hz=1.3e9")
FADING = ("radio.fading={model: rayleigh, coherence_s: 0.1}",)
INSTANCES = {
    "LeNet": WIDE,
    "ResNet-18": (*WIDE, *RESNET),
    "ResNet-18 with fading": (*WIDE, *RESNET, *FADING),
}


def planning_s(*overrides: str) -> tuple[float, ...]:
    """Return the processor time of each repeated preparation, which is that of planning, [s]."""
    loaded = load_scenario(SCENARIO, overrides, schemes=[LABEL])
    nominal = replace(
        loaded,
        scenario=loaded.scenario.model_copy(
            update={"allocation": loaded.scenario.allocation.model_copy(update={"plan_for": "nominal"})}
        ),
    )
    prepare(nominal)  # here, so that imports do not count
    (values_s,) = interleaved(REPEATS, lambda: timed(lambda: prepare(loaded)))
    return tuple(values_s)


def measured(*overrides: str) -> tuple[float, float]:
    """Return the planned and the measured mean round, [s]."""
    run = cutlayer.run(SCENARIO, overrides=[f"stop.rounds={ROUNDS}", *overrides], schemes=[LABEL])
    figures = run.summary["schemes"][LABEL]
    return figures["planned_latency_s"], figures["mean_latency_s"]


def figures() -> list[Figure]:
    """Return the times of planning, and the ratios of measured and planned rounds."""
    rows = [
        Figure(f"planning by simulation: 12 devices, {name}", planning_s(*overrides), "s", "≤ 2 s")
        for name, overrides in INSTANCES.items()
    ]
    nominal = measured("allocation.plan_for=nominal")
    simulated = measured()
    by_cut = [measured("allocation.plan_for=nominal", f"allocation.cut={cut}")[1] for cut in CUTS]
    return [
        *rows,
        Figure(
            "planning by simulation: |measured / planned − 1|",
            (abs(simulated[1] / simulated[0] - 1),),
            "",
            "≤ 0.1",
        ),
        Figure(
            "planning by simulation: round / round at the best cut",
            (simulated[1] / min(by_cut),),
            "×",
            "≤ 1.01",
        ),
        Figure("nominal planning: measured / planned round", (nominal[1] / nominal[0],), "×"),
        Figure("nominal planning: round / round planned by simulation", (nominal[1] / simulated[1],), "×"),
    ]


if __name__ == "__main__":
    show(figures())
