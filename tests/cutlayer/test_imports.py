"""Every module imports alone in a fresh process, and the loader knows all names in one."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import get_args

import pytest

from cutlayer.scenarios.registry import Kind, specs
from tests.support.processes import python

EACH_ALONE = """\
import contextlib, gc, importlib, json, multiprocessing, os, sys, traceback

gc.disable()  # a search for garbage would copy the memory that the processes share
sys.dont_write_bytecode, sys.pycache_prefix = False, os.getcwd()  # each source file is compiled once
for library in {libraries!r}:  # imported once, before the processes part; of this package nothing is
    with contextlib.suppress(ImportError):
        importlib.import_module(library)
assert not [name for name in sys.modules if name.partition(".")[0] == "cutlayer"]

def failure(module):
    try:
        importlib.import_module(module)
    except BaseException:
        return module, traceback.format_exc(limit=-2)
    return module, ""

with multiprocessing.get_context("fork").Pool(maxtasksperchild=1) as pool:
    answers = dict(pool.imap_unordered(failure, {modules!r}, chunksize=1))
assert len(answers) == {count}
print(json.dumps({{module: text for module, text in answers.items() if text}}))
"""
LIBRARIES = [
    "distributed",
    "lazy_loader",
    "matplotlib.pyplot",
    "networkx",
    "numpy",
    "pandas",
    "PIL.Image",
    "pyarrow.parquet",
    "pydantic",
    "rich.progress",
    "scipy.optimize",
    "scipy.stats",
    "simpy",
    "sklearn.datasets",
    "tabulate",
    "torch.utils.flop_counter",
    "typer",
    "yaml",
]
SUB_PACKAGES = ("analysis", "api", "cli", "experiments", "models", "progress", "scenarios", "sim")


def modules() -> list[str]:
    """Return the names of all modules of the package."""
    names = ["cutlayer", "cutlayer.__main__"]
    for sub_package in SUB_PACKAGES:
        folder = Path(str(resources.files(f"cutlayer.{sub_package}")))
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            names.append(".".join(("cutlayer", sub_package, *(p for p in parts if p != "__init__"))))
    return names


@pytest.mark.slow
def test_every_module_imports_alone(tmp_path: Path) -> None:
    """Each module is the first of the package that its process imports, and none fails."""
    names = modules()
    assert len(names) > 200
    script = EACH_ALONE.format(libraries=LIBRARIES, modules=names, count=len(names))
    assert {} == json.loads(python(script, tmp_path))


def test_a_scenario_loads_in_a_fresh_process(tmp_path: Path) -> None:
    """The loader alone knows the names of all built-in schemes, models and data sets."""
    script = (
        "from cutlayer.scenarios.loading.loader import load_scenario\n"
        "print([scheme.name for scheme in load_scenario('quickstart').scenario.schemes])"
    )
    assert "['sl', 'sfl', 'psl', 'epsl', 'epsl']\n" == python(script, tmp_path)


def test_the_json_schema_of_a_fresh_process_has_all_names(tmp_path: Path) -> None:
    """The schema holds every registered name."""
    script = (
        "import json\nfrom cutlayer.scenarios.schema.scenario import Scenario\n"
        "print(json.dumps(Scenario.model_json_schema()))"
    )
    schema = python(script, tmp_path)
    kinds = set(get_args(Kind)) - {"fault"}  # a fault is a section, not a name
    for kind in kinds:
        assert [] == [spec.name for spec in specs(kind) if f'"{spec.name}"' not in schema]
