"""The phases that an interval of activity can be in, and the lane of its node that each occupies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "BROADCAST",
    "CLIENT_BACKWARD",
    "CLIENT_FORWARD",
    "DOWNLINK",
    "MODEL_DOWNLOAD",
    "MODEL_UPLOAD",
    "SERVER_BACKWARD",
    "SERVER_FORWARD",
    "UPLINK",
    "LaneName",
    "Phase",
]

LaneName: TypeAlias = Literal["compute", "uplink", "downlink"]


@dataclass(frozen=True, eq=False)
class Phase:
    """A kind of activity, compared by identity; schemes define further ones by making instances."""

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
