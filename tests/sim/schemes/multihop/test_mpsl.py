"""MP-SL: the pipeline's bounds, the published results, memory over time, and a timeline by hand."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.models.unit_tables import named_unit_table
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.model_costs.unit_table import UnitTable
from tests.support.networks import (
    FAST,
    MIB,
    Ran,
    activity_of,
    own_links,
    rows_of,
    run_one,
    table_model,
    write_profile,
)
from tests.support.part_sizes import batch_bits, resident_bits, training_bits
from tests.support.worlds import experiment, positive, unit_table

RELATIVE = 1e-9
SLACK = 1e-9
BATCH = 16
LENET = {"name": "lenet", "input_shape": [1, 28, 28], "classes": 10}
UNITS = named_unit_table("lenet", (1, 28, 28), 10)


@st.composite
def chains(draw: st.DrawFn, most_owners: int = 5) -> dict[str, Any]:
    """Return sections of a random model of 4 to 7 units, owners on own links, and a chain of 1 to 3 nodes."""
    column = st.tuples(
        positive(1e4, 1e8), positive(1e4, 1e8), positive(1e2, 1e6), positive(1e2, 1e6), positive(1e2, 1e7)
    )
    units = unit_table(draw(st.lists(column, min_size=4, max_size=7)))
    owners, nodes = draw(st.integers(1, most_owners)), draw(st.integers(1, min(3, len(units) - 2)))

    def each(count: int, low: float, high: float) -> list[float]:
        return draw(st.lists(positive(low, high), min_size=count, max_size=count))

    placed = draw(st.sampled_from(["stage_sum", "slowest"]))
    batches, repeats = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    clocks_hz = each(nodes, 1e8, 1e11)
    return {
        "schemes": [
            {
                "name": "mpsl",
                "placement": placed,
                "order": "listed",
                "batches": batches,
                "repeats": repeats,
            }
        ],
        "batch_size": BATCH,
        "model": table_model(units),
        "devices": own_links(
            each(owners, 1e6, 1e10),
            each(owners, 1e6, 1e10),
            count=owners,
            clock_hz=each(owners, 1e8, 1e11),
            cycles_per_flop=1.0,
        ),
        "network": {
            "nodes": [
                {"name": f"n{p}", "clock_hz": hz, "cycles_per_flop": 1.0} for p, hz in enumerate(clocks_hz)
            ],
            "wire": {"rate_bps": draw(positive(1e7, 1e11)), "delay_s": draw(st.sampled_from([0.0, 1e-3]))},
        },
    }


def run_chain(sections: dict[str, Any], rounds: int = 1, **more: Any) -> tuple[Ran, UnitTable, int]:
    """Run a chain; return it with its units and each owner's mini-batches of a round."""
    (scheme,) = sections["schemes"]
    others = {key: value for key, value in sections.items() if key != "schemes"}
    ran = run_one(scheme, stop={"rounds": rounds}, **{**others, **more})
    return ran, ran.ready.units, scheme.get("batches", 1) * scheme.get("repeats", 1)


def bounds_of(ran: Ran) -> list[int]:
    """Return the placement: the owner's first units, and the end of each node's part."""
    return [int(end) for end in ran.plan.notes["placement"].split("|")]


def node_s(ran: Ran, units: UnitTable) -> list[tuple[float, float]]:
    """Return tf and tb of each node of the chain, computed from the units that it holds."""
    nodes = ran.ready.loaded.scenario.network
    assert nodes is not None
    times = []
    for node, (first, end) in zip(nodes.expanded(), pairwise(bounds_of(ran)), strict=True):
        per_flop = BATCH * node.cycles_per_flop / node.clock_hz
        times.append(
            (
                per_flop * units.forward_flops[first:end].sum(),
                per_flop * units.backward_flops[first:end].sum(),
            )
        )
    return times


