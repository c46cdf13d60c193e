"""Compression on top of schemes with a model for every client: EdgeSplit, ESFL, MP-SL, one hop."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from cutlayer.analysis.results.recorded_tables import RecordWriter
from cutlayer.experiments.execution.scheme_run import run_scheme
from cutlayer.scenarios.errors import ScenarioError
from tests.support.worlds import experiment

CUT, ROUNDS, BATCH = 2, 5, 6
COMPRESSION: dict[str, Any] = {
    "pruning": {"share": 0.5, "renew_every": 3},
    "quantisation": {"bits": 6, "bucket": 100, "tensors": ["activations", "gradients", "models"]},
    "dropout": {"share": 0.2},
}
CHAINS = [
    {"name": "edgesplit", "cuts": [CUT] * 3},
    {"name": "esfl", "cuts": [CUT] * 3},
    {"name": "mpsl", "first_units": CUT},
    {"name": "one_hop", "first_units": CUT},
]


class Recorded(NamedTuple):
    """What one scheme's run produced, with its intervals."""

    summary: dict[str, Any]
    rounds: pd.DataFrame
    intervals: pd.DataFrame


def runs(compression: dict[str, Any], schemes: list[Any], *, learning: bool = True) -> dict[str, Recorded]:
    """Run schemes with the compression, float64 and plain SGD; return what they produced by name."""
    sections: dict[str, Any] = {}
    if learning:
        sections["learning"] = {
            "dataset": {"name": "synthetic", "train_samples": 60, "test_samples": 20},
            "optimizer": {"name": "sgd", "client_lr": 0.05, "server_lr": 0.05},
            "precision": "float64",
        }
    ready = experiment(
        schemes=schemes,
        stop={"rounds": ROUNDS},
        batch_size=BATCH,
        model={"name": "lenet", "input_shape": [1, 8, 8], "classes": 10},
        allocation={"cut": CUT},
        network={"nodes": [{"name": "node", "count": 2}]},
        compression=compression,
        **sections,
    )
    found = {}
    for scheme, plan in ready.schemes:
        writer = RecordWriter()
        run = run_scheme(ready, scheme, plan, lambda label, result: None, writer)
        assert run is not None
        found[scheme.parameters.name] = Recorded(run.summary, run.rounds, writer.finish().intervals.frame())
    return found


@pytest.mark.parametrize("compression", [COMPRESSION, *({key: part} for key, part in COMPRESSION.items())])
def test_compressed_chains_learn_what_compressed_splitfed_learns(compression: dict[str, Any]) -> None:
    """At one cut and rate they average whole models as SplitFed V1 does, compressed or not."""
    found = runs(compression, ["sfl", *CHAINS])
    reference = found.pop("sfl").rounds
    assert len(CHAINS) == len(found)
    for run in found.values():
        np.testing.assert_allclose(run.rounds["train_loss"], reference["train_loss"], rtol=1e-9)
        assert reference["test_accuracy"].tolist() == run.rounds["test_accuracy"].tolist()


def test_compression_changes_what_is_learnt() -> None:
    """The same runs without compression end elsewhere, so the equality above is not that of nothing done."""
    with_it, without = runs(COMPRESSION, CHAINS), runs({}, CHAINS)
    for name, run in with_it.items():
        assert (run.rounds["train_loss"] != without[name].rounds["train_loss"]).any()


def test_the_cut_layer_and_the_uploads_carry_what_splitfed_carries() -> None:
    """Messages and client FLOPs of each round are those of SplitFed, and in the U shape the head besides."""
    found = runs(COMPRESSION, ["sfl", *CHAINS], learning=False)
    plain = runs({}, ["sfl", *CHAINS], learning=False)

    def bits(run: Recorded, phase: str) -> list[float]:
        rows = run.intervals[(run.intervals["phase"] == phase) & (run.intervals["lane"] != "compute")]
        return rows.groupby("round", observed=True)["bits"].sum().tolist()

    for name in ("edgesplit", "esfl", "mpsl", "one_hop"):
        for phase in ("uplink", "downlink"):
            assert bits(found["sfl"], phase) == pytest.approx(bits(found[name], phase))
        head = np.subtract(bits(plain[name], "model_upload"), bits(plain["sfl"], "model_upload"))
        uploads = np.add(bits(found["sfl"], "model_upload"), head)
        assert uploads.tolist() == pytest.approx(bits(found[name], "model_upload"))
        assert bits(found["sfl"], "importance_upload") == bits(found[name], "importance_upload")
        saved = [plain[n].rounds["client_flops"] - found[n].rounds["client_flops"] for n in ("sfl", name)]
        assert saved[0].tolist() == pytest.approx(saved[1].tolist())
        assert 0 == saved[0][0] < saved[0][1]  # round 1 renews the masks, unpruned


def test_a_compressed_plan_is_what_the_events_give() -> None:
    """EdgeSplit's shares are those of the compressed round: devices end together, when the plan says."""
    found = runs({"dropout": {"share": 0.5}}, [{"name": "edgesplit"}, {"name": "esfl"}], learning=False)
    for run in found.values():
        predicted_s = run.summary["predicted_latency_s"]
        assert run.rounds["latency_s"].tolist() == pytest.approx([predicted_s] * ROUNDS, rel=1e-9)


def test_pruning_needs_a_common_cut() -> None:
    """Masks common to all clients can't be had where devices' cuts differ: refused, with the cuts."""
    schemes = [{"name": "edgesplit", "cuts": [1, 2, 3]}]
    with pytest.raises(ScenarioError, match=r"pruning needs a common cut.* 1, 2, 3"):
        runs({"pruning": {"share": 0.5}}, schemes, learning=False)
    runs({"dropout": {"share": 0.5}}, schemes, learning=False)
