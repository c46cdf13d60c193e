"""The cost of a fault that never shows: a whole run with it, over the same run without it.

The run is the timeline of five schemes with 12 devices on 24 subchannels, 200 rounds each, without files.
Rates of 0, factors of 1 and infinite mean times are no faults, so that nothing is drawn or wrapped. For
comparison the last figures have faults that may show, but seldom do.
"""

from __future__ import annotations

from functools import partial

from measuring import Figure, interleaved, ratios, show, timed

import cutlayer

__all__ = ["figures"]

REPEATS = 7
OVERRIDES = (
    "devices.count=12",
    "radio.subchannels=24",
    "stop={rounds: 200}",
    "schemes=[sl, sfl, psl, {name: epsl, phi: 0.5}, fl]",
    "allocation={cut: 5, plan_for: nominal}",
)
NEVER = {
    "slow-down by 1": "stragglers={slowdown: {factor: 1}}",
    "compute noise of 0": "stragglers={compute_noise: {lognormal: {sigma: 0}}}",
    "outages never": "faults={outage: {mean_up_s: .inf, mean_down_s: 1}}",
    "packet loss 0": "faults={packet_loss: {rate: 0}}",
    "lost updates 0": "faults={lost_update: 0}",
    "always online": "faults={availability: {mean_on_s: .inf, mean_off_s: 1}}",
    "server never down": "faults={server: {mean_up_s: .inf, mean_down_s: 1}}",
}
SELDOM = {
    "slow-down every 10⁶ s": "stragglers={slowdown: {factor: 5, mean_normal_s: 1.0e6, mean_slow_s: 1}}",
    "offline every 10⁶ s": "faults={availability: {mean_on_s: 1.0e6, mean_off_s: 1}}",
    "outages every 10⁶ s": "faults={outage: {mean_up_s: 1.0e6, mean_down_s: 1}}",
    "packet loss 10⁻⁹": "faults={packet_loss: {rate: 1.0e-9}}",
}


def run(*overrides: str) -> cutlayer.Run:
    """Run all schemes."""
    return cutlayer.run("timeline_only", overrides=[*OVERRIDES, *overrides])


def figures() -> list[Figure]:
    """Return the ratio of each run with a fault to the run without."""
    faults = {**NEVER, **SELDOM}
    works = [partial(timed, run), *(partial(timed, partial(run, fault)) for fault in faults.values())]
    reference, *times = interleaved(REPEATS, *works)
    return [
        Figure(
            f"faults: run with {name} / run without",
            ratios(values, reference),
            "×",
            "≤ 1.1" if name in NEVER else "",
        )
        for name, values in zip(faults, times, strict=True)
    ]


if __name__ == "__main__":
    show(figures())
