"""A round and its learner: which steps are called with what, by everyone and with a late client."""

from __future__ import annotations

from typing import Any

import pytest

from cutlayer.scenarios.schema.scenario import Server, Stop
from cutlayer.sim.schemes.base import TrainingTask
from cutlayer.sim.schemes.round_loop import RoundResult, run_rounds
from cutlayer.sim.schemes.round_planners.fixed_plan import FixedPlan
from cutlayer.sim.world.world import World
from tests.support.worlds import Setting, fleet, links, make_scheme, plan_at, policy, unit_table

B = 4


class Recorder:
    """A learner that notes each step with its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.train_loss = 1.0

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, *arguments))

    def evaluate(self, clients: tuple[int, ...] | None = None) -> Any:
        return type("Accuracy", (), {"averaged": 0.0, "mean": 0.0, "diverged": False})()


def setting(service: str) -> Setting:
    """Return three clients; the second is ten times slower, and the worst listener."""
    units = unit_table([(1.0, 1.0, 1.0, 1.0, 3.0), (1.0, 1.0, 1.0, 1.0, 5.0), (1.0, 1.0, 1.0, 1.0, 7.0)])
    server = Server(clock_hz=1.0, cycles_per_flop=1.0, service=service)
    return Setting(
        units, B, fleet([1.0, 0.1, 1.0], [1.0] * 3), server, links([1.0] * 3, [1.0] * 3, [1.0, 0.5, 2.0])
    )


def run(
    name: str, service: str, deadline_s: float | None, count: int = 2, **parameters: Any
) -> tuple[Recorder, list[RoundResult], World]:
    """Run rounds of a scheme cut after its first unit; deadlines of 20 s, of FL 150 s, leave client 1 out."""
    s = setting(service)
    recorder = Recorder()
    world = World(s.server, s.fleet, s.links, round_policy=policy(deadline_s))
    scheme = make_scheme(name, TrainingTask(s.units, B), **parameters)
    planner = FixedPlan(plan_at(scheme, 1, 3), range(3))
    results = list(run_rounds(scheme, world, recorder, planner, Stop(rounds=count), count))
    return recorder, results, world


@pytest.mark.parametrize("service", ["barrier", "arrival"])
@pytest.mark.parametrize(("deadline_s", "members"), [(None, (0, 1, 2)), (20.0, (0, 2))])
@pytest.mark.parametrize(
    ("name", "parameters", "merged"),
    [
        ("psl", {}, (0, 0)),
        ("epsl", {"phi": 0.5}, (2, 2)),
        ("epsl", {"phi": 1.0, "aggregation": "exact"}, (4, 4)),
        ("epsl_pt", {"phases": [{"rounds": 1, "phi": 1.0}, {"phi": 0.25}]}, (4, 1)),
    ],
)
def test_parallel_rounds_take_their_learners_steps_in_order(
    service: str,
    deadline_s: float | None,
    members: tuple[int, ...],
    name: str,
    parameters: dict[str, Any],
    merged: tuple[int, ...],
) -> None:
    """Forward by those in time, one server step with the round's merged slots, the clients' step."""
    recorder, results, _ = run(name, service, deadline_s, **parameters)
    expected: list[tuple[Any, ...]] = []
    for number, n_a in enumerate(merged, start=1):
        expected += [
            ("client_forward", members, number),
            ("server_step", n_a, number),
            ("client_step", members),
        ]
    assert expected == recorder.calls
    outcomes = [(r.outcome.participants, r.outcome.updates, r.outcome.samples) for r in results]
    assert [(members, 1, B * len(members))] * 2 == outcomes


@pytest.mark.parametrize("service", ["barrier", "arrival"])
@pytest.mark.parametrize(("deadline_s", "members"), [(None, (0, 1, 2)), (20.0, (0, 2))])
@pytest.mark.parametrize(("name", "updates"), [("sfl", 1), ("sfl_v2", None)])
def test_splitfed_averages_those_in_time_every_second_round(
    service: str, deadline_s: float | None, members: tuple[int, ...], name: str, updates: int | None
) -> None:
    """With I = 2, models are averaged, and sent, in rounds 2 and 4 alone."""
    recorder, results, world = run(name, service, deadline_s, count=4, aggregate_every=2)
    expected: list[tuple[Any, ...]] = []
    for number in (1, 2, 3, 4):
        expected += [
            ("client_forward", members, number),
            ("server_step", 0, number),
            ("client_step", members),
        ]
        expected += [("average", members)] if number in (2, 4) else []
    assert expected == recorder.calls
    table = world.record.frame()
    for phase in ("model_upload", "model_download"):
        assert {2, 4} == set(table.loc[table["phase"] == phase, "round"])
    wanted = updates or len(members)
    assert [(members, wanted, B * len(members))] * 4 == [
        (r.outcome.participants, r.outcome.updates, r.outcome.samples) for r in results
    ]


@pytest.mark.parametrize(("deadline_s", "members"), [(None, (0, 1, 2)), (20.0, (0, 2))])
def test_sl_takes_a_turn_for_each_client_in_time(deadline_s: float | None, members: tuple[int, ...]) -> None:
    """Turns follow the clients' numbers, in every round."""
    recorder, results, _ = run("sl", "barrier", deadline_s)
    assert [("turn", i, number) for number in (1, 2) for i in members] == recorder.calls
    assert [(members, len(members), B * len(members))] * 2 == [
        (r.outcome.participants, r.outcome.updates, r.outcome.samples) for r in results
    ]


