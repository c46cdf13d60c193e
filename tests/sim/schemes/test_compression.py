"""Compression on both clocks: what is computed and sent in time is what the tensors come to."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pandas as pd
import pytest
from torch import Tensor

from cutlayer.analysis.results.recorded_tables import RecordWriter
from cutlayer.experiments.compression import check_prunable
from cutlayer.experiments.execution.scheme_run import make_world, run_scheme, scheme_learner
from cutlayer.experiments.experiment import Experiment
from cutlayer.experiments.preparation import prepare
from cutlayer.models.compression.cut_layer_codec import CutLayerCodec
from cutlayer.models.compression.filter_removal import remove_filters
from cutlayer.models.compression.filters import filter_layers
from cutlayer.models.compression.quantiser import Quantiser
from cutlayer.models.profile import profile
from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.loading.loader import RawScenario, check_scenario
from cutlayer.scenarios.schema.compression import Compression, Dropout, PartSizes, Pruning, Quantisation
from cutlayer.scenarios.schema.scenario import Server, Stop
from cutlayer.sim.costs.compressed_sizes import CompressedSizes
from cutlayer.sim.nodes.capacity import PiecewiseCapacity
from cutlayer.sim.planning_error import PlanningError
from cutlayer.sim.schemes.base import TrainingTask
from cutlayer.sim.schemes.round_loop import run_rounds
from cutlayer.sim.schemes.round_planners.fixed_plan import FixedPlan
from cutlayer.sim.world.rounds.round_policy import Deadline
from cutlayer.sim.world.world import World
from tests.support.worlds import Setting, experiment, faults, fleet, links, make_scheme, plan_at, unit_table

ALL_ON: dict[str, Any] = {
    "pruning": {"share": 0.5, "renew_every": 3},
    "quantisation": {"bits": 6, "bucket": 100, "tensors": ["activations", "gradients", "models"]},
    "dropout": {"share": 0.2},
}
SCHEMES = ["sl", "sfl", {"name": "sfl_v2", "aggregate_every": 2}, "psl", "epsl", {"name": "epsl", "phi": 1.0},
           {"name": "epsl", "aggregation": "exact"}, "epsl_pt", {"name": "fl", "local_steps": 2}]  # fmt: skip
SHAPE = [1, 8, 8]
ROUNDS = 5


def ready(**sections: Any) -> Experiment:
    """Return a small scenario that trains."""
    return experiment(
        **{
            "schemes": SCHEMES,
            "stop": {"rounds": ROUNDS},
            "batch_size": 6,
            "model": {"name": "lenet", "input_shape": SHAPE, "classes": 10},
            "allocation": {"cut": 3},
            "compression": ALL_ON,
            "learning": {"dataset": {"name": "synthetic", "train_samples": 60, "test_samples": 20}},
            **sections,
        }
    )


class Recorded(NamedTuple):
    """What one scheme's run produced, with its intervals."""

    summary: dict[str, Any]
    rounds: pd.DataFrame
    intervals: pd.DataFrame


def runs(prepared: Experiment) -> dict[str, Recorded]:
    """Run every scheme, and return what it produced under its label."""
    found = {}
    for scheme, plan in prepared.schemes:
        writer = RecordWriter()
        run = run_scheme(prepared, scheme, plan, lambda label, result: None, writer)
        assert run is not None
        found[run.label] = Recorded(run.summary, run.rounds, writer.finish().intervals.frame())
    return found


def bits(table: pd.DataFrame, phase: str, number: int) -> list[float]:
    """Return the bits of a round's transfers of one phase."""
    rows = table[(table["phase"] == phase) & (table["round"] == number)]
    return sorted(rows["bits"].tolist())


EVERY_KIND = ["activations", "gradients", "models"]


