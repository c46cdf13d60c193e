"""Laws of the issue collector: the exceptions that it catches, and the keys and order of the issues."""

from __future__ import annotations

from pathlib import Path

import pytest

from cutlayer.scenarios.errors import KeyPathError, ScenarioError
from cutlayer.scenarios.loading.issue_collector import IssueCollector
from cutlayer.scenarios.loading.loader import LoadedScenario, load_scenario
from tests.support.wrong_input import GOOD


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedScenario:
    """Return the good scenario, read from ``good.yaml``."""
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(GOOD, encoding="utf-8")
    return load_scenario("good.yaml")


def test_an_exception_ends_its_block_and_becomes_an_issue(loaded: LoadedScenario) -> None:
    """The rest of the block is skipped; the lines after the block run."""
    issues = IssueCollector(loaded)
    steps = []
    with issues.at("devices", "count"):
        steps.append("before")
        raise ValueError("too many")
    steps.append("after")
    assert ["before", "after"] == steps
    assert ["devices.count: too many"] == [f"{issue.key}: {issue.message}" for issue in issues.issues]


def test_only_the_stated_exceptions_are_caught(loaded: LoadedScenario) -> None:
    """Any other exception passes through, and adds no issue."""
    issues = IssueCollector(loaded)
    with pytest.raises(KeyError), issues.at("model"):
        raise KeyError("a defect of the program")
    with pytest.raises(ValueError, match="no key path"), issues.at_stated_key():
        raise ValueError("no key path")
    assert not issues


def test_the_innermost_block_determines_the_key(loaded: LoadedScenario) -> None:
    """An exception of an inner block ends that block alone."""
    issues = IssueCollector(loaded)
    with issues.at("devices"):
        with issues.at("radio"):
            raise ValueError("inner")
        raise ValueError("outer")
    assert [("radio", "inner"), ("devices", "outer")] == [(i.key, i.message) for i in issues.issues]


def test_an_error_with_a_key_path_states_its_own_key(loaded: LoadedScenario) -> None:
    """``at_stated_key`` takes the key path from the error."""
    issues = IssueCollector(loaded)
    with issues.at_stated_key():
        raise KeyPathError("too little memory", ("server", "memory_mib"))
    assert ["server.memory_mib"] == [issue.key for issue in issues.issues]


def test_one_per_key_keeps_the_first_issue(loaded: LoadedScenario) -> None:
    """Later issues of the same key path are dropped."""
    issues = IssueCollector(loaded, one_per_key=True)
    for key, message in (("a", "first"), ("b", "second"), ("a", "third")):
        issues.add((key,), message)
    assert ["first", "second"] == [issue.message for issue in issues.issues]


def test_all_issues_are_raised_in_the_order_of_the_file(loaded: LoadedScenario) -> None:
    """The error names the line of each key; without an issue nothing is raised."""
    issues = IssueCollector(loaded)
    issues.raise_if_any()
    issues.add(("radio", "subchannels"), "too few")
    issues.add(("devices", "count"), "too many")
    with pytest.raises(ScenarioError) as caught:
        issues.raise_if_any()
    assert ["good.yaml:5: devices.count: too many", "good.yaml:6: radio.subchannels: too few"] == str(
        caught.value
    ).splitlines()
