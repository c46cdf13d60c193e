"""Plans of chains and shares agree with the events: work, wires, memory, power, masks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.analysis.results.recorded_tables import RecordWriter
from cutlayer.experiments.execution.scheme_run import make_world, run_scheme
from cutlayer.experiments.preparation import prepare
from cutlayer.models.unit_tables import named_unit_table
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.loading.loader import RawScenario, check_scenario
from cutlayer.sim.schemes.planning.medium_access import BandShares
from cutlayer.sim.schemes.round_loop import run_rounds
from tests.support.networks import own_links, run_one, table_model
from tests.support.part_sizes import resident_bits, training_bits
from tests.support.worlds import experiment, trials, unit_table

LENET: dict[str, Any] = {"name": "lenet", "input_shape": [1, 28, 28], "classes": 10}
UNITS = named_unit_table("lenet", (1, 28, 28), 10)
NODES = {"nodes": [{"name": "n", "count": 2}]}


@pytest.mark.parametrize("name", ["mpsl", "one_hop"])
@pytest.mark.parametrize(("batches", "repeats"), [(1, 1), (3, 2)])
def test_the_radio_is_planned_for_the_bits_and_work_of_an_epoch(
    name: str, batches: int, repeats: int
) -> None:
    """Uplink, downlink and compute that the planner uses sum to what an owner's record has."""
    clocks = [1e9, 2e9, 5e9]
    ran = run_one(
        {"name": name, "batches": batches, "repeats": repeats},
        devices={"count": 3, "clock_hz": clocks},
        network=NODES,
    )
    deployment = ran.ready.deployment
    work = ran.scheme.work(1, deployment)
    for i in range(3):
        mine = ran.table[ran.table["node"] == f"device-{i}"]
        bits = mine.groupby("lane", observed=True)["bits"].sum()
        assert pytest.approx(bits["uplink"]) == work.uplink_bits + work.model_upload_bits
        assert pytest.approx(bits["downlink"]) == work.downlink_bits
        before = mine.loc[mine["phase"] == "client_forward", "flops"].sum()
        all_flops = mine["flops"].sum()
        assert pytest.approx(before * deployment.device_s_per_flop[i]) == work.before_uplink_s[i]
        after_s = (all_flops - before) * deployment.device_s_per_flop[i]
        assert pytest.approx(after_s) == work.after_downlink_s[i]
    download = ran.table.query("phase == 'model_download'")["bits"].sum()
    assert pytest.approx(download) == work.model_broadcast_bits
    uploaded = ran.table.query("phase == 'model_upload' and node == 'device-0'")["bits"].sum()
    assert pytest.approx(uploaded) == work.model_upload_bits


RATES = st.sampled_from([1e6, 1e7, 1e9])


@settings(max_examples=12)
@given(st.lists(RATES, min_size=6, max_size=6), st.sampled_from(["mpsl", "one_hop"]))
def test_wires_that_differ_by_direction_are_planned_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, rates_bps: list[float], name: str
) -> None:
    """Alone, an owner takes the predicted time also where the two directions of a wire differ."""
    ends = [("access-point", "a"), ("a", "b"), ("b", "access-point")]
    graph: nx.DiGraph[str] = nx.DiGraph()
    for (one, other), forth, back in zip(ends, rates_bps[:3], rates_bps[3:], strict=True):
        graph.add_edge(one, other, rate_bps=forth, delay_s=0.0)
        graph.add_edge(other, one, rate_bps=back, delay_s=0.001)
    path = tmp_path_factory.mktemp("net") / "net.graphml"
    nx.write_graphml(graph, path)
    ran = run_one(
        name,
        devices=own_links(1e8, count=1),
        network={"nodes": [{"name": "a"}, {"name": "b"}], "graph": str(path)},
    )
    assert pytest.approx(ran.plan.predicted_s, rel=1e-9) == ran.end_s


