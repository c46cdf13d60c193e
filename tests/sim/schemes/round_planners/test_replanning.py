"""Planning anew: when it happens, on what knowledge, and what then runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special

from cutlayer.sim.radio.jakes import doppler_hz
from cutlayer.sim.radio.units import linear_to_db
from cutlayer.sim.schemes.planning.medium_access import DedicatedSubchannels
from cutlayer.sim.schemes.planning.plan import SchemePlan
from cutlayer.sim.schemes.round_planners.replanning import Replanner
from cutlayer.sim.world.world import World
from tests.support.worlds import Trial, experiment, trials

PARALLEL = ["sfl", "psl", {"name": "epsl", "phi": 0.5}, "fl"]
RAYLEIGH = {"model": "rayleigh", "coherence_s": 2e-3}


@dataclass(frozen=True)
class Noted:
    """A plan that was made anew: for whom, for which round, on which gains."""

    scheme: str
    number: int
    gains: NDArray[np.float64]
    plan: SchemePlan


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[Noted]:
    """Return the list in which every new plan is noted."""
    plans: list[Noted] = []
    before_round = Replanner.before_round

    def watched(planner: Replanner, world: World, number: int) -> None:
        replans = planner.num_replans
        before_round(planner, world, number)
        if planner.num_replans > replans:
            name = planner._scheme.parameters.name
            plans.append(Noted(name, number, planner.plan.resources.gains, planner.plan))

    monkeypatch.setattr(Replanner, "before_round", watched)
    return plans


def run(
    replan: dict[str, Any] | None, knowledge: dict[str, Any] | None = None, **sections: Any
) -> dict[str, Trial]:
    """Run schemes that plan anew; the cut is 2 and the power flat, if not said otherwise."""
    allocation = {"subchannels": "greedy", "cut": 2, "power": "uniform", **sections.pop("allocation", {})}
    if replan is not None:
        allocation["replan"] = replan
    return trials(
        experiment(
            **{"schemes": PARALLEL, **sections, "allocation": {**allocation, "knowledge": knowledge or {}}}
        )
    )


def prints(found: dict[str, Trial]) -> dict[str, str]:
    """Return each scheme's fingerprint."""
    return {label: trial.world.record.fingerprint() for label, trial in found.items()}


@pytest.mark.parametrize("power", ["uniform", "optimal"])
@pytest.mark.parametrize("subchannels", ["greedy", "marginal_greedy", "round_robin", [[0, 3], [1, 4], [2]]])
def test_on_a_channel_that_stays_nothing_changes(subchannels: Any, power: str) -> None:
    """The same gains give the same plan at any cut that is given: the timelines agree to the bit."""
    for seed in range(3):
        given: dict[str, Any] = {"seed": seed, "allocation": {"subchannels": subchannels, "power": power}}
        anew = run({"every_rounds": 1}, **given)
        assert prints(run(None, **given)) == prints(anew)
        assert [3] * len(PARALLEL) == [trial.planner.num_replans for trial in anew.values()]


