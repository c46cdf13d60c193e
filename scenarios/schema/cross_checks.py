"""Rules between several keys of a scenario: equal counts, unique labels, keys that need a section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..errors import KeyPath, ScenarioIssue
from .allocation import FULL_POWER
from .devices import LinkTraceFiles
from .round_policy import RoundPolicy
from .scenario import Allocation, Devices, ExplicitPower, Scenario
from .size_limits import size_issues, time_scale_issues

__all__ = ["cross_check"]


def cross_check(scenario: Scenario) -> list[ScenarioIssue]:
    """Return an issue for each broken rule between keys."""
    return [
        *_labels(scenario),
        *_lengths(scenario),
        *_single_devices(scenario),
        *_positions(scenario),
        *_fixed_rate_links(scenario),
        *_allocation(scenario),
        *_over_selection(scenario),
        *_participation(scenario),
        *_availability(scenario),
        *_learning(scenario),
        *size_issues(scenario),
        *time_scale_issues(scenario),
    ]


def _labels(scenario: Scenario) -> Iterator[ScenarioIssue]:
    counts = Counter(scheme.label for scheme in scenario.schemes)
    for index, scheme in enumerate(scenario.schemes):
        if counts[scheme.label] > 1:
            yield ScenarioIssue(
                ("schemes", index), f"the label {scheme.label!r} is given {counts[scheme.label]} times;"
                " labels must be unique: give each a label of its own"
            )  # fmt: skip


def _lengths(scenario: Scenario) -> Iterator[ScenarioIssue]:
    count = scenario.devices.count
    values_by_key: dict[KeyPath, object] = {
        ("devices", key): getattr(scenario.devices, key)
        for key in type(scenario.devices).model_fields
        if key != "exclude"  # a list of devices, not of their values
    }
    slowdown = scenario.stragglers.slowdown if scenario.stragglers else None
    for key in () if slowdown is None else type(slowdown).model_fields:
        values_by_key["stragglers", "slowdown", key] = getattr(slowdown, key)
    if isinstance(traces := scenario.devices.link_trace, LinkTraceFiles):
        values_by_key["devices", "link_trace", "uplink"] = traces.uplink
        values_by_key["devices", "link_trace", "downlink"] = traces.downlink
    values_by_key["radio", "path_loss", "gain_db"] = getattr(scenario.radio.path_loss, "gain_db", None)
    values_by_key["radio", "fading", "speed_mps"] = getattr(scenario.radio.fading, "speed_mps", None)
    values_by_key["allocation", "subchannels"] = scenario.allocation.subchannels
    if isinstance(scenario.allocation.power, ExplicitPower):
        values_by_key["allocation", "power", "dbm_per_hz"] = scenario.allocation.power.dbm_per_hz
    for path, values in values_by_key.items():
        if isinstance(values, tuple) and len(values) != count:
            yield ScenarioIssue(
                path, f"lists {len(values)} values; devices.count is {count}, one each is needed"
            )


def _single_devices(scenario: Scenario) -> Iterator[ScenarioIssue]:
    devices = scenario.devices
    allowed = f"devices.count is {devices.count}, so devices are numbered from 0 to {devices.count - 1}"
    for number, attributes in devices.overrides.items():
        path: KeyPath = ("devices", "overrides", str(number))
        if number >= devices.count:
            yield ScenarioIssue(path, f"there is no device {number}: {allowed}")
        if attributes.distance_m is not None and devices.positions is not None:
            yield ScenarioIssue((*path, "distance_m"), "devices.positions gives the places; leave out this")
        for key in ("uplink_bps", "downlink_bps"):
            if getattr(attributes, key) is not None and getattr(devices, key) is None:
                text = f"devices.{key} is absent, so all devices use the radio; give {key} to all devices"
                yield ScenarioIssue((*path, key), text)
    for position, number in enumerate(devices.exclude):
        if number >= devices.count:
            yield ScenarioIssue(("devices", "exclude", position), f"there is no device {number}: {allowed}")
        elif number in devices.exclude[:position]:
            yield ScenarioIssue(("devices", "exclude", position), f"device {number} is given twice")
    if not devices.included:
        yield ScenarioIssue(("devices", "exclude"), "excludes every device; at least one must take part")


def _positions(scenario: Scenario) -> Iterator[ScenarioIssue]:
    devices = scenario.devices
    if devices.positions is not None and devices.distance_m != Devices().distance_m:
        yield ScenarioIssue(("devices", "positions"), "gives the places already; leave out distance_m")


def _fixed_rate_links(scenario: Scenario) -> Iterator[ScenarioIssue]:
    devices = scenario.devices
    if not devices.has_fixed_links:
        return
    key = "link_trace" if devices.uplink_bps is None else "uplink_bps"
    radio, why = scenario.radio, f"devices.{key} gives links of the devices' own, without the radio"
    packet_loss = scenario.faults.packet_loss if scenario.faults else None
    if packet_loss is not None and packet_loss.by == "snr":
        yield ScenarioIssue(
            ("faults", "packet_loss", "by"),
            f"{why}, so no signal-to-noise ratio is known; give faults.packet_loss.rate",
        )
    if radio.fading.model != "none":
        yield ScenarioIssue(("radio", "fading"), f"{why}; leave out fading")
    if radio.sharing != "dedicated":
        yield ScenarioIssue(("radio", "sharing"), f"{why}; leave out sharing")


def _allocation(scenario: Scenario) -> Iterator[ScenarioIssue]:
    allocation = scenario.allocation
    for key in ("subchannels", "power"):
        # The scenario of a run folder states all defaults, so a default may not be the user's choice.
        stated, default = getattr(allocation, key), Allocation.model_fields[key].default
        if key == "power" and stated == FULL_POWER:
            continue  # the method's powers are raised to the limits
        if allocation.method is not None and stated != default:
            yield ScenarioIssue(
                ("allocation", key), f"allocation.method is {allocation.method}, which chooses the {key} too;"
                f" leave out either method or {key}"
            )  # fmt: skip


def _over_selection(scenario: Scenario) -> Iterator[ScenarioIssue]:
    policies: list[tuple[KeyPath, RoundPolicy]] = [(("round_policy",), scenario.round_policy)]
    for index, scheme in enumerate(scenario.schemes):
        if scheme.round_policy is not None:
            policies.append((("schemes", index, "round_policy"), scheme.round_policy))
    for path, policy in policies:
        if policy.over_select is not None and policy.over_select > len(scenario.devices.included):
            text = f"selects {policy.over_select} devices a round; {_number_of_devices(scenario)}"
            yield ScenarioIssue((*path, "over_select"), text)


def _number_of_devices(scenario: Scenario) -> str:
    """Return the number of devices as text, with those that are excluded."""
    devices = scenario.devices
    without = f", of which {len(devices.exclude)} are excluded" if devices.exclude else ""
    return f"devices.count is {devices.count}{without}"


def _availability(scenario: Scenario) -> Iterator[ScenarioIssue]:
    availability = scenario.faults.availability if scenario.faults else None
    participation = scenario.participation
    if availability is not None and participation is not None and participation.selection == "available":
        yield ScenarioIssue(
            ("participation", "selection"), "available and faults.availability both say when devices are"
            " online; give one of them"
        )  # fmt: skip


def _participation(scenario: Scenario) -> Iterator[ScenarioIssue]:
    participation, allocation = scenario.participation, scenario.allocation
    if participation is not None and participation.per_round > len(scenario.devices.included):
        text = f"draws {participation.per_round} devices a round; {_number_of_devices(scenario)}"
        yield ScenarioIssue(("participation", "per_round"), text)
    if all(scenario.participation_of(scheme) is None for scheme in scenario.schemes):
        return
    key = "round_policy.over_select" if participation is None else "participation"
    why = f"{key} changes who takes part from round to round"
    if not isinstance(allocation.subchannels, str):
        yield ScenarioIssue(("allocation", "subchannels"), f"gives each device its own; {why}: name a method")
    if isinstance(allocation.power, ExplicitPower):
        yield ScenarioIssue(("allocation", "power"), f"gives each device its own; {why}: name a method")
    if allocation.replan is not None and allocation.replan.every_rounds != 1:
        yield ScenarioIssue(
            ("allocation", "replan"), f"{why}, so each round is planned for: give every_rounds: 1"
        )
    compressed = scenario.compression or any(scheme.compression for scheme in scenario.schemes)
    if scenario.learning is not None and compressed:
        yield ScenarioIssue(
            ("round_policy" if participation is None else "participation",),
            "training with compression keeps what every device has received; leave out compression, learning"
            f" or {key}",
        )


def _learning(scenario: Scenario) -> Iterator[ScenarioIssue]:
    if scenario.learning is not None:
        if scenario.model.name in ("table", "measured"):
            yield ScenarioIssue(
                ("model", "name"), f"{scenario.model.name} has no weights to train; name a model, or leave"
                " out learning"
            )  # fmt: skip
        endless = scenario.stop.rounds is None and scenario.stop.time_s is None
        if scenario.learning.on_divergence == "continue" and endless:
            yield ScenarioIssue(
                ("learning", "on_divergence"),
                "continue needs stop.rounds or stop.time_s: a diverged model never reaches stop.accuracy",
            )
    elif scenario.stop.accuracy is not None:
        yield ScenarioIssue(("stop", "accuracy"), "needs a learning section: without one nothing is trained")