def alone_s(ran: Ran, units: UnitTable, owner: int) -> float:
    """Return all of one owner's mini-batch, stage by stage: its own parts, its link, the nodes, the wires."""
    network, fleet = ran.ready.loaded.scenario.network, ran.ready.fleet
    assert network is not None
    assert fleet.uplink_bps is not None and fleet.downlink_bps is not None
    ends = bounds_of(ran)
    first, head = ends[0], ends[-1]
    own_flops = sum(
        part[:first].sum() + part[head:].sum() for part in (units.forward_flops, units.backward_flops)
    )
    total_s = BATCH * own_flops * fleet.cycles_per_flop[owner] / fleet.clock_hz[owner]
    total_s += (
        BATCH * (units.activation_bits[first - 1] + units.gradient_bits[head - 1]) / fleet.uplink_bps[owner]
    )
    total_s += (
        BATCH * (units.activation_bits[head - 1] + units.gradient_bits[first - 1]) / fleet.downlink_bps[owner]
    )
    total_s += sum(sum(pair) for pair in node_s(ran, units))
    wire = network.wire
    for end in ends:  # to the first node, between nodes, and back to the owner, in either direction
        bits = BATCH * (units.activation_bits[end - 1] + units.gradient_bits[end - 1])
        total_s += bits / wire.rate_bps + 2 * wire.delay_s
    return float(total_s)


def exchange_s(ran: Ran, units: UnitTable, owner: int) -> tuple[float, float]:
    """Return the owner's upload of its parts, and the broadcast of their averages."""
    fleet, ends = ran.ready.fleet, bounds_of(ran)
    assert fleet.uplink_bps is not None and fleet.downlink_bps is not None
    bits = units.parameter_bits[: ends[0]].sum() + units.parameter_bits[ends[-1] :].sum()
    return bits / fleet.uplink_bps[owner], bits / fleet.downlink_bps.min()


@given(chains())
def test_no_round_is_shorter_than_its_two_bounds(sections: dict[str, Any]) -> None:
    """A round lasts as long as the busiest node is busy, and as the slowest owner takes alone, at the least.

    The second is the plan's prediction where no node is busier; both are computed here from the units.
    """
    ran, units, steps = run_chain(sections)
    owners = sections["devices"]["count"]
    busy_s = steps * owners * max(tf + tb for tf, tb in node_s(ran, units))
    slowest_s = max(steps * alone_s(ran, units, i) + exchange_s(ran, units, i)[0] for i in range(owners))
    broadcast_s = exchange_s(ran, units, 0)[1]
    assert ran.end_s >= (busy_s + broadcast_s) * (1 - SLACK)
    assert ran.end_s >= (slowest_s + broadcast_s) * (1 - SLACK)
    assert pytest.approx(max(busy_s, slowest_s) + broadcast_s, rel=RELATIVE) == ran.plan.predicted_s


@given(chains(most_owners=1))
def test_one_owner_takes_the_sum_of_its_stages(sections: dict[str, Any]) -> None:
    """Alone, each mini-batch takes the sum of all its stages; rounds follow one another without a gap."""
    ran, units, steps = run_chain(sections, rounds=3)
    round_s = steps * alone_s(ran, units, 0) + sum(exchange_s(ran, units, 0))
    assert pytest.approx([round_s, 2 * round_s, 3 * round_s], rel=RELATIVE) == ran.trial.ends_s


@given(chains())
def test_wires_and_links_carry_the_cut_tensors(sections: dict[str, Any]) -> None:
    """Every wire and link carries the tensors of its cut, once for each mini-batch of each owner."""
    ran, units, steps = run_chain(sections)
    owners, ends = sections["devices"]["count"], bounds_of(ran)
    sums = ran.table.groupby(["node", "phase"], observed=True)["bits"].sum()
    stops = ["access-point", *(node["name"] for node in sections["network"]["nodes"]), "access-point"]
    for start, stop, end in zip(stops[:-1], stops[1:], ends, strict=True):
        forth = steps * owners * BATCH * units.activation_bits[end - 1]
        back = steps * owners * BATCH * units.gradient_bits[end - 1]
        if stop == start:
            continue
        assert pytest.approx(forth) == sums[f"{start}>{stop}", "activation_hop"]
        assert pytest.approx(back) == sums[f"{stop}>{start}", "gradient_hop"]
    first, head = ends[0], ends[-1]
    model_bits = units.parameter_bits[:first].sum() + units.parameter_bits[head:].sum()
    for i in range(owners):
        expected = {
            "uplink": steps * BATCH * units.activation_bits[first - 1],
            "activation_downlink": steps * BATCH * units.activation_bits[head - 1],
            "gradient_uplink": steps * BATCH * units.gradient_bits[head - 1],
            "downlink": steps * BATCH * units.gradient_bits[first - 1],
            "model_upload": model_bits,
        }
        assert pytest.approx(expected) == {phase: sums[f"device-{i}", phase] for phase in expected}
    assert pytest.approx(model_bits) == sums["server", "model_download"]