@pytest.mark.parametrize("name", ["mpsl", "one_hop"])
def test_the_server_holds_the_average_of_both_end_parts(name: str) -> None:
    """It averages what travels, the first and the last part: their weights, once."""
    ran = run_one({"name": name, "first_units": 2, "last_units": 2}, model=LENET, network=NODES)
    expected = UNITS.parameter_bits[:2].sum() + UNITS.parameter_bits[-2:].sum()
    assert pytest.approx(expected) == ran.plan.memory.server_bits


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_the_access_points_power_is_shared_out_with_the_band(name: str) -> None:
    """All downlinks together send with the power of the whole band; energy is that of each one's share."""
    ran = run_one(name, devices={"count": 3, "distance_m": [20, 100, 190]})
    assert isinstance(ran.plan.access, BandShares)
    shares = ran.plan.access.shares
    band_w = ran.plan.links.broadcast_w
    assert pytest.approx(shares * band_w) == ran.plan.links.downlink_w
    rows = ran.table[(ran.table["lane"] == "downlink")].copy()
    assert len(rows)
    for row in rows.to_dict("records"):
        i = int(str(row["node"]).removeprefix("device-"))
        assert pytest.approx(shares[i] * band_w * (row["end_s"] - row["start_s"])) == row["energy_j"]


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
@pytest.mark.parametrize("kind", ["structured", "unstructured"])
def test_pruned_shares_are_planned_for_an_ordinary_round(name: str, kind: str) -> None:
    """With pruning at a common cut the plan is the round between two renewals; those are longer."""
    ran = run_one(
        {"name": name, "cuts": [3, 3, 3]}, model=LENET, devices={"count": 3, "clock_hz": [1e8, 2e8, 1e9]},
        compression={"pruning": {"share": 0.5, "kind": kind, "renew_every": 4}}, stop={"rounds": 5},
    )  # fmt: skip
    latencies_s = np.diff([0.0, *ran.trial.ends_s])
    assert pytest.approx([ran.plan.predicted_s] * 3, rel=1e-9) == latencies_s[1:4].tolist()
    assert min(latencies_s[0], latencies_s[4]) > 1.01 * ran.plan.predicted_s


@pytest.mark.parametrize("cuts", [[3, 3, 2], [2, 3, 3]])
def test_one_cut_that_differs_is_enough_to_refuse_pruning(cuts: list[int]) -> None:
    """Masks are common: two cuts among three devices are too many."""
    with pytest.raises(ScenarioError, match="pruning needs a common cut"):
        experiment(schemes=[{"name": "esfl", "cuts": cuts}], compression={"pruning": {"share": 0.5}})


@pytest.mark.parametrize("scheme", ["edgesplit", "esfl", "mpsl", "one_hop", "fl"])
def test_a_round_that_nobody_is_in_time_for_trains_nothing(scheme: str) -> None:
    """It has no updates and no samples, and ends at its deadline."""
    ran = run_one(scheme, network=NODES, round_policy={"deadline_s": 1e-6}, stop={"rounds": 2})
    for number, result in enumerate(ran.trial.results, start=1):
        assert ((), 0, 0) == (
            result.outcome.participants,
            result.outcome.updates,
            result.outcome.samples,
        )
        assert pytest.approx(number * 1e-6) == result.end_s


@pytest.mark.parametrize("scheme", ["mpsl", "one_hop"])
def test_each_repeat_is_an_update(scheme: str) -> None:
    """A round of B mini-batches used r times makes r·B updates, on r·B·b samples of each owner."""
    ran = run_one({"name": scheme, "batches": 2, "repeats": 3}, network=NODES, batch_size=4)
    (result,) = ran.trial.results
    assert (6, 3 * 6 * 4) == (result.outcome.updates, result.outcome.samples)


def test_a_given_workflow_names_helpers_that_exist() -> None:
    """The first number that is none of theirs is refused, the last helper is not."""
    sections: dict[str, Any] = {"network": NODES, "allocation": {}}
    assert len(experiment(schemes=[{"name": "one_hop", "workflow": [1, 0, 1]}], **sections).schemes) == 1
    with pytest.raises(ScenarioError, match="names helper 2; there are 2, numbered from 0"):
        experiment(schemes=[{"name": "one_hop", "workflow": [1, 0, 2]}], **sections)


def test_orders_are_planned_for_one_batch_alone() -> None:
    """Either of batches and repeats above 1 is refused where an order is planned."""
    for key in ("batches", "repeats"):
        with pytest.raises(ScenarioError, match="plans one mini-batch"):
            experiment(schemes=[{"name": "one_hop", "workflow": "improved", key: 2}], network=NODES)


