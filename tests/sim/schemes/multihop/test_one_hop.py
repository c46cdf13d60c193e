"""One hop: the simulated batch is the planned workflow, orders are kept, and nobody blocks the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutlayer.models.unit_tables import named_unit_table
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.sim.allocation.workflow.assignment import balanced_greedy
from cutlayer.sim.allocation.workflow.local_search import search
from cutlayer.sim.allocation.workflow.schedule import Workflow, first_come_first_served
from cutlayer.sim.schemes.multihop.one_hop import OneHop
from tests.support.networks import FAST, MIB, Ran, own_links, rows_of, run_all, run_one
from tests.support.part_sizes import training_bits
from tests.support.worlds import experiment, positive

RELATIVE = 1e-9
BATCH = 16
LENET = {"name": "lenet", "input_shape": [1, 28, 28], "classes": 10}
UNITS = named_unit_table("lenet", (1, 28, 28), 10)


@st.composite
def fleets(draw: st.DrawFn, most_owners: int = 5) -> dict[str, Any]:
    """Return sections of owners and helpers of any speeds; wires delay, and never queue."""
    owners, helpers = draw(st.integers(1, most_owners)), draw(st.integers(1, 3))

    def each(count: int, low: float, high: float) -> list[float]:
        return draw(st.lists(positive(low, high), min_size=count, max_size=count, unique=True))

    clocks_hz = each(helpers, 1e8, 1e10)
    return {
        "batch_size": BATCH,
        "model": LENET,
        "devices": own_links(
            each(owners, 1e6, 1e9),
            each(owners, 1e6, 1e9),
            count=owners,
            clock_hz=each(owners, 1e8, 1e10),
            cycles_per_flop=1.0,
        ),
        "network": {
            "nodes": [
                {"name": f"n{h}", "clock_hz": hz, "cycles_per_flop": 1.0} for h, hz in enumerate(clocks_hz)
            ],
            "wire": {**FAST, "delay_s": draw(st.sampled_from([0.0, 0.01]))},
        },
    }


def one_hop(workflow: Any, **more: Any) -> dict[str, Any]:
    """Return the scheme with a workflow."""
    return {"name": "one_hop", "workflow": workflow, "label": str(workflow), **more}


def uploaded_s(ran: Ran) -> float:
    """Return when the last owner's parts are at the aggregator, which ends a workflow."""
    return float(ran.table.query("phase == 'model_upload'")["end_s"].max())


@given(fleets(), st.data())
def test_a_batch_takes_the_planned_makespan(sections: dict[str, Any], data: st.DataObject) -> None:
    """Whatever the workflow, the simulated mini-batch ends when the plan says; the averages come after it."""
    owners, helpers = sections["devices"]["count"], len(sections["network"]["nodes"])
    given = data.draw(st.lists(st.integers(0, helpers - 1), min_size=owners, max_size=owners))
    ran = run_all(
        schemes=[one_hop(name) for name in ("balanced_greedy", "random", "improved", given)], **sections
    )
    for label, one in ran.items():
        assert pytest.approx(one.plan.notes["makespan_s"], rel=RELATIVE) == uploaded_s(one), label
        assert one.plan.predicted_s <= one.end_s * (1 + RELATIVE)
    assert "|".join(str(helper) for helper in given) == ran[str(given)].plan.notes["workflow"]


@settings(max_examples=12)
@given(fleets(most_owners=4))
def test_the_optimum_is_simulated_and_no_worse(sections: dict[str, Any]) -> None:
    """Simulated times keep the order optimal ≤ improved ≤ balanced greedy, and optimal ≤ random."""
    names = ("balanced_greedy", "random", "improved", "optimal")
    ran = run_all(schemes=[one_hop(name) for name in names], **sections)
    times_s = {name: uploaded_s(ran[name]) for name in names}
    assert pytest.approx(ran["optimal"].plan.notes["makespan_s"], rel=RELATIVE) == times_s["optimal"]
    assert times_s["optimal"] <= times_s["improved"] * (1 + RELATIVE)
    assert times_s["improved"] <= times_s["balanced_greedy"] * (1 + RELATIVE)
    assert times_s["optimal"] <= times_s["random"] * (1 + RELATIVE)


def served(ran: Ran, node: str) -> list[tuple[int, bool]]:
    """Return a node's tasks in the order in which it did them, (owner, is backward)."""
    rows = ran.table[(ran.table["node"] == node) & ran.table["phase"].isin(["node_forward", "node_backward"])]
    rows = rows.sort_values("start_s")
    return [(int(row["client"]), row["phase"] == "node_backward") for row in rows_of(rows)]


def planned_workflow(ran: Ran, workflow: str) -> Workflow:
    """Return the workflow that the planner's methods find for the links of the run."""
    deployment, scheme = ran.ready.deployment, ran.scheme
    assert isinstance(scheme, OneHop)
    assert deployment.network is not None
    assert deployment.node_work is not None
    hops = scheme.place_hops(deployment, deployment.network, deployment.node_work)
    problem = scheme.problem(hops, ran.plan.links, deployment)
    greedy = first_come_first_served(problem, balanced_greedy(problem))
    return search(problem, greedy) if workflow == "improved" else greedy


