"""Make the figures and the table of the README anew: ``python docs/refresh.py`` from any folder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE = re.compile(r"(<!-- quickstart -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Run the quickstart and copy what it made."""
    cutlayer = Path(sys.executable).with_name("cutlayer")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "quickstart"
        subprocess.run([str(cutlayer), "run", "quickstart", "--out", str(folder)], check=True)
        for name in ("gantt", "accuracy"):
            shutil.copy(folder / f"{name}.png", ROOT / "docs" / "figures" / f"quickstart_{name}.png")
        command = [str(cutlayer), "compare", str(folder), "--format", "markdown"]
        table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(TABLE.sub(lambda m: f"{m[1]}{table}{m[2]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