@pytest.mark.parametrize(("deadline_s", "members"), [(None, (0, 1, 2)), (150.0, (0, 2))])
def test_fl_trains_and_averages_those_in_time(deadline_s: float | None, members: tuple[int, ...]) -> None:
    """E local steps count as E updates and as E mini-batches of each participant."""
    recorder, results, world = run("fl", "barrier", deadline_s, local_steps=3)
    steps = [(("local_steps", members, number), ("average", members)) for number in (1, 2)]
    assert [call for pair in steps for call in pair] == recorder.calls
    assert [(members, 3, 3 * B * len(members))] * 2 == [
        (r.outcome.participants, r.outcome.updates, r.outcome.samples) for r in results
    ]
    first = world.record.frame().query("round == 1 and node == 'device-0' and lane == 'compute'")
    assert ["client_forward", "client_backward"] * 3 == first["phase"].tolist()


def test_centralised_takes_all_data_whatever_the_deadline() -> None:
    """Nothing is sent, so nobody is late."""
    recorder, results, _ = run("centralised", "barrier", 1e-3)
    assert [("step", (0, 1, 2), 1), ("step", (0, 1, 2), 2)] == recorder.calls
    assert 3 * B == results[0].outcome.samples


def test_learners_are_made_with_the_schemes_options() -> None:
    """What changes the tensors' work reaches the learner."""
    task = TrainingTask(setting("barrier").units, B)
    expected = [
        ({"exact": True}, make_scheme("epsl", task, aggregation="exact")),
        ({"exact": False}, make_scheme("epsl", task)),
        ({"local_steps": 3}, make_scheme("fl", task, local_steps=3)),
    ]
    for options, scheme in expected:
        assert options == scheme.learner_options(plan_at(scheme, 1, 3))


@pytest.mark.parametrize("service", ["barrier", "arrival"])
def test_broadcasts_wait_for_the_weakest_of_their_listeners(service: str) -> None:
    """Gradients go to those in time, at 1 bit/s; models to all, at the late client's 0.5 bit/s."""
    _, _, world = run("epsl", service, 20.0, phi=0.5)
    gradients = world.record.frame().query("phase == 'broadcast'")
    assert [2.0, 2.0] == pytest.approx((gradients["end_s"] - gradients["start_s"]).tolist())
    _, _, world = run("sfl", service, 20.0)
    models = world.record.frame().query("phase == 'model_download'")
    assert [6.0, 6.0] == pytest.approx((models["end_s"] - models["start_s"]).tolist())


@pytest.mark.parametrize(("aggregation", "rows"), [("virtual", 2), ("exact", 4)])
def test_a_late_clients_rows_cost_the_server_nothing(aggregation: str, rows: int) -> None:
    """In a queue, 2 merged slots of 2 clients are 2 rows, or 4 exactly, of one unit between cut and last."""
    _, _, world = run("epsl", "arrival", 20.0, phi=0.5, aggregation=aggregation, charge_second_forward=False)
    merged = world.record.frame().query(
        "round == 1 and node == 'server' and client == -1 and lane == 'compute'"
    )
    assert [float(rows)] == merged["flops"].tolist()


@pytest.mark.parametrize("service", ["barrier", "arrival"])
@pytest.mark.parametrize("name", ["epsl", "sfl", "sfl_v2", "fl"])
@pytest.mark.parametrize("deadline_s", [None, 20.0, 150.0])
def test_a_broadcast_has_the_band_to_itself(service: str, name: str, deadline_s: float | None) -> None:
    """No device sends or receives while the access point uses all subchannels."""
    table = run(name, service, deadline_s)[2].record.frame()
    air = table[table["lane"] != "compute"]
    for cast in air[air["node"] == "server"].itertuples():
        during = (air["start_s"] < cast.end_s) & (air["end_s"] > cast.start_s) & (air["node"] != "server")
        assert not during.any()


def test_phi_zero_is_psl() -> None:
    """EPSL with nothing aggregated and PSL are one timeline and one sequence of steps."""
    for service in ("barrier", "arrival"):
        (one, _, first), (other, _, second) = run("psl", service, 20.0), run("epsl", service, 20.0, phi=0.0)
        assert one.calls == other.calls
        assert first.record.fingerprint() == second.record.fingerprint()