@given(chains())
def test_flops_are_those_of_whole_models(sections: dict[str, Any]) -> None:
    """Owners and nodes together do r·B·K·b·(ρ_L + ϖ_L), wherever the units are."""
    ran, units, steps = run_chain(sections)
    rows = steps * sections["devices"]["count"] * BATCH
    expected = rows * (units.forward_flops.sum() + units.backward_flops.sum())
    assert pytest.approx(expected, rel=1e-12) == ran.table["flops"].sum()


@given(chains())
def test_nodes_serve_first_come_first_served(sections: dict[str, Any]) -> None:
    """No node, wire or device does two things at once, and of two tasks the first to come goes first."""
    ran, _, _ = run_chain(sections, rounds=2)
    for _, rows in ran.table.groupby(["node", "lane"], observed=True):
        queue = rows.sort_values(["start_s", "end_s"], kind="stable")
        ready_s = (queue["start_s"] - queue["wait_s"]).to_numpy()
        assert (queue["start_s"].to_numpy()[1:] >= queue["end_s"].to_numpy()[:-1]).all()
        assert (np.diff(ready_s) >= -SLACK * ran.end_s).all()


@given(chains())
def test_an_owner_has_one_batch_in_flight(sections: dict[str, Any]) -> None:
    """Of all that is done for one owner, nothing begins before the last thing has ended."""
    ran, _, steps = run_chain(sections)
    for i in range(sections["devices"]["count"]):
        rows = activity_of(ran.table, i)
        assert steps == (rows["phase"] == "uplink").sum() == (rows["phase"] == "downlink").sum()
        assert (rows["start_s"].to_numpy()[1:] >= rows["end_s"].to_numpy()[:-1] * (1 - SLACK)).all()


@given(chains())
def test_a_round_begins_when_the_averages_are_there(sections: dict[str, Any]) -> None:
    """The broadcast follows the last upload, the next epoch the broadcast; all owners begin together."""
    ran, _, _ = run_chain(sections, rounds=3)
    table = ran.table
    for number in (1, 2, 3):
        rows = table[table["round"] == number].set_index("phase")
        uploads_s, broadcast = rows.loc[["model_upload"], "end_s"], rows.loc["model_download"]
        begins_s = rows.loc[["client_forward"]].groupby("node", observed=True)["start_s"].min()
        assert uploads_s.max() == broadcast["start_s"]
        assert ran.trial.ends_s[number - 1] == broadcast["end_s"]
        assert {0.0 if number == 1 else ran.trial.ends_s[number - 2]} == set(begins_s)


@settings(max_examples=20)
@given(chains())
def test_the_best_order_is_that_of_the_hops(sections: dict[str, Any]) -> None:
    """The chain's order is in the notes; its stages are no slower than those of the listed order."""
    (scheme,) = sections["schemes"]
    listed, _, _ = run_chain(sections)
    best, _, _ = run_chain({**sections, "schemes": [{**scheme, "order": "best"}]})
    names = [node["name"] for node in sections["network"]["nodes"]]
    assert "|".join(names) == listed.plan.notes["order"]
    order = best.plan.notes["order"].split("|")
    assert sorted(names) == sorted(order)
    assert order == [hop.node for hop in best.plan.structure.paths[0]]
    units = [f"{first + 1}-{end}" for first, end in pairwise(bounds_of(best))]
    assert dict(zip(order, units, strict=True)) == best.plan.units_on_nodes
    assert slowest_stages_s(best) <= slowest_stages_s(listed) * (1 + SLACK)


