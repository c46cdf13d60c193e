"""Whole runs on channels that change and bands that are shared: what no run may break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cutlayer
from cutlayer.scenarios.schema.scenario import Server
from cutlayer.sim.links.schedulers import Tdma
from cutlayer.sim.schemes.planning.medium_access import DedicatedSubchannels
from cutlayer.sim.schemes.planning.plan import PlannedLinks
from tests.support.closed_forms import Forms
from tests.support.worlds import Setting, Trial, experiment, fleet, links, run_timeline, trials, unit_table

SCHEMES = ["sl", "sfl", "sfl_v2", "psl", {"name": "epsl", "phi": 0.5}, "fl", "centralised"]
FADING = [
    {"model": "none"},
    {"model": "rayleigh", "coherence_s": 2e-3},
    {"model": "rician", "k_db": 6.0, "coherence_s": 7e-3},
]
SHARING = ["dedicated", "work_conserving", "tdma"]


def living(seed: int = 0, **sections: Any) -> dict[str, Trial]:
    """Run all schemes; rounds take 20 to 50 ms, so that a transfer spans several blocks of fading."""
    return trials(experiment(**{"seed": seed, "schemes": SCHEMES, **sections}))


def tables(found: dict[str, Trial]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each scheme's record."""
    for label, trial in found.items():
        yield label, trial.world.record.frame()


def bits(table: pd.DataFrame) -> dict[Any, float]:
    """Return what each node sent in each phase of each round."""
    sums = table[table["bits"] > 0].groupby(["round", "node", "phase"], observed=True)["bits"].sum()
    return dict(sums.items())


@pytest.mark.parametrize("service", ["barrier", "arrival"])
@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("fading", FADING, ids=lambda fading: str(fading["model"]))
def test_no_bit_is_lost_on_the_way(fading: dict[str, Any], sharing: str, service: str) -> None:
    """Whatever the channel does and however the band is shared, each node sends as much in each round."""
    server = {"service": service}
    still = dict(tables(living(server=server)))
    for label, table in tables(living(server=server, radio={"fading": fading, "sharing": sharing})):
        assert bits(still[label]) == pytest.approx(bits(table), rel=1e-9)
        assert (table["wait_s"] >= 0).all()
        for _, lane in table.groupby(["node", "lane"], observed=True):
            ordered = lane.sort_values(["start_s", "end_s"])
            assert (ordered["start_s"].to_numpy()[1:] >= ordered["end_s"].to_numpy()[:-1]).all()


def test_air_time_costs_the_planned_power_through_all_blocks() -> None:
    """Energy over time of a client's uplinks is the power that it was given, whatever its rate is."""
    ready = experiment(schemes=["psl", "sl"], radio={"fading": FADING[1]})
    found = trials(ready)
    for scheme, plan in ready.schemes:
        table = found[str(scheme.parameters.label)].world.record.frame()
        for client, power_w in enumerate(plan.links.uplink_w):
            rows = table[(table["node"] == f"device-{client}") & (table["lane"] == "uplink")]
            assert len(rows) > 0
            powers_w = rows["energy_j"] / (rows["end_s"] - rows["start_s"])
            assert [pytest.approx(power_w)] * len(rows) == powers_w.tolist()


@pytest.mark.parametrize("fading", FADING[1:], ids=lambda fading: str(fading["model"]))
def test_a_transfer_carries_the_integral_of_the_planned_rate(fading: dict[str, Any]) -> None:
    """Σ B log2(1 + pGγ/σ²) of the instant, summed in a thousand steps, gives each uplink's bits."""
    ready = experiment(schemes=["psl"], radio={"fading": fading})
    ((_, plan),) = ready.schemes
    assert isinstance(plan.access, DedicatedSubchannels)
    channel, band = ready.context.channel, ready.deployment.resources.band
    (trial,) = trials(ready).values()
    uplinks = trial.world.record.frame().query("phase == 'uplink'")
    assert len(uplinks) == 9
    for row in uplinks.to_dict("records"):
        client, steps = int(row["node"].removeprefix("device-")), 1000
        width_s = (row["end_s"] - row["start_s"]) / steps
        own = plan.access.client_of == client
        sent = 0.0
        for step in range(steps):
            gains, _ = channel.at(row["start_s"] + (step + 0.5) * width_s)
            snr = plan.access.psd_w_per_hz[own] * band.antenna_gain * gains[client, own] / band.noise_w_per_hz
            sent += width_s * float((band.subchannel_hz * np.log2(1 + snr)).sum())
        assert row["bits"] == pytest.approx(sent, rel=0.02)


