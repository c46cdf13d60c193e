"""Every module imports alone in a fresh process, and the loader knows all names in one."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import get_args

from cutlayer.scenarios.registry import Kind, specs
from tests.support.processes import python

EACH_ALONE = """\
import contextlib, importlib, json, os, sys, traceback

# Libraries are imported once, before the processes part; of this package nothing is.
for library in {libraries!r}:
    with contextlib.suppress(ImportError):
        importlib.import_module(library)
assert not [name for name in sys.modules if name.partition(".")[0] == "cutlayer"]
failures = {{}}
for module in {modules!r}:
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            importlib.import_module(module)
        except BaseException:
            os.write(writing, traceback.format_exc(limit=-2).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        if text := pipe.read():
            failures[module] = text
    os.wait()
print(json.dumps(failures))
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
SUB_PACKAGES = ("analysis", "cli", "experiments", "models", "scenarios", "sim")


def modules() -> list[str]:
    """Return the names of all modules of the package."""
    names = ["cutlayer", "cutlayer.__main__", "cutlayer.api"]
    for sub_package in SUB_PACKAGES:
        folder = Path(str(resources.files(f"cutlayer.{sub_package}")))
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            names.append(".".join(("cutlayer", sub_package, *(p for p in parts if p != "__init__"))))
    return names


def test_every_module_imports_alone(tmp_path: Path) -> None:
    """Each module is the first of the package that its process imports, and none fails."""
    names = modules()
    assert len(names) > 200
    script = EACH_ALONE.format(libraries=LIBRARIES, modules=names)
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
    for kind in get_args(Kind):
        assert all(f'"{spec.name}"' in schema for spec in specs(kind))
