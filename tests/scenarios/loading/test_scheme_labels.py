"""Tests of the labels of schemes: the default one, and its form in figures and tables."""

from __future__ import annotations

from typing import Any

import pytest

from cutlayer.scenarios.loading.scheme_labels import default_label, paper_label
from cutlayer.scenarios.registry import lookup, specs
from cutlayer.scenarios.schema.registered import SchemeParameters


def parameters(name: str, **keys: Any) -> SchemeParameters:
    """Return the section of a scheme."""
    section = lookup("scheme", name).parameters.model_validate({"name": name, **keys})
    assert isinstance(section, SchemeParameters)
    return section


@pytest.mark.parametrize(
    ("name", "keys", "default", "paper"),
    [
        ("sl", {}, "sl", "SL"),
        ("sfl", {}, "sfl", "SplitFed V1"),
        ("sfl_v2", {"aggregate_every": 5}, "sfl_v2 I=5", "SplitFed V2 (I = 5)"),
        ("psl", {}, "psl", "PSL"),
        ("epsl", {"phi": 0.5}, "epsl φ=0.5", "EPSL (φ = 0.5)"),
        ("epsl", {"aggregation": "exact"}, "epsl φ=0.5 exact", "EPSL (φ = 0.5, exact)"),
        ("epsl_pt", {}, "epsl_pt φ=1→0", "EPSL-PT (φ = 1→0)"),
        ("fl", {"local_steps": 5}, "fl E=5", "FL (E = 5)"),
        ("mpsl", {"first_units": 1}, "mpsl", "MP-SL"),
        ("edgesplit", {"cuts": "common"}, "edgesplit common cut", "EdgeSplit (common cut)"),
        ("psl", {"compression": {"dropout": {"share": 0.2}}}, "psl δ=0.2", "PSL (δ = 0.2)"),
    ],
)
def test_a_default_label_has_a_form_for_papers(
    name: str, keys: dict[str, Any], default: str, paper: str
) -> None:
    """Names are those of the papers, and parameters stand in brackets; the label of files stays short."""
    scheme = parameters(name, **keys)
    assert (default, paper) == (default_label(scheme), paper_label(scheme))
    assert paper == paper_label(scheme.model_copy(update={"label": default}))


def test_a_label_of_the_user_stays_as_it_is() -> None:
    """A given label is shown unchanged, unless it is a beginning of the default one."""
    times_of_the_paper = parameters("epsl", charge_second_forward=False, label="epsl φ=0.5")
    assert "EPSL (φ = 0.5)" == paper_label(times_of_the_paper)
    assert "epsl at one half" == paper_label(parameters("epsl", label="epsl at one half"))
    assert "EPSL-PT" == paper_label(parameters("epsl_pt", label="epsl_pt"))


def test_every_built_in_scheme_has_a_name_of_its_own() -> None:
    """No two built-in schemes have the same name in figures, and none shows the name of scenarios."""
    names = {
        spec.name: spec.display_name for spec in specs("scheme") if not isinstance(spec.entry_point, str)
    }
    assert len(names) == len(set(names.values()))
    assert [] == [name for name, shown in names.items() if name == shown]