@given(st.integers(0, 50))
def test_within_one_block_the_closed_forms_hold(seed: int) -> None:
    """A block that outlasts the run is a constant channel of its gains: the papers' round times hold."""
    ready = experiment(
        seed=seed,
        schemes=["sl", "sfl", "psl", {"name": "epsl", "phi": 0.5}, "fl"],
        stop={"rounds": 1},
        radio={"fading": {"model": "rayleigh", "coherence_s": 1e9}},
    )
    found = trials(ready)
    for scheme, plan in ready.schemes:
        block, _ = PlannedLinks(plan, ready.context.channel).at(0.0)
        forms = Forms(Setting(ready.units, 16, ready.fleet, ready.loaded.scenario.server, block), 2)
        closed_forms: dict[str, Callable[[], float]] = {
            "sl": forms.sl,
            "sfl": forms.sfl,
            "psl": partial(forms.epsl, 0),
            "epsl": partial(forms.epsl, 8, forward_twice=True),
            "fl": partial(forms.fl, 1),
        }
        expected_s = closed_forms[scheme.parameters.name]()
        assert expected_s == pytest.approx(found[str(scheme.parameters.label)].ends_s[0], rel=1e-9)


def test_fading_changes_the_rounds() -> None:
    """Rounds of a constant channel take equally long; with fading no two of them do."""
    for label, trial in living(radio={"fading": FADING[1]}).items():
        lengths_s = np.diff([0.0, *trial.ends_s])
        assert (1 if label == "centralised" else 3) == len(set(np.round(lengths_s, 12))), label


@pytest.mark.parametrize("sharing", SHARING)
def test_a_run_can_be_repeated_whatever_else_runs(sharing: str) -> None:
    """Again, alone, in another order: every scheme meets the same channel and does the same, to the bit."""
    radio = {"fading": FADING[1], "sharing": sharing}
    replan = {"cut": 2, "replan": {"every_rounds": 2}, "knowledge": {"error_db": 3.0}}
    prints = {
        label: t.world.record.fingerprint() for label, t in living(radio=radio, allocation=replan).items()
    }
    again = living(radio=radio, allocation=replan, schemes=SCHEMES[::-1])
    assert prints == {label: trial.world.record.fingerprint() for label, trial in again.items()}
    for scheme in SCHEMES:
        ((label, alone),) = living(radio=radio, allocation=replan, schemes=[scheme]).items()
        assert prints[label] == alone.world.record.fingerprint()


@pytest.mark.parametrize("fading", FADING[:2], ids=lambda fading: str(fading["model"]))
def test_who_sends_alone_shares_with_nobody(fading: dict[str, Any]) -> None:
    """SL has the whole band for one client at a time: the way of sharing makes no difference to the bit."""
    prints = {
        living(schemes=["sl"], radio={"fading": fading, "sharing": sharing})["sl"].world.record.fingerprint()
        for sharing in SHARING
    }
    assert 1 == len(prints)


def test_one_client_has_the_band_however_it_is_shared() -> None:
    """With one client and flat power all ways of sharing take the same time: all of the band is its own."""
    allocation = {"cut": 2, "power": "uniform"}
    ends_s = [
        [
            trial.ends_s
            for trial in living(
                devices={"count": 1}, allocation=allocation, radio={"sharing": sharing, "fading": FADING[2]}
            ).values()
        ]
        for sharing in SHARING
    ]
    for shared in ends_s[1:]:
        assert ends_s[0] == [pytest.approx(of_scheme, rel=1e-9) for of_scheme in shared]