def slowest_stages_s(ran: Ran) -> float:
    """Return the objective of the placement: of nodes and wires, for a mini-batch."""
    scheme = ran.ready.loaded.scenario.schemes[0]
    network, path = ran.ready.loaded.scenario.network, ran.plan.structure.paths[0]
    assert network is not None
    rate_bps = network.wire.rate_bps
    there = [hop.entering_bits / rate_bps for hop in path] + [path[-1].leaving_bits / rate_bps]
    back = [hop.leaving_gradient_bits / rate_bps for hop in path]
    back.append(path[-1].entering_gradient_bits / rate_bps)
    forward = [*there, *(hop.forward_s for hop in path)]
    backward = [*back, *(hop.backward_s for hop in path)]
    if getattr(scheme, "placement", None) == "stage_sum":
        return float(max(forward) + max(backward))
    return float(max(*there, *back, *(hop.forward_s + hop.backward_s for hop in path)))


def test_a_large_node_comes_where_layers_need_most() -> None:
    """Of unlike nodes in the wrong order the listed chain is refused, and the best one runs."""
    sections = with_memory([part_mib(4, 5) * 1.001, part_mib(1, 4) * 1.001])
    with pytest.raises(ScenarioError, match="no contiguous placement fits"):
        experiment(allocation={}, **{**sections, "schemes": [{"name": "mpsl", "order": "listed"}]})
    ran, _, _ = run_chain(sections)
    assert "n1|n0" == ran.plan.notes["order"]
    assert [1, 4, 5] == bounds_of(ran)


def crowd(owners: int = 40, nodes: int = 3, **scheme: Any) -> dict[str, Any]:
    """Return many owners whose own work is little beside that of the nodes: the pipe fills."""
    return {
        "schemes": [{"name": "mpsl", "batches": 10, **scheme}],
        "batch_size": BATCH,
        "model": LENET,
        "devices": own_links(1e9, count=owners, clock_hz=1e11, cycles_per_flop=1.0),
        "network": {
            "nodes": [{"name": "n", "count": nodes, "clock_hz": 1e9, "cycles_per_flop": 1.0}],
            "wire": {"rate_bps": 1e11},
        },
    }


@pytest.mark.parametrize("placement", ["stage_sum", "slowest", [3, 4]])
def test_a_full_pipe_moves_at_the_pace_of_its_slowest_node(placement: Any) -> None:
    """With many owners a round takes r·B·K·max_p(tf_p + tb_p) within 1 %, and never less."""
    ran, _, steps = run_chain(crowd(placement=placement))
    full_s = steps * 40 * max(tf + tb for tf, tb in node_s(ran, UNITS))
    assert full_s <= ran.end_s <= 1.01 * full_s
    assert pytest.approx(full_s) == ran.plan.notes["pipe_full_s"]


@pytest.mark.parametrize("owners", [1, 3, 40])
def test_the_formula_is_the_papers(owners: int) -> None:
    """``start + Σ(tf + tb) + (rBK − 1)(L_fwd + L_back) + end``, with the owners' means of start and end.

    Start and end together are all that a mini-batch takes on its owner and the owner's link: the passes of
    both parts, and four transfers. The formula knows nothing of wires between nodes. It ignores both
    that one owner alone cannot fill a pipe: where its own work is the most of all, a round takes far longer.
    """
    sections = crowd(owners, repeats=2)
    sections["devices"]["clock_hz"] = [1e8 * (i + 1) for i in range(owners)]
    ran, units, steps = run_chain(sections)
    times_s = node_s(ran, units)
    ends = bounds_of(ran)
    own_flops = sum(
        part[: ends[0]].sum() + part[ends[-1] :].sum() for part in (units.forward_flops, units.backward_flops)
    )
    link_bits = sum(units.activation_bits[at - 1] + units.gradient_bits[at - 1] for at in (ends[0], ends[-1]))
    own_s = np.mean([BATCH * (own_flops / hz + link_bits / 1e9) for hz in sections["devices"]["clock_hz"]])
    longest_s = max(tf for tf, _ in times_s) + max(tb for _, tb in times_s)
    expected_s = own_s + sum(tf + tb for tf, tb in times_s) + (steps * owners - 1) * longest_s
    assert pytest.approx(expected_s, rel=RELATIVE) == ran.plan.notes["formula_s"]
    if owners == 1:
        assert ran.end_s > 2 * expected_s


