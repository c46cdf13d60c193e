"""The folders import from each other as the contracts in ``.importlinter`` allow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_each_folder_imports_from_the_floors_below(tmp_path: Path) -> None:
    """import-linter finds no broken contract.

    It searches for modules in the folder of the package, so it gets a copy in which ``sim`` and the others
    are sub-folders, as in an installed package.
    """
    package = tmp_path / "cutlayer"
    shutil.copytree(ROOT / "cutlayer", package)
    for folder in ("analysis", "experiments", "models", "scenarios", "sim"):
        shutil.copytree(ROOT / folder, package / folder)
    lint = f"lint_imports(config_filename={str(ROOT / '.importlinter')!r}, cache_dir=None)"
    process = subprocess.run(
        [sys.executable, "-c", f"import sys; from importlinter.cli import lint_imports; sys.exit({lint})"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "0 broken" in process.stdout
