"""The compression section: its rules, its part in labels, and the round trip of a written scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cutlayer.scenarios.errors import ScenarioError
from cutlayer.scenarios.loading.loader import RawScenario, check_scenario, scenario_yaml
from cutlayer.scenarios.schema.compression import Compression, Quantisation
from cutlayer.scenarios.schema.scenario import Scenario
from cutlayer.scenarios.yaml_lines import parse_yaml


def scenario(schemes: list[Any], **sections: Any) -> Scenario:
    """Return a checked scenario with these schemes."""
    data = {"name": "small", "stop": {"rounds": 1}, "schemes": schemes, "model": "lenet", **sections}
    return check_scenario(RawScenario(data, Path(), "small.yaml", {}, {}, [])).scenario


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"pruning": {}}, "compression.pruning.share: this key is required and missing"),
        ({"pruning": {"share": 1}}, "compression.pruning.share: must be less than 1; it is 1"),
        ({"pruning": {"share": 0.0}}, "compression.pruning.share: must be greater than 0; it is 0"),
        (
            {"pruning": {"share": 0.5, "renew_every": 1}},
            "compression.pruning.renew_every: must be greater than or equal to 2; it is 1",
        ),
        ({"quantisation": {"bits": 1}}, "quantisation.bits: must be greater than or equal to 2; it is 1"),
        ({"quantisation": {"bits": 17}}, "quantisation.bits: must be less than or equal to 16; it is 17"),
        ({"quantisation": {"bucket": 0}}, "quantisation.bucket: must be greater than or equal to 1; it is 0"),
        ({"quantisation": {"tensors": []}}, "quantisation.tensors: must hold at least one value"),
        (
            {"quantisation": {"tensors": ["models", "models"]}},
            "quantisation.tensors: lists a kind twice: models, models",
        ),
        ({"dropout": {"share": 1.5}}, "compression.dropout.share: must be less than 1; it is 1.5"),
        (
            {"dropuot": {"share": 0.5}},
            "unknown key; allowed: pruning, quantisation, dropout; did you mean 'dropout'?",
        ),
    ],
)
def test_a_wrong_value_is_reported_with_its_rule(section: dict[str, Any], expected: str) -> None:
    """The message names the key, the rule and the value, for the scenario's and a scheme's own section."""
    with pytest.raises(ScenarioError) as caught:
        scenario(["psl"], compression=section)
    assert expected in str(caught.value)
    with pytest.raises(ScenarioError) as caught:
        scenario([{"name": "psl", "compression": section}])
    assert expected in str(caught.value)
    assert "schemes.0.compression" in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "label"),
    [
        ({"name": "fl", "local_steps": 2, "compression": {"pruning": {"share": 0.5}}}, "fl E=2 pruned 0.5"),
        ({"name": "psl", "compression": {"quantisation": {"bits": 4}}}, "psl 4 bit"),
        (
            {"name": "sl", "compression": {"quantisation": {"tensors": ["gradients", "models"]}}},
            "sl 8 bit gradients+models",
        ),
        (
            {"name": "psl", "compression": {
                "pruning": {"share": 0.25, "kind": "unstructured"},
                "quantisation": {}, "dropout": {"share": 0.2},
            }},
            "psl pruned 0.25 unstructured, 8 bit, δ=0.2",
        ),
        ({"name": "psl", "compression": {}}, "psl uncompressed"),
        ("psl", "psl"),
        ("fedsl", "fedsl"),
        ({"name": "fedsl", "compression": {}}, "fedsl uncompressed"),
        ({"name": "psl", "compression": {"quantisation": {}}, "label": "mine"}, "mine"),
    ],
)  # fmt: skip
def test_a_default_label_names_the_compression(scheme: Any, label: str) -> None:
    """The default label names a scheme's own compression, but not the scenario's or the scheme's default."""
    found = scenario([scheme], compression={"dropout": {"share": 0.5}})
    assert label == found.schemes[0].label


def test_a_written_scenario_reads_back() -> None:
    """Absent, explicit and default compression of a scheme do not change in a round trip."""
    schemes = ["fedsl", "psl", {"name": "fedsl", "compression": {}}, {"name": "sl", "compression": {}}]
    for section in (None, {"quantisation": {}, "pruning": {"share": 0.5}}):
        found = scenario(schemes, compression=section)
        data, _ = parse_yaml(scenario_yaml(found), "written.yaml")
        assert found == check_scenario(RawScenario(data, Path(), "written.yaml", {}, {}, [])).scenario


def test_fedsl_is_never_without_a_section() -> None:
    """``compression: null`` is refused, since it would read back as the default."""
    with pytest.raises(ScenarioError, match=r"schemes\.0\.compression: must be a mapping"):
        scenario([{"name": "fedsl", "compression": None}])


def test_only_applicable_methods_remain() -> None:
    """A method remains if the scheme has its part; without a remaining method the result is None."""
    section = Compression.model_validate(
        {"quantisation": {"bits": 4, "tensors": ["models", "gradients"]}, "dropout": {"share": 0.5}}
    )
    models = Compression(quantisation=Quantisation(bits=4, tensors=("models",)))
    assert models == section.only({"pruning", "models"})
    assert section.only({"pruning"}) is None
    assert section.only({"dropout", "activations"}) == Compression(dropout=section.dropout)