@given(chains(most_owners=1))
def test_the_formula_is_exact_for_one_mini_batch(sections: dict[str, Any]) -> None:
    """With one owner, one mini-batch and quick wires the formula is the time up to the upload."""
    (scheme,) = sections["schemes"]
    once = {**scheme, "batches": 1, "repeats": 1}
    ran, units, _ = run_chain(
        {**sections, "schemes": [once], "network": {**sections["network"], "wire": FAST}}
    )
    assert pytest.approx(ran.plan.notes["formula_s"] + sum(exchange_s(ran, units, 0)), rel=1e-6) == ran.end_s


def node_memory(ran: Ran) -> dict[str, list[tuple[float, float]]]:
    """Return each node's changes of memory, (time, bits held)."""
    return {name: node.memory.changes for name, node in ran.trial.world.compute_nodes.items()}


def assert_memory_is_kept(ran: Ran, owners: int) -> None:
    """Assert that no node holds more than planned, and that only its copies stay after each round."""
    ends = bounds_of(ran)
    units = ran.ready.units
    for (name, changes), (first, end) in zip(node_memory(ran).items(), pairwise(ends), strict=True):
        copies = owners * resident_bits(units, first, end)
        planned = ran.plan.memory.nodes_bits[name]
        assert pytest.approx(copies + owners * batch_bits(units, first, end, BATCH), rel=1e-12) == planned
        assert max(bits for _, bits in changes) <= planned * (1 + 1e-12)
        assert pytest.approx(max(bits for _, bits in changes)) == (
            ran.trial.world.compute_nodes[name].memory.peak_bits
        )
        for end_s in ran.trial.ends_s:
            held = [bits for time_s, bits in changes if time_s <= end_s][-1]
            assert pytest.approx(copies, rel=1e-9) == held


@given(chains())
def test_memory_returns_to_the_copies_after_each_round(sections: dict[str, Any]) -> None:
    """A node plans a copy and a mini-batch for each owner, never holds more, and keeps only the copies."""
    ran, _, _ = run_chain(sections, rounds=2)
    assert_memory_is_kept(ran, sections["devices"]["count"])


@given(chains(), st.floats(0.05, 0.95))
def test_a_deadline_leaves_nothing_in_memory(sections: dict[str, Any], share: float) -> None:
    """Owners that are cut off wherever they are leave no activations behind, and a late one takes no part."""
    free, _, _ = run_chain(sections)
    deadline_s = share * free.end_s
    ran, _, _ = run_chain(sections, rounds=2, round_policy={"deadline_s": deadline_s})
    assert_memory_is_kept(ran, sections["devices"]["count"])
    uploads = ran.table.query("phase == 'model_upload' and round == 1").groupby("node", observed=True)[
        "end_s"
    ]
    on_time = {f"device-{i}" for i in ran.trial.results[0].outcome.participants}
    assert on_time <= set(uploads.max().index)
    assert all(end_s <= deadline_s * (1 + SLACK) for end_s in uploads.max()[sorted(on_time)])


@given(chains(), st.floats(0.05, 0.95), st.integers(0, 4))
def test_an_empty_battery_leaves_nothing_in_memory(
    sections: dict[str, Any], share: float, which: int
) -> None:
    """An owner that leaves the run for good leaves no activations on the nodes; the others go on."""
    owners = sections["devices"]["count"]
    free, _, _ = run_chain(sections, rounds=2)
    which %= owners
    spent_j = free.table.loc[free.table["node"] == f"device-{which}", "energy_j"].sum()
    batteries = [1e9] * owners
    batteries[which] = share * spent_j
    devices = {**sections["devices"], "battery_j": batteries}
    ran, _, _ = run_chain({**sections, "devices": devices}, rounds=2)
    assert_memory_is_kept(ran, owners)
    assert {which} == set(ran.trial.world.departed_at_s)
    if owners > 1:
        others = set(range(owners)) - {which}
        assert others == set(ran.trial.results[-1].outcome.participants)