def test_more_than_ten_shares_of_the_server_are_one_row(tmp_path: Path) -> None:
    """The server's time in work is that of all its shares, however many devices there are."""
    ready = experiment(
        schemes=["edgesplit"], devices={"count": 12}, stop={"rounds": 1}, allocation={}, batch_size=4
    )
    ((scheme, plan),) = ready.schemes
    writer = RecordWriter()
    run = run_scheme(ready, scheme, plan, lambda label, result: None, writer)
    assert run is not None
    intervals = writer.finish().intervals.frame()
    server = ready.loaded.scenario.server
    flops = intervals.loc[intervals["node"].str.startswith("server"), "flops"].sum()
    (row,) = run.nodes.to_dict("records")
    assert pytest.approx(flops * server.cycles_per_flop / server.clock_hz) == row["busy_s"]


@pytest.mark.parametrize(
    "scheme", ["psl", "sfl", "fl", {"name": "esfl", "cuts": "common", "shares": "equal"}, "mpsl"]
)
def test_masks_reach_those_that_were_late(scheme: Any) -> None:
    """The mask goes to all clients at the slowest downlink's rate, also where the slowest was left out."""
    ran = run_one(
        scheme,
        model={"name": "lenet", "input_shape": [1, 8, 8], "classes": 10},
        devices=own_links([1e9, 1e9, 1e4], [1e9, 1e9, 1e4], count=3),
        compression={"pruning": {"share": 0.5}},
        network=NODES,
        round_policy={"deadline_s": 0.5},
    )
    assert (0, 1) == ran.trial.results[0].outcome.participants
    (mask,) = ran.table.query("phase == 'mask_broadcast'").to_dict("records")
    assert pytest.approx(1e4, rel=1e-6) == mask["bits"] / (mask["end_s"] - mask["start_s"])


def test_random_helpers_are_drawn_by_the_seed() -> None:
    """One seed gives one assignment, beside other schemes too; ten seeds do not all give the same."""

    def drawn(seed: int, *others: str) -> str:
        ready = experiment(
            schemes=[*others, {"name": "one_hop", "workflow": "random"}], seed=seed, network=NODES,
            devices={"count": 6},
        )  # fmt: skip
        return str(ready.schemes[-1][1].notes["workflow"])

    assert drawn(1) == drawn(1, "psl", "mpsl")
    assert 1 < len({drawn(seed) for seed in range(10)})


BATCH = 8
ALL = len(UNITS)


def rows_bits(first: int, end: int, rows: int) -> float:
    """Return what training some units with this number of rows needs, [bit]."""
    return training_bits(UNITS, first, end, rows)


def average_bits(end: int) -> float:
    """Return the size of the averaged units 1 to ``end``, [bit]."""
    return float(UNITS.parameter_bits[:end].sum())


CUT_BITS = float(UNITS.activation_bits[1])
LOGITS_BITS = float(UNITS.activation_bits[-1])
RECEIVED_BITS = 3 * BATCH * (CUT_BITS + 2 * LOGITS_BITS + 64 + 32)
"""Of all rows: smashed data, logits and their log-softmax; label and weight."""
FORWARD_BITS = resident_bits(UNITS, 2, ALL) + 3 * BATCH * (
    CUT_BITS + float(UNITS.activation_bits[2] + UNITS.activation_bits[3])
)
"""LeNet's server part, all smashed data, and the input and the output of its first pooling."""


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("sl", rows_bits(2, ALL, BATCH)),
        ("sfl", 3 * rows_bits(2, ALL, BATCH) + average_bits(2)),
        ("sfl_v2", rows_bits(2, ALL, BATCH) + average_bits(2) + 2 * BATCH * 2 * CUT_BITS),
        ("psl", rows_bits(2, ALL, 3 * BATCH)),
        ({"name": "epsl", "phi": 0.5}, max(FORWARD_BITS, rows_bits(2, ALL, 4 + 3 * 4) + RECEIVED_BITS)),
        ({"name": "epsl", "phi": 1.0}, max(FORWARD_BITS, rows_bits(2, ALL, BATCH) + RECEIVED_BITS)),
        ({"name": "epsl", "phi": 0.5, "aggregation": "exact"}, rows_bits(2, ALL, 3 * BATCH)),
        (
            {"name": "epsl_pt", "phases": [{"rounds": 1, "phi": 1.0}, {"phi": 0.5}], "plan_phase": 1},
            max(FORWARD_BITS, rows_bits(2, ALL, 4 + 3 * 4) + RECEIVED_BITS),
        ),
        ("fl", float(UNITS.parameter_bits.sum())),
        ("centralised", rows_bits(0, ALL, 3 * BATCH)),
    ],
    ids=str,
)
def test_what_the_server_holds(scheme: Any, expected: float) -> None:
    """V1 has a copy for each client, V2 and SL have one; in PSL all rows are on the server at once.

    With aggregated rows the server needs what the larger of its two passes needs. Of EPSL-PT's phases that
    with most counts; FL's server has the average alone, and SplitFed's the average of the clients' parts.
    """
    ran = run_one(scheme, model=LENET, batch_size=BATCH, allocation={"cut": 2})
    assert pytest.approx(expected, rel=1e-12) == ran.plan.memory.server_bits


