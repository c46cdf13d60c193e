"""Settings of the whole test suite: the same examples in every run, and no timing limits."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "cutlayer",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cutlayer")
