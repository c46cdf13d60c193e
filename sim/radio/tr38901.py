"""The channels of 3GPP TR 38.901 (UMi, UMa, RMa), drawn with Sionna, which is imported at the first draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StrictBool, model_validator

from ...scenarios.random_streams import stream_seed
from ...scenarios.schema.fields import Positive
from ...scenarios.schema.registered import PathLossParameters
from .gain_trace import GainTrace
from .units import db_to_linear

__all__ = ["Tr38901Parameters", "tr38901_gains", "tr38901_path_gains"]

CPU = "cpu"  # also where there is a GPU, whose generators would draw other numbers


@dataclass(frozen=True)
class Validity:
    """The range in which the path losses of one scenario hold, TR 38.901 Table 7.4.1-1.

    Attributes
    ----------
    model : str
        Name of Sionna's class.
    access_point_m, device_m : tuple of float
        Least and greatest antenna height, [m].
    frequency_hz : tuple of float
        Lowest and highest carrier frequency, [Hz].
    usual_access_point_m : float
        Antenna height of the access point where the scenario file names none, [m].
    los_distance_max_m : float
        Greatest distance in line of sight, [m].
    """

    model: str
    access_point_m: tuple[float, float]
    device_m: tuple[float, float]
    frequency_hz: tuple[float, float]
    usual_access_point_m: float
    los_distance_max_m: float


NEAREST_M, NLOS_DISTANCE_MAX_M = 10.0, 5.0e3
VALIDITY = {
    "umi": Validity("UMi", (10.0, 10.0), (1.5, 22.5), (0.5e9, 100.0e9), 10.0, 5.0e3),
    "uma": Validity("UMa", (25.0, 25.0), (1.5, 22.5), (0.5e9, 100.0e9), 25.0, 5.0e3),
    "rma": Validity("RMa", (10.0, 150.0), (1.0, 10.0), (0.5e9, 30.0e9), 35.0, 10.0e3),
}


class Tr38901Parameters(PathLossParameters):
    """3GPP TR 38.901 for devices outdoors: state, shadowing and multipath drawn once per device and seed."""

    scenario: Literal["umi", "uma", "rma"] = Field(
        default="umi", description="umi: urban micro, street canyon; uma: urban macro; rma: rural macro"
    )
    line_of_sight: Literal["auto", "los", "nlos"] = Field(
        default="auto",
        description="auto: drawn for each device by the standard's probability; los, nlos: all devices with,"
        " or without, line of sight",
    )
    shadowing: StrictBool = Field(default=True, description="whether shadowing is drawn for each device")
    multipath: StrictBool = Field(
        default=True,
        description="whether subchannels differ in gain by multipath; switch it off if fading is on",
    )
    access_point_height_m: Positive | None = Field(
        default=None, description="height of the access point, m; absent: 10 for umi, 25 for uma, 35 for rma"
    )
    device_height_m: Positive = Field(default=1.5, description="height of the devices, m")

    @property
    def antenna_height_m(self) -> float:
        """Return the height of the access point's antenna; by default the scenario's usual one, [m]."""
        return self.access_point_height_m or VALIDITY[self.scenario].usual_access_point_m

    @model_validator(mode="after")
    def _heights_within_the_standard(self) -> Tr38901Parameters:
        valid = VALIDITY[self.scenario]
        for key, height_m, (low_m, high_m) in (
            ("access_point_height_m", self.antenna_height_m, valid.access_point_m),
            ("device_height_m", self.device_height_m, valid.device_m),
        ):
            if not low_m <= height_m <= high_m:
                allowed = f"{low_m:g}" if low_m == high_m else f"{low_m:g} to {high_m:g}"
                raise ValueError(f"{key}: {self.scenario} is defined for {allowed} m, not {height_m:g} m")
        return self


def tr38901_gains(
    parameters: Tr38901Parameters,
    distance_m: NDArray[np.float64],
    centre_hz: NDArray[np.float64],
    seed: int,
) -> NDArray[np.float64]:
    """Return the gains of 3GPP TR 38.901 V19.2: path loss, state and shadowing of sections 7.4.1, 7.4.2
    and Table 7.5-6, multipath of section 7.5.

    State, shadowing and multipath are drawn once for each device and seed. The carrier is the middle of the
    band. With multipath, a gain is the mean power of the channel's response over the subchannel, with one
    vertical isotropic antenna on either side; its expectation is the gain without multipath. The width of a
    single subchannel is not known here, so its gain is that at its centre.

    Parameters
    ----------
    parameters : Tr38901Parameters
        The scenario, the state, the antenna heights, and whether shadowing and multipath are drawn.
    distance_m : ndarray, [num_clients]
        Horizontal distances to the access point, floored at 10 m, [m].
    centre_hz : ndarray, [num_subchannels]
        Centre frequencies F_k, evenly spaced, [Hz].
    seed : int
        Seed of the scenario.

    Returns
    -------
    gains : ndarray, [num_clients, num_subchannels]
        Channel power gains, linear, [1].

    Raises
    ------
    ValueError
        If Sionna is not installed, or a frequency or a distance is outside the standard's range.
    """
    gains: NDArray[np.float64] = tr38901_path_gains(parameters, distance_m, centre_hz, seed).gains[0]
    return gains


def tr38901_path_gains(
    parameters: Tr38901Parameters,
    distance_m: NDArray[np.float64],
    centre_hz: NDArray[np.float64],
    seed: int,
) -> GainTrace:
    """Return the gains of :func:`tr38901_gains`, with the devices that are in line of sight."""
    _check_validity_range(parameters, distance_m, centre_hz)
    import torch  # here, since runs without this channel need neither torch nor Sionna

    # The first import of Sionna seeds torch's own generators.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            from sionna.phy import config
            from sionna.phy.channel import tr38901
        except ImportError as error:
            needed = "tr38901 needs Sionna: pip install 'cutlayer[sionna]'"
            raise ValueError(f"{needed} ({error})") from None
        channel = _channel(tr38901, parameters, float(np.mean(centre_hz)))
        generator = config.torch_rng(CPU)  # the source of all of Sionna's draws
        state = generator.get_state()
        gains = np.empty((len(distance_m), len(centre_hz)))
        in_sight = np.empty(len(distance_m), dtype=np.bool_)
        try:
            for device, horizontal_m in enumerate(np.maximum(distance_m, NEAREST_M)):
                generator.manual_seed(stream_seed(seed, "tr38901", device))
                _set_position(channel, parameters, float(horizontal_m))
                in_sight[device] = bool(channel._scenario.los.item())  # the channel itself does not tell
                gains[device] = _draw_gains(channel, parameters, centre_hz)
        finally:
            generator.set_state(state)
    return GainTrace(np.zeros(1), gains[np.newaxis], in_sight[np.newaxis])


def _check_validity_range(
    parameters: Tr38901Parameters, distance_m: NDArray[np.float64], centre_hz: NDArray[np.float64]
) -> None:
    """Raise a ValueError if a frequency or a distance is outside the range of Table 7.4.1-1."""
    valid = VALIDITY[parameters.scenario]
    low_hz, high_hz = valid.frequency_hz
    for subchannel in np.flatnonzero((centre_hz < low_hz) | (centre_hz > high_hz)):
        raise ValueError(
            f"{parameters.scenario} is defined from {low_hz / 1e9:g} to {high_hz / 1e9:g} GHz;"
            f" subchannel {subchannel} is at {centre_hz[subchannel] / 1e9:g} GHz"
        )
    in_sight = parameters.line_of_sight == "los"
    farthest_m = valid.los_distance_max_m if in_sight else NLOS_DISTANCE_MAX_M
    for device in np.flatnonzero(distance_m > farthest_m):
        raise ValueError(
            f"{parameters.scenario} is defined up to {farthest_m:g} m"
            f"{' in line of sight' if in_sight else ''}; device {device} is at {distance_m[device]:g} m"
        )


def _channel(tr38901: Any, parameters: Tr38901Parameters, carrier_hz: float) -> Any:
    """Return Sionna's channel between one device and the access point."""
    computation = {"precision": "double", "device": CPU}
    antenna = tr38901.PanelArray(
        num_rows_per_panel=1,
        num_cols_per_panel=1,
        polarization="single",
        polarization_type="V",
        antenna_pattern="omni",
        carrier_frequency=carrier_hz,
        **computation,
    )
    # RMa has no loss into buildings. The other models must name one, but no device outdoors meets it.
    indoors = {} if parameters.scenario == "rma" else {"o2i_model": "low"}
    return getattr(tr38901, VALIDITY[parameters.scenario].model)(
        carrier_frequency=carrier_hz,
        ut_array=antenna,
        bs_array=antenna,
        direction="uplink",
        enable_shadow_fading=parameters.shadowing,
        always_generate_lsp=True,  # shadowing is drawn in the same order with multipath and without
        **indoors,
        **computation,
    )


