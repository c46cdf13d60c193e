"""Measured rates of links over time, from a CSV file or from mahimahi's packet-delivery traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...scenarios.errors import KeyPath, KeyPathError
from ...scenarios.input_files import check_input_file
from ...scenarios.schema.devices import Devices, LinkTraceFiles
from ..csv_files import VALUE_MAX, read_steps
from .step_trace import StepTrace

__all__ = ["LinkTraces", "read_delivery_trace", "read_link_traces", "read_rates"]

Array = NDArray[np.float64]

PACKET_BITS = 1500 * 8
"""The size of a packet in mahimahi's traces, [bit]."""
MS_PER_S = 1000


@dataclass(frozen=True)
class LinkTraces:
    """The rates of all devices' links over time, [bit/s].

    Attributes
    ----------
    uplink, downlink : tuple of StepTrace, [num_devices]
        The rates of each device's uplink and of its downlink.
    """

    uplink: tuple[StepTrace, ...]
    downlink: tuple[StepTrace, ...]

    @property
    def mean_uplink_bps(self) -> Array:
        """Return the mean rate of each uplink, by which it is planned, [num_devices], [bit/s]."""
        return np.array([trace.mean for trace in self.uplink])

    @property
    def mean_downlink_bps(self) -> Array:
        """Return the mean rate of each downlink, by which it is planned, [num_devices], [bit/s]."""
        return np.array([trace.mean for trace in self.downlink])


def read_link_traces(devices: Devices) -> LinkTraces | None:
    """Return the rates in the files of ``devices.link_trace``; None without the key.

    Raises
    ------
    KeyPathError
        If a file cannot be read, breaks a rule, or has a link without any rate.
    """
    section = devices.link_trace
    if section is None:
        return None
    key: KeyPath = ("devices", "link_trace")
    try:
        if not isinstance(section, LinkTraceFiles):
            return read_rates(section, devices.count)
        key = ("devices", "link_trace", "uplink")
        uplink = _delivery_traces(section.uplink, devices.count)
        key = ("devices", "link_trace", "downlink")
        return LinkTraces(uplink, _delivery_traces(section.downlink, devices.count))
    except ValueError as error:
        raise KeyPathError(str(error), key) from None


def read_rates(path: Path, num_devices: int) -> LinkTraces:
    """Return the rates in a CSV file with the columns ``device,time_s,uplink_bps,downlink_bps``.

    Raises
    ------
    ValueError
        If the file cannot be read, breaks a rule, or lacks a device's rate at time 0.
    """
    columns = ("uplink_bps", "downlink_bps")
    rows = read_steps(path, num_devices, dict.fromkeys(columns, (0.0, VALUE_MAX)))
    traces: dict[str, list[StepTrace]] = {column: [] for column in columns}
    for device in range(num_devices):
        if device not in rows or rows[device]["time_s"].iloc[0] > 0:
            raise ValueError(f"{path}: no rates are given for device {device} at time 0")
        for column in columns:
            trace = StepTrace(rows[device]["time_s"].tolist(), rows[device][column].tolist())
            if not trace.mean:
                raise ValueError(f"{path}: {column} of device {device} is 0 at all times")
            traces[column].append(trace)
    return LinkTraces(tuple(traces["uplink_bps"]), tuple(traces["downlink_bps"]))


def read_delivery_trace(path: Path) -> StepTrace:
    """Return the rate of a trace in mahimahi's format.

    Each line is the end of a millisecond, [ms], in which one packet of 1500 bytes can be delivered. Several
    equal lines are several packets. The trace begins again after its last line. The packets of a millisecond
    are spread over it, and those of time 0 belong to the last millisecond of the trace before.

    Raises
    ------
    ValueError
        If the file cannot be read, or breaks a rule.
    """
    try:
        check_input_file(path)
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    last_ms, packets = 0, dict[int, int]()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text.isdigit() or len(text) > 12:
            raise ValueError(f"{path}: line {number} must be a time in milliseconds, of at most 12 digits")
        if int(text) < last_ms:
            raise ValueError(f"{path}: line {number} is {text} ms, before the {last_ms} ms of the line above")
        last_ms = int(text)
        packets[last_ms] = packets.get(last_ms, 0) + 1
    if not last_ms:
        raise ValueError(f"{path} must have a line with a time after 0 ms")
    packets[last_ms] += packets.pop(0, 0)
    times_s, rates_bps, end_ms = list[float](), list[float](), 0
    for time_ms in sorted(packets):
        if time_ms - 1 > end_ms:
            times_s.append(end_ms / MS_PER_S)
            rates_bps.append(0.0)
        times_s.append((time_ms - 1) / MS_PER_S)
        rates_bps.append(float(packets[time_ms] * PACKET_BITS * MS_PER_S))
        end_ms = time_ms
    return StepTrace(times_s, rates_bps, last_ms / MS_PER_S)


def _delivery_traces(paths: Path | Sequence[Path], num_devices: int) -> tuple[StepTrace, ...]:
    """Return the trace of each device, from one file for all or one file each."""
    if isinstance(paths, Path):
        return (read_delivery_trace(paths),) * num_devices
    traces = {path: read_delivery_trace(path) for path in set(paths)}
    return tuple(traces[path] for path in paths)