@given(st.integers(0, 30), st.sampled_from(["uniform", "optimal"]), st.sampled_from(["barrier", "arrival"]))
def test_lending_never_makes_a_round_longer(seed: int, power: str, service: str) -> None:
    """On a constant channel every transfer ends no later, so behind the barrier neither does any round.

    In a queue an earlier arrival may go ahead of another's, so there it is the last arrival that is no later.
    """
    rounds_s, arrivals_s = {}, {}
    for sharing in ("dedicated", "work_conserving"):
        found = trials(
            experiment(
                seed=seed,
                schemes=["psl", {"name": "epsl", "phi": 0.5}, "sfl", "fl"],
                stop={"rounds": 1},
                devices={"count": 4},
                server={"service": service},
                radio={"sharing": sharing, "subchannels": 10},
                allocation={"subchannels": "greedy", "cut": 2, "power": power},
            )
        )
        rounds_s[sharing] = np.array([trial.ends_s[0] for trial in found.values()])
        arrivals_s[sharing] = np.array(
            [
                table.loc[table["phase"] == ("model_upload" if label == "fl" else "uplink"), "end_s"].max()
                for label, table in tables(found)
            ]
        )
    assert (arrivals_s["work_conserving"] <= arrivals_s["dedicated"] * (1 + 1e-9)).all()
    if service == "barrier":
        assert (rounds_s["work_conserving"] <= rounds_s["dedicated"] * (1 + 1e-9)).all()


def test_lending_gains_where_clients_end_apart() -> None:
    """With flat power the last client gets what the others leave: PSL's rounds are really shorter."""
    ends_s = [
        living(schemes=["psl"], allocation={"cut": 2, "power": "uniform"}, radio={"sharing": sharing})[
            "psl"
        ].ends_s
        for sharing in ("work_conserving", "dedicated")
    ]
    assert ends_s[0][-1] < 0.99 * ends_s[1][-1]


@given(st.integers(0, 30), st.sampled_from(["work_conserving", "tdma"]))
def test_a_shared_bands_prediction_is_an_upper_bound(seed: int, sharing: str) -> None:
    """No round is longer than predicted, but for a slot of each other client in each of three transfers."""
    slot_s = 1e-5
    ready = experiment(
        seed=seed,
        schemes=["psl", {"name": "epsl", "phi": 0.5}, "sfl", "fl"],
        stop={"rounds": 1},
        radio={"sharing": sharing, "tdma_slot_s": slot_s},
    )
    found = trials(ready)
    slack_s = 3 * 2 * slot_s if sharing == "tdma" else 0.0
    for scheme, plan in ready.schemes:
        end_s = found[str(scheme.parameters.label)].ends_s[0]
        assert end_s <= plan.predicted_s * (1 + 1e-9) + slack_s


@pytest.mark.parametrize("fading", FADING, ids=lambda fading: str(fading["model"]))
@pytest.mark.parametrize("sharing", SHARING)
def test_a_broadcast_has_the_band_alone(sharing: str, fading: dict[str, Any]) -> None:
    """In a queue aggregated gradients wait for the clients' own downlinks, however these share the band."""
    (trial,) = living(
        schemes=[{"name": "epsl", "phi": 0.5}],
        server={"service": "arrival"},
        radio={"sharing": sharing, "fading": fading},
    ).values()
    table = trial.world.record.frame()
    for _, rows in table.groupby("round"):
        broadcast = rows[rows["phase"] == "broadcast"]
        assert 1 == len(broadcast)
        downlinks, backward = rows[rows["phase"] == "downlink"], rows[rows["phase"] == "client_backward"]
        assert 3 == len(downlinks) == len(backward)
        assert downlinks["end_s"].max() <= broadcast["start_s"].item()
        assert broadcast["end_s"].item() <= backward["start_s"].min()


def test_one_at_a_time_in_turns() -> None:
    """With slots that are never full, transfers of a direction follow each other without overlap."""
    table = living(schemes=["psl"], radio={"sharing": "tdma", "tdma_slot_s": 1.0})["psl"].world.record.frame()
    for lane in ("uplink", "downlink"):
        rows = table[table["lane"] == lane].sort_values("start_s")
        assert 9 == len(rows)
        assert (rows["start_s"].to_numpy()[1:] >= rows["end_s"].to_numpy()[:-1] * (1 - 1e-12)).all()