def with_memory(memory_mib: Any, placement: Any = "stage_sum") -> dict[str, Any]:
    """Return sections of four owners on two nodes of LeNet's, of limited memory."""
    return {
        "schemes": [{"name": "mpsl", "placement": placement}],
        "batch_size": BATCH,
        "model": LENET,
        "devices": own_links(1e8, count=4),
        "network": {"nodes": [{"name": f"n{p}", "memory_mib": mib} for p, mib in enumerate(memory_mib)]},
    }


def part_mib(first: int, end: int, owners: int = 4) -> float:
    """Return what owners' copies of some of LeNet's units need on a node."""
    return owners * training_bits(UNITS, first, end, BATCH) / MIB


def test_placements_keep_to_the_memory() -> None:
    """A node whose memory just holds one unit's copies gets that unit; where it fits, the others are free."""
    ran, _, _ = run_chain(with_memory([part_mib(1, 2) * (1 + 1e-9), 1e6]))
    assert [1, 2, 5] == bounds_of(ran)


@pytest.mark.parametrize(
    ("placement", "message"),
    [
        ("stage_sum", f"copies of 4 owners need {part_mib(1, 5):.6g} MiB in all"),
        ([3], f"mpsl: units 2 to 3 of 4 owners need {part_mib(1, 3):.4g} MiB on n0, which has 7 MiB"),
    ],
)
def test_too_little_memory_is_refused_before_anything_runs(placement: Any, message: str) -> None:
    """The error is one of planning, and has the numbers."""
    limits = [9.5, 8.0] if placement == "stage_sum" else [7.0, 1e3]
    with pytest.raises(ScenarioError) as caught:
        experiment(allocation={}, **with_memory(limits, placement))
    assert message in str(caught.value)


def hand_timeline(folder: Path, update_ms: float = 3.0, owners: int = 2) -> dict[str, Any]:
    """Return two owners and two nodes of one layer each; links and wires take no time worth naming.

    In ms: the owner's first layer 1 + 1, node a 2 + 4 and its update, node b 3 + 5, the owner's head 1 + 1.
    """
    profile = write_profile(
        folder,
        {
            "owner": [[1, 1, 0], [99, 99, 99], [99, 99, 99], [1, 1, 0]],
            "a": [[99, 99, 99], [2, 4, update_ms], [99, 99, 99], [99, 99, 99]],
            "b": [[99, 99, 99], [99, 99, 99], [3, 5, 0], [99, 99, 99]],
        },
        [1.0, 2.0, 3.0, 4.0],
        [5.0, 6.0, 7.0, 8.0],
    )
    return {
        "schemes": [{"name": "mpsl", "placement": [2]}],
        "batch_size": 128,
        "model": {"name": "measured", "profile": str(profile)},
        "devices": own_links(1e18, count=owners, profile="owner"),
        "network": {"nodes": [{"name": "a", "profile": "a"}, {"name": "b", "profile": "b"}], "wire": FAST},
    }


def spans_ms(ran: Ran, node: str) -> list[tuple[str, int, float, float]]:
    """Return what a node does, rounded to the nanosecond: phase, owner, start and end, [ms]."""
    rows = ran.table[ran.table["node"] == node].sort_values("start_s")
    return [
        (row["phase"], row["client"], round(row["start_s"] * 1e3, 6), round(row["end_s"] * 1e3, 6))
        for row in rows_of(rows)
    ]


