"""Rounds that sample their clients: their plans, their cost, and cases equal to runs without sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simpy import Environment

import cutlayer
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.planning import plan
from cutlayer.experiments.runner import run_experiment
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.schema.participation import Participation
from cutlayer.sim.schemes.round_planners.client_sampler import ClientSampler
from cutlayer.sim.schemes.round_planners.sampled_clients import SampledClients
from cutlayer.sim.world.world import World
from tests.support.worlds import Trial, experiment, trials

SIDE_BY_SIDE = ["psl", "sfl", "fl", {"name": "epsl", "phi": 0.5}]
ALL = [*SIDE_BY_SIDE, "sl", "sfl_v2", "centralised", "edgesplit", "esfl"]
SLOW = {"slowdown": {"factor": 5, "mean_normal_s": 0.01, "mean_slow_s": 0.01}}
DIGITS = {"dataset": "digits", "optimizer": {"client_lr": 3e-3, "server_lr": 3e-3}}
LENET = {"name": "lenet", "input_shape": [1, 8, 8], "classes": 10}


def timelines(of_schemes: dict[str, Trial]) -> dict[str, tuple[str, list[float]]]:
    """Return each scheme's timeline."""
    return {label: (trial.world.record.fingerprint(), trial.ends_s) for label, trial in of_schemes.items()}


def participants_of_rounds(ready: Experiment) -> dict[str, list[tuple[int, ...]]]:
    """Return the participants of every round of each scheme."""
    return {
        label: [result.outcome.participants for result in trial.results]
        for label, trial in trials(ready).items()
    }


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"stragglers": SLOW, "round_policy": {"deadline_s": 0.05}},
        {"devices": {"count": 4, "battery_j": {"uniform": [0.05, 0.5]}}},
        {"radio": {"sharing": "work_conserving"}, "schemes": SIDE_BY_SIDE},
        {"radio": {"sharing": "tdma"}, "server": {"service": "arrival"}, "schemes": SIDE_BY_SIDE},
        {"allocation": {"replan": {"every_rounds": 1}, "knowledge": {"error_db": 2}}},
        {"allocation": {"subchannels": "random", "cut": "random"}},
        {"radio": {"fading": {"model": "rayleigh", "coherence_s": 2e-3}}},
        {"radio": {"fading": {"model": "jakes", "speed_mps": {"uniform": [0, 3]}, "step_s": 2e-3}}},
        {"devices": {"count": 4, "uplink_bps": 1e6, "downlink_bps": 2e6}, "schemes": [*SIDE_BY_SIDE, "sl"]},
    ],
    ids=[
        "plain",
        "deadline",
        "battery",
        "lending",
        "tdma",
        "replan",
        "random",
        "fading",
        "jakes",
        "own links",
    ],
)
def test_sampling_everybody_is_not_sampling(sections: dict[str, Any]) -> None:
    """With per_round = population and any selected, timelines agree to the bit with unsampled ones."""
    given = {"schemes": ALL, "devices": {"count": 4}, **sections}
    everybody = trials(experiment(**given, participation={"per_round": 4}))
    assert timelines(trials(experiment(**given))) == timelines(everybody)


def test_training_everybody_is_training_without_sampling() -> None:
    """With per_round = population the weights, the accuracies and every table are those without sampling."""
    given = {"schemes": ALL, "devices": {"count": 4}, "model": LENET, "learning": DIGITS, "batch_size": 4}
    plain = run_experiment(experiment(**given))
    everybody = run_experiment(experiment(**given, participation={"per_round": 4}))
    assert plain.summary["schemes"] == everybody.summary["schemes"]
    for table in ("rounds", "devices", "nodes", "intervals"):
        assert getattr(plain, table).equals(getattr(everybody, table))


def test_schemes_share_their_participants() -> None:
    """Every scheme samples the same devices in the same rounds: common random numbers."""
    participants = participants_of_rounds(
        experiment(schemes=ALL, devices={"count": 20}, participation={"per_round": 4})
    )
    assert 1 == len({tuple(of_scheme) for of_scheme in participants.values()})
    assert 3 == len(set(participants["psl"]))


@pytest.mark.parametrize("scheme", [*SIDE_BY_SIDE, "sl", "edgesplit", "esfl"])
def test_a_round_is_that_of_a_fleet_of_its_clients(scheme: Any) -> None:
    """Each round takes as long as the first round of a scenario whose only devices are its clients."""
    clocks, gains = [1e9 + 1e8 * i for i in range(12)], [-100.0 - i for i in range(12)]

    def given(devices: tuple[int, ...], **sections: Any) -> Experiment:
        return experiment(
            schemes=[scheme],
            devices={"count": len(devices), "clock_hz": [clocks[i] for i in devices]},
            radio={"path_loss": {"model": "fixed", "gain_db": [gains[i] for i in devices]}},
            **sections,
        )

    (trial,) = trials(given(tuple(range(12)), participation={"per_round": 4})).values()
    latencies_s = np.diff([0.0, *trial.ends_s])
    for result, latency_s in zip(trial.results, latencies_s, strict=True):
        (alone,) = trials(given(result.outcome.participants)).values()
        assert alone.ends_s[0] == pytest.approx(latency_s, rel=1e-9)


