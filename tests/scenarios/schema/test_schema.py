"""The JSON Schema for editors is up to date, complete, and agrees with the program."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from cutlayer.cli.main import app
from cutlayer.scenarios.loading.library import library
from cutlayer.scenarios.yaml_lines import parse_yaml
from tests.support.scenario_texts import CONTRACT

COMMITTED = (resources.files("cutlayer.scenarios") / "scenario.schema.json").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads(COMMITTED)
MINIMAL = (
    "name: a\nstop: {rounds: 1}\nschemes: [psl]\nmodel: {name: lenet, input_shape: [1, 8, 8], classes: 10}\n"
)


def issues(text: str) -> list[str]:
    """Return the messages of a JSON Schema validator about a scenario."""
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(parse_yaml(text, "text")[0])]


def test_the_committed_schema_is_up_to_date() -> None:
    """``cutlayer schema`` prints the committed file."""
    assert CliRunner().invoke(app, ["schema"]).stdout == COMMITTED


def test_the_schema_is_a_json_schema() -> None:
    """The schema itself is valid under the specification that it follows."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", library())
def test_library_scenarios_are_valid(name: str) -> None:
    """Every scenario of the library is valid under the schema."""
    assert [] == issues(library()[name].read_text(encoding="utf-8"))


def test_a_full_scenario_is_valid() -> None:
    """A scenario that gives nearly every key is valid under the schema."""
    assert [] == issues(CONTRACT)


@pytest.mark.parametrize(
    "more",
    [
        "sede: 1\n",
        "batch_size: 0\n",
        "batch_size: '8'\n",
        "target_accuracy: 75\n",
        "devices: {cuont: 3}\n",
        "devices: {clock_hz: {uniform: [1]}}\n",
        "radio: {path_loss: {name: samimi_28ghz}}\n",
        "radio: {path_loss: {model: samimi_28ghz, mod: mean}}\n",
        "server: {service: queue}\n",
        "allocation: {cut: 0}\n",
        "allocation: {subchannels: greedi}\n",
        "learning: {dataset: digit}\n",
        "learning: {optimizer: {name: adam, client_lr: 0}}\n",
    ],
)
def test_bad_scenarios_are_not_valid(more: str) -> None:
    """The schema refuses scenarios that an editor can recognise as wrong."""
    assert [] == issues(MINIMAL)
    assert [] != issues(MINIMAL + more)


@pytest.mark.parametrize("key", ["name", "stop", "schemes", "model"])
def test_required_keys(key: str) -> None:
    """The keys without a default are required."""
    left = "".join(line for line in MINIMAL.splitlines(keepends=True) if not line.startswith(key))
    assert [f"'{key}' is a required property"] == issues(left)


def test_every_key_is_described_and_has_its_default() -> None:
    """Each key of each section has a description, and a default unless it is required."""
    sections = {"Scenario": SCHEMA, **SCHEMA["$defs"]}
    for name, section in sections.items():
        for key, value in section["properties"].items():
            assert described(value), f"{name}.{key}"
            assert ("default" in value) != (key in section.get("required", [])), f"{name}.{key}"


def described(value: dict[str, Any]) -> bool:
    """Return whether a key has a description, of its own or of the section that it refers to."""
    return "description" in value or any("$ref" in form for form in (value, *value.get("anyOf", [])))