def test_an_update_occupies_the_node_after_the_gradient_has_left(tmp_path: Path) -> None:
    """The timeline of two owners, by hand.

    Node a: forward of 0 from 1 to 3 and of 1 to 5 ms. Node b: of 0 from 3 to 6 and of 1 to 9; 0's head
    takes to 8, so its gradient waits for 9 and is done at 14; 1's is ready at 11, and done at 19. Node a goes
    back for 0 from 14 to 18, and updates to 21: 1's gradient comes at 19, waits till 21, is done at 25.
    Owner 0 is done at 19 ms, owner 1 at 26, while node a still updates to 28.
    """
    sections = hand_timeline(tmp_path)
    ran, _, _ = run_chain(sections)
    assert [
        ("node_forward", 0, 1.0, 3.0),
        ("node_forward", 1, 3.0, 5.0),
        ("node_backward", 0, 14.0, 18.0),
        ("node_update", 0, 18.0, 21.0),
        ("node_backward", 1, 21.0, 25.0),
        ("node_update", 1, 25.0, 28.0),
    ] == spans_ms(ran, "a")
    assert [
        ("node_forward", 0, 3.0, 6.0),
        ("node_forward", 1, 6.0, 9.0),
        ("node_backward", 0, 9.0, 14.0),
        ("node_backward", 1, 14.0, 19.0),
    ] == spans_ms(ran, "b")
    back = ran.table.query("phase == 'client_backward'").set_index("node")["end_s"]
    assert pytest.approx([19e-3, 26e-3], abs=1e-9) == [back["device-0"], back["device-1"]]
    assert pytest.approx(26e-3, abs=1e-9) == ran.end_s


def test_an_update_that_outlasts_the_round_delays_the_next_one(tmp_path: Path) -> None:
    """With an update of 100 ms one owner's first round takes 18 ms; the second waits for the node until 117.

    Then it goes on for 2 + 3 + 2 + 5 + 4 + 1 ms to 134. The predicted bound is no more than the first round.
    """
    ran, _, _ = run_chain(hand_timeline(tmp_path, update_ms=100.0, owners=1), rounds=2)
    assert pytest.approx([18e-3, 134e-3], abs=1e-9) == ran.trial.ends_s
    assert ran.plan.predicted_s <= ran.trial.ends_s[0] * (1 + SLACK)


def test_repeats_are_further_batches_in_time(tmp_path: Path) -> None:
    """r·B mini-batches take r·B times as long as one, for one owner, whichever of the two is raised."""
    alone = hand_timeline(tmp_path, update_ms=0.0, owners=1)
    ends_s = []
    for scheme in ({"batches": 6}, {"batches": 3, "repeats": 2}):
        alone["schemes"] = [{"name": "mpsl", "placement": [2], **scheme}]
        ends_s.append(run_chain(alone)[0].end_s)
    assert pytest.approx([6 * 18e-3] * 2, abs=1e-9) == ends_s


def test_measured_times_equal_the_same_times_from_flops(tmp_path: Path) -> None:
    """A profile whose layers take FLOPs·κ/f gives the placement and every instant of those FLOPs."""
    nothing = np.zeros(len(UNITS))
    per_flop = {"slow": 1e-10, "fast": 3e-11, "n1": 1e-11, "n2": 4e-12}
    profile = write_profile(
        tmp_path / "lenet",
        {
            name: 128e3 * value * np.stack([UNITS.forward_flops, UNITS.backward_flops, nothing], axis=1)
            for name, value in per_flop.items()
        },
        list(128 * UNITS.activation_bits / 8192),
        list(UNITS.parameter_bits / 8192),
    )
    scheme = {"name": "mpsl", "batches": 3}
    clocks = {name: {"clock_hz": 1 / value, "cycles_per_flop": 1.0} for name, value in per_flop.items()}
    counted = run_one(
        scheme,
        model=LENET,
        batch_size=128,
        devices=own_links(
            1e8, count=2, cycles_per_flop=1.0, clock_hz=[clocks[n]["clock_hz"] for n in ("slow", "fast")]
        ),
        network={"nodes": [{"name": name, **clocks[name]} for name in ("n1", "n2")]},
    )
    measured = run_one(
        scheme,
        model={"name": "measured", "profile": str(profile)},
        batch_size=128,
        devices=own_links(1e8, count=2, profile=["slow", "fast"]),
        network={"nodes": [{"name": name, "profile": name} for name in ("n1", "n2")]},
    )
    assert bounds_of(counted) == bounds_of(measured)
    spans = [ran.table[["start_s", "end_s", "bits"]].to_numpy() for ran in (counted, measured)]
    np.testing.assert_allclose(spans[0], spans[1], rtol=RELATIVE)
    assert pytest.approx(counted.plan.predicted_s, rel=RELATIVE) == measured.plan.predicted_s