class Notes:
    """A learner of whole models that notes who trains and whose models are averaged."""

    train_loss = 0.0

    def __init__(self) -> None:
        self.said: list[tuple[str, tuple[int, ...]]] = []

    def local_steps(self, clients: tuple[int, ...], number: int) -> None:
        """Note who trains."""
        self.said.append((f"steps {number}", clients))

    def average(self, clients: tuple[int, ...]) -> None:
        """Note whose models are averaged."""
        self.said.append(("average", clients))

    def set_bounds(self, bounds: Any) -> None:
        """Accept where models are cut."""

    def evaluate(self, clients: tuple[int, ...] | None = None) -> Any:
        """Return an accuracy of 0."""
        return SimpleNamespace(mean=0.0, diverged=False)


@pytest.mark.parametrize(
    "scheme", ["fl", {"name": "esfl", "cuts": [1, 1, 1], "shares": "equal"}, "mpsl", "one_hop"], ids=str
)
def test_only_models_that_arrived_are_averaged(scheme: Any) -> None:
    """Those in time train and are averaged, in every round; who was late does neither."""
    ready = experiment(
        schemes=[scheme], devices=own_links([1e9, 1e4, 1e9], count=3), network=NODES, allocation={},
        round_policy={"deadline_s": 1.0}, stop={"rounds": 2},
    )  # fmt: skip
    ((split, plan),) = ready.schemes
    world, planner = make_world(ready, split, plan)
    learner = Notes()
    stop = ready.loaded.scenario.stop
    assert 2 == len(list(run_rounds(split, world, learner, planner, stop, 10)))
    expected = [(f"steps {n}" if kind else "average", (0, 2)) for n in (1, 2) for kind in (True, False)]
    assert expected == learner.said


@pytest.mark.parametrize("name", ["mpsl", "one_hop"])
@pytest.mark.parametrize("bits", [100.0, 1e6])
def test_every_message_takes_the_quickest_route_for_its_size(name: str, bits: float) -> None:
    """Few bits go the slow direct way, many the long fast one: alone, the round is what the plan says."""
    units = unit_table([(1e6, 1e6, bits, bits, 1e4)] * 4)
    wires = [
        {"between": ["access-point", "n"], "rate_bps": 1e5},
        {"between": ["access-point", "hub"], "rate_bps": 1e9, "delay_s": 0.1},
        {"between": ["hub", "n"], "rate_bps": 1e9, "delay_s": 0.1},
    ]
    ran = run_one(
        name, batch_size=1, model=table_model(units), devices=own_links(1e9, count=1),
        network={"nodes": [{"name": "n"}], "wires": wires},
    )  # fmt: skip
    assert pytest.approx(ran.plan.predicted_s, rel=1e-9) == ran.end_s
    assert (bits > 1e5) == ran.table["node"].astype(str).str.contains("hub").any()


