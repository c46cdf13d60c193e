"""The channel over time: constant from one change to the next, drawn by seed and block alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.schema.scenario import Devices, Radio
from cutlayer.sim.links.channel import Channel, draw_channel
from cutlayer.sim.nodes.fleet import draw_fleet
from cutlayer.sim.radio.units import db_to_linear
from tests.support.worlds import positive

FADING = [{"model": "rayleigh", "coherence_s": 0.1}, {"model": "rician", "k_db": 3.0, "coherence_s": 0.1}]
MOVES = "device,time_s,x_m,y_m\n0,0,30,40\n1,0,0,10\n0,2.5,60,80\n1,4,0,20\n"
GAINS = "device,time_s,gain_db\n0,0,-100\n1,0,-110\n0,2.5,-120\n1,4,-90\n"


def channel(seed: int = 0, devices: dict[str, Any] | None = None, **radio: Any) -> Channel:
    """Return the channel of two devices, if not said otherwise, on four subchannels."""
    fleet = draw_fleet(Devices.model_validate({"count": 2, **(devices or {})}), seed)
    return draw_channel(Radio.model_validate({"subchannels": 4, **radio}), fleet, seed)


def moving(folder: Path, **radio: Any) -> Channel:
    """Return the channel of two devices that move at 2.5 and at 4 s: 60 dB, 20 dB more a decade."""
    (folder / "moves.csv").write_text(MOVES)
    law = {"model": "log_distance", "exponent": 2, "reference_loss_db": 60}
    return channel(devices={"positions": folder / "moves.csv"}, path_loss=law, **radio)


def test_without_fading_gains_stay_for_ever() -> None:
    """A channel that does not change says so, and has the planned gains at any instant."""
    still = channel()
    assert still.constant
    for time_s in (0.0, 1e9):
        gains, until_s = still.at(time_s)
        assert still.problem.gains.tolist() == gains.tolist()
        assert np.inf == until_s


@given(positive(1e-4, 10), st.integers(0, 10**6), st.integers(-2, 2), st.floats(0, 1, exclude_max=True))
def test_a_block_lasts_until_its_end(coherence_s: float, number: int, ulps: int, share: float) -> None:
    """At the edges too, to the last bit: the end lies ahead, and all before it is one block, and not it."""
    faded = channel(fading={"model": "rayleigh", "coherence_s": coherence_s})
    time_s = number * coherence_s
    for _ in range(abs(ulps)):
        time_s = float(np.nextafter(time_s, np.inf if ulps > 0 else 0.0))
    state, until_s = faded.state(time_s)
    assert time_s < until_s <= time_s + coherence_s * (1 + 1e-9)
    last_s = float(np.nextafter(until_s, 0.0))
    assert state == faded.state(min(time_s + share * (until_s - time_s), last_s))[0]
    assert state == faded.state(last_s)[0]
    assert (0, state[1] + 1) == faded.state(until_s)[0]


@pytest.mark.parametrize("coherence_s", [0.1, 0.3, 1 / 3, 1e-3])
def test_no_block_is_left_out(coherence_s: float) -> None:
    """Going from end to end visits the blocks 0, 1, 2 and so on, though the ends are rounded."""
    faded = channel(fading={"model": "rayleigh", "coherence_s": coherence_s})
    now_s, visited = 0.0, []
    for _ in range(3000):
        (_, block), now_s = faded.state(now_s)
        visited.append(block)
    assert list(range(3000)) == visited


@pytest.mark.parametrize("fading", FADING, ids=lambda fading: str(fading["model"]))
def test_a_block_depends_on_seed_and_number_alone(fading: dict[str, Any]) -> None:
    """Blocks asked for in any order are the same; those of other numbers and other seeds are not."""
    times_s = [0.05 + 0.1 * n for n in range(100)]  # more than are kept at hand
    one, other = channel(fading=fading), channel(fading=fading)
    forwards = [one.at(time_s)[0].tolist() for time_s in times_s]
    assert forwards == [other.at(time_s)[0].tolist() for time_s in reversed(times_s)][::-1]
    assert 100 == len({str(gains) for gains in forwards})
    path = one.problem.gains
    elsewhere = channel(seed=1, fading=fading)
    assert not np.isclose(one.at(0.0)[0] / path, elsewhere.at(0.0)[0] / elsewhere.problem.gains).any()


@pytest.mark.parametrize("fading", FADING, ids=lambda fading: str(fading["model"]))
def test_a_further_device_changes_no_others_fading(fading: dict[str, Any]) -> None:
    """With as many subchannels, device i fades alike in a fleet of two and in one of three."""
    fadings = []
    for count in (2, 3):
        one = channel(devices={"count": count, "distance_m": 100.0}, fading=fading)
        fadings.append([one.at(time_s)[0][:2].tolist() for time_s in (0.0, 0.1, 7.7)])
    assert fadings[0] == fadings[1]


def test_fading_is_a_factor_of_the_path_gain() -> None:
    """At other distances the same seed has the same fading."""
    ratios = []
    for distance_m in (20.0, 150.0):
        one = channel(devices={"distance_m": distance_m}, fading=FADING[0])
        ratios.append((one.at(0.35)[0] / one.problem.gains).ravel())
    assert ratios[0].tolist() == pytest.approx(ratios[1].tolist(), rel=1e-12)


def test_a_first_plan_knows_the_gains_without_fading() -> None:
    """Fading is no part of the problem that is planned for before the run."""
    assert channel().problem.gains.tolist() == channel(fading=FADING[0]).problem.gains.tolist()


def test_devices_that_move_lose_sight_and_never_regain_it_farther_away(tmp_path: Path) -> None:
    """A device has one draw for its state: one that moves away may lose sight, and never finds it again."""
    rows = [f"{device},{time_s},{10 * 2.0**time_s},0" for time_s in range(6) for device in range(40)]
    (tmp_path / "moves.csv").write_text("\n".join(["device,time_s,x_m,y_m", *rows]))
    law = {"model": "samimi_28ghz", "mode": "sampled"}
    moves = channel(devices={"count": 40, "positions": tmp_path / "moves.csv"}, path_loss=law)
    assert moves.path_gains is not None
    in_sight = moves.path_gains.in_sight
    assert in_sight is not None
    assert in_sight[0].all()
    assert not in_sight[-1].all()
    assert (np.diff(in_sight.astype(int), axis=0) <= 0).all()
    half_s = moves.path_gains.sight_shares(0.5)
    assert [1.0] * 40 == half_s.tolist()


def test_positions_change_gains_at_their_instants(tmp_path: Path) -> None:
    """At 50, 10 m, then 100, 10 m from 2.5 s on, then 100, 20 m: 60 dB and 20 dB a tenfold of distance."""
    moves = moving(tmp_path)
    assert not moves.constant
    for time_s, distances_m, end_s in (
        (0.0, (50, 10), 2.5),
        (np.nextafter(2.5, 0), (50, 10), 2.5),
        (2.5, (100, 10), 4.0),
        (3.9, (100, 10), 4.0),
        (4.0, (100, 20), np.inf),
        (1e6, (100, 20), np.inf),
    ):
        gains, until_s = moves.at(time_s)
        assert [[1e-6 / d**2] * 4 for d in distances_m] == [pytest.approx(row) for row in gains.tolist()]
        assert end_s == until_s
    assert moves.problem.gains.tolist() == moves.at(0.0)[0].tolist()


def test_gains_of_a_table_change_at_their_instants(tmp_path: Path) -> None:
    """A gain of the table holds from its instant on, on all subchannels."""
    (tmp_path / "gains.csv").write_text(GAINS)
    table = channel(path_loss={"model": "fixed", "file": tmp_path / "gains.csv"})
    for time_s, gains_db in ((0.0, (-100, -110)), (2.5, (-120, -110)), (4.0, (-120, -90))):
        expected = np.repeat(db_to_linear(np.array(gains_db, dtype=float))[:, np.newaxis], 4, axis=1)
        assert expected.tolist() == table.at(time_s)[0].tolist()


def test_moves_and_fading_go_on_side_by_side(tmp_path: Path) -> None:
    """Whichever changes first ends the stretch; gains are the product of both at that instant."""
    both = moving(tmp_path, fading={"model": "rayleigh", "coherence_s": 1.0})
    path, fading = moving(tmp_path), channel(fading={"model": "rayleigh", "coherence_s": 1.0})
    now_s, ends_s = 0.0, []
    for _ in range(6):
        gains, until_s = both.at(now_s)
        factors = fading.at(now_s)[0] / fading.problem.gains
        assert (path.at(now_s)[0] * factors).tolist() == [pytest.approx(row) for row in gains.tolist()]
        ends_s.append(until_s)
        now_s = until_s
    assert [1.0, 2.0, 2.5, 3.0, 4.0, 5.0] == ends_s


def test_what_changes_gains_is_given_once(tmp_path: Path) -> None:
    """Gains over time and devices that move contradict each other."""
    (tmp_path / "gains.csv").write_text(GAINS)
    (tmp_path / "moves.csv").write_text(MOVES)
    with pytest.raises(ValueError, match="both the gains and the positions change over time"):
        channel(
            devices={"positions": tmp_path / "moves.csv"},
            path_loss={"model": "fixed", "file": tmp_path / "gains.csv"},
        )


JAKES = {"model": "jakes", "speed_mps": 30.0}


@pytest.mark.parametrize("fading", [*FADING, JAKES], ids=lambda fading: str(fading["model"]))
@pytest.mark.parametrize("moves", [False, True])
def test_a_window_holds_the_gains_of_each_instant(
    fading: dict[str, Any], moves: bool, tmp_path: Path
) -> None:
    """Gains of some clients, or of one client on each subchannel, are those of the channel then."""
    living = moving(tmp_path, fading=fading) if moves else channel(fading=fading)
    clients, rows, subchannels = np.array([1, 0]), np.array([1, 0, 1]), np.array([3, 0, 1])
    for time_s in (0.0, 2.45, 3.999, 4.0, 77.0):
        window = living.window(time_s)
        of_clients, of_subchannels = window.of_clients(clients), window.of_subchannels(rows, subchannels)
        assert window.edges_s[0] <= time_s < window.edges_s[-1]
        for block in {0, window.index(time_s), len(window) - 1}:
            begin_s = float(window.edges_s[block])
            gains, until_s = living.at(begin_s)
            assert until_s == window.edges_s[block + 1]
            assert gains[clients].tolist() == of_clients[block].tolist()
            assert gains[rows, subchannels].tolist() == of_subchannels[block].tolist()


def test_a_channel_of_all_clients_is_the_channel() -> None:
    """The channel of some clients has their gains of the channel of all, in the order of the clients."""
    everyone = channel(devices={"count": 3}, fading=FADING[0])
    for time_s in (0.0, 0.05, 33.3):
        assert everyone.at(time_s)[0][[2, 0]].tolist() == everyone.of((2, 0)).at(time_s)[0].tolist()


def test_fading_is_drawn_only_for_the_clients_that_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates of one client need no random numbers of the other clients."""
    living = channel(devices={"count": 3}, fading=FADING[0])
    assert living.fading is not None
    drawn = list[int]()
    make_chunk = living.fading.make_chunk

    def count_chunks(client: int, number: int) -> Any:
        drawn.append(client)
        return make_chunk(client, number)

    monkeypatch.setattr(living.fading, "_chunks", count_chunks)
    living.window(0.0).of_clients(np.array([1]))
    assert [1] == drawn
