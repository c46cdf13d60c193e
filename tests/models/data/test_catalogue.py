"""The catalogue names every data set without importing the libraries that the data set needs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from pydantic import ValidationError

import cutlayer.models.data.catalogue
from cutlayer.scenarios.registry import lookup

ON_DISK = ("mnist", "cifar10", "medmnist", "ham10000")


@pytest.mark.parametrize("name", ["digits", "synthetic", *ON_DISK])
def test_every_name_leads_to_a_loader(name: str) -> None:
    """Each entry point is a function of parameters and input shape, and its parameters accept the name."""
    assert cutlayer.models.data.catalogue.__all__ == []
    spec = lookup("dataset", name)
    signature = inspect.signature(spec.load(), eval_str=True)
    assert ["parameters", "input_shape"] == list(signature.parameters)
    assert spec.parameters is signature.parameters["parameters"].annotation


@pytest.mark.parametrize("name", ON_DISK)
def test_sets_on_disk_need_a_path(name: str) -> None:
    """A data set on disk needs a path. A relative path starts at the scenario's folder."""
    parameters = lookup("dataset", name).parameters
    with pytest.raises(ValidationError, match="path"):
        parameters.model_validate({"name": name})
    given = parameters.model_validate({"name": name, "path": "data"}, context={"folder": "/scenarios"})
    assert "/scenarios/data" == str(getattr(given, "path"))  # noqa: B009 - of each class of parameters


def test_naming_data_sets_imports_no_heavy_library() -> None:
    """The catalogue, partition and batches work without torch, scikit-learn, pandas or Pillow."""
    code = (
        "import sys, cutlayer.models.data, cutlayer.models.data.catalogue; "
        "print(sorted({'torch', 'sklearn', 'pandas', 'PIL', 'simpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