@pytest.mark.parametrize("name", ["psl", "sfl"])
def test_a_renewal_does_not_wait_for_those_that_left(name: str) -> None:
    """A client whose battery is empty after its smashed data arrived trains, and uploads no importance."""
    sections: dict[str, Any] = {
        "model": {"name": "lenet", "input_shape": [1, 8, 8], "classes": 10},
        "compression": {"pruning": {"share": 0.5}},
        "allocation": {"cut": 3},
        "stop": {"rounds": 2},
    }
    free = run_one(name, **sections, devices={"count": 3})
    first = free.table[(free.table["node"] == "device-0") & (free.table["round"] == 1)]
    energy_j = first.groupby("phase", observed=True)["energy_j"].sum()
    until_j = energy_j["client_forward"] + energy_j["uplink"] + 0.5 * energy_j["client_backward"]
    ran = run_one(name, **sections, devices={"count": 3, "battery_j": [float(until_j), 1e9, 1e9]})
    assert [(0, 1, 2), (1, 2)] == [result.outcome.participants for result in ran.trial.results]
    uploads = ran.table.query("phase == 'importance_upload'")
    assert ["device-1", "device-2"] == sorted(uploads["node"].astype(str))
    assert ran.trial.world.departed_at_s[0] < uploads["start_s"].min()


@pytest.mark.parametrize("name", ["mpsl", "one_hop"])
def test_on_the_radio_the_averages_have_the_whole_band(name: str) -> None:
    """Where one owner is far slower than all else, the bound is the round, broadcast on the band included."""
    ran = run_one(name, devices={"count": 3, "clock_hz": [1e5, 1e12, 1e12]}, network=NODES)
    (download,) = ran.table.query("phase == 'model_download'").to_dict("records")
    rate_bps = download["bits"] / (download["end_s"] - download["start_s"])
    assert pytest.approx(ran.plan.links.whole_band_bps.min()) == rate_bps
    assert rate_bps > 1.5 * ran.plan.links.downlink_bps.min()
    assert pytest.approx(ran.plan.predicted_s, rel=1e-9) == ran.end_s


@pytest.mark.parametrize("batches", [1, 3])
def test_a_node_holds_a_batch_until_its_own_gradient_leaves(batches: int) -> None:
    """Activations are taken when they arrive, and let go when the node's own backward pass has ended."""
    ran = run_one(
        {"name": "mpsl", "batches": batches},
        devices=own_links(1e8, count=1),
        network={"nodes": [{"name": "n", "count": 2, "clock_hz": 1e9}]},
    )
    for name, node in ran.trial.world.compute_nodes.items():
        tasks = ran.table[ran.table["node"] == name]
        _, *changes = node.memory.changes  # the weights first
        backward = tasks.loc[tasks["phase"] == "node_backward", "end_s"]
        forward = tasks.loc[tasks["phase"] == "node_forward", "start_s"]
        assert pytest.approx(sorted([*forward, *backward])) == [time_s for time_s, _ in changes]
        held = [bits for _, bits in changes]
        assert all(held[n] > held[n + 1] == pytest.approx(held[-1]) for n in range(0, len(held), 2))


@pytest.mark.parametrize("name", ["edgesplit", "esfl"])
def test_the_server_holds_each_devices_own_rest(name: str) -> None:
    """With cuts of their own the server's copies differ: it needs their sum and the averaged model."""
    ran = run_one({"name": name, "cuts": [1, 3, 5]}, model=LENET, batch_size=BATCH)
    expected = sum(rows_bits(cut, ALL, BATCH) for cut in (1, 3, 5)) + average_bits(ALL)
    assert pytest.approx(expected, rel=1e-12) == ran.plan.memory.server_bits


def test_statistics_of_batch_norms_are_sent_as_they_are() -> None:
    """Of a quantised upload 36 + 8 parameters take 8 bits each and a norm, 8 statistics and a counter not."""
    text = {
        "name": "small", "stop": {"rounds": 1}, "schemes": ["sfl"], "batch_size": 6,
        "model": {
            "name": "imported", "factory": "tests.support.learners:normed",
            "input_shape": [1, 4, 4], "classes": 3,
        },
        "devices": {"count": 2}, "allocation": {"cut": 1},
        "compression": {"quantisation": {"bits": 8, "tensors": ["models"]}},
    }  # fmt: skip
    ready = prepare(check_scenario(RawScenario(text, Path(), "small.yaml", {}, {}, [])), allow_imports=True)
    (trial,) = trials(ready).values()
    table = trial.world.record.frame()
    uploads = table.query("phase == 'model_upload'")["bits"].tolist()
    assert [8.0 * 44 + 32 + 32 * 8 + 64] * 2 == uploads
