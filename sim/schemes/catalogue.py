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
    display_name="SL",
)
register(
    "scheme",
    "sfl",
    SFL,
    parameters=SflParameters,
    summary="SplitFed V1: parallel, client and server models averaged",
    display_name="SplitFed V1",
)
register(
    "scheme",
    "sfl_v2",
    SFLV2,
    parameters=SflParameters,
    summary="SplitFed V2: parallel clients, one server model in sequence",
    display_name="SplitFed V2",
)
register(
    "scheme",
    "psl",
    EPSL,
    parameters=PslParameters,
    summary="parallel split learning, no averaging of client models",
    display_name="PSL",
)
register(
    "scheme",
    "epsl",
    EPSL,
    parameters=EpslParameters,
    summary="PSL with the last layer's gradients aggregated over clients",
    display_name="EPSL",
)
register(
    "scheme",
    "epsl_pt",
    EPSL,
    parameters=EpslPtParameters,
    summary="EPSL with an aggregation share for each phase of training",
    display_name="EPSL-PT",
)
register(
    "scheme",
    "fedsl",
    SFL,
    parameters=FedslParameters,
    summary="SplitFed V1 with pruning, quantised gradients and activation dropout",
    display_name="FedSL",
)
register(
    "scheme",
    "edgesplit",
    EdgeSplit,
    parameters=SharesParameters,
    summary="a cut for each device and shares of the bandwidth, models averaged",
    display_name="EdgeSplit",
)
register(
    "scheme",
    "esfl",
    ESFL,
    parameters=SharesParameters,
    summary="a cut for each device and shares of the server's compute, models averaged",
    display_name="ESFL",
)
register(
    "scheme",
    "mpsl",
    MPSL,
    parameters=MpslParameters,
    summary="U-shaped models over a chain of compute nodes, a copy for each owner, averaged",
    display_name="MP-SL",
)
register(
    "scheme",
    "one_hop",
    OneHop,
    parameters=OneHopParameters,
    summary="U-shaped models, one compute node for each owner: horizontal baseline and workflow",
    display_name="One hop",
)
register(
    "scheme",
    "fl",
    FL,
    parameters=FlParameters,
    summary="federated averaging of whole models",
    display_name="FL",
)
register(
    "scheme",
    "centralised",
    Centralised,
    parameters=SchemeParameters,
    summary="training on the server, with the data of all clients",
    display_name="Centralised",
)
