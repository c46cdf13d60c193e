"""Scenarios with compute nodes and links of their own, self-written profiles, and what comes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutlayer.experiments.experiment import Experiment
from cutlayer.scenarios.model_costs.unit_table import UnitTable, unit_table_csv
from cutlayer.sim.schemes.base import Scheme
from cutlayer.sim.schemes.planning.plan import SchemePlan
from tests.support.worlds import Trial, experiment, trials

__all__ = [
    "FAST",
    "MIB",
    "Ran",
    "activity_of",
    "own_links",
    "rows_of",
    "run_all",
    "run_one",
    "table_model",
    "write_profile",
]

MIB = 8.0 * 2**20
FAST = {"rate_bps": 1e18}
"""A wire that carries anything in no time, for timelines without queues on wires."""


@dataclass(frozen=True)
class Ran:
    """One scheme of a scenario, planned and run."""

    ready: Experiment
    scheme: Scheme
    plan: SchemePlan
    trial: Trial

    @property
    def table(self) -> pd.DataFrame:
        """Return the intervals, in seconds, bits and FLOPs."""
        return self.trial.world.record.frame()

    @property
    def end_s(self) -> float:
        """Return when the last round ended."""
        return self.trial.ends_s[-1]


def run_all(**sections: Any) -> dict[str, Ran]:
    """Run every scheme of a small scenario, one round by default; each under its label."""
    ready = experiment(**{"stop": {"rounds": 1}, "allocation": {}, **sections})
    ran = trials(ready)
    return {
        str(scheme.parameters.label): Ran(ready, scheme, plan, ran[str(scheme.parameters.label)])
        for scheme, plan in ready.schemes
    }


def run_one(scheme: str | dict[str, Any], **sections: Any) -> Ran:
    """Run one scheme of a small scenario, one round by default."""
    (ran,) = run_all(schemes=[scheme], **sections).values()
    return ran


def own_links(uplink_bps: Any, downlink_bps: Any = None, **others: Any) -> dict[str, Any]:
    """Return a section ``devices`` whose links are their own; downlinks are like uplinks by default."""
    return {"uplink_bps": uplink_bps, "downlink_bps": downlink_bps or uplink_bps, **others}


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="cutlayer-tests-"))


def table_model(units: UnitTable) -> dict[str, Any]:
    """Return a section ``model`` of these units."""
    path = _folder() / "units.csv"
    path.write_text(unit_table_csv(units), encoding="utf-8")
    return {"name": "table", "file": str(path)}


def write_profile(
    folder: Path,
    times_ms: Mapping[str, NDArray[np.float64] | Sequence[Sequence[float]]],
    activation_kib: Sequence[float],
    weight_kib: Sequence[float],
) -> Path:
    """Write a profile: of each device, forward, backward and update time of each layer; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = np.stack([np.arange(len(weight_kib)), activation_kib, weight_kib], axis=1)
    _write(folder / "memory.csv", "layer,activation_kib,weight_kib", sizes)
    for name, rows in times_ms.items():
        table = np.column_stack([np.arange(len(rows)), np.array(rows, dtype=np.float64)])
        _write(folder / f"{name}.csv", "layer,forward_ms,backward_ms,update_ms", table)
    return folder


def _write(path: Path, heading: str, rows: NDArray[np.float64]) -> None:
    lines = [",".join([str(int(row[0])), *(repr(float(value)) for value in row[1:])]) for row in rows]
    path.write_text("\n".join([heading, *lines, ""]), encoding="utf-8")


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table, each by column."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def activity_of(table: pd.DataFrame, client: int) -> pd.DataFrame:
    """Return all that is done for a client's mini-batches, wherever, in order; updates of nodes left out."""
    mine = (table["node"] == f"device-{client}") | (table["client"] == client)
    rows = table[mine & (table["phase"] != "node_update")]
    return rows.sort_values(["start_s", "end_s"], kind="stable").reset_index(drop=True)
