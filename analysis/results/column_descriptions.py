"""The unit and the meaning of each column of a run folder's tables, and of each value of ``summary.json``.

docs/reference/results.md is generated from them, and a test compares them with the tables of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["CHAIN_VALUES", "COLUMNS", "ONE_HOP_VALUES", "SCHEME_VALUES", "SUMMARY_VALUES", "Column"]


class Column(NamedTuple):
    """The description of a column.

    Attributes
    ----------
    unit : str
        The unit; empty for texts, counts, shares and other numbers without a unit.
    meaning : str
        A sentence, which also says when the value is missing.
    """

    unit: str
    meaning: str


_SCHEME = {"scheme": Column("", "Name of the scheme in the scenario, for example `epsl`.")}
_LABEL = {
    "label": Column("", "Label of the scheme, unique in the run, for example `epsl φ=0.5`."),
    "seed": Column("", "Seed of the scenario."),
}
_ROUND = {"round": Column("", "Number of the round, from 1.")}
_MEMORY_PARTS = {
    "memory_model_bits": Column("bit", "Parameters and buffers."),
    "memory_gradient_bits": Column("bit", "Gradients of the parameters."),
    "memory_optimizer_bits": Column("bit", "State of the optimiser."),
    "memory_activation_bits": Column("bit", "Tensors that the backward pass needs."),
    "memory_cut_bits": Column(
        "bit",
        "Tensors at the cuts: activations and gradients that are sent or received.",
    ),
}

_ROUNDS = {
    **_SCHEME,
    **_LABEL,
    **_ROUND,
    "start_s": Column("s", "Start of the round, which is the end of the round before; 0 for round 1."),
    "end_s": Column("s", "End of the round."),
    "latency_s": Column("s", "Length of the round."),
    "cut": Column(
        "",
        "Units of the model on the client; one for each device, joined by `|`, where they differ."
        " Empty if the model is not split.",
    ),
    "participants": Column("", "Number of clients whose data were on time."),
    "updates": Column(
        "",
        "Number of optimiser steps by which the model moved on. A round of SL has one for each client.",
    ),
    "samples": Column("", "Number of samples that were trained on."),
    "uplink_bits": Column("bit", "Bits that devices sent."),
    "downlink_bits": Column("bit", "Bits that the access point sent. A broadcast counts once."),
    "client_flops": Column("FLOP", "Computation of the devices. A multiply-accumulate counts as one FLOP."),
    "server_flops": Column("FLOP", "Computation of the server and of compute nodes."),
    "energy_j": Column("J", "Energy of all nodes: computation, transfers, reception and idle time."),
    "client_energy_j": Column("J", "The devices' part of it, which excludes the access point's downlinks."),
    "receive_energy_j": Column("J", "Energy of the devices' receivers, a part of `client_energy_j`."),
    "idle_energy_j": Column("J", "Energy of the devices' idle time, a part of `client_energy_j`."),
    "train_loss": Column(
        "",
        "Mean loss over the round's samples before their update, weighted by λ. Empty without learning.",
    ),
    "diverged": Column("", "Whether the training loss or an evaluated model is not finite."),
    "test_accuracy": Column(
        "",
        "Test accuracy from 0 to 1: the mean over the clients' composite models. Empty if the round"
        " was not evaluated or the model diverged.",
    ),
    "test_accuracy_min": Column("", "The lowest of these accuracies."),
    "test_accuracy_max": Column("", "The highest of these accuracies."),
    "test_accuracy_averaged": Column("", "Test accuracy of the averaged client part with the server part."),
    "validation_accuracy": Column(
        "",
        "As `test_accuracy`, on the part of the training set that is held out. Empty without one.",
    ),
    "left_out": Column(
        "",
        "Clients that the round went on without, each with its reason, for example `3:late"
        " 7:offline`. Reasons are `late`, `offline`, `lost` (a message) and `battery` (empty). A"
        " client whose data trained the server before it went offline is a participant too.",
    ),
}

_DEVICES = {
    **_SCHEME,
    **_LABEL,
    "device": Column(
        "",
        "Number of the device, from 0. Excluded devices, and devices that no round selected, have no row.",
    ),
    "x_m": Column("m", "Position of the device; the access point is at the origin."),
    "y_m": Column("m", "The same, along the other axis."),
    "distance_m": Column("m", "Distance to the access point."),
    "gain_db": Column("dB", "Channel power gain, mean over the subchannels, at time 0 and without fading."),
    "clock_hz": Column("cycles/s", "Clock of the processor."),
    "cycles_per_flop": Column("cycles/FLOP", "Processor cycles that one FLOP takes."),
    "subchannels": Column(
        "",
        "Indices of the device's subchannels, joined by `|`; `all` if the active client has the whole band.",
    ),
    "band_share": Column("", "Share of the bandwidth, from 0 to 1, if the device has one of its own."),
    "server_share": Column(
        "",
        "Share of the server's processor, from 0 to 1, if the device has one of its own.",
    ),
    "cut": Column("", "Units of the model on the device. Empty if the model is not split."),
    "memory_bits": Column("bit", "Memory for training the device's part: the sum of the five parts below."),
    "memory_limit_bits": Column("bit", "Memory of the device. Empty without a limit."),
    **_MEMORY_PARTS,
    "power_w": Column("W", "Radiated power on the uplink."),
    "snr_db": Column("dB", "Signal-to-noise ratio of the uplink, mean over the device's subchannels."),
    "uplink_bps": Column("bit/s", "Planned uplink rate."),
    "downlink_bps": Column("bit/s", "Planned downlink rate."),
    "samples": Column("", "Number of training samples. Empty without learning."),
    "classes": Column("", "Number of classes among these samples."),
    "final_accuracy": Column(
        "",
        "Test accuracy of the device's composite model after the last round, from 0 to 1.",
    ),
    "los": Column(
        "",
        "Share of the run's time in line of sight, from 0 to 1. Empty if the path loss model draws no"
        " such state.",
    ),
    "compute_energy_j": Column("J", "Energy of the device's computation."),
    "uplink_energy_j": Column("J", "Energy of its uplinks: radiated power and circuits."),
    "downlink_energy_j": Column("J", "Energy that the access point spent on its downlinks."),
    "receive_energy_j": Column("J", "Energy of its receiver."),
    "idle_energy_j": Column("J", "Energy of its idle time in rounds."),
    "left_at_s": Column("s", "Time at which its battery was empty. Empty if that did not happen."),
    "rounds": Column("", "Number of rounds in which the device took part."),
    "slow_share": Column(
        "",
        "Share of the time in its rounds in which the processor was slowed down, from 0 to 1.",
    ),
    "offline_share": Column("", "Share of this time in which the device was offline."),
    "outage_share": Column("", "Share of this time in which its links were interrupted."),
    "bits_resent": Column("bit", "Bits of packets that were sent again."),
}

_NODES = {
    **_SCHEME,
    **_LABEL,
    "node": Column("", "`server`, or the name of a compute node."),
    "units": Column("", "Units of the model that a compute node trains, `first-last`, counted from 1."),
    "memory_planned_bits": Column("bit", "Planned memory: the sum of the five parts below."),
    "memory_peak_bits": Column("bit", "Largest memory during the run. Compute nodes only."),
    "memory_limit_bits": Column("bit", "Memory of the node. Empty without a limit."),
    **_MEMORY_PARTS,
    "busy_s": Column("s", "Time of computation: FLOPs · cycles per FLOP / clock."),
    "utilisation": Column("", "Share of the simulated time in which the node computes, from 0 to 1."),
    "price_per_hour": Column("1/h", "Price of one hour, in the scenario's currency."),
    "cost": Column(
        "",
        "Cost of the whole run, idle or not, in this currency; 0 for a node that holds no part of the model.",
    ),
}

_STAGES = {
    **_LABEL,
    "node": Column("", "Node, named as in `intervals.parquet`."),
    "phase": Column(
        "",
        "Phase of the round. If devices have power for reception or idle time, each has two more"
        " rows, `receive` and `idle`. The time of `receive` is also in the rows of the downlinks.",
    ),
    "intervals": Column("", "Number of intervals."),
    "busy_s": Column("s", "Sum of their lengths."),
    "wait_s": Column("s", "Sum of their waiting times."),
    "bits": Column("bit", "Bits that they sent."),
    "flops": Column("FLOP", "FLOPs that they computed."),
    "energy_j": Column("J", "Energy. All rows of a label sum to the energy of its run."),
}

_INTERVALS = {
    **_LABEL,
    **_ROUND,
    "node": Column(
        "",
        "`device-0` and so on, `server`, a compute node's name, or `a>b` for the wire from a to b. If"
        " clients have shares of the server, `server-0` and so on are these shares.",
    ),
    "lane": Column(
        "",
        "Part of the node that was busy: `compute`, `uplink`, `downlink` or `wire`. Intervals of one"
        " node and lane never overlap.",
    ),
    "phase": Column("", "Kind of the activity, see [phases](#phases)."),
    "start_s": Column("s", "Start of the activity."),
    "end_s": Column("s", "End of the activity."),
    "wait_s": Column("s", "Time between being ready and starting."),
    "bits": Column("bit", "Bits that were sent; 0 for a computation."),
    "flops": Column("FLOP", "FLOPs that were computed; 0 for a transfer."),
    "energy_j": Column("J", "Energy of the activity, without reception and idle time."),
    "client": Column("", "Device that the server's work is for; -1 if it is for several."),
}

_EVENTS = {
    **_LABEL,
    **_ROUND,
    "time_s": Column("s", "Time of the event, or start of the state."),
    "end_s": Column(
        "s",
        "End of the state, which is cut at the ends of rounds. Empty for an event without a duration.",
    ),
    "node": Column("", "Node, named as in `intervals.parquet`."),
    "kind": Column("", "Kind of the event, see [kinds of events](#kinds-of-events)."),
    "value": Column("", "Number that belongs to the kind."),
    "detail": Column("", "Text that belongs to the kind."),
}

_MEMORY = {
    **_LABEL,
    "node": Column("", "Name of the compute node."),
    "time_s": Column("s", "Time of the change."),
    "held_bits": Column(
        "bit",
        "Memory in use after it: models with gradients and optimiser, and the tensors of each"
        " mini-batch from its arrival until its gradient has left.",
    ),
}

COLUMNS: Mapping[str, Mapping[str, Column]] = {
    "rounds": _ROUNDS,
    "devices": _DEVICES,
    "nodes": _NODES,
    "stages": _STAGES,
    "intervals": _INTERVALS,
    "events": _EVENTS,
    "memory": _MEMORY,
}
"""The columns of each table of a run, in their order."""

SUMMARY_VALUES: Mapping[str, Column] = {
    "format": Column("", "Version of the run folder's format, 1."),
    "name": Column("", "Name of the scenario."),
    "seed": Column("", "Seed of the scenario."),
    "interrupted": Column("", "Whether the run was stopped before its end."),
    "target_accuracy": Column("", "The accuracy that times and rounds to the target refer to, from 0 to 1."),
    "versions": Column("", "Versions of Python and of packages; `code` is a digest of the source files."),
    "files": Column("", "Files that the scenario names, see [Files](../results.md#summaryjson-files)."),
    "machine": Column("", "Processor and system, see [The machine](../results.md#the-machine)."),
    "schemes": Column("", "Results of each scheme by its label: the values below."),
}
"""The values of ``summary.json``."""

SCHEME_VALUES: Mapping[str, Column] = {
    "scheme": Column("", "Name of the scheme in the scenario."),
    "paper_label": Column("", "Label of the scheme as papers write it, for example `EPSL (φ = 0.5)`."),
    "failed": Column("", "Error that ended the scheme, with its round; null if none did."),
    "stopped_by": Column("", "Reason for which a callback ended the scheme; null if none did."),
    "cut": Column(
        "",
        "Units of the model on the client, or a list with one number for each device; null if the"
        " model is not split.",
    ),
    "predicted_latency_s": Column(
        "s",
        "Closed form of a round: behind a barrier, without slow-downs and deadlines. For `mpsl` and"
        " `one_hop` a lower bound.",
    ),
    "planned_latency_s": Column("s", "Mean round time of the plan, under `plan_for`."),
    "planned_is_bound": Column("", "Whether `planned_latency_s` is a lower bound."),
    "plan_for": Column("", "Conditions that the plan assumes: `nominal`, `mean` or `simulated`."),
    "rounds": Column("", "Number of finished rounds."),
    "mean_latency_s": Column("s", "Mean length of a round."),
    "total_time_s": Column("s", "End of the last round."),
    "diverged_in_round": Column(
        "",
        "First round whose training loss or model is not finite; null if there is none.",
    ),
    "final_accuracy": Column("", "Test accuracy of the last evaluated round, from 0 to 1."),
    "best_accuracy": Column("", "Highest test accuracy."),
    "final_validation_accuracy": Column(
        "",
        "Validation accuracy of the last evaluated round; null without validation samples.",
    ),
    "target_accuracy": Column("", "The target, as above."),
    "time_below_target_s": Column(
        "s",
        "End of the last evaluated round below the target before it was reached; 0 if there is none."
        " The last evaluated round if the target was not reached.",
    ),
    "time_to_target_s": Column("s", "End of the first evaluated round at the target; null if there is none."),
    "rounds_below_target": Column("", "Number of the round of `time_below_target_s`."),
    "rounds_to_target": Column("", "Number of the round of `time_to_target_s`."),
    "samples_to_target": Column("", "Samples that were trained on up to that round."),
    "updates": Column("", "Number of updates in all rounds."),
    "samples": Column("", "Number of samples in all rounds."),
    "uplink_bits": Column("bit", "Bits that devices sent in all rounds."),
    "downlink_bits": Column("bit", "Bits that the access point sent in all rounds."),
    "energy_j": Column("J", "Energy of all nodes in all rounds."),
    "client_energy_j": Column("J", "The devices' part of it."),
    "receive_energy_j": Column("J", "Energy of the devices' receivers."),
    "idle_energy_j": Column("J", "Energy of the devices' idle time."),
    "empty_rounds": Column("", "Number of rounds in which no client was on time."),
    "plans": Column("", "Number of plans that were made."),
    "left_at_s": Column(
        "s",
        "Time at which each client whose battery was empty left the run, by its number.",
    ),
    "timeline_fingerprint": Column("", "Hash of all intervals."),
    "weights_fingerprint": Column(
        "",
        "Hash of the final weights; null without learning, and after an interrupt.",
    ),
    "clients_pass": Column("", "Computation of equal model parts, `looped` or `batched`, by kind of part."),
    "device_memory_bits": Column("bit", "Largest memory that a device needs."),
    "node_memory_bits": Column("bit", "The same of the server and the compute nodes, planned or met."),
    "cost": Column(
        "",
        "Cost of the server and of all nodes that hold a part of the model, for the whole run.",
    ),
}
"""The values of each scheme in ``summary.json``."""

CHAIN_VALUES: Mapping[str, Column] = {
    "placement": Column(
        "",
        "Unit after which the owner's first part and each node's part end, joined by `|`.",
    ),
    "order": Column("", "Nodes along the chain, joined by `|`."),
    "pipe_full_s": Column("s", "Time in which the busiest node is done with a round's work."),
    "formula_s": Column(
        "s",
        "The authors' estimate of an epoch, see [Placement](../model.md#72-placement-bound-and-formula).",
    ),
}
"""Further values of ``mpsl``."""

ONE_HOP_VALUES: Mapping[str, Column] = {
    "workflow": Column("", "Node of each owner, counted from 0 and joined by `|`."),
    "makespan_s": Column(
        "s",
        "Planned time of one mini-batch of all owners with the upload of their models, if no message"
        " queues on a wire.",
    ),
}
"""Further values of ``one_hop``."""
