"""The cost of fading: a whole run on a channel with fading, over the same run without fading.

The run is the timeline of five schemes with 12 devices on 24 subchannels, 40 rounds each, without files. A
block of the fading is a hundredth of the mean round of all schemes without fading. The cut is fixed and plans
are nominal, so that all runs plan alike.
"""

from __future__ import annotations

from functools import partial

from measuring import Figure, interleaved, ratios, show, timed

import cutlayer

__all__ = ["figures"]

BLOCKS_PER_ROUND = 100
REPEATS = 7
OVERRIDES = (
    "devices.count=12",
    "radio.subchannels=24",
    "stop={rounds: 40}",
    "schemes=[sl, sfl, psl, {name: epsl, phi: 0.5}, fl]",
    "allocation={cut: 5, plan_for: nominal}",
)
SHARINGS = {"dedicated": "≤ 2", "work_conserving": "", "tdma": ""}
"""The ways to share the band, and the target of each."""
MODELS = {
    "Rayleigh": "{{model: rayleigh, coherence_s: {}}}",
    "Jakes": "{{model: jakes, speed_mps: 1.5, step_s: {}}}",
}


def run(sharing: str, fading: str) -> cutlayer.Run:
    """Run all schemes."""
    overrides = [*OVERRIDES, f"radio.sharing={sharing}", f"radio.fading={fading}"]
    return cutlayer.run("timeline_only", overrides=overrides)


def figures() -> list[Figure]:
    """Return the ratios of runs with fading to runs without, by sharing of the band and by model."""
    measured = []
    for sharing, target in SHARINGS.items():
        block_s = run(sharing, "none").rounds["latency_s"].mean() / BLOCKS_PER_ROUND
        fadings = ["none", *(model.format(block_s) for model in MODELS.values())]
        works = [partial(timed, partial(run, sharing, fading)) for fading in fadings]
        reference, *times = interleaved(REPEATS, *works)
        for model, values in zip(MODELS, times, strict=True):
            name = f"fading: run with {model} fading / run without, {sharing}"
            measured.append(
                Figure(name, ratios(values, reference), "×", target if model == "Rayleigh" else "")
            )
    return measured


if __name__ == "__main__":
    show(figures())