def late(sharing: str, deadline_s: float) -> tuple[pd.DataFrame, list[tuple[int, ...]]]:
    """Run PSL with forward passes of 1 and 2 s and uplinks of 2 s, shared or not; downlinks too."""
    units = unit_table([(1.0, 2.0, 2.0, 2.0, 2.0), (1.0, 1.0, 1.0, 1.0, 1.0)])
    rates = links([1.0] * 2, [1.0] * 2, [1.0] * 2)
    case = Setting(units, 1, fleet([1.0, 0.5], [1.0] * 2), Server(clock_hz=1.0, cycles_per_flop=1.0), rates)
    rules = (Tdma(rates, uplink=True, slot_s=8.0), Tdma(rates, uplink=False, slot_s=8.0))
    world, results = run_timeline(
        case, "psl", 1, count=2, deadline_s=deadline_s, sharing=rules if sharing == "tdma" else None
    )
    return world.record.frame(), [result.outcome.participants for result in results]


@pytest.mark.parametrize(
    ("sharing", "deadline_s", "participants"),
    [
        ("dedicated", 3.0, (0,)),
        ("dedicated", 4.0, (0, 1)),
        ("tdma", 2.75, ()),
        ("tdma", 3.0, (0,)),
        ("tdma", 4.75, (0,)),
        ("tdma", 5.0, (0, 1)),
    ],
)
def test_who_arrives_at_the_very_deadline_is_in_time(
    sharing: str, deadline_s: float, participants: tuple[int, ...]
) -> None:
    """Data are there at 3 and 4 s, in turns at 3 and 5 s: at that deadline still in time, before it not."""
    assert [participants] * 2 == late(sharing, deadline_s)[1]


def test_a_late_transfer_keeps_what_was_sent() -> None:
    """In turns client 1 sends from 3 s on: at 4.75 s it has sent 1.75 bits for as many joules, and stops."""
    table, _ = late("tdma", 4.75)
    row = table[(table["node"] == "device-1") & (table["lane"] == "uplink")].iloc[0]
    assert (3.0, 4.75, 1.75, 1.75) == (row["start_s"], row["end_s"], row["bits"], row["energy_j"])


def test_devices_that_move_away_take_longer(tmp_path: Path) -> None:
    """From the instant of the move on: the rounds before take as long as on a channel that stays."""
    law = {"path_loss": {"model": "log_distance", "exponent": 3, "reference_loss_db": 60}}
    rows = "\n".join(f"{i},0,{30 + i},0" for i in range(3))
    (tmp_path / "still.csv").write_text(f"device,time_s,x_m,y_m\n{rows}\n")
    still = living(
        schemes=["psl", "sl"], devices={"count": 3, "positions": tmp_path / "still.csv"}, radio=law
    )
    for label, stayed in still.items():
        moved_s = stayed.ends_s[0]
        (tmp_path / "away.csv").write_text(f"device,time_s,x_m,y_m\n{rows}\n1,{moved_s!r},0,150\n")
        away = living(schemes=[label], devices={"count": 3, "positions": tmp_path / "away.csv"}, radio=law)
        lengths_s = [np.diff([0.0, *trial.ends_s]) for trial in (stayed, away[label])]
        assert lengths_s[0][0] == pytest.approx(lengths_s[1][0], rel=1e-9)
        assert (lengths_s[1][1:] > 1.01 * lengths_s[0][1:]).all()
        assert lengths_s[1][1] == pytest.approx(lengths_s[1][2], rel=1e-9)


SCENARIO = """\
name: living
stop: {rounds: 3}
schemes: [sl, sfl, psl, epsl, fl]
batch_size: 16
model: {name: lenet, input_shape: [1, 28, 28], classes: 10}
devices: {count: 3}
radio: {fading: {model: rayleigh, coherence_s: 2.0e-3}, sharing: work_conserving}
allocation: {cut: 2, replan: {every_rounds: 1}, knowledge: {age_s: 1.0e-3, error_db: 1}}
"""


def test_a_run_folder_is_written_and_can_be_repeated(tmp_path: Path) -> None:
    """Two runs of a scenario in which all changes give the same rows and the same fingerprints."""
    (tmp_path / "living.yaml").write_text(SCENARIO)
    one, again = (cutlayer.run(tmp_path / "living.yaml", out=tmp_path / name) for name in ("one", "again"))
    for first, second in zip((one.rounds, one.intervals), (again.rounds, again.intervals), strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    for label, figures in one.summary["schemes"].items():
        assert figures["timeline_fingerprint"] == again.summary["schemes"][label]["timeline_fingerprint"]
        assert (1 if label == "sl" else 4) == figures["plans"]
