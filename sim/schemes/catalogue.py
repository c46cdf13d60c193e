"""Registers the training schemes that a scenario can name; behind each name is a subclass of ``Scheme``."""

from __future__ import annotations

from ...scenarios.registry import register
from ...scenarios.schema.registered import SchemeParameters
from .centralised import Centralised
from .edgesplit import ESFL, EdgeSplit, SharesParameters
from .epsl import EPSL, EpslParameters, EpslPtParameters, PslParameters
from .fedsl import FedslParameters
from .fl import FL, FlParameters
from .multihop.mpsl import MPSL, MpslParameters
from .multihop.one_hop import OneHop, OneHopParameters
from .sfl import SFL, SFLV2, SflParameters
from .sl import SL

__all__: list[str] = []

register(
    "scheme",
    "sl",
    SL,
    parameters=SchemeParameters,
    summary="vanilla split learning, one client after the other",
)
register(
    "scheme",
    "sfl",
    SFL,
    parameters=SflParameters,
    summary="SplitFed V1: parallel, client and server models averaged",
)
register(
    "scheme",
    "sfl_v2",
    SFLV2,
    parameters=SflParameters,
    summary="SplitFed V2: parallel clients, one server model in sequence",
)
register(
    "scheme",
    "psl",
    EPSL,
    parameters=PslParameters,
    summary="parallel split learning, no averaging of client models",
)
register(
    "scheme",
    "epsl",
    EPSL,
    parameters=EpslParameters,
    summary="PSL with the last layer's gradients aggregated over clients",
)
register(
    "scheme",
    "epsl_pt",
    EPSL,
    parameters=EpslPtParameters,
    summary="EPSL with an aggregation share for each phase of training",
)
register(
    "scheme",
    "fedsl",
    SFL,
    parameters=FedslParameters,
    summary="SplitFed V1 with pruning, quantised gradients and activation dropout",
)
register(
    "scheme",
    "edgesplit",
    EdgeSplit,
    parameters=SharesParameters,
    summary="a cut for each device and shares of the bandwidth, models averaged",
)
register(
    "scheme",
    "esfl",
    ESFL,
    parameters=SharesParameters,
    summary="a cut for each device and shares of the server's compute, models averaged",
)
register(
    "scheme",
    "mpsl",
    MPSL,
    parameters=MpslParameters,
    summary="U-shaped models over a chain of compute nodes, a copy for each owner, averaged",
)
register(
    "scheme",
    "one_hop",
    OneHop,
    parameters=OneHopParameters,
    summary="U-shaped models, one compute node for each owner: horizontal baseline and workflow",
)
register("scheme", "fl", FL, parameters=FlParameters, summary="federated averaging of whole models")
register(
    "scheme",
    "centralised",
    Centralised,
    parameters=SchemeParameters,
    summary="training on the server, with the data of all clients",
)
