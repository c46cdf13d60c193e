"""Laws of the catalogue: every name can be loaded and has the signature of its kind."""

import inspect

import pytest

import cutlayer.sim.radio.catalogue
from cutlayer.scenarios.registry import Kind, lookup

NAMES: dict[Kind, list[str]] = {
    "path_loss": ["samimi_28ghz", "log_distance", "fixed", "tr38901"],
    "subchannels": ["greedy", "marginal_greedy", "round_robin", "random"],
    "power": ["optimal", "full", "uniform"],
    "cut": ["optimal", "random"],
}
SIGNATURES: dict[Kind, list[str]] = {
    "path_loss": ["parameters", "distance_m", "centre_hz", "seed"],
    "subchannels": ["problem", "work", "rng"],
    "power": ["problem", "work", "client_of"],
    "cut": ["cuts", "rng"],
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
def test_what_is_registered_has_the_signature_of_its_kind(kind: Kind, name: str) -> None:
    """Importing the catalogue makes the names known, and each leads to a function of its kind."""
    assert cutlayer.sim.radio.catalogue.__all__ == []
    assert SIGNATURES[kind] == list(inspect.signature(lookup(kind, name).load()).parameters)