@given(fleets(), st.sampled_from(["improved", "balanced_greedy"]))
def test_helpers_keep_to_the_planned_order(sections: dict[str, Any], workflow: str) -> None:
    """A helper does its tasks in the plan's order in every round, and in that of arrival without one."""
    ran = run_one(one_hop(workflow), stop={"rounds": 2}, **sections)
    planned = planned_workflow(ran, workflow)
    for h, node in enumerate(ran.trial.world.compute_nodes):
        mine = np.flatnonzero(planned.helper == h)
        expected = sorted(
            [(planned.forward_start_s[i], int(i), False) for i in mine]
            + [(planned.backward_start_s[i], int(i), True) for i in mine]
        )
        tasks = [(owner, is_backward) for _, owner, is_backward in expected]
        if planned.order is not None:
            assert tuple(tasks) == tuple(planned.order[h])
        assert 2 * tasks == served(ran, node)


@given(fleets(), st.integers(1, 2), st.integers(1, 2))
def test_each_owner_has_one_helper(sections: dict[str, Any], batches: int, repeats: int) -> None:
    """All of an owner's mini-batches go to the one helper that the workflow says."""
    steps = batches * repeats
    ran = run_one(one_hop("random", batches=batches, repeats=repeats), **sections)
    helpers = [int(h) for h in ran.plan.notes["workflow"].split("|")]
    found = ran.table.query("phase == 'node_forward'").groupby(["client", "node"], observed=True).size()
    assert {(i, f"n{h}"): steps for i, h in enumerate(helpers)} == found.to_dict()


FLEET: dict[str, Any] = {
    "batch_size": BATCH,
    "model": LENET,
    "devices": own_links(1e8, count=3, clock_hz=[1e9, 2e9, 2.1e9], cycles_per_flop=1.0),
    "network": {"nodes": [{"name": "n", "clock_hz": 1e9, "cycles_per_flop": 1.0}], "wire": FAST},
}


@pytest.mark.parametrize("workflow", ["balanced_greedy", "improved", "optimal"])
@pytest.mark.parametrize("rounds", [1, 3])
def test_owners_cut_off_by_a_deadline_do_not_block_the_others(workflow: str, rounds: int) -> None:
    """At a deadline that a slow owner misses, the others are in time in every round, and rounds go on."""
    devices = {**FLEET["devices"], "clock_hz": [2e9, 1e7, 2.1e9]}
    sections = {**FLEET, "devices": devices}
    free = run_one(one_hop(workflow), **sections)
    uploads_s = free.table.query("phase == 'model_upload'").set_index("node")["end_s"]
    deadline_s = float(max(uploads_s["device-0"], uploads_s["device-2"]) * 1.01)
    assert deadline_s < uploads_s["device-1"]
    ran = run_one(
        one_hop(workflow), stop={"rounds": rounds}, **sections, round_policy={"deadline_s": deadline_s}
    )
    assert [(0, 2)] * rounds == [result.outcome.participants for result in ran.trial.results]


@pytest.mark.parametrize("workflow", ["balanced_greedy", "improved"])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.7, 1.5])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_owners_that_leave_do_not_block_the_others(workflow: str, share: float, which: int) -> None:
    """An owner whose battery is empty, at whatever stage, is not waited for, then or in later rounds."""
    free = run_one(one_hop(workflow), **FLEET)
    spent_j = free.table.loc[free.table["node"] == f"device-{which}", "energy_j"].sum()
    batteries = [1e9] * 3
    batteries[which] = share * float(spent_j)
    ran = run_one(
        one_hop(workflow),
        stop={"rounds": 3},
        **{**FLEET, "devices": {**FLEET["devices"], "battery_j": batteries}},
    )
    others = tuple(i for i in range(3) if i != which)
    assert {which} == set(ran.trial.world.departed_at_s)
    assert [others, others] == [result.outcome.participants for result in ran.trial.results[1:]]
    assert 3 == len(ran.trial.results)


@given(st.lists(st.integers(0, 1), min_size=4, max_size=4))
def test_memory_counts_the_owners_of_each_helper(given: list[int]) -> None:
    """A helper plans the middle part once for each of its owners, and is refused what exceeds its memory."""
    middle_mib = training_bits(UNITS, 1, 5, BATCH) / MIB
    sections = {
        **FLEET,
        "devices": own_links(1e8, count=4),
        "network": {"nodes": [{"name": "n", "count": 2}]},
    }
    ran = run_one(one_hop(given), **sections)
    nodes_bits = ran.plan.memory.nodes_bits
    counts = [given.count(h) for h in range(2)]
    for h, count in enumerate(counts):
        assert pytest.approx(count * middle_mib) == nodes_bits.get(f"n-{h + 1}", 0.0) / MIB
    limited = {"nodes": [{"name": "n", "count": 2, "memory_mib": 2.5 * middle_mib}]}
    if max(counts) <= 2:
        run_one(one_hop(given), **{**sections, "network": limited})
        return
    fullest = int(np.argmax(counts))
    with pytest.raises(ScenarioError) as caught:
        experiment(allocation={}, schemes=[one_hop(given)], **{**sections, "network": limited})
    message = f"helper {fullest} has {2.5 * middle_mib:.4g} MiB; its {max(counts)} owners need"
    assert message in str(caught.value)
    assert f"{max(counts) * middle_mib:.4g} MiB" in str(caught.value)


@pytest.mark.parametrize("workflow", ["balanced_greedy", "random", "improved", "optimal"])
def test_what_no_assignment_holds_is_refused(workflow: str) -> None:
    """Every workflow refuses owners that the helpers' memories do not hold, with what they need and have."""
    limited = {"nodes": [{"name": "n", "count": 2, "memory_mib": 1.5}]}
    with pytest.raises(ScenarioError) as caught:
        experiment(allocation={}, schemes=[one_hop(workflow)], **{**FLEET, "network": limited})
    assert "3 owners need" in str(caught.value)
    assert "the helpers have 1.5 MiB, 1.5 MiB" in str(caught.value)