def test_a_round_makes_what_its_clients_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run has the devices that were sampled, as many lasting processes as a round has clients, and as many
    rows in a large population as in a small one."""
    processes: list[Any] = []
    process = Environment.process

    def noted(env: Environment, generator: Any) -> Any:
        processes.append(generator)
        return process(env, generator)

    monkeypatch.setattr(Environment, "process", noted)
    found = {}
    for count in (50, 5_000):
        processes.clear()
        ready = experiment(schemes=["psl"], devices={"count": count}, participation={"per_round": 6})
        (trial,) = trials(ready).values()
        assert isinstance(trial.planner, SampledClients)
        created = {device.client for device in trial.world.created_devices}
        assert set(trial.planner.device_plans()) | set(trial.planner._sampler.first_in_order()) == created
        found[count] = (len(processes), len(trial.world.record), len(trial.world.record.nodes) <= 1 + 18)
    assert (6 + 3, 3 * (6 * 4 + 2), True) == found[50] == found[5_000]


def test_no_device_is_taken_that_is_predicted_late() -> None:
    """T_F + T_U + T_D + T_B, on an equal share of band and power, is within the deadline for all that are
    sampled, and they are the first of the round's order for which it is."""
    deadline_s = 0.02
    section = {"per_round": 5, "selection": "deadline", "deadline_s": deadline_s}
    ready = experiment(
        schemes=["psl"], devices={"count": 60}, stop={"rounds": 20}, participation=section,
        radio={"subchannels": 10, "path_loss": {"model": "samimi_28ghz", "mode": "sampled"}},
    )  # fmt: skip
    u, b, band, problem = ready.units, 16, ready.deployment.resources.band, ready.deployment.resources
    forward, backward = u.forward_flops[:2].sum(), u.backward_flops[:2].sum()
    share_hz, mean_gain = 10 * band.subchannel_hz / 5, problem.gains.mean(axis=1)
    power_w = np.minimum(problem.power_max_w, problem.total_power_max_w / 5)

    def rate_bps(psd: Any) -> Any:
        return share_hz * np.log2(1 + psd * band.antenna_gain * mean_gain / band.noise_w_per_hz)

    times_s = (
        b * (forward + backward) * ready.fleet.cycles_per_flop / ready.fleet.clock_hz
        + b * u.activation_bits[1] / rate_bps(power_w / share_hz)
        + b * u.gradient_bits[1] / rate_bps(band.downlink_w_per_hz)
    )
    late = set(np.flatnonzero(times_s > deadline_s).tolist())
    assert 0 < len(late) < 60
    scenario = ready.loaded.scenario
    assert scenario.participation is not None
    sampler = ClientSampler(scenario.participation, 60, scenario.seed)
    for number, members in enumerate(participants_of_rounds(ready)["psl"], start=1):
        assert [i for i in sampler._order(number) if i not in late][:5] == sorted(
            members, key=list(sampler._order(number)).index
        )


def test_a_round_waits_for_the_first_device_that_is_available() -> None:
    """Every client of a round is on as it begins; where nobody is, it begins when the first one turns on."""
    section = {"per_round": 3, "selection": "available", "mean_on_s": 0.01, "mean_off_s": 1.0}
    ready = experiment(schemes=["psl"], devices={"count": 6}, stop={"rounds": 30}, participation=section)
    (trial,) = trials(ready).values()
    rows = trial.world.record.frame()
    begun_s = rows.groupby("round")["start_s"].min()
    scenario = ready.loaded.scenario
    assert scenario.participation is not None
    sampler = ClientSampler(scenario.participation, 6, scenario.seed)
    for result in trial.results:
        members = sampler.sample(result.number, float(begun_s[result.number]), {})
        assert members == result.outcome.participants
    waited_s = begun_s.to_numpy()[1:] - np.array(trial.ends_s[:-1])
    assert (waited_s > 0).any()


def test_a_device_that_has_left_is_sampled_no_more_and_the_run_ends_with_the_last() -> None:
    """A device with an empty battery is in no later round; when all have left, there is no further round."""
    ready = experiment(
        schemes=["fl"],
        devices={"count": 7, "battery_j": {"uniform": [0.1, 1.0]}},
        stop={"rounds": 10_000},
        participation={"per_round": 3},
    )
    (trial,) = trials(ready).values()
    assert set(range(7)) == set(trial.world.departed_at_s)
    starts_s = [0.0, *trial.ends_s[:-1]]
    for start_s, result in zip(starts_s, trial.results, strict=True):
        gone = {client for client, left_s in trial.world.departed_at_s.items() if left_s <= start_s}
        assert not gone & set(result.outcome.participants)
        assert 7 > len(gone)


