"""Registers the faults; each is a function ``(scenario, fleet) -> Fault | None``."""

from __future__ import annotations

from ...scenarios.registry import register

__all__: list[str] = []

# compute noise comes before slow-downs: a processor that is slow stretches a computation with its noise
register(
    "fault",
    "compute_noise",
    f"{__package__}.compute_noise:compute_noise_fault",
    summary="each computation of a device takes a random time (stragglers.compute_noise)",
)
register(
    "fault",
    "slowdown",
    f"{__package__}.slowdown:slowdown_fault",
    summary="devices switch between a normal and a slow speed (stragglers.slowdown)",
)
register(
    "fault",
    "load",
    f"{__package__}.load:load_fault",
    summary="other programs take a share of the devices' processors (stragglers.load)",
)
register(
    "fault",
    "server_slowdown",
    f"{__package__}.server:server_slowdown_fault",
    summary="the server switches between a normal and a slow speed (faults.server.slowdown)",
)
register(
    "fault",
    "server_failure",
    f"{__package__}.server:server_failure_fault",
    summary="the server fails and comes back (faults.server.mean_up_s)",
)
register(
    "fault",
    "availability",
    f"{__package__}.availability:availability_fault",
    summary="devices go offline, in the middle of a round too, and come back (faults.availability)",
)
register(
    "fault",
    "battery",
    f"{__package__}.battery:battery_fault",
    summary="devices leave the run when their batteries are empty (devices.battery_j)",
)
register(
    "fault",
    "outage",
    f"{__package__}.outage:outage_fault",
    summary="the links of a device are interrupted at times (faults.outage)",
)
register(
    "fault",
    "lost_messages",
    f"{__package__}.lost_messages:lost_messages_fault",
    summary="packets and uploads are lost (faults.packet_loss, faults.lost_update)",
)