@given(st.integers(1, 5))
def test_rounds_between_two_plans(every: int) -> None:
    """Planned at the start of round 1, and again after so many rounds: ⌈7/n⌉ times in seven rounds."""
    (trial,) = run({"every_rounds": every}, schemes=["psl"], stop={"rounds": 7}).values()
    assert -(-7 // every) == trial.planner.num_replans


@pytest.mark.parametrize("schemes", [["sl"], ["centralised"]])
def test_there_is_nothing_to_plan_anew_without_subchannels(schemes: list[str]) -> None:
    """Who has the whole band for itself, or sends nothing, has no allocation but its cut."""
    radio = {"fading": RAYLEIGH}
    anew = run({"every_rounds": 1}, schemes=schemes, radio=radio)
    assert prints(run(None, schemes=schemes, radio=radio)) == prints(anew)
    assert [0] == [trial.planner.num_replans for trial in anew.values()]


def test_turns_have_no_plan() -> None:
    """TDMA gives each its turn, planned or not."""
    radio = {"fading": RAYLEIGH, "sharing": "tdma"}
    assert prints(run(None, radio=radio)) == prints(run({"every_rounds": 1}, radio=radio))


@pytest.mark.parametrize("power", ["uniform", "optimal"])
def test_the_new_plan_predicts_the_round(noted: list[Noted], power: str) -> None:
    """With perfect knowledge a round that ends within its block takes as long as was planned at its start."""
    coherence_s = 0.4
    found = run(
        {"every_rounds": 1},
        allocation={"power": power},
        stop={"rounds": 20},
        radio={"fading": {"model": "rayleigh", "coherence_s": coherence_s}},
    )
    within = 0
    for label, trial in found.items():
        starts_s = [0.0, *trial.ends_s[:-1]]
        plans = [n.plan for n in noted if n.scheme == label.split()[0]]
        for start_s, end_s, plan in zip(starts_s, trial.ends_s, plans, strict=True):
            if start_s // coherence_s == end_s // coherence_s:
                within += 1
                assert plan.predicted_s == pytest.approx(end_s - start_s, rel=1e-9)
    assert within > 40


def test_the_cut_stays(noted: list[Noted]) -> None:
    """Whatever the channel does, new plans are for the cut that was chosen or drawn before round 1."""
    for cut in ("optimal", "random"):
        noted.clear()
        ready = experiment(
            schemes=["psl", {"name": "epsl", "phi": 0.5}],
            stop={"rounds": 4},
            model={"name": "resnet18", "input_shape": [3, 64, 64], "classes": 7},
            radio={
                "fading": RAYLEIGH,
                "subchannels": 3,
                "subchannel_hz": 100e6,
            },  # other cuts would be better
            allocation={"power": "uniform", "cut": cut, "replan": {"every_rounds": 1}},
        )
        first = {scheme.parameters.name: plan.cuts for scheme, plan in ready.schemes}
        trials(ready)
        assert 8 == len(noted)
        assert set(first.items()) == {(n.scheme, n.plan.cuts) for n in noted}


def test_estimates_err_alike_for_all_schemes(noted: list[Noted]) -> None:
    """In round n every scheme misjudges each gain by the same dB, though it plans at another instant."""
    run({"every_rounds": 1}, {"error_db": 4.0}, devices={"count": 10}, radio={"subchannels": 100})
    errors_db = [linear_to_db(n.gains) for n in noted]
    for number in (1, 2, 3):
        same = [error_db for n, error_db in zip(noted, errors_db, strict=True) if n.number == number]
        assert len(PARALLEL) == len(same)
        for error_db in same[1:]:
            assert same[0].tolist() == error_db.tolist()
    assert not np.isclose(errors_db[0], errors_db[1]).any(), "each round draws anew"


def test_estimates_err_as_much_as_the_scenario_says(noted: list[Noted]) -> None:
    """The known gains are the true ones times errors of mean 0 dB and the standard deviation given."""
    sections: dict[str, Any] = {"schemes": ["psl"], "devices": {"count": 10}, "radio": {"subchannels": 100}}
    run({"every_rounds": 1}, {"error_db": 4.0}, **sections)
    true_db = linear_to_db(experiment(**sections).deployment.resources.gains)
    errors_db = np.concatenate([linear_to_db(n.gains) - true_db for n in noted]).ravel()
    assert 3000 == errors_db.size
    assert 0.0 == pytest.approx(errors_db.mean(), abs=4 * 4.0 / np.sqrt(3000))
    assert 4.0 == pytest.approx(errors_db.std(), rel=0.06)


def test_wrong_estimates_do_not_change_the_channel(noted: list[Noted]) -> None:
    """Plans made on errors run on the true gains: with subchannels and power given, errors change nothing."""
    given: dict[str, Any] = {
        "radio": {"fading": RAYLEIGH, "subchannels": 3},
        "allocation": {"subchannels": [[0], [1], [2]], "power": {"dbm_per_hz": [-40, -40, -40]}},
    }
    assert prints(run(None, **given)) == prints(run({"every_rounds": 1}, {"error_db": 6.0}, **given))


def stepping(folder: Path, *rows: str) -> dict[str, Any]:
    """Return a radio section in which two devices' gains are -90 dB at first, and then as the rows say.

    A row is ``device,subchannel,time_s,gain_db``.
    """
    start = [f"{device},{subchannel},0,-90" for device in (0, 1) for subchannel in (0, 1)]
    (folder / "gains.csv").write_text("\n".join(["device,subchannel,time_s,gain_db", *start, *rows]) + "\n")
    return {"subchannels": 2, "path_loss": {"model": "fixed", "file": str(folder / "gains.csv")}}


def test_subchannels_are_swapped_by_hand(tmp_path: Path) -> None:
    """Client 0's subchannel fades by 20 dB before the second round: planned anew, it takes the other one.

    An uplink then takes b·ψ/R with R = B log2(1 + pGγ/σ²) of -90 dB, as before; without planning of -110 dB.
    """
    two: dict[str, Any] = {"schemes": ["psl"], "devices": {"count": 2, "clock_hz": [1e9, 2e9]}}
    radio = stepping(tmp_path, "0,0,0.001,-110")
    once, anew = (run(replan, radio=radio, **two)["psl"] for replan in (None, {"every_rounds": 1}))
    for trial, gains_db in ((once, (-90, -110, -110)), (anew, (-90, -90, -90))):
        table = trial.world.record.frame()
        rows = table[(table["node"] == "device-0") & (table["phase"] == "uplink")]
        assert 3 == len(rows)
        for row, gain_db in list(zip(rows.to_dict("records"), gains_db, strict=True))[1:]:
            psd = 10 ** (31.76 / 10) / 1e3 / 10e6
            rate_bps = 10e6 * np.log2(1 + psd * 10 * 10 ** (gain_db / 10) / (10 ** (-174 / 10) / 1e3))
            assert row["bits"] / rate_bps == pytest.approx(row["end_s"] - row["start_s"], rel=1e-9)


def test_old_knowledge_is_of_then(tmp_path: Path, noted: list[Noted]) -> None:
    """Gains known with an age are those that held so long ago; before time 0, those of time 0."""
    two: dict[str, Any] = {"schemes": ["psl"], "devices": {"count": 2}, "stop": {"rounds": 5}}
    still = run(None, radio=stepping(tmp_path), **two)["psl"].ends_s
    change_s, age_s = still[0] * 0.5, still[0] * 1.75
    (trial,) = run(
        {"every_rounds": 1}, {"age_s": age_s}, radio=stepping(tmp_path, f"0,0,{change_s!r},-93"), **two
    ).values()
    starts_s = np.array([0.0, *trial.ends_s[:-1]])
    expected_db = np.where(starts_s - age_s < change_s, -90.0, -93.0)
    assert {-90.0, -93.0} == set(expected_db.tolist())
    assert expected_db.tolist() == pytest.approx([float(linear_to_db(n.gains[0, 0])) for n in noted])


@pytest.mark.parametrize(
    ("change_db", "rounds"),
    [(0.5, [2, 3, 4, 5]), (1.5, [3, 5]), (2.5, [4]), (4.5, []), (1e6, [])],
)
def test_a_change_is_counted_from_the_last_plan(
    tmp_path: Path, noted: list[Noted], change_db: float, rounds: list[int]
) -> None:
    """One client's gains fall by 1 dB before each round: steps add up until they are planned for.

    Falls are 1, 2, 3 and 4 dB by rounds 2 to 5: at 1.5 dB rounds 3 (2 dB) and 5 (2 dB more) are planned for.
    """
    two: dict[str, Any] = {"schemes": ["psl"], "devices": {"count": 2}, "stop": {"rounds": 5}}
    round_s = run(None, radio=stepping(tmp_path), **two)["psl"].ends_s[0]
    # A fall makes rounds longer, but by far less than a round: each begins behind its own instant.
    rows = [f"1,{subchannel},{n * round_s * 0.9!r},{-90 - n}" for n in (1, 2, 3, 4) for subchannel in (0, 1)]
    (trial,) = run({"change_db": change_db}, radio=stepping(tmp_path, *rows), **two).values()
    starts_s = np.array(trial.ends_s[:-1])
    assert [1, 2, 3, 4] == [int(start_s // (0.9 * round_s)) for start_s in starts_s]
    assert rounds == [n.number for n in noted]


def test_other_clients_subchannels_do_not_count(tmp_path: Path, noted: list[Noted]) -> None:
    """A fall on subchannels that a client does not use is no change of its own mean gain."""
    explicit = {"subchannels": [[0], [1]]}
    for row, planned in (("1,0,0.001,-120", 0), ("1,1,0.001,-120", 1)):
        noted.clear()
        run(
            {"change_db": 3.0},
            radio=stepping(tmp_path, row),
            schemes=["psl"],
            devices={"count": 2},
            allocation=explicit,
        )
        assert planned == len(noted)


def test_a_threshold_that_is_never_reached_is_no_planning(noted: list[Noted]) -> None:
    """With a huge change_db the timeline is that of a run that plans once, to the bit."""
    radio = {"fading": RAYLEIGH}
    assert prints(run(None, radio=radio)) == prints(run({"change_db": 1e6}, radio=radio))
    assert [] == noted


def test_random_subchannels_are_drawn_anew(noted: list[Noted]) -> None:
    """Every new plan draws by the round's number: another assignment, the same for every scheme."""
    run({"every_rounds": 1}, allocation={"subchannels": "random"}, stop={"rounds": 4})
    owners: dict[int, set[tuple[int, ...]]] = {n.number: set() for n in noted}
    for n in noted:
        assert isinstance(n.plan.access, DedicatedSubchannels)
        owners[n.number].add(tuple(n.plan.access.client_of.tolist()))
    assert [1] * 4 == [len(found) for found in owners.values()]
    assert 4 == len(set.union(*owners.values()))


@pytest.mark.parametrize("sharing", ["dedicated", "work_conserving"])
def test_new_plans_reach_the_air(sharing: str, noted: list[Noted]) -> None:
    """Each round's uplinks are no slower than its own plan says, on the gains of a block that lasts."""
    (trial,) = run(
        {"every_rounds": 1},
        {"error_db": 3.0},
        schemes=["psl"],
        radio={"sharing": sharing, "subchannels": 9},
    ).values()
    table = trial.world.record.frame()
    true_gains = experiment(radio={"subchannels": 9}).deployment.resources.gains
    for n in noted:
        rates_bps = n.plan.access.links(replace(n.plan.resources, gains=true_gains)).uplink_bps
        rows = table[(table["round"] == n.number) & (table["phase"] == "uplink")]
        assert 3 == len(rows)
        for row in rows.to_dict("records"):
            planned_bps = rates_bps[int(row["node"].removeprefix("device-"))]
            actual_bps = row["bits"] / (row["end_s"] - row["start_s"])
            if sharing == "dedicated":
                assert planned_bps == pytest.approx(actual_bps, rel=1e-9)
            assert planned_bps <= actual_bps * (1 + 1e-9)
    assert len({tuple(n.plan.links.uplink_bps) for n in noted}) == 3, "three plans that differ"


def test_planning_goes_on_when_a_device_has_left() -> None:
    """Batteries and new plans go together: the rounds of those that are left go on."""
    found = run({"every_rounds": 1}, stop={"rounds": 6}, devices={"count": 3, "battery_j": [0.01, 1e3, 1e3]})
    for trial in found.values():
        assert (6, 6) == (len(trial.results), trial.planner.num_replans)
        assert (1, 2) == trial.results[-1].outcome.participants


def test_knowing_the_block_pays() -> None:
    """Over many blocks, plans made on the gains that hold are far faster than one made without them."""
    radio = {"fading": {"model": "rayleigh", "coherence_s": 0.1}, "subchannels": 12}
    given: dict[str, Any] = {"schemes": ["psl"], "stop": {"rounds": 30}, "radio": radio}
    ends_s = [
        run(replan, allocation={"subchannels": "marginal_greedy", "power": "optimal"}, **given)["psl"].ends_s[
            -1
        ]
        for replan in (None, {"every_rounds": 1})
    ]
    assert ends_s[1] < 0.9 * ends_s[0]


@pytest.mark.parametrize("age_s", [0.0, 1e-3, 3e-3, 8e-3])
def test_aged_knowledge_of_moving_devices_is_correlated(age_s: float) -> None:
    """With Jakes' fading an estimate of age t has the correlation J0(2π f_D t)² with the gains."""
    radio = {"fading": {"model": "jakes", "speed_mps": 1.5, "step_s": 1e-4}, "subchannels": 24}
    allocation = {"knowledge": {"age_s": age_s}, "subchannels": "round_robin", "power": "uniform", "cut": 2}
    context = experiment(radio=radio, devices={"count": 24}, allocation=allocation).context
    path, times_s = context.channel.problem.gains, np.arange(1, 41) * 0.1 + 5e-5
    now = np.stack([context.channel.at(time_s)[0] / path for time_s in times_s])
    estimated = np.stack([context.estimated_gains(context.channel, time_s, 1) / path for time_s in times_s])
    expected = special.j0(2 * np.pi * float(doppler_hz(1.5, 28e9)) * age_s) ** 2
    assert pytest.approx(expected, abs=0.04) == np.corrcoef(now.ravel(), estimated.ravel())[0, 1]
