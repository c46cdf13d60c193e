"""Compression, cuts of each device's own, and deadlines together: plan, events and tensors stay one."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cutlayer.analysis.results.recorded_tables import RecordWriter
from cutlayer.experiments.execution.scheme_run import make_world, run_scheme, scheme_learner
from cutlayer.experiments.preparation import prepare
from cutlayer.models.compression.cut_layer_codec import CutLayerCodec
from cutlayer.models.unit_tables import named_unit_table
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.loading.loader import RawScenario, check_scenario
from cutlayer.sim.schemes.round_loop import run_rounds
from tests.support.networks import own_links, run_one, table_model, write_profile
from tests.support.worlds import experiment, unit_table

LEARNING = {
    "dataset": {"name": "synthetic", "train_samples": 60, "test_samples": 20},
    "optimizer": {"name": "sgd", "client_lr": 0.05, "server_lr": 0.05},
    "precision": "float64",
}
LENET = {"name": "lenet", "input_shape": [1, 8, 8], "classes": 10}


@pytest.mark.parametrize("cuts", [[1, 2, 3], [3, 2, 1], [4, 2, 1]])
@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_dropout_is_of_each_devices_own_cut(
    name: str, cuts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a cut of each device's own, what its tensors hold is what its links carry, in both directions."""
    sent: dict[tuple[str, int], int] = defaultdict(int)
    original = CutLayerCodec.transmit

    def spy(self: CutLayerCodec, message: Tensor, kind: Any, client: int, number: int) -> Tensor:
        sent[kind, client] += 32 * message.numel()
        return original(self, message, kind, client, number)

    monkeypatch.setattr(CutLayerCodec, "transmit", spy)
    ready = experiment(
        schemes=[{"name": name, "cuts": cuts}], stop={"rounds": 2}, batch_size=6, model=LENET, allocation={},
        compression={"dropout": {"share": 0.5}}, learning=LEARNING,
    )  # fmt: skip
    ((scheme, plan),) = ready.schemes
    writer = RecordWriter()
    assert run_scheme(ready, scheme, plan, lambda label, result: None, writer) is not None
    bits = writer.finish().intervals.frame().groupby(["phase", "node"], observed=True)["bits"].sum()
    for i in range(3):
        assert bits["uplink", f"device-{i}"] == sent["activations", i]
        assert bits["downlink", f"device-{i}"] == sent["gradients", i]


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize(
    "chain", [{"name": "edgesplit", "cuts": [2, 2, 2]}, {"name": "mpsl", "first_units": 2}]
)
def test_what_is_evaluated_is_what_was_trained(activation: str, chain: dict[str, Any]) -> None:
    """Between renewals the pruned channels at the cut are 0 in the composite too, as in SplitFed's."""
    ready = experiment(
        schemes=["sfl", chain], stop={"rounds": 3}, batch_size=6, model={**LENET, "activation": activation},
        allocation={"cut": 2}, compression={"pruning": {"share": 0.5}}, learning=LEARNING,
        network={"nodes": [{"name": "n"}]},
    )  # fmt: skip
    logits = []
    for scheme, plan in ready.schemes:
        world, planner = make_world(ready, scheme, plan)
        learner = scheme_learner(ready, scheme, plan)
        stop = ready.loaded.scenario.stop
        assert 3 == len(list(run_rounds(scheme, world, learner, planner, stop, 3)))
        first, rest = learner.composites_of(learner.everyone)[0]
        with torch.no_grad():
            logits.append(rest.eval()(first.eval()(learner.data.test[0])))
    assert float((logits[0] - logits[1]).abs().max()) <= 1e-12