def test_a_sampled_device_fades_alike_with_any_other_clients() -> None:
    """A device's fading in a block is the same in rounds with other clients: it is drawn for it alone."""
    fading = {"model": "rician", "coherence_s": 0.1}
    channel = experiment(devices={"count": 9}, radio={"fading": fading}).context.channel
    for block in range(3):
        one = channel.of((2, 5)).at((block + 0.5) * 0.1)[0]
        other = channel.of((0, 5, 8)).at((block + 0.5) * 0.1)[0]
        assert (one[1] == other[1]).all()
        assert (one[0] != other[0]).all()


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"participation": {"per_round": 2, "selection": "deadline", "deadline_s": 1e-6}},
            "no device is predicted to do its part of a round of psl within 1e-06 s; the fastest takes",
        ),
        (
            {"schemes": ["sl"], "participation": {"per_round": 2, "selection": "deadline", "deadline_s": 1}},
            "selection deadline predicts clients that send side by side on subchannels; sl has none",
        ),
        (
            {
                "schemes": ["mpsl"],
                "network": {"nodes": [{"name": "n", "count": 2}]},
                "participation": {"per_round": 2},
            },
            "mpsl keeps a copy of its nodes' parts for every owner",
        ),
        (
            {"schemes": [{"name": "esfl", "cuts": [1, 2]}], "participation": {"per_round": 2}},
            "esfl: cuts are given one a device, and participation changes who takes part",
        ),
    ],
    ids=["nobody in time", "no prediction", "owners", "cuts"],
)
def test_impossible_sampling_is_refused(sections: dict[str, Any], message: str) -> None:
    """Sampling that a scheme can't have, or that no device can be in, is refused with the reason."""
    with pytest.raises(ScenarioError) as caught:
        experiment(**sections)
    assert message in str(caught.value)


def test_tables_hold_the_devices_that_were_sampled() -> None:
    """Rounds taken part in sum to all rounds' participants, and energies to those of the intervals; every
    subchannel of the last plan is one of its clients'.
    """
    ready = experiment(schemes=["psl", "esfl"], devices={"count": 40}, participation={"per_round": 4})
    ran = run_experiment(ready)
    for label, devices in ran.devices.groupby("label"):
        rounds = ran.rounds[ran.rounds["label"] == label]
        rows = ran.intervals[(ran.intervals["label"] == label) & (ran.intervals["lane"] == "compute")]
        on_devices = rows[rows["node"].str.startswith("device-")]
        assert rounds["participants"].sum() == devices["rounds"].sum()
        assert set(on_devices["node"]) == {f"device-{i}" for i in devices["device"]}
        spent_j = devices["compute_energy_j"].sum()
        assert on_devices["energy_j"].sum() == pytest.approx(spent_j, rel=1e-12)
    last = trials(ready)["psl"].results[-1].outcome.participants
    psl = ran.devices[(ran.devices["label"] == "psl") & ran.devices["device"].isin(last)]
    assert list(range(20)) == sorted(int(k) for owned in psl["subchannels"] for k in owned.split("|"))


def test_an_interrupted_round_has_no_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the next round's sampling, accuracies are of the last finished round's clients."""
    before = SampledClients.before_round

    def interrupted(self: SampledClients, world: World, number: int) -> None:
        before(self, world, number)
        if number == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(SampledClients, "before_round", interrupted)
    given = {"devices": {"count": 9}, "model": LENET, "learning": DIGITS, "batch_size": 4}
    run = run_experiment(experiment(schemes=["psl"], **given, participation={"per_round": 2}))
    assert run.interrupted
    assert 2 == len(run.rounds)
    of_clients = run.devices.set_index("device")["final_accuracy"].dropna()
    sampler = ClientSampler(Participation(per_round=2), 9, run.summary["seed"])
    assert sampler.sample(2, 0.0, {}) == tuple(of_clients.index)
    assert of_clients.mean() == pytest.approx(run.rounds["test_accuracy"].iloc[-1])


def test_planning_and_running_agree_on_the_first_clients(tmp_path: Path) -> None:
    """``cutlayer plan`` gives the round time that a run's first plan predicts, for the same devices."""
    text = "name: p\nstop: {rounds: 1}\nschemes: [psl, fl]\n"
    text += "model: {name: lenet, input_shape: [1, 8, 8], classes: 10}\n"
    path = tmp_path / "sampled.yaml"
    path.write_text(text + "devices: {count: 30}\nparticipation: {per_round: 3}\n", encoding="utf-8")
    planned = plan(path, methods=["baseline_a"], bound_time_s=0.1)
    own = planned[planned["method"] == "scenario"].set_index("label")["predicted_s"]
    ran = cutlayer.run(path)
    for label, figures in ran.summary["schemes"].items():
        assert own[label] == figures["predicted_latency_s"]
