"""The labels of columns and of scenario keys in words, with their units."""

from __future__ import annotations

import re

from ..results.confidence_intervals import is_accuracy

__all__ = ["label_and_unit"]

_LABELS = {
    # columns
    "mean_latency_s": "Round time",
    "latency_s": "Round time",
    "planned_latency_s": "Planned round time",
    "predicted_latency_s": "Predicted round time",
    "total_time_s": "Time of the run",
    "end_s": "Simulated time",
    "round": "Round",
    "time_to_target_s": "Time to target accuracy",
    "time_below_target_s": "Time below target accuracy",
    "rounds_to_target": "Rounds to target accuracy",
    "rounds_below_target": "Rounds below target accuracy",
    "samples_to_target": "Samples to target accuracy",
    "final_accuracy": "Final test accuracy",
    "best_accuracy": "Best test accuracy",
    "test_accuracy": "Test accuracy",
    "energy_j": "Energy",
    "client_energy_j": "Energy of the devices",
    "receive_energy_j": "Energy of the devices' receivers",
    "idle_energy_j": "Idle energy of the devices",
    "uplink_bits": "Uplink traffic",
    "downlink_bits": "Downlink traffic",
    "client_flops": "Computation of the devices",
    "server_flops": "Computation of the server",
    "device_memory_bits": "Memory of a device",
    "node_memory_bits": "Memory of a node",
    "makespan_s": "Makespan",
    "formula_s": "Round time by the authors' formula",
    "pipe_full_s": "Busy time of the busiest node",
    "label": "Scheme",
    # keys of a scenario; numbers of lists are left out
    "allocation.cut": "Cut layer",
    "allocation.knowledge.age_s": "Age of the estimated gains",
    "allocation.knowledge.error_db": "Error of the estimated gains",
    "allocation.method": "Allocation method",
    "allocation.plan_for": "Conditions of the plan",
    "allocation.replan": "Planning again",
    "allocation.replan.every_rounds": "Rounds between two plans",
    "batch_size": "Batch size",
    "compression.dropout.share": "Dropout of activations",
    "compression.pruning.share": "Share of pruned weights",
    "compression.quantisation.bits": "Bits of a value",
    "compression.quantisation.bucket": "Values of a bucket",
    "devices.clock_hz": "Clock of the devices",
    "devices.count": "Number of devices",
    "devices.cycles_per_flop": "Cycles per FLOP of the devices",
    "devices.distance_m": "Distance of the devices",
    "devices.memory_mib": "Memory of the devices",
    "devices.power_max_dbm": "Maximum transmit power of a device",
    "faults.availability.mean_off_s": "Mean time offline",
    "faults.availability.mean_on_s": "Mean time online",
    "faults.outage.mean_down_s": "Mean duration of an outage",
    "faults.outage.mean_up_s": "Mean time between outages",
    "faults.packet_loss.rate": "Rate of lost packets",
    "faults.server.mean_down_s": "Mean duration of a server failure",
    "faults.server.mean_up_s": "Mean time between server failures",
    "learning.evaluate_every": "Rounds between evaluations",
    "learning.optimizer.client_lr": "Client learning rate",
    "learning.optimizer.server_lr": "Server learning rate",
    "learning.partition": "Data partition",
    "learning.partition.alpha": "Dirichlet parameter α",
    "learning.partition.classes_per_client": "Classes of a client",
    "model.activation": "Activation function",
    "model.name": "Model",
    "network.nodes.count": "Number of compute nodes",
    "network.nodes.memory_mib": "Memory of a compute node",
    "network.nodes.price_per_hour": "Price per hour of a compute node",
    "participation.per_round": "Devices of a round",
    "radio.carrier_hz": "Carrier frequency",
    "radio.fading.coherence_s": "Coherence time",
    "radio.fading.k_db": "Rician factor K",
    "radio.fading.speed_mps": "Speed of the devices",
    "radio.path_loss.gain_db": "Path loss gain",
    "radio.path_loss.mode": "Path loss mode",
    "radio.subchannel_hz": "Bandwidth of a subchannel",
    "radio.subchannels": "Number of subchannels",
    "radio.tdma_slot_s": "TDMA slot",
    "radio.uplink_total_power_max_dbm": "Maximum total uplink power",
    "round_policy.deadline_s": "Deadline of a round",
    "schemes.local_steps": "Local steps E",
    "schemes.aggregate_every": "Rounds between aggregations",
    "schemes.phi": "Aggregation share φ",
    "server.clock_hz": "Clock of the server",
    "server.memory_mib": "Memory of the server",
    "stragglers.compute_noise.lognormal.sigma": "Standard deviation of the logarithm of compute noise",
    "stragglers.slowdown.factor": "Factor of the slow-down",
    "stragglers.slowdown.mean_normal_s": "Mean time between slow-downs",
    "stragglers.slowdown.mean_slow_s": "Mean duration of a slow-down",
}
"""Labels of columns and dotted keys whose name alone reads badly; all others follow from the name."""
_UNITS = {
    "s": "s",
    "hz": "Hz",
    "bps": "bit/s",
    "bits": "bit",
    "flops": "FLOP",
    "w": "W",
    "j": "J",
    "m": "m",
    "mps": "m/s",
    "db": "dB",
    "dbm": "dBm",
    "mib": "MiB",
}
"""Units by the last word of a column or a key."""
_DENSITY = "_dbm_per_hz"
_PARAMETERS = {
    "uniform.0": "lower end",
    "uniform.1": "upper end",
    "lognormal.median": "median",
    "lognormal.sigma": "standard deviation of the logarithm",
    "uniform_disc": "radius of the disc",
}
"""The parameters of distributions, in the last parts of a key."""
_WITHOUT_UNIT = ("lognormal.sigma",)