@pytest.mark.parametrize(
    ("service", "tensors"),
    [
        ("barrier", EVERY_KIND),
        ("arrival", EVERY_KIND),
        ("barrier", ["gradients"]),
        ("barrier", ["activations"]),
    ],
)
def test_bits_in_the_record_are_those_of_the_messages(
    service: str, tensors: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transfer of a run has the bits that its tensors take when they are really packed into bytes."""
    section = Quantisation.model_validate(ALL_ON["quantisation"])
    sent: dict[tuple[str, int], list[int]] = defaultdict(list)
    original = CutLayerCodec.transmit

    def spy(self: CutLayerCodec, message: Tensor, kind: Any, client: int, number: int) -> Tensor:
        generator = self._generator(message.device, "spy")
        packed = 8 * len(Quantiser(section).encode(message, generator))
        padding = -message.numel() * section.bits % 8
        packed = packed - padding if kind in tensors else 32 * message.numel()
        name = "broadcast" if client < 0 else kind
        sent[name, number].append(packed)
        return original(self, message, kind, client, number)

    monkeypatch.setattr(CutLayerCodec, "transmit", spy)
    compression = {**ALL_ON, "quantisation": {**ALL_ON["quantisation"], "tensors": tensors}}
    prepared = ready(server={"service": service}, compression=compression)
    for scheme, plan in prepared.schemes:
        sent.clear()
        writer = RecordWriter()
        run = run_scheme(prepared, scheme, plan, lambda label, result: None, writer)
        assert run is not None
        intervals = writer.finish().intervals.frame()
        for number in range(1, ROUNDS + 1):
            for phase, kind in (("uplink", "activations"), ("downlink", "gradients"), ("broadcast",) * 2):
                expected = sorted(map(float, sent[kind, number]))
                assert expected == bits(intervals, phase, number), (run.label, phase, number)
        if "models" not in tensors:
            continue
        uploads = intervals[intervals["phase"] == "model_upload"].sort_values(["round", "node"])
        models = [m for (kind, _), each in sorted(sent.items()) if kind == "models" for m in each]
        assert sorted(map(float, models)) == sorted(uploads["bits"].tolist()), run.label
        assert (run.label == "psl" or run.label.startswith("epsl")) == (not models)


@pytest.mark.parametrize("kind", ["structured", "unstructured"])
@pytest.mark.parametrize("scheme_name", ["sfl", "sl", "fl"])
@pytest.mark.parametrize("quantised", [False, True])
def test_models_on_the_air_are_the_entries_that_masks_leave(
    scheme_name: str, kind: str, quantised: bool
) -> None:
    """A model takes 32 bits for each kept parameter, and its buffers; quantised, fewer on its way up."""
    text = {
        "name": "small",
        "stop": {"rounds": 2},
        "schemes": [scheme_name],
        "batch_size": 6,
        "model": {
            "name": "imported",
            "factory": "tests.support.learners:normed",
            "input_shape": [1, 4, 4],
            "classes": 3,
        },
        "devices": {"count": 2},
        "allocation": {"cut": 2},
        "learning": {"dataset": {"name": "synthetic", "train_samples": 60, "test_samples": 20}},
        "compression": {
            "pruning": {"share": 0.4, "kind": kind},
            "quantisation": {"tensors": ["models"]} if quantised else None,
        },
    }
    loaded = check_scenario(RawScenario(text, Path(), "small.yaml", {}, {}, []))
    prepared = prepare(loaded, allow_imports=True)
    scheme, plan = prepared.schemes[0]
    learner = scheme_learner(prepared, scheme, plan)
    world, planner = make_world(prepared, scheme, plan)
    assert 2 == len(list(run_rounds(scheme, world, learner, planner, Stop(rounds=2), 10)))
    part = learner.clients[0].module
    kept = learner.compression._pruner.masks
    expected = 0
    for name, value in (*part.named_parameters(), *part.named_buffers()):
        entries = int(kept[name].sum()) if name in kept else value.numel()
        expected += entries * (32 if value.is_floating_point() else 64)
    table = world.record.frame()
    assert {float(expected)} == set(bits(table, "model_download", 2))
    uploads = set(bits(table, "model_upload", 2))
    assert max(uploads) < expected if quantised else uploads == {float(expected)}


@pytest.mark.parametrize("service", ["barrier", "arrival"])
def test_the_timeline_is_that_of_an_untrained_run(service: str) -> None:
    """With all three on, every scheme takes the same time with and without tensors."""
    trained = runs(ready(server={"service": service}))
    alone = runs(ready(server={"service": service}, learning=None))
    assert len(SCHEMES) == len(trained)
    fingerprints = {label: run.summary["timeline_fingerprint"] for label, run in trained.items()}
    assert fingerprints == {label: run.summary["timeline_fingerprint"] for label, run in alone.items()}


def test_clients_compute_what_the_smaller_model_takes() -> None:
    """A pruned round's FLOPs are the profile of the model without the filters that the learner left out."""
    prepared = ready(schemes=["psl"])
    scheme, plan = prepared.schemes[0]
    learner = scheme_learner(prepared, scheme, plan)
    world, planner = make_world(prepared, scheme, plan)
    assert ROUNDS == len(list(run_rounds(scheme, world, learner, planner, Stop(rounds=ROUNDS), 10)))
    part = learner.clients[0].module
    layers = filter_layers(part, ends_model=False)
    masks = {
        layer.path: part.get_parameter(f"{layer.path}.weight").detach().flatten(1).any(dim=1)
        for layer in layers
    }
    units = profile(remove_filters(part, layers, masks)[:-1], SHAPE)  # type: ignore[index]  # without the gate
    table = world.record.frame()
    flops = {
        phase: set(table[(table["phase"] == phase) & (table["round"] == ROUNDS)]["flops"])
        for phase in ("client_forward", "client_backward")
    }
    assert {6 * units.forward_flops_to(len(units))} == flops["client_forward"]
    assert {6 * units.backward_flops_to(len(units))} == flops["client_backward"]


@pytest.mark.parametrize("scheme", ["sl", "psl", "fl"])
def test_masks_are_renewed_in_rounds_that_run_unpruned(scheme: str) -> None:
    """In rounds 1, 1+τ, … importances go up, 32 bits each, a mask comes down, and nothing else is saved."""
    pruning = {"pruning": ALL_ON["pruning"]}
    (pruned,) = runs(ready(schemes=[scheme], compression=pruning, stop={"rounds": 7}, learning=None)).values()
    (plain,) = runs(ready(schemes=[scheme], compression=None, stop={"rounds": 1}, learning=None)).values()
    filters = 16 + 32 + (64 if scheme == "fl" else 0)
    table = pruned.intervals
    for phase in ("importance_upload", "mask_broadcast"):
        assert [1, 4, 7] == sorted(set(table[table["phase"] == phase]["round"]))
    assert [32.0 * filters] * 3 == bits(table, "importance_upload", 4)
    assert [filters] == bits(table, "mask_broadcast", 4)
    extra = table["phase"].isin(["importance_upload", "mask_broadcast"])
    for number in (1, 4, 7):
        for column in ("bits", "flops"):
            expected = plain.intervals[column].sum()
            assert expected == table[(table["round"] == number) & ~extra][column].sum()
    flops = pruned.rounds["client_flops"]
    assert (flops[[1, 2, 4, 5]] < 0.5 * flops[0]).all()
    uploads = table[table["phase"] == "importance_upload"].sort_values("start_s")
    one_by_one = (uploads["start_s"].to_numpy()[1:] >= uploads["end_s"].to_numpy()[:-1]).all()
    assert one_by_one == (scheme == "sl")
    broadcasts = table[table["phase"] == "mask_broadcast"].set_index("round")
    assert (broadcasts["end_s"] == pruned.rounds.set_index("round")["end_s"].loc[[1, 4, 7]]).all()
    assert (uploads.groupby("round")["end_s"].max() <= broadcasts["start_s"]).all()


@pytest.mark.parametrize("service", ["barrier", "arrival"])
def test_a_prediction_is_of_an_ordinary_round(service: str) -> None:
    """Planning assumes pruned rounds: their latency is the predicted one, behind the barrier."""
    schemes = ["sl", "sfl", "sfl_v2", "psl", "epsl", "fl"]
    for run in runs(ready(schemes=schemes, learning=None, server={"service": service})).values():
        ordinary = run.rounds["latency_s"][[1, 2, 4]].tolist()
        predicted = [run.summary["predicted_latency_s"]] * 3
        if service == "barrier":
            assert predicted == pytest.approx(ordinary, rel=1e-9)
        assert run.rounds["latency_s"][0] > 1.5 * predicted[0]


def test_one_schemes_compression_changes_no_other_scheme() -> None:
    """Rows and weights of a scheme are the same beside a compressed one, and without it."""
    compressed = {"name": "epsl", "compression": ALL_ON}
    alone = runs(ready(schemes=["sfl", "psl"], compression=None))
    beside = runs(ready(schemes=[compressed, "sfl", "psl"], compression=None))
    for label in alone:
        for key in ("timeline_fingerprint", "weights_fingerprint"):
            assert alone[label].summary[key] == beside[label].summary[key]


def test_a_scheme_is_compressed_as_it_says_itself() -> None:
    """A compression of the scheme's own stands in the place of the scenario's; ``{}`` is none."""
    own = [{"name": "psl", "compression": ALL_ON}, {"name": "sfl", "compression": {}}]
    by_scheme = runs(ready(schemes=own, compression={"dropout": {"share": 0.9}}))
    assert ["psl pruned 0.5, 6 bit activations+gradients+models, δ=0.2", "sfl uncompressed"] == list(
        by_scheme
    )
    psl, sfl = by_scheme.values()
    assert (
        psl.summary["weights_fingerprint"]
        == runs(ready(schemes=["psl"]))["psl"].summary["weights_fingerprint"]
    )
    plain = runs(ready(schemes=["sfl"], compression=None))["sfl"]
    assert plain.summary["weights_fingerprint"] == sfl.summary["weights_fingerprint"]


def test_fedsl_without_compression_is_splitfed() -> None:
    """``fedsl`` with all three off is SFL to the bit, on both clocks; as it is, it is something else."""
    plain = {"name": "fedsl", "compression": {}, "label": "plain"}
    found = runs(ready(schemes=["sfl", plain, "fedsl"], compression=None))
    sfl, plain_run, fedsl = found["sfl"], found["plain"], found["fedsl"]
    for key in ("timeline_fingerprint", "weights_fingerprint"):
        assert sfl.summary[key] == plain_run.summary[key]
        assert sfl.summary[key] != fedsl.summary[key]
    assert (fedsl.rounds["latency_s"][1:] < sfl.rounds["latency_s"][1:]).all()


def test_what_does_not_apply_is_left_out() -> None:
    """FL has no cut layer and the centralised scheme sends nothing: what the scenario says passes them by."""
    cut_layer = {"dropout": {"share": 0.5}, "quantisation": {"tensors": ["activations", "gradients"]}}
    compressed = runs(ready(schemes=["fl", "centralised"], compression=cut_layer))
    plain = runs(ready(schemes=["fl", "centralised"], compression=None))
    for label in ("fl", "centralised"):
        for key in ("timeline_fingerprint", "weights_fingerprint"):
            assert plain[label].summary[key] == compressed[label].summary[key]


TABLE = """unit,forward_flops,backward_flops,activation_bits,gradient_bits,parameter_bits
a,1000,2000,3200,6400,32000
b,1000,2000,320,320,320
"""


def test_a_unit_table_tells_how_many_values_there_are(tmp_path: Any) -> None:
    """Of a table's bits each 32 are a value: dropout and quantisers need no layers, and no tensors."""
    (tmp_path / "units.csv").write_text(TABLE)
    (run,) = runs(
        ready(
            schemes=["sfl"], model={"name": "table", "file": tmp_path / "units.csv"}, learning=None,
            allocation={"cut": 1}, compression={key: ALL_ON[key] for key in ("quantisation", "dropout")},
        )
    ).values()  # fmt: skip
    assert [6.0 * 80 * 6 + 32 * 5] * 3 == bits(run.intervals, "uplink", 1)
    assert [6.0 * 160 * 6 + 32 * 10] * 3 == bits(run.intervals, "downlink", 1)
    assert [6.0 * 1000 + 32 * 10] * 3 == bits(run.intervals, "model_upload", 1)
    assert [32000.0] == bits(run.intervals, "model_download", 1)


@pytest.mark.parametrize(
    ("sections", "expected_message"),
    [
        (
            {"schemes": [{"name": "fl", "compression": {"dropout": {"share": 0.5}}}]},
            "schemes: fl δ=0.5: none of its compression applies; fl can compress: models, pruning",
        ),
        (
            {"schemes": [{"name": "psl", "compression": {"quantisation": {"tensors": ["models"]}}}]},
            "applies; psl can compress: activations, dropout, gradients, pruning",
        ),
        (
            {"schemes": [{"name": "centralised", "compression": {"pruning": {"share": 0.5}}}]},
            "centralised can compress: nothing",
        ),
    ],
)
def test_a_compression_of_its_own_must_apply(sections: dict[str, Any], expected_message: str) -> None:
    """Where nothing of it can be done, the fault says what could."""
    with pytest.raises(ScenarioError) as caught:
        ready(learning=None, compression=None, **sections)
    assert expected_message in str(caught.value)


@pytest.mark.parametrize("kind", ["structured", "unstructured"])
def test_a_unit_table_cannot_be_pruned(kind: str, tmp_path: Any) -> None:
    """It has no layers; the fault says so at the key that asks for it."""
    (tmp_path / "units.csv").write_text(TABLE)
    with pytest.raises(ScenarioError) as caught:
        ready(
            schemes=["sfl", "psl"], model={"name": "table", "file": tmp_path / "units.csv"}, learning=None,
            allocation={"cut": 1}, compression={"pruning": {"share": 0.5, "kind": kind}},
        )  # fmt: skip
    assert "compression.pruning: sfl: pruning needs the model's layers; table has none" in str(caught.value)


def pruning_scheme(maskable: int, every: int = 3) -> Any:
    """Return PSL on two units, its client part pruned to half."""
    units = unit_table([(1e6, 1e6, 3200, 3200, 3200), (1e6, 1e6, 320, 320, 320)])
    section = Compression(pruning=Pruning(share=0.5, renew_every=every))

    def sizes(count: int, pruned: bool) -> PartSizes:
        share = 0.5 if pruned else 1.0
        return PartSizes(share * 1e6, share * 1e6, share * 3200, share * 3200, share * 3200, 0, maskable)

    task = TrainingTask(units, 4, CompressedSizes(section, sizes))
    return make_scheme("psl", task)


@pytest.mark.parametrize(("cut", "where"), [(1, "at cut 1 units 1 to 1 have"), (0, "the model has")])
def test_a_planned_cut_with_nothing_to_prune_is_refused(cut: int, where: str) -> None:
    """Pruning that was asked for and does nothing is a fault, with the reason."""
    scheme = pruning_scheme(maskable=0)
    with pytest.raises(PlanningError, match=f"nothing to prune: {where} no filters") as caught:
        check_prunable(scheme, plan_at(scheme, cut, 2))
    assert ("compression", "pruning") == caught.value.key


class StuckUntil(PiecewiseCapacity):
    """A processor that gets nothing done before an instant."""

    def __init__(self, time_s: float) -> None:
        self.time_s = time_s

    def at(self, time_s: float) -> tuple[float, float]:
        """Return the relative speed, and the instant up to which it stays."""
        return (0.0, self.time_s) if time_s < self.time_s else (1.0, math.inf)


class Masks:
    """A learner that notes when its masks are lifted and renewed, and by whom."""

    train_loss = 0.0

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.number = 0

    def client_forward(self, clients: tuple[int, ...], number: int) -> None:
        """Note the round."""
        self.said.append(number)

    def server_step(self, merged: int, number: int) -> None:
        """Do nothing."""

    def client_step(self, clients: tuple[int, ...]) -> None:
        """Do nothing."""

    def restore_pruned(self) -> None:
        """Note it."""
        self.said.append("restored")

    def renew_masks(self, clients: tuple[int, ...]) -> None:
        """Note whose importances arrived."""
        self.said.append(clients)

    def evaluate(self, clients: tuple[int, ...] | None = None) -> Any:
        """Return an accuracy of 0."""
        return SimpleNamespace(mean=0.0, diverged=False)


@pytest.mark.parametrize(
    ("stuck_s", "said"),
    [
        ([0.0, 0.0], ["restored", 1, (0, 1), 2, 3, "restored", 4, (0, 1), 5]),
        # in round 1 nobody is in time: it is made up for, and the fourth is due all the same
        ([1.5, 1.5], ["restored", "restored", 2, (0, 1), 3, "restored", 4, (0, 1), 5]),
        ([0.0, 1.5], ["restored", 1, (0,), 2, 3, "restored", 4, (0, 1), 5]),
    ],
)
def test_a_renewal_takes_those_in_time(stuck_s: list[float], said: list[Any]) -> None:
    """Masks follow from the clients that took part; if none did, the next round is one of renewal."""
    scheme = pruning_scheme(maskable=10)
    setting = Setting(
        scheme.task.units, 4, fleet([1e9] * 2, [0.01] * 2), Server(), links([1e6] * 2, [1e6] * 2, [1e6] * 2)
    )
    world = World(
        setting.server,
        setting.fleet,
        setting.links,
        faults=faults(setting.fleet, [StuckUntil(s) for s in stuck_s]),
        round_policy=Deadline(1.0),
    )
    learner = Masks()
    planner = FixedPlan(plan_at(scheme, 1, 2), range(2))
    assert 5 == len(list(run_rounds(scheme, world, learner, planner, Stop(rounds=5), 100)))
    assert said == learner.said
    table = world.record.frame()
    uploads = table[table["phase"] == "importance_upload"].groupby("round")["bits"].sum()
    who = dict(pairwise(said))
    assert {n: 320 * len(who[n]) for n in (1, 2, 4) if isinstance(who.get(n), tuple)} == uploads.to_dict()
    flops = table[table["phase"] == "client_forward"].groupby("round")["flops"].max()
    unpruned = {n for before, n in pairwise(said) if before == "restored" and n in flops}
    assert {4e6} == set(flops[sorted(unpruned)])
    assert {2e6} == set(flops.drop(sorted({1, *unpruned})))


def test_kept_counts_are_whole() -> None:
    """⌈(1 − share)·n⌉ filters, round((1 − δ)n) values, never none; rounding of products does no harm."""
    assert [3, 1, 8] == [Pruning(share=s).num_kept(10) for s in (0.7, 0.99, 0.25)]
    assert [8, 1, 3] == [Dropout(share=s).num_kept(n) for s, n in ((0.2, 10), (0.999, 10), (0.7, 10))]