@pytest.mark.parametrize(
    "scheme", ["sfl", "mpsl", {"name": "edgesplit", "cuts": [1, 1]}, {"name": "esfl", "cuts": "common"}]
)
def test_a_cut_with_nothing_to_prune_is_refused(scheme: Any) -> None:
    """Pruning that can do nothing is a fault in every scheme, wherever its cut comes from."""
    text = {
        "name": "small", "stop": {"rounds": 1}, "schemes": [scheme], "batch_size": 6,
        "model": {
            "name": "imported",
            "factory": "tests.support.flat_first:flat_first",
            "input_shape": [1, 4, 4],
            "classes": 3,
        },
        "devices": {"count": 2}, "allocation": {"cut": 1}, "compression": {"pruning": {"share": 0.4}},
        "network": {"nodes": [{"name": "n"}]},
    }  # fmt: skip
    with pytest.raises(ScenarioError, match="nothing to prune"):
        prepare(check_scenario(RawScenario(text, Path(), "small.yaml", {}, {}, [])), allow_imports=True)


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_pruning_leaves_measured_updates_as_they_are_in_plan_and_round(name: str, tmp_path: Path) -> None:
    """With measured times, updates and pruning an ordinary round takes what the plan says."""
    units = named_unit_table("lenet", (1, 28, 28), 10)
    rows = np.stack(
        [units.forward_flops * 1e-6, units.backward_flops * 1e-6, np.full(len(units), 7.0)], axis=1
    )
    profile = write_profile(tmp_path / "p", {"pi": rows, "vm": rows / 50}, [1.0] * 6, [1.0] * 6)
    ran = run_one(
        {"name": name, "cuts": [3, 3, 3]}, batch_size=128,
        model={"name": "lenet", "input_shape": [1, 28, 28], "classes": 10, "profile": str(profile)},
        devices={"count": 3, "profile": "pi"}, server={"profile": "vm"},
        compression={"pruning": {"share": 0.5, "renew_every": 10}}, stop={"rounds": 3},
    )  # fmt: skip
    assert pytest.approx([ran.plan.predicted_s] * 2, rel=1e-9) == np.diff(ran.trial.ends_s).tolist()


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_quantised_uploads_come_down_whole(name: str) -> None:
    """Models are quantised on their way up alone: the plan is the round, a download has 32 bits a value."""
    section = {"quantisation": {"bits": 4, "tensors": ["models"]}}
    found = [
        run_one({"name": name, "cuts": [3, 3, 3]}, model=LENET, compression=compression)
        for compression in (section, None)
    ]
    up, down = (
        [float(ran.table.query(f"phase == '{phase}'")["bits"].sum()) for ran in found]
        for phase in ("model_upload", "model_download")
    )
    assert down[0] == down[1] == up[1] > 4 * up[0]
    for ran in found:
        assert pytest.approx(ran.plan.predicted_s, rel=1e-9) == ran.end_s


@pytest.mark.parametrize("delay_s", [0.0, 0.01])
def test_messages_without_bits_take_their_wires_delay(delay_s: float) -> None:
    """Where a unit's gradients have no bits, they still are a delay on the way, and the plan is the round."""
    units = unit_table([(1e6, 1e6, 1e4, 0.0, 1e4)] * 4)
    ran = run_one(
        "mpsl", batch_size=4, model=table_model(units), devices=own_links(1e6, count=1),
        network={"nodes": [{"name": "n"}], "wire": {"rate_bps": 1e6, "delay_s": delay_s}}, stop={"rounds": 2},
    )  # fmt: skip
    assert pytest.approx([ran.plan.predicted_s, 2 * ran.plan.predicted_s], rel=1e-9) == ran.trial.ends_s


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_a_late_devices_share_is_free_in_the_next_round(name: str) -> None:
    """What a share of the server did for a device that was late ends with the round: nobody waits for it."""
    ran = run_one(
        {"name": name, "cuts": [2, 2], "shares": "equal"},
        devices={"count": 2, "clock_hz": 1e9},
        server={"clock_hz": 1e7},
        round_policy={"deadline_s": 0.05},
        stop={"rounds": 3},
    )
    assert [()] * 3 == [result.outcome.participants for result in ran.trial.results]
    server = ran.table[ran.table["node"].astype(str).str.startswith("server")]
    assert 6 == len(server)
    assert {0.0} == set(server["wait_s"])
    assert float(server["end_s"].max()) <= ran.end_s * (1 + 1e-12)
