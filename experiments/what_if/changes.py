"""Changes of a run's scenario that may make its rounds shorter, as overrides for the loader."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...analysis.comparison.experiment_groups import scenario_of
from ...analysis.explain.activities import device_of
from ...analysis.explain.explanation import Explanation
from ...analysis.results.run import Run
from ...scenarios.registry import lookup
from ...sim.schemes.base import Scheme

__all__ = ["Change", "blamed_devices", "changes"]

MOST_DEVICES = 3
"""Number of blamed devices whose changes are tried."""
LEAST_BLAME = 0.05
"""Share of the time from which on a device is blamed."""
_FAULTS = {
    "stragglers": ("slowdown", "compute_noise", "load"),
    "faults": ("availability", "outage", "packet_loss", "server", "lost_update"),
}


@dataclass(frozen=True)
class Change:
    """A change of a scenario.

    Attributes
    ----------
    name : str
        A few words for tables.
    overrides : tuple of str
        ``"key.path=value"`` each, as ``--set`` takes them.
    """

    name: str
    overrides: tuple[str, ...]


def blamed_devices(explanation: Explanation, label: str) -> list[int]:
    """Return the devices of a scheme that held up most of the time, at most three, the first one first."""
    blame = explanation.blame[explanation.blame["label"] == label]
    shares = blame.groupby("node", sort=False)["share"].sum().sort_values(ascending=False, kind="stable")
    devices = [device_of(str(node)) for node, share in shares.items() if share >= LEAST_BLAME]
    return [device for device in devices if device >= 0][:MOST_DEVICES]


def changes(run: Run, label: str, explanation: Explanation) -> list[Change]:
    """Return the changes to try for one scheme of a run.

    They are: each blamed device with twice its clock, and left out; one subchannel more; a cut before and
    after the planned one; and each fault switched off. Changes that the scenario or the scheme has no use for
    are left out.
    """
    scenario = scenario_of(run)
    devices = run.devices[run.devices["label"].astype(str) == label]
    blamed = blamed_devices(explanation, label)
    return [
        *_faster_devices(scenario, devices, blamed),
        *_without_devices(scenario, blamed),
        *_more_subchannels(scenario),
        *_other_cuts(scenario, run.summary["schemes"][label]),
        *_without_faults(scenario),
    ]


def _faster_devices(
    scenario: Mapping[str, Any], devices: pd.DataFrame, blamed: Sequence[int]
) -> Iterator[Change]:
    given: dict[str, dict[str, Any]] = scenario["devices"].get("overrides") or {}
    clocks_hz = devices.set_index("device")["clock_hz"]
    for device in blamed:
        of_device = {str(number): attributes for number, attributes in given.items()}
        faster = {"clock_hz": 2 * float(clocks_hz[device])}
        of_device[str(device)] = {**of_device.get(str(device), {}), **faster}
        yield Change(f"device-{device} with twice its clock", (f"devices.overrides={json.dumps(of_device)}",))


def _without_devices(scenario: Mapping[str, Any], blamed: Sequence[int]) -> Iterator[Change]:
    excluded = list(scenario["devices"].get("exclude") or ())
    if scenario["devices"]["count"] - len(excluded) < 2:
        return
    for device in blamed:
        yield Change(f"without device-{device}", (f"devices.exclude={json.dumps([*excluded, device])}",))


def _more_subchannels(scenario: Mapping[str, Any]) -> Iterator[Change]:
    has_radio = scenario["devices"].get("uplink_bps") is None
    if has_radio and not isinstance(scenario["allocation"].get("subchannels"), list):
        count = scenario["radio"]["subchannels"] + 1
        yield Change(f"{count} subchannels instead of {count - 1}", (f"radio.subchannels={count}",))


def _other_cuts(scenario: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterator[Change]:
    scheme: type[Scheme] = lookup("scheme", summary["scheme"]).load()
    cut = summary["cut"]
    if scheme.chooses_cut or not isinstance(cut, int) or scenario["allocation"].get("method") is not None:
        return
    for other in (cut - 1, cut + 1):
        if other > 0:
            yield Change(f"cut {other} instead of {cut}", (f"allocation.cut={other}",))


def _without_faults(scenario: Mapping[str, Any]) -> Iterator[Change]:
    for section, keys in _FAULTS.items():
        for key in keys:
            if (scenario.get(section) or {}).get(key) is not None:
                yield Change(f"without {section}.{key}", (f"{section}.{key}=null",))
    if scenario["radio"]["fading"]["model"] != "none":
        yield Change("without radio.fading", ("radio.fading={model: none}",))
