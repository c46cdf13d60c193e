"""Laws of loading: numbers, defaults, and the round trip of the resolved scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.loading.library import library
from cutlayer.scenarios.loading.loader import LoadedScenario, load_scenario, scenario_yaml
from cutlayer.scenarios.yaml_lines import dump_yaml, parse_value
from tests.support.scenario_texts import CONTRACT

CONTROL: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")

OVERRIDES = {
    "name": st.text(st.characters(exclude_categories=CONTROL), min_size=1, max_size=200),
    "seed": st.integers(0, 2**63 - 1),
    "stop": st.fixed_dictionaries({"rounds": st.integers(1, 999)}, optional={"time_s": st.floats(1e-9, 1e9)}),
    "target_accuracy": st.floats(0.01, 1),
    "schemes": st.sampled_from(
        ["sl", {"name": "epsl", "phi": 1}, {"name": "sfl", "label": "1e9"}, {"name": "epsl_pt"}, "fl"]
    ).map(lambda scheme: [scheme]),
    "model": st.sampled_from(["mlp", "resnet18", {"name": "table", "file": "units.csv"}]),
    "devices.count": st.just(3),
    "devices.clock_hz": st.one_of(
        st.floats(1e-3, 1e12),
        st.lists(st.floats(1e-3, 1e12), min_size=3, max_size=3),
        st.fixed_dictionaries({"choice": st.lists(st.floats(1, 1e12), min_size=1)}),
        st.just({"lognormal": {"median": 1e9, "sigma": 0.5}}),
    ),
    "devices.distance_m": st.just({"uniform_disc": 30}),
    "radio.path_loss": st.sampled_from(
        ["samimi_28ghz", {"model": "fixed", "gain_db": -90}, {"model": "fixed", "file": "gains.csv"}]
    ),
    "allocation.cut": st.one_of(st.integers(1, 9), st.just("random")),
    "allocation.subchannels": st.sampled_from(["round_robin", [[0], [1, 2], [3]]]),
    "allocation.power": st.sampled_from(["uniform", {"dbm_per_hz": [-60, -61.5, -62]}]),
    "round_policy": st.sampled_from([{"wait": "all"}, {"deadline_s": 0.25}]),
    "stragglers": st.sampled_from([{"slowdown": {}}, {}]),
}


def reread(loaded: LoadedScenario, folder: Path) -> LoadedScenario:
    """Write the resolved scenario to a file and load that."""
    path = folder / "resolved.yaml"
    path.write_text(scenario_yaml(loaded.scenario), encoding="utf-8")
    return load_scenario(path)


@pytest.mark.parametrize("name", library())
def test_library_scenarios_resolve_to_themselves(name: str, tmp_path: Path) -> None:
    """The resolved text of a scenario, read again, gives an equal scenario."""
    loaded = load_scenario(name)
    assert loaded.scenario == reread(loaded, tmp_path).scenario


def test_the_full_scenario_resolves_to_itself(tmp_path: Path) -> None:
    """A scenario that gives nearly every key loads, and its resolved text gives an equal one."""
    path = tmp_path / "full.yaml"
    path.write_text(CONTRACT, encoding="utf-8")
    loaded = load_scenario(path)
    assert ["sl", "sfl", "psl", "epsl φ=0.5", "EPSL φ=1"] == [s.label for s in loaded.scenario.schemes]
    assert loaded.scenario == reread(loaded, tmp_path).scenario


@given(st.fixed_dictionaries({}, optional=OVERRIDES))
def test_any_scenario_resolves_to_itself(
    tmp_path_factory: pytest.TempPathFactory, overrides: dict[str, Any]
) -> None:
    """Whatever is set, the resolved text read from another folder gives an equal scenario."""
    texts = [f"{key}={dump_yaml(value)}" for key, value in {"devices.count": 3, **overrides}.items()]
    loaded = load_scenario("timeline_only", texts)
    assert loaded.scenario == reread(loaded, tmp_path_factory.mktemp("other")).scenario


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e9", 1e9),
        ("1.0e9", 1e9),
        ("28.0e9", 28e9),
        ("1E+9", 1e9),
        (".5", 0.5),
        ("5.", 5.0),
        ("-174", -174),
        ("+3", 3),
        ("007", 7),
        ("0x10", 16),
        ("0o17", 15),
        (".inf", float("inf")),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("'1e9'", "1e9"),
        ("e9", "e9"),
        (".", "."),
    ],
)
def test_values_are_read_as_yaml_1_2_says(text: str, value: object) -> None:
    """The core schema of YAML 1.2: powers of ten are numbers, ``no`` and ``1:30`` are text."""
    read = parse_value(text)
    assert (type(value), value) == (type(read), read)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(st.characters(exclude_categories=CONTROL, include_characters="\n\t")),
        lambda values: (
            st.lists(values, max_size=3) | st.dictionaries(st.text("ab1e:", max_size=3), values, max_size=3)
        ),
        max_leaves=6,
    )
)
def test_dumped_values_read_back(value: Any) -> None:
    """Plain data, dumped and read, are equal and of the same types."""
    assert repr(value) == repr(parse_value(dump_yaml(value)))


def test_relative_paths_are_the_scenarios(tmp_path: Path) -> None:
    """A relative path is taken from the folder of the scenario's file, not from the working directory."""
    path = tmp_path / "table.yaml"
    path.write_text("name: a\nstop: {rounds: 1}\nschemes: [fl]\nmodel: {name: table, file: units.csv}\n")
    model: Any = load_scenario(path).scenario.model
    assert tmp_path / "units.csv" == model.file


@pytest.mark.parametrize(
    "override",
    [
        "devices.overrides={2: {clock_hz: 1.0e8}}",
        "devices.overrides.2.clock_hz=1.0e8",
        "devices={count: 5, overrides: {2: {clock_hz: 1.0e8}}}",
        "sweep={grid: {devices.overrides: [{2: {clock_hz: 1.0e8}}, {}]}}",
    ],
)
def test_devices_are_numbered_in_options_as_in_files(override: str) -> None:
    """A device's number may be the key of a mapping wherever overrides are given."""
    scenario = load_scenario("timeline_only", [override]).scenario
    if scenario.sweep is None:
        assert scenario.devices.overrides is not None
        assert [1.0e8] == [each.clock_hz for each in scenario.devices.overrides.values()]
