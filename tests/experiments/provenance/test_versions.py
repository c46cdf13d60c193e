"""The code fingerprint covers every source file that can change a result, and no other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.processes import python

ROOT = Path(__file__).parents[3]
FOLDERS = ("analysis", "cutlayer", "experiments", "models", "scenarios", "sim")
CHANGE_EACH_FILE = """
import json, sys
from pathlib import Path
root = Path(%r)
sys.path.insert(0, str(root))
from cutlayer.experiments.provenance.versions import code_fingerprint
unchanged = code_fingerprint.__wrapped__()
same = []
for path in sorted([*root.rglob("*.py"), *root.rglob("*.csv")]):
    source = path.read_bytes()
    path.write_bytes(source + b"\\n# changed\\n")
    if code_fingerprint.__wrapped__() == unchanged:
        same.append(path.relative_to(root).as_posix())
    path.write_bytes(source)
assert code_fingerprint.__wrapped__() == unchanged
print(json.dumps(same))
"""


@pytest.fixture(scope="module")
def without_effect(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the source files of a copy of the package whose change leaves the fingerprint as it is."""
    copy = tmp_path_factory.mktemp("package")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    names: list[str] = json.loads(python(CHANGE_EACH_FILE % str(copy), copy))
    return names


def test_every_file_that_decides_results_changes_the_fingerprint(without_effect: list[str]) -> None:
    """Only the command line, progress, and what is made of finished runs are left out."""
    shown = ("comparison", "explain", "figures", "redraw", "report", "timeline", "trace")
    left_out = (
        *("cutlayer/cli/", "cutlayer/__main__", "cutlayer/progress/"),
        *(f"analysis/{folder}/" for folder in shown),
    )
    assert [] == [name for name in without_effect if not name.startswith(left_out)]


def test_the_command_line_and_figures_do_not_change_the_fingerprint(without_effect: list[str]) -> None:
    """A sweep goes on after a change of its figures or of the command line."""
    assert {"cutlayer/cli/main.py", "analysis/figures/gantt.py", "analysis/comparison/table.py"} <= {
        *without_effect
    }