PUBLISHED = os.environ.get("CUTLAYER_PROFILES", "")
needs_published = pytest.mark.skipif(
    not PUBLISHED, reason="set CUTLAYER_PROFILES to a folder with resnet101_cifar10/ and vgg19_cifar10/"
)


def published_bed(
    nodes: int, owners: int = 100, model: str = "resnet101_cifar10", **scheme: Any
) -> dict[str, Any]:
    """Return the authors' test bed: Raspberry Pis at 8 Mbit/s, virtual machines at 7.13 Gbit/s."""
    return {
        "schemes": [{"name": "mpsl", "first_units": 2, "batches": 16, "repeats": 2, **scheme}],
        "batch_size": 128,
        "model": {"name": "measured", "profile": str(Path(PUBLISHED) / model)},
        "devices": own_links(8e6, count=owners, profile="raspberry_pi_4"),
        "network": {
            "nodes": [{"name": "vm", "count": nodes, "profile": "vm"}],
            "wire": {"rate_bps": 7.13e9},
        },
    }


@needs_published
@pytest.mark.parametrize(
    ("placement", "ends", "sum_ms", "slowest_ms", "minutes"),
    [
        ("stage_sum", "2|18|31|36", 711.46, 702.15, 38.05),
        ("stage_sum", "2|16|26|33|36", 560.85, 560.85, 30.02),
        ("stage_sum", "2|12|20|28|33|36", 438.46, 432.46, 23.50),
        ("slowest", "2|18|30|36", None, 672.9, None),
        ("slowest", "2|15|25|33|36", None, 560.0, None),
        ("slowest", "2|13|21|28|33|36", None, 415.8, None),
    ],
)
def test_the_published_epochs(
    placement: str, ends: str, sum_ms: float | None, slowest_ms: float, minutes: float | None
) -> None:
    """Placements, L_fwd + L_back, max(tf + tb) and the formula's minutes are those published, at K = 100."""
    ready = experiment(allocation={}, **published_bed(ends.count("|"), placement=placement))
    ((_, plan),) = ready.schemes
    assert ends == plan.notes["placement"]
    batches = 2 * 16 * 100
    assert slowest_ms == round(plan.notes["pipe_full_s"] / batches * 1e3, 2 if sum_ms else 1)
    if sum_ms is not None:
        assert minutes == round(plan.notes["formula_s"] / 60, 2)
        hop_s = [(hop.forward_s, hop.backward_s) for hop in plan.structure.paths[0]]
        assert sum_ms == round(1e3 * (max(tf for tf, _ in hop_s) + max(tb for _, tb in hop_s)), 2)


@needs_published
def test_the_published_test_bed_fills_its_pipe() -> None:
    """At K = 100 the events take r·B·K·max_p(tf_p + tb_p) within 1 %."""
    ran, _, _ = run_chain(published_bed(3))
    full_s = 2 * 16 * 100 * 0.70215
    assert full_s <= ran.end_s * (1 + 1e-4)
    assert pytest.approx(full_s, rel=0.01) == ran.end_s


@needs_published
def test_the_published_memory_of_vgg19() -> None:
    """Owner and nodes together hold 742.43 MiB for each of 100 owners, 77.8 GB in all."""
    for owners in (1, 100):
        sections = published_bed(3, owners, "vgg19_cifar10")
        ((_, plan),) = experiment(allocation={}, **sections).schemes
        memory = plan.memory
        total_bits = memory.devices_bits.sum() + sum(memory.nodes_bits.values())
        assert pytest.approx(742.43, abs=0.005) == total_bits / MIB / owners
    assert pytest.approx(77.8, abs=0.06) == total_bits / 8 / 1e9
