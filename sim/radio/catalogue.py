"""Registers the path loss and fading models that a scenario can name.

========== ==============================================================================
kind       signature of the function behind the name
========== ==============================================================================
path_loss  ``(parameters, distance_m, centre_hz, seed) -> gains``, an array or a ``GainTrace``
fading     ``(parameters, rng, shape) -> power gains`` of independent blocks, with mean 1;
           or a subclass of ``FadingProcess`` where the blocks depend on each other
========== ==============================================================================
"""

from __future__ import annotations

from ...scenarios.registry import register
from .fading import NoFadingParameters, RayleighParameters, RicianParameters
from .jakes import JakesParameters
from .path_loss import FixedParameters, LogDistanceParameters, SamimiParameters
from .tr38901 import Tr38901Parameters

__all__: list[str] = []

PATH_LOSS = f"{__package__}.path_loss"
FADING = f"{__package__}.fading"

register(
    "path_loss",
    "samimi_28ghz",
    f"{PATH_LOSS}:samimi_path_gains",
    parameters=SamimiParameters,
    summary="28 GHz urban, line of sight by probability (Samimi, Rappaport, MacCartney 2015)",
)
register(
    "path_loss",
    "log_distance",
    f"{PATH_LOSS}:log_distance_gains",
    parameters=LogDistanceParameters,
    summary="a loss at a reference distance and an exponent",
)
register(
    "path_loss",
    "fixed",
    f"{PATH_LOSS}:fixed_gains",
    parameters=FixedParameters,
    summary="gains given in dB, per device or as a CSV table of devices by subchannels",
)
register(
    "path_loss",
    "tr38901",
    f"{__package__}.tr38901:tr38901_path_gains",
    parameters=Tr38901Parameters,
    summary="3GPP TR 38.901 outdoors: UMi, UMa or RMa, with multipath (by Sionna: cutlayer[sionna])",
)
register(
    "fading",
    "none",
    f"{FADING}:no_fading",
    parameters=NoFadingParameters,
    summary="no fading",
)
register(
    "fading",
    "rayleigh",
    f"{FADING}:rayleigh",
    parameters=RayleighParameters,
    summary="block fading per subchannel without line of sight: exponential power gains",
)
register(
    "fading",
    "rician",
    f"{FADING}:rician",
    parameters=RicianParameters,
    summary="block fading per subchannel with a line-of-sight component k_db above the rest",
)
register(
    "fading",
    "jakes",
    f"{__package__}.jakes:JakesFading",
    parameters=JakesParameters,
    summary="Rayleigh fading of moving devices per subchannel, with Jakes' spectrum by speed_mps and carrier",
)
