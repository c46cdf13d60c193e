"""Random scenarios with slow-downs, for laws of planning."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["random_straggler_sections"]

_SCHEMES = ("sl", "sfl", "psl", {"name": "epsl", "phi": 0.5}, {"name": "epsl", "phi": 1.0})


def random_straggler_sections(seed: int) -> dict[str, Any]:
    """Return the sections of a small scenario with one scheme, a free cut and slow-downs of any kind."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 9))
    normal_s = float(10 ** rng.uniform(-0.5, 1.0))
    return {
        "seed": seed,
        "stop": {"rounds": 150},
        "schemes": [_SCHEMES[int(rng.integers(len(_SCHEMES)))]],
        "batch_size": int(rng.integers(16, 65)),
        "model": {"name": "lenet", "input_shape": [1, 8, 8], "classes": 10},
        "devices": {"count": count, "clock_hz": float(10 ** rng.uniform(7.5, 9.0))},
        "radio": {"subchannels": count + int(rng.integers(0, 9))},
        "allocation": {"subchannels": "marginal_greedy"},
        "stragglers": {
            "slowdown": {
                "factor": float(rng.uniform(2, 12)),
                "mean_normal_s": normal_s,
                "mean_slow_s": float(normal_s * rng.uniform(0.05, 0.6)),
            }
        },
    }