def label_and_unit(column: str) -> tuple[str, str]:
    """Return the label of a column or a dotted key, and its unit or an empty text.

    For example ``("Path loss gain, upper end", "dB")`` for ``radio.path_loss.gain_db.uniform.1``, and
    ``("Memory of a compute node (group 2)", "MiB")`` for ``network.nodes.1.memory_mib``.
    """
    key, parameter = column, ""
    for ending in _PARAMETERS:
        if column.endswith(f".{ending}") and column not in _LABELS:
            key, parameter = column.removesuffix(f".{ending}"), ending
    key, subject = _without_numbers(key)
    if key.startswith("schemes.compression."):
        key = key.removeprefix("schemes.")
    words, unit = _words_and_unit(key)
    label = _LABELS.get(key, words)
    label += f", {_PARAMETERS[parameter]}" if parameter else ""
    if subject.startswith("device"):
        label = f"{re.sub(' of (the devices|a device)$', '', label)} of {subject}"
    elif subject:
        label += f" ({subject})"
    return label, "" if parameter in _WITHOUT_UNIT else unit


def _without_numbers(key: str) -> tuple[str, str]:
    """Return a key without the numbers of list elements and devices, and a text for the element."""
    if match := re.fullmatch(r"devices\.(?:overrides\.(\d+)\.(\w+)|(\w+)\.(\d+))", key):
        return f"devices.{match[2] or match[3]}", f"device {match[1] or match[4]}"
    if match := re.fullmatch(r"(schemes|network\.nodes)\.(\d+)\.(.+)", key):
        kind = "scheme" if match[1] == "schemes" else "group"
        return f"{match[1]}.{match[3]}", f"{kind} {int(match[2]) + 1}"
    return key, ""


def _words_and_unit(key: str) -> tuple[str, str]:
    """Return the words of a key, from its parent's if it is nested, and the unit that its name ends with."""
    if key.endswith(_DENSITY):
        key, unit = key.removesuffix(_DENSITY), "dBm/Hz"
    else:
        stem, _, ending = key.rpartition("_")
        unit = _UNITS.get(ending, "") if stem else ""
        key = stem if unit else key
    if is_accuracy(key):
        unit = "%"
    # The first part is a section of the scenario, which adds little to a nested key.
    parts = key.split(".")
    words = " ".join(parts[1:] if len(parts) > 1 else parts).replace("_", " ").strip()
    return words[:1].upper() + words[1:], unit