def _set_position(channel: Any, parameters: Tr38901Parameters, horizontal_m: float) -> None:
    """Set the position of the device, at rest and outdoors, and draw its state."""
    at_rest = np.zeros((1, 1, 3))
    outdoors = np.zeros((1, 1), dtype=np.bool_)
    channel.reset_topology()  # otherwise the first device would draw more numbers than the others
    channel.set_topology(
        ut_loc=np.array([[[horizontal_m, 0.0, parameters.device_height_m]]]),
        bs_loc=np.array([[[0.0, 0.0, parameters.antenna_height_m]]]),
        ut_orientations=at_rest,
        bs_orientations=at_rest,
        ut_velocities=at_rest,
        in_state=outdoors,
        los={"auto": "random", "los": True, "nlos": False}[parameters.line_of_sight],
        **({"in_car": outdoors} if parameters.scenario == "rma" else {}),
    )


def _draw_gains(
    channel: Any, parameters: Tr38901Parameters, centre_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Draw the gains of the device at the last position that was set, [num_subchannels]."""
    if parameters.multipath:
        amplitudes, delays_s = channel(num_time_samples=1, sampling_frequency=1.0)
        return _mean_power(amplitudes.numpy().ravel(), delays_s.numpy().ravel(), centre_hz)
    large_scale = channel.sample_lsp()
    gain = db_to_linear(-float(large_scale.pathloss))
    return np.full(len(centre_hz), gain * float(large_scale.sf) if parameters.shadowing else gain)


def _mean_power(
    amplitudes: NDArray[np.complex128], delays_s: NDArray[np.float64], centre_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean of ``|Σ_p a_p e^(−j2πfτ_p)|²`` over each subchannel, [num_subchannels].

    The closed form is ``Σ_p Σ_q a_p a_q* e^(−j2πF_k(τ_p−τ_q)) sinc(B(τ_p−τ_q))``, over pairs of paths.

    Parameters
    ----------
    amplitudes : ndarray of complex, [num_paths]
        Amplitudes a_p at the carrier, [1].
    delays_s : ndarray, [num_paths]
        Delays τ_p, [s].
    centre_hz : ndarray, [num_subchannels]
        Centre frequencies F_k, evenly spaced by a subchannel's width B, [Hz].
    """
    width_hz = centre_hz[1] - centre_hz[0] if len(centre_hz) > 1 else 0.0
    offset_hz = centre_hz - np.mean(centre_hz)
    responses = amplitudes * np.exp(
        -2j * np.pi * np.outer(offset_hz, delays_s)
    )  # [num_subchannels, num_paths]
    coherence = np.sinc(width_hz * np.subtract.outer(delays_s, delays_s))  # [num_paths, num_paths]
    power: NDArray[np.float64] = np.einsum("kp,pq,kq->k", responses, coherence, responses.conj()).real
    return power
