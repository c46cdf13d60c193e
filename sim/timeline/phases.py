"""The phases of a round, each with the lane of a node that it occupies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "ACTIVATION_DOWNLINK",
    "ACTIVATION_HOP",
    "BROADCAST",
    "CLIENT_BACKWARD",
    "CLIENT_FORWARD",
    "DOWNLINK",
    "GRADIENT_HOP",
    "GRADIENT_UPLINK",
    "HEAD_BACKWARD",
    "HEAD_FORWARD",
    "MODEL_DOWNLOAD",
    "MODEL_UPLOAD",
    "NODE_BACKWARD",
    "NODE_FORWARD",
    "NODE_UPDATE",
    "SERVER_BACKWARD",
    "SERVER_FORWARD",
    "UPLINK",
    "LaneName",
    "Phase",
]

LaneName: TypeAlias = Literal["compute", "uplink", "downlink", "wire"]


@dataclass(frozen=True, eq=False)
class Phase:
    """A kind of activity. Phases are compared by identity, and a scheme may create its own."""

    name: str
    lane: LaneName


CLIENT_FORWARD = Phase("client_forward", "compute")
UPLINK = Phase("uplink", "uplink")
SERVER_FORWARD = Phase("server_forward", "compute")
SERVER_BACKWARD = Phase("server_backward", "compute")
BROADCAST = Phase("broadcast", "downlink")
DOWNLINK = Phase("downlink", "downlink")
CLIENT_BACKWARD = Phase("client_backward", "compute")
MODEL_UPLOAD = Phase("model_upload", "uplink")
MODEL_DOWNLOAD = Phase("model_download", "downlink")

# U-shaped models: the client also keeps the head; its input is a downlink and its gradient an uplink
ACTIVATION_DOWNLINK = Phase("activation_downlink", "downlink")
HEAD_FORWARD = Phase("head_forward", "compute")
HEAD_BACKWARD = Phase("head_backward", "compute")
GRADIENT_UPLINK = Phase("gradient_uplink", "uplink")
# compute nodes and the wires between them
NODE_FORWARD = Phase("node_forward", "compute")
NODE_BACKWARD = Phase("node_backward", "compute")
NODE_UPDATE = Phase("node_update", "compute")
ACTIVATION_HOP = Phase("activation_hop", "wire")
GRADIENT_HOP = Phase("gradient_hop", "wire")
